"""Times that cannot be, and the ways in which RFC 3339 writes those that can."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.assets.ledgers import MONTH, SEEN, ledger_of
from tests.assets.ledgers import job as a_job
from warehouse.contract import contract
from warehouse.engine import connection, run
from warehouse.sql import run_macros

NEVER = (
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.9999999Z",
    "1970-01-01T00:00:00Z",
    "1900-01-01T00:00:00+00:00",
    "2199-01-01T00:00:00Z",
    "2262-04-11T23:47:16Z",
)


def test_a_time_that_cannot_be_is_null_in_jobs_and_a_row_of_contract_drift(tmp_path: Path) -> None:
    jobs = [
        a_job(id=f"{place}-{key}", state="Cancelled", **{key: written})
        for place, written in enumerate(NEVER)
        for key in ("startedDateTime", "endedDateTime")
    ]
    ledger = ledger_of(tmp_path, jobs)
    shown = ledger.rows("jobs", "started_at", "ended_at", "queue_seconds", "run_seconds", "total_seconds")
    assert [set(row.values()) for row in shown] == [{None}] * len(jobs)
    drift = ledger.rows("contract_drift", "path", "kind", "jobs", "example")
    drift = [row for row in drift if row["kind"] == "implausible"]
    assert drift == [
        {"path": "$.executionInfo.endedDateTime", "kind": "implausible", "jobs": 6, "example": f'"{NEVER[0]}"'},
        {"path": "$.executionInfo.startedDateTime", "kind": "implausible", "jobs": 6, "example": f'"{NEVER[0]}"'},
    ]
    assert NEVER[0] in ledger.rows("observations", "body")[0]["body"]


def test_a_clock_that_differs_by_hours_is_no_reason_to_disbelieve_a_time(tmp_path: Path) -> None:
    early = a_job(createdDateTime=f"{MONTH}-05T12:00:00Z", startedDateTime=f"{MONTH}-05T06:00:00Z")
    [row] = ledger_of(tmp_path, [early]).rows("jobs", "started_at", "queue_seconds")
    assert row == {"started_at": datetime(2025, 8, 5, 6, tzinfo=UTC), "queue_seconds": -6 * 3600}


RULE = contract().plausible_time
SLACK = timedelta(seconds=RULE.slack_seconds)


@pytest.mark.proof
@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)), min_size=20, max_size=40)
)
def test_every_time_in_jobs_lies_between_creation_and_observation(
    tmp_path_factory: pytest.TempPathFactory, written: list[datetime]
) -> None:
    data = tmp_path_factory.mktemp("times")
    jobs = [a_job(startedDateTime=start.isoformat(), endedDateTime=end.isoformat()) for start, end in pairwise(written)]
    for row in ledger_of(data, jobs).rows("jobs", "created_at", "started_at", "ended_at"):
        for moment in (row["started_at"], row["ended_at"]):
            assert moment is None or row["created_at"] - SLACK <= moment <= SEEN + SLACK


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2025-08-05t12:38:12z", datetime(2025, 8, 5, 12, 38, 12, tzinfo=UTC)),
        ("2025-08-05T12:38:12,25Z", datetime(2025, 8, 5, 12, 38, 12, 250000, tzinfo=UTC)),
        ("2025-08-05T12:38:12.0000000+00:00", datetime(2025, 8, 5, 12, 38, 12, tzinfo=UTC)),
        ("2025-08-05T12:38:12.5-05:30", datetime(2025, 8, 5, 18, 8, 12, 500000, tzinfo=UTC)),
        ("2025-08-31T23:59:60Z", datetime(2025, 8, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2025-08-31T23:59:60.5z", datetime(2025, 8, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2025-08-05T12:38Z", datetime(2025, 8, 5, 12, 38, tzinfo=UTC)),
        ("2025-08-05T12:38:61Z", None),
        ("2025-02-30T12:38:12Z", None),
        ("infinity", None),
        ("soon", None),
    ],
)
def test_times_are_read_as_rfc_3339_writes_them(written: str, read: datetime | None) -> None:
    with connection() as con:
        run_macros(con)
        assert run(con, "SELECT epoch_us(utc_time(?))", [written])[0][0] == (read and round(read.timestamp() * 1e6))


def test_a_job_whose_time_of_creation_is_written_small_lands(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, [a_job(createdDateTime="2025-08-05t12:38:12z")])
    assert len(ledger.rows("jobs")) == 1
    assert ledger.rows("rejected_records") == []


def test_a_state_that_stands_twice_is_the_last_one_in_every_table(tmp_path: Path) -> None:
    body = '{"id":"a","state":"Queued","iTwinId":"i","userId":"u","type":"EvalO2D","executionInfo":'
    body += f'{{"createdDateTime":"{MONTH}-05T12:38:12Z"}},"specifications":{{}},"state":"%s"}}'
    ledger = ledger_of(tmp_path, [(body % "Active").encode()])
    ledger.show((body % "Failed").encode(), at=SEEN + timedelta(hours=1))
    ledger.flatten()
    assert [row["state"] for row in ledger.rows("jobs")] == ["Failed"]
    assert [row["state"] for row in ledger.rows("job_states")] == ["Active", "Failed"]
