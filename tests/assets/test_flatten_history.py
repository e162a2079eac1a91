"""What flattening makes of versions, walks and crashes: exact times, honest bounds, files made anew when need be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from assets.flatten import MADE_FROM, is_fresh, made_from
from tests.assets.ledgers import ITWIN, SEEN, Ledger, Row, history, job, ledger_of, observed, walked
from warehouse.tables import flattened_tables

DAY: Final = datetime(2025, 8, 6, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
OTHER_ITWIN: Final = "00000000-0000-4000-8000-000000000000"


def at(hour: int) -> datetime:
    return DAY + timedelta(hours=hour)


def seen(hour: int, state: str | None, *, walk_id: str | None = None, gone: bool = False, **changes: Any) -> Row:
    return observed(job(id="a", state=state, **changes), at(hour), walk_id=walk_id, gone=gone)


def walk(hour: int, *, itwin_id: str | None = ITWIN, complete: bool = True) -> Row:
    """A walk from a minute before the hour to a minute after it, called by its hour."""
    return walked(at(hour) - MINUTE, at(hour) + MINUTE, walk_id=str(hour), itwin_id=itwin_id, complete=complete)


def stretches(path: Path, observations: list[Row], walks: list[Row]) -> list[tuple[Any, ...]]:
    """State, first seen, last seen, not seen after; times as hours of the day."""
    rows = history(path, observations, walks).rows("job_states")
    return [(row["state"], *(hours(row[name]) for name in list(row)[2:])) for row in rows]


def hours(instant: datetime | None) -> float | None:
    return None if instant is None else round((instant - DAY) / timedelta(hours=1), 2)


BEFORE_3: Final = round(3 - 1 / 60, 2)


@pytest.mark.parametrize(
    ("walks", "last_seen"),
    [
        ([], 0),
        ([walk(3)], BEFORE_3),
        ([walk(1), walk(3)], BEFORE_3),
        ([walk(3, complete=False)], 0),
        ([walk(3, itwin_id=OTHER_ITWIN)], 0),
        ([walk(3, itwin_id=None)], 0),
        ([walk(7)], 0),
    ],
    ids=["none", "covers", "the last", "incomplete", "another iTwin", "not its own", "after the change"],
)
def test_a_state_was_last_seen_by_the_last_complete_walk_that_covers_the_job(
    walks: list[Row], last_seen: float, tmp_path: Path
) -> None:
    found = stretches(tmp_path, [seen(0, "Queued"), seen(5, "Active")], walks)
    assert found == [("Queued", 0, last_seen, None), ("Active", 5, 5, last_seen)]


def test_a_walk_of_the_caller_s_own_jobs_covers_those_that_such_a_walk_has_shown(tmp_path: Path) -> None:
    own = [walk(0, itwin_id=None), walk(3, itwin_id=None)]
    found = stretches(tmp_path, [seen(0, "Queued", walk_id="0"), seen(5, "Active")], own)
    assert found == [("Queued", 0, BEFORE_3, None), ("Active", 5, 5, BEFORE_3)]


def test_versions_in_one_state_are_one_stretch_and_a_state_that_comes_again_is_another(tmp_path: Path) -> None:
    observations = [seen(0, "Active"), seen(1, "Active", name="new"), seen(2, "Queued"), seen(3, "Active")]
    assert stretches(tmp_path, observations, []) == [
        ("Active", 0, 1, None),
        ("Queued", 2, 2, 1),
        ("Active", 3, 3, 2),
    ]


def test_a_job_without_a_state_has_a_stretch_too(tmp_path: Path) -> None:
    assert stretches(tmp_path, [seen(0, None), seen(1, "Active")], []) == [(None, 0, 0, None), ("Active", 1, 1, 0)]


def test_a_disappearance_is_no_state(tmp_path: Path) -> None:
    observations = [seen(0, "Active"), seen(1, "Active", gone=True), seen(2, "Active")]
    assert stretches(tmp_path, observations, []) == [("Active", 0, 2, None)]


def test_the_newest_version_is_the_job_and_the_others_are_counted(tmp_path: Path) -> None:
    observations = [seen(0, "Queued"), seen(2, "Success", name="third"), seen(1, "Active", estimatedUnits=3)]
    (row,) = history(tmp_path, observations).rows("jobs")
    told = {name: row[name] for name in ("state", "name", "units", "versions", "first_observed_at", "changed_at")}
    assert told == {
        "state": "Success",
        "name": "third",
        "units": None,
        "versions": 3,
        "first_observed_at": at(0),
        "changed_at": at(2),
    }


@pytest.mark.parametrize(
    ("observations", "vanished", "versions"),
    [
        ([seen(0, "Active")], None, 1),
        ([seen(0, "Active"), seen(1, "Active", gone=True)], 1, 1),
        ([seen(0, "Active"), seen(1, "Active", gone=True), seen(2, "Active")], None, 2),
        ([seen(0, "Active"), seen(1, "", gone=True), seen(2, "Active"), seen(3, "", gone=True)], 3, 2),
    ],
    ids=["there", "gone", "back", "gone again"],
)
def test_a_job_has_vanished_only_while_it_is_gone(
    observations: list[Row], vanished: int | None, versions: int, tmp_path: Path
) -> None:
    (row,) = history(tmp_path, observations).rows("jobs")
    assert (hours(row["vanished_at"]), row["versions"], row["state"]) == (vanished, versions, "Active")


def test_a_body_that_did_not_change_adds_no_version_and_touches_no_table(tmp_path: Path) -> None:
    body = job(id="a")
    ledger = ledger_of(tmp_path, [body])
    assert ledger.show(dict(reversed(body.items())), at=SEEN + MINUTE).new_versions == 0
    assert ledger.show({**body, "state": "Success"}, at=SEEN + 2 * MINUTE).new_versions == 1
    ledger.flatten()
    assert [(row["state"], row["versions"]) for row in ledger.rows("jobs")] == [("Success", 2)]


DURATIONS: Final = [
    ("2025-08-05T12:00:00Z", "2025-08-05T12:00:00Z", (0.0, 0.0, 0.0)),
    ("2025-08-05T12:00:00.000001Z", "2025-08-05T12:00:00.000003Z", (1e-6, 2e-6, 3e-6)),
    ("2025-08-05T12:00:00.0000019Z", "2025-08-05T12:00:00.0000021Z", (1e-6, 1e-6, 2e-6)),
    ("2025-08-05T14:00:01+02:00", "2025-08-05T06:30:02-05:30", (1.0, 1.0, 2.0)),
    ("2025-08-31T23:59:59.9999999Z", "2026-02-28T23:59:59Z", (2289599.999999, 15638399.000001, 17927999.0)),
    (None, "2025-08-05T12:00:07.5Z", (7.5, None, 7.5)),
    ("2025-08-05T12:00:07.5Z", None, (7.5, None, None)),
    (None, None, (None, None, None)),
    ("2025-08-05T11:59:59Z", "2025-08-05T11:59:58Z", (-1.0, -1.0, -2.0)),
]
"""Start, end, and the seconds in the queue, running and in all, of a job created at noon on the 5th."""


def test_durations_are_elapsed_time_to_the_microsecond(tmp_path: Path) -> None:
    noon = "2025-08-05T12:00:00Z"
    bodies = [
        job(id=str(place), createdDateTime=noon, startedDateTime=started, endedDateTime=ended)
        for place, (started, ended, _) in enumerate(DURATIONS)
    ]
    ledger = ledger_of(tmp_path, bodies, at=datetime(2026, 3, 1, tzinfo=UTC))
    rows = ledger.rows("jobs", "queue_seconds", "run_seconds", "total_seconds")
    assert [tuple(row.values()) for row in rows] == [seconds for *_, seconds in DURATIONS]


def test_a_job_at_the_very_end_of_a_month_stays_in_it(tmp_path: Path) -> None:
    late = job(createdDateTime="2025-08-31T23:59:59.9999999+00:00")
    (row,) = ledger_of(tmp_path, [late]).rows("jobs")
    assert row["created_at"] == datetime(2025, 8, 31, 23, 59, 59, 999999, tzinfo=UTC)


def remove_one(ledger: Ledger) -> None:
    ledger.path("job_options").unlink()


def put_an_older_one_back(ledger: Ledger) -> None:
    old = ledger.path("jobs").read_bytes()
    ledger.show(job(id="b"), at=SEEN + MINUTE)
    ledger.flatten()
    ledger.path("jobs").write_bytes(old)


def change_the_raw_table(ledger: Ledger) -> None:
    ledger.show(job(id="c"), at=SEEN + MINUTE)


@pytest.mark.parametrize("crash", [remove_one, put_an_older_one_back, change_the_raw_table])
def test_a_crash_between_files_is_mended_by_the_next_flattening(
    crash: Callable[[Ledger], None], tmp_path: Path
) -> None:
    ledger = ledger_of(tmp_path, [job(id="a")])
    crash(ledger)
    assert not is_fresh(ledger.lake, ledger.month, ledger.known)
    assert ledger.flatten().made is True
    assert is_fresh(ledger.lake, ledger.month, ledger.known)
    assert len(ledger.rows("jobs")) == len(ledger.rows("observations"))


def test_every_flattened_file_says_what_it_was_made_from(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, [job()])
    wanted = made_from(ledger.lake, ledger.month, ledger.known)
    for table in flattened_tables():
        assert ledger.lake.metadata(table, ledger.month)[MADE_FROM] == wanted


def test_flattening_twice_touches_no_file_and_by_force_gives_the_same_rows(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, [job(id="a", inputs={"photos": "x"}), job(id="b", type="Dreaming")])
    files = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in ledger.lake.root.rglob("*.parquet")}
    assert len(files) > 18
    assert ledger.flatten().made is False
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files} == files
    assert ledger.flatten(force=True).made is True
    assert {path: path.read_bytes() for path in files} == {path: old for path, (old, _) in files.items()}


def test_a_month_without_a_job_gives_empty_tables(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.show()
    assert set(ledger.flatten().rows.values()) == {0}
