"""No mart makes rows without bound from one record, whatever its times say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.warehouse.mart_ledger import ledger, rows
from tests.warehouse.mart_worlds import AS_OF, HOUR, Row, edge_jobs, job
from warehouse.marts.all import MARTS
from warehouse.marts.durations import DURATION_MARTS

_, HOURLY_LOAD, _ = DURATION_MARTS
ABSURD = (
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1601, 1, 1, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2262, 4, 11, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
)
HOURS_OF_TEN_YEARS = 10 * 366 * 24


def absurd_jobs(outcome: str) -> list[Row]:
    """A job for each time that it has and each absurd value of it; what was observed is right."""
    jobs = []
    for name in ("created_at", "started_at", "ended_at", "vanished_at"):
        for number, moment in enumerate(ABSURD):
            plain = job(f"{name}-{number}", AS_OF - 9 * HOUR, outcome=outcome, wait=HOUR, run=HOUR, changed_at=AS_OF)
            jobs.append(plain | {name: moment})
    return jobs


@pytest.mark.parametrize("outcome", ["success", "open"])
@pytest.mark.parametrize("as_of", [AS_OF, None], ids=["walked", "no complete walk"])
def test_no_mart_makes_more_rows_of_absurd_times_than_ten_years_have_hours(
    outcome: str, as_of: datetime | None
) -> None:
    jobs = absurd_jobs(outcome)
    con = ledger({"jobs": jobs}, as_of, MARTS)
    counts = {mart.name: con.sql(f"SELECT count(*) FROM {mart.name}").fetchall()[0][0] for mart in MARTS}
    load = counts.pop("hourly_load")
    assert load <= HOURS_OF_TEN_YEARS + 25
    assert {name: count for name, count in counts.items() if count > 4 * len(jobs)} == {}


def test_an_end_in_the_year_9999_counts_until_a_day_after_it_was_seen() -> None:
    run = job("a", AS_OF - 3 * HOUR, wait=HOUR, run=HOUR, changed_at=AS_OF) | {"ended_at": ABSURD[-1]}
    found = rows(ledger({"jobs": [run]}, AS_OF), HOURLY_LOAD)
    assert [row["hour"] for row in found][-1] == (AS_OF + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    assert [row["running_at_start"] for row in found[3:]] == [1] * 25
    assert sum(row["ended"] for row in found) == 0


def test_jobs_with_absurd_times_leave_the_hours_before_and_after_as_they_are() -> None:
    jobs = edge_jobs()
    absurd = [job("a", ABSURD[0], wait=HOUR, run=HOUR), job("z", ABSURD[-1] - 3 * HOUR, wait=HOUR, run=HOUR)]
    for row in absurd:
        row["changed_at"] = AS_OF
    plain, mixed = (rows(ledger({"jobs": found}, AS_OF), HOURLY_LOAD) for found in (jobs, [*jobs, *absurd]))
    assert mixed == plain
