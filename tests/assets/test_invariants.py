"""What holds of every ledger, whatever happened to its jobs and however it was synced.

A job is in one month and counted once; every time in `jobs` is plausible; units add up to the same total over any cut;
and no table has more rows than its grain allows.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.assets.histories import BEGIN, KNOWN, TABLES, Body, History, Lived, histories, moment, play
from warehouse.engine import arrow, connection, run
from warehouse.lake import Lake
from warehouse.marts.all import MARTS
from warehouse.tables import CONTRACT_DRIFT, JOBS, REJECTED_RECORDS

Row = dict[str, Any]

OUTCOMES: Final = {"Success": "success", "Failed": "failed", "Cancelled": "cancelled"}
SLACK: Final = timedelta(seconds=KNOWN.plausible_time.slack_seconds)
LIVES_OF_A_LEDGER: Final = 50
HISTORIES: Final = int(os.environ.get("SOAK_HISTORIES", "2000"))

QUIET: Final = settings(deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
"""A history is not made smaller, which takes minutes: what fails names the job, and so its life."""

MOST_ROWS: Final = {
    "duration_stats": "(count(DISTINCT created_month) + 1) * (count(DISTINCT type) + 1)",
    "hourly_load": "count(DISTINCT type) * (date_diff('hour', min(created_at), $until) + 3 * 25)",  # and slack
    "open_jobs": "count(*) FILTER (WHERE outcome = 'open' AND vanished_at IS NULL)",
    "units_by_month": "count(*)",
    "unit_changes": "sum(versions - 1)",
    "failure_costs": "(count(DISTINCT created_month) + 1) * (count(DISTINCT type) + 1)",
    "failure_reasons": "2 * count(*) FILTER (WHERE outcome = 'failed')",  # the API tells two codes
    "retry_chains": "count(*) // 2",
    "reference_lineage": "2 * count(*)",  # a job has two inputs
    "deliverable_units": "count(*)",
    "detector_league": "max(1)",  # all jobs have the same one
    "units_by_day": "count(*)",
    "unit_forecast": "(count(DISTINCT itwin_id) + 1) * (1 + 3 * 24)",
    "option_impact": "4 * count(DISTINCT type)",  # each type has one option, a number, which stands in quartiles
    "detector_versions_effect": "max(0)",  # all jobs have the same detector
    "detectors_never_used": "max(0)",
    "estimates": "(count(DISTINCT itwin_id) + 1) * count(DISTINCT type)",
    "estimates_backtest": "3 * (count(DISTINCT type) + 1)",
}
"""The most rows that a mart can have, by what it reads: an aggregate over `jobs`."""


@pytest.mark.proof
@settings(QUIET, max_examples=2, derandomize=True, database=None)
@given(histories(40, days=3))
def test_the_invariants_hold_after_the_lives_of_a_few_jobs(history: History) -> None:
    judge(history)


@pytest.mark.soak
@settings(QUIET, max_examples=max(1, HISTORIES // LIVES_OF_A_LEDGER), database=None)
@given(histories(LIVES_OF_A_LEDGER, days=4))
def test_the_invariants_hold_after_the_lives_of_two_thousand_jobs(history: History) -> None:
    judge(history)


def judge(history: History) -> None:
    with tempfile.TemporaryDirectory() as folder, connection() as con:
        lived = play(Path(folder), history)
        for table in TABLES.values():
            run(con, f"CREATE VIEW {table.name} AS SELECT * FROM {lived.lake.source(table)}")
        jobs = arrow(con, "SELECT * FROM jobs").to_pylist()
        judge_months(con, lived, jobs)
        judge_times(lived, jobs)
        judge_sums(con, lived)
        judge_grains(con, lived)


def judge_months(con: duckdb.DuckDBPyConnection, lived: Lived, jobs: Sequence[Row]) -> None:
    """Each job that was ever shown is in the month of its newest creation, and every mart counts it once."""
    wanted = sorted((month_of(body), job_id) for job_id, body in lived.shown.items())
    assert sorted((row["created_month"], row["job_id"]) for row in jobs) == wanted
    assert sorted(in_files(con, lived.lake)) == wanted
    counted = {
        "units_by_month": "sum(jobs)",
        "units_by_day": "sum(jobs)",
        "duration_stats": "sum(jobs) FILTER (WHERE month = 'all' AND type = 'all')",
        "failure_costs": "sum(jobs) FILTER (WHERE month <> 'all' AND type <> 'all')",
        "hourly_load": "sum(created)",
        "deliverable_units": "count(DISTINCT job_id)",
    }
    counts = {name: run(con, f"SELECT {count} FROM {name}")[0][0] or 0 for name, count in counted.items()}
    assert counts == dict.fromkeys(counted, len(wanted))
    still_open = [row["job_id"] for row in jobs if row["outcome"] == "open" and row["vanished_at"] is None]
    assert run(con, "SELECT job_id FROM open_jobs ORDER BY job_id") == [(job_id,) for job_id in sorted(still_open)]


def in_files(con: duckdb.DuckDBPyConnection, lake: Lake) -> Iterable[tuple[str, str]]:
    for month in lake.months(JOBS):
        for (job_id,) in run(con, f"SELECT job_id FROM {lake.source(JOBS, month)}"):
            yield month, job_id


def judge_times(lived: Lived, jobs: Sequence[Row]) -> None:
    """A time of a job is what the API told, where that can be, and null where not."""
    for row in jobs:
        info = lived.shown[row["job_id"]]["executionInfo"]
        assert row["created_at"] == moment(info["createdDateTime"])
        for name, key in (("started_at", "startedDateTime"), ("ended_at", "endedDateTime")):
            told = readable(info.get(key))
            can_be = told is not None and row["created_at"] - SLACK <= told <= row["changed_at"] + SLACK
            assert row[name] == (told if can_be else None), name
        assert BEGIN < row["first_observed_at"] <= row["changed_at"] <= lived.until
        assert row["vanished_at"] is None or row["changed_at"] < row["vanished_at"] <= lived.until


def readable(text: str | None) -> datetime | None:
    try:
        return text and moment(text)  # type: ignore[return-value]
    except ValueError:
        return None


def judge_sums(con: duckdb.DuckDBPyConnection, lived: Lived) -> None:
    """Over any cut, the marts' units are those of the jobs in it; counted in millionths, as whole numbers."""
    accounts = [account(job_id, body) for job_id, body in lived.shown.items()]
    finished = "CASE units_source WHEN $source THEN units ELSE 0 END"
    for source, name in (("estimatedUnits", "estimated"), ("processingUnits", "processing")):
        cuts = {
            "units_by_month": (("month", "itwin_id", "type", "user_id"), f"{name}_units"),
            "units_by_day": (("created_day", "itwin_id", "type"), finished.replace("$source", f"'{source}'")),
            "deliverable_units": (("job_id", "itwin_id", "type"), f"{name}_units"),
        }
        of_source = [row | {"units": row["units"] if row["source"] == source else 0} for row in accounts]
        for mart, (columns, units) in cuts.items():
            plausible = f"CASE WHEN abs({units}) < 1e9 THEN {units} ELSE 0 END"
            found = arrow(con, f"SELECT {', '.join(columns)}, {plausible} AS units FROM {mart}").to_pylist()
            for size in range(len(columns) + 1):
                for cut in combinations(columns, size):
                    assert summed(found, cut) == summed(of_source, cut), (mart, cut)
        lost = [row for row in of_source if row["outcome"] in ("failed", "cancelled")]
        columns, units = ("month", "type"), f"{name}_units_lost"
        for size in range(3):
            for cut in combinations(columns, size):
                other = " AND ".join(f"({column} = 'all') = {column not in cut}" for column in columns)
                found = arrow(con, f"SELECT month, type, {units} AS units FROM failure_costs WHERE {other}").to_pylist()
                assert summed(found, cut) == summed(lost, cut), ("failure_costs", cut)


def account(job_id: str, body: Body) -> Row:
    """What a job tells of its units, and all that they are cut by."""
    created, info = moment(body["executionInfo"]["createdDateTime"]), body["executionInfo"]
    source = next((key for key in info if key.endswith("Units") and isinstance(info[key], float | int)), None)
    units = info[source] if source else 0
    return {
        "job_id": job_id,
        "month": month_of(body),
        "created_day": created.replace(hour=0, minute=0, second=0, microsecond=0),
        "itwin_id": body["iTwinId"].lower(),
        "type": body["type"],
        "user_id": body["userId"],
        "outcome": OUTCOMES.get(body["state"], "open"),
        "source": source,
        "units": units if abs(units) < 1e9 else 0,  # more is no amount
    }


def month_of(body: Body) -> str:
    return f"{moment(body['executionInfo']['createdDateTime']):%Y-%m}"


def summed(rows: Iterable[Row], cut: Sequence[str]) -> dict[tuple[Any, ...], int]:
    """Millionths of units of each group that has any."""
    totals: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        totals[tuple(row[name] for name in cut)] += round((row["units"] or 0) * 1e6)
    return {group: total for group, total in totals.items() if total}


def judge_grains(con: duckdb.DuckDBPyConnection, lived: Lived) -> None:
    """No key comes twice, and no mart has more rows than what it reads allows."""
    for table in TABLES.values():
        # Drift is told, and rejects are kept, month by month: of all months together, their keys say nothing.
        for month in lived.lake.months(table) if table in (CONTRACT_DRIFT, REJECTED_RECORDS) else [None]:
            rows = lived.lake.source(table, month)
            distinct = f"SELECT DISTINCT {', '.join(table.key)} FROM {rows}"
            [(repeated,)] = run(con, f"SELECT count(*) - (SELECT count(*) FROM ({distinct})) FROM {rows}")
            assert repeated == 0, table.name
    until = f"TIMESTAMPTZ '{lived.until.isoformat()}'"
    for name, most in MOST_ROWS.items():
        text = f"SELECT (SELECT count(*) FROM {name}), ({most.replace('$until', until)}) FROM jobs"
        [(rows, allowed)] = run(con, text)
        assert rows <= (allowed or 0), name


def test_every_mart_has_a_bound_of_its_rows() -> None:
    assert MOST_ROWS.keys() == {mart.name for mart in MARTS}
