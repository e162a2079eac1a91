"""When a mart is made again, and that it is always what it would be if it were made from scratch."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.marts import make_marts
from tests.warehouse.mart_worlds import AS_OF, HOUR, Row, grouped, job, month_of, world
from warehouse.contract import contract
from warehouse.engine import arrow, connection
from warehouse.lake import Lake
from warehouse.marts import Mart, mart_macros
from warehouse.marts.all import MARTS, all_tables
from warehouse.tables import JOB_REFERENCES, JOBS, WALKS

pytestmark = pytest.mark.proof

TABLES = {table.name: table for table in all_tables(contract())}
DAY = timedelta(days=1)
COURSES = int(os.environ.get("MART_COURSES", "6"))
MONTHLY = [mart for mart in MARTS if mart.table.monthly]
OF_OPEN_JOBS = {"duration_stats", "hourly_load", "open_jobs"}


def write_jobs(lake: Lake, jobs: Sequence[Row]) -> None:
    """Puts the jobs in the lake; a month that is the same already is left as it is."""
    for month, rows in grouped(jobs, lambda row: month_of(row["created_at"])).items():
        place = lake.path(JOBS, month)
        table = pa.Table.from_pylist(sorted(rows, key=lambda row: row["job_id"]), schema=JOBS.arrow_schema)
        if place.exists() and pq.read_table(place).replace_schema_metadata().equals(table):
            continue
        with lake.exclusive(month) as staging:
            staging.write(JOBS, month, table)
            staging.commit()


def write_walk(lake: Lake, finished_at: datetime, itwin_id: str | None = "itwin-1") -> None:
    """A complete walk of a window that holds every job; the walks before it stay."""
    place = lake.path(WALKS, "2025-03")
    before = pq.read_table(place).replace_schema_metadata().to_pylist() if place.exists() else []
    walk: dict[str, Any] = dict.fromkeys(WALKS.column_names) | {
        "walk_id": f"walk-{len(before)}",
        "itwin_id": itwin_id,
        "created_from": datetime(2024, 1, 1, tzinfo=finished_at.tzinfo),
        "created_to": datetime(2026, 1, 1, tzinfo=finished_at.tzinfo),
        "finished_at": finished_at,
        "complete": True,
    }
    with lake.exclusive("2025-03") as staging:
        staging.write(WALKS, "2025-03", pa.Table.from_pylist([*before, walk], schema=WALKS.arrow_schema))
        staging.commit()


def made(lake: Lake) -> set[str]:
    """Makes the marts as a run does; the names of those that were made."""
    return {name for name, rows in make_marts(lake, MARTS, TABLES).items() if rows is not None}


def contents(lake: Lake) -> dict[str, list[dict[str, Any]]]:
    with connection() as con:
        return {mart.name: arrow(con, f"SELECT * FROM {lake.source(mart.table)}").to_pylist() for mart in MARTS}


def from_scratch(lake: Lake, folder: Path) -> Mapping[str, list[dict[str, Any]]]:
    """What the marts of the same jobs and walks are where there was none before."""
    shutil.rmtree(folder, ignore_errors=True)
    other = Lake(folder)
    for table in (JOBS, WALKS, JOB_REFERENCES):
        if (lake.root / table.name).exists():
            shutil.copytree(lake.root / table.name, other.root / table.name)
    make_marts(other, MARTS, TABLES)
    return contents(other)


def assert_as_from_scratch(lake: Lake, folder: Path) -> None:
    expected = from_scratch(lake, folder)
    for name, rows in contents(lake).items():
        assert rows == expected[name], name


def finished(number: int, **other: Any) -> Row:
    row = job(f"job-{number:03}", AS_OF - 9 * DAY + number * HOUR, wait=HOUR, run=number % 7 * HOUR, **other)
    return {name: row.get(name) for name in JOBS.column_names}


def still_open(number: int, age: timedelta) -> Row:
    row = job(f"open-{number}", AS_OF - age, outcome="open", wait=timedelta(minutes=5))
    return {name: row.get(name) for name in JOBS.column_names}


def test_a_mart_that_reads_marts_is_not_made_again_because_they_were_made_with_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    write_jobs(lake, [finished(number) for number in range(30)])
    write_walk(lake, AS_OF)
    assert made(lake) == {mart.name for mart in MARTS}
    assert made(lake) == set()


def test_a_mart_that_reads_marts_is_made_again_after_these(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    write_jobs(lake, [finished(number) for number in range(30)])
    write_walk(lake, AS_OF)
    made(lake)
    references: dict[str, Any] = {"type": "Objects2D", "api_field": "a", "ordinal": 1, "kind": "reality_data"}
    rows = [
        references | {"job_id": "job-001", "direction": "output", "role": "objects2d", "reference": "r"},
        references | {"job_id": "job-002", "direction": "input", "role": "photos", "reference": "r"},
    ]
    with lake.exclusive("2025-03") as staging:
        staging.write(JOB_REFERENCES, "2025-03", pa.Table.from_pylist(rows, schema=JOB_REFERENCES.arrow_schema))
        staging.commit()
    assert {"reference_lineage", "deliverable_units", "detector_league"} <= made(lake)
    assert [row["upstream_jobs"] for row in contents(lake)["deliverable_units"] if row["job_id"] == "job-002"] == [1]


def test_every_mart_is_made_again_after_its_macros_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(tmp_path)
    write_jobs(lake, [finished(number) for number in range(30)])
    write_walk(lake, AS_OF)
    made(lake)
    monkeypatch.setattr("assets.marts.mart_macros", lambda: "-- Changed.\n" + mart_macros())
    assert made(lake) == {mart.name for mart in MARTS}


def test_a_mart_is_made_again_after_the_declared_type_of_a_column_changed(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    write_jobs(lake, [finished(number) for number in range(30)])
    write_walk(lake, AS_OF)
    made(lake)
    (old,) = [mart for mart in MARTS if mart.name == "units_by_month"]
    columns = tuple(replace(row, type="DOUBLE") if row.name == "jobs" else row for row in old.table.columns)
    new = replace(old, table=replace(old.table, columns=columns))
    marts = [new if mart is old else mart for mart in MARTS]
    rows = make_marts(lake, marts, TABLES | {new.name: new.table})
    assert "units_by_month" in {name for name, count in rows.items() if count is not None}
    assert {pq.read_schema(file).field("jobs").type for file in lake.files(new.table)} == {pa.float64()}


def test_without_open_jobs_time_makes_again_only_the_forecast(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "a")
    write_jobs(lake, [finished(number, outcome="failed" if number % 5 else "success") for number in range(60)])
    write_walk(lake, AS_OF)
    made(lake)
    write_walk(lake, AS_OF + HOUR)
    assert made(lake) == {"unit_forecast"}
    assert_as_from_scratch(lake, tmp_path / "b")


def test_jobs_that_are_open_for_long_leave_the_durations_as_they_are(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "a")
    write_jobs(lake, [*(finished(number) for number in range(60)), still_open(1, 3 * DAY), still_open(2, 2 * DAY)])
    write_walk(lake, AS_OF)
    made(lake)
    write_walk(lake, AS_OF + HOUR)
    assert made(lake) == {"hourly_load", "open_jobs", "unit_forecast"}
    assert_as_from_scratch(lake, tmp_path / "b")


def test_a_young_open_job_makes_the_durations_again(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "a")
    write_jobs(lake, [*(finished(number) for number in range(60)), still_open(1, 3 * DAY), still_open(2, HOUR)])
    write_walk(lake, AS_OF)
    made(lake)
    write_walk(lake, AS_OF + HOUR)
    assert made(lake) >= OF_OPEN_JOBS
    assert_as_from_scratch(lake, tmp_path / "b")


def test_the_durations_are_made_again_where_the_time_goes_back(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "a")
    write_jobs(lake, [*(finished(number) for number in range(60)), still_open(1, 3 * DAY)])
    write_walk(lake, AS_OF)
    made(lake)
    shutil.rmtree(lake.root / WALKS.name)
    write_walk(lake, AS_OF - 3 * DAY + HOUR)
    assert made(lake) >= OF_OPEN_JOBS
    assert_as_from_scratch(lake, tmp_path / "b")


def test_only_the_months_that_changed_are_made_again_where_a_mart_is_monthly(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "a")
    early = [finished(number) | {"created_at": AS_OF - 40 * DAY} for number in range(30)]
    late = [finished(number) for number in range(30, 60)]
    write_jobs(lake, [*early, *late])
    write_walk(lake, AS_OF)
    assert {"units_by_month", "unit_changes", "units_by_day"} <= made(lake)
    before = stamps(lake, MONTHLY)
    late[0] |= {"units": 1234.5}
    write_jobs(lake, [*early, *late])
    assert {"units_by_month", "unit_changes", "units_by_day"} <= made(lake)
    touched = {path.parent.name for path, stamp in stamps(lake, MONTHLY).items() if before[path] != stamp}
    assert touched == {f"created_month={month_of(late[0]['created_at'])}"}
    assert_as_from_scratch(lake, tmp_path / "b")


def stamps(lake: Lake, marts: Sequence[Mart]) -> dict[Path, tuple[int, int]]:
    """What tells whether a file of these marts was touched."""
    files = (file for mart in marts for file in lake.files(mart.table))
    return {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}


@pytest.mark.parametrize("seed", range(COURSES))
def test_however_runs_follow_one_another_the_marts_are_as_from_scratch(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    lake, jobs = Lake(tmp_path / "a"), [{name: row.get(name) for name in JOBS.column_names} for row in world(seed)]
    now = AS_OF - rng.choice((70, 30, 1)) * DAY
    for _ in range(8):
        write_jobs(lake, jobs)
        if rng.random() < 0.9:
            now += rng.choice((timedelta(seconds=1), HOUR, DAY, 40 * DAY, -HOUR))
            write_walk(lake, now, rng.choice(("itwin-1", "itwin-2", None)))
        made(lake)
        assert_as_from_scratch(lake, tmp_path / "b")
        for row in rng.sample(jobs, rng.choice((0, 0, 1, 5))):
            row |= {"outcome": "failed", "state": "Failed"} if row["outcome"] == "open" else {"units": rng.random()}
        if rng.random() < 0.2:
            jobs = [row for row in jobs if row["outcome"] != "open"]
