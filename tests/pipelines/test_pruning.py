"""The pruning job as its schedule runs it: what is old leaves Dagster's home, what is newer stays, the tables too."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import build_defs
from pipelines.home import instance
from pipelines.settings import read_settings

FIRST_OF_MONTH = datetime(2026, 12, 1, 5, 15, tzinfo=UTC)


@dg.asset(check_specs=[dg.AssetCheckSpec("it_is_there", asset="counted")])
def counted() -> Generator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    print("a line that the step printed")
    yield dg.MaterializeResult()
    yield dg.AssetCheckResult(passed=True)


@dg.op
def fails() -> None:
    raise RuntimeError("as it should")


@dg.job
def failing() -> None:
    fails()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[dg.DagsterInstance]:
    """A home as a run makes it, in a data folder with one file of the lake."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("JOBLEDGER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("JOBLEDGER_KEEP_RUNS_DAYS", "30")
    with instance(read_settings()) as found:
        yield found


def materialise(home: dg.DagsterInstance, days_ago: float) -> str:
    return of_days_ago(home, dg.materialize([counted], instance=home).run_id, days_ago)


def of_days_ago(home: dg.DagsterInstance, run_id: str, days: float) -> str:
    """Let a run have been created so many days ago."""
    created = (datetime.now(UTC) - timedelta(days=days)).replace(tzinfo=None)
    with sqlite3.connect(Path(home.root_directory) / "history" / "runs.db") as con:
        con.execute("UPDATE runs SET create_timestamp = ? WHERE run_id = ?", [str(created), run_id])
    con.close()
    return run_id


def run_as_scheduled(home: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Execute what the schedule requests at a tick."""
    defs = build_defs(start="2026-01")
    schedule = defs.resolve_schedule_def("monthly_pruning")
    context = dg.build_schedule_context(instance=home, scheduled_execution_time=FIRST_OF_MONTH)
    [request] = schedule.evaluate_tick(context).run_requests or ()
    job = defs.resolve_job_def(schedule.job_name)
    return job.execute_in_process(instance=home, run_config=request.run_config, tags=request.tags)


def traces(home: dg.DagsterInstance, run_id: str) -> dict[str, int]:
    """How much of a run is left: files of its name, what its steps printed, and its rows in each database."""
    root = Path(home.root_directory)
    found = {
        "files": len(list(root.rglob(f"{run_id}*"))),
        "printed": sum(run_id in file.parts for file in root.rglob("*.out")),
    }
    for database in ("runs.db", "index.db"):
        [place] = root.rglob(database)
        with sqlite3.connect(place) as con:
            of_runs = "SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE c.name = 'run_id'"
            for (table,) in con.execute(of_runs).fetchall():
                rows = con.execute(f"SELECT count(*) FROM {table} WHERE run_id = ?", [run_id]).fetchone()[0]
                found[f"{database}/{table}"] = rows
        con.close()
    return {what: count for what, count in found.items() if count}


@pytest.mark.proof
def test_the_schedule_s_run_removes_old_runs_with_events_and_logs_and_keeps_the_newer_ones(
    home: dg.DagsterInstance,
) -> None:
    old = [materialise(home, days_ago=400), materialise(home, days_ago=31)]
    old.append(of_days_ago(home, failing.execute_in_process(instance=home, raise_on_error=False).run_id, 60))
    newer = [materialise(home, days_ago=29), materialise(home, days_ago=0)]
    before = {run_id: traces(home, run_id) for run_id in (*old, *newer)}
    whole = {"files", "printed", "runs.db/runs", "index.db/event_logs"}
    assert [run_id for run_id, left in before.items() if not whole <= left.keys()] == [], before

    result = run_as_scheduled(home)

    assert result.success
    assert {run_id: traces(home, run_id) for run_id in old} == {run_id: {} for run_id in old}
    assert {run_id: traces(home, run_id) for run_id in newer} == {run_id: before[run_id] for run_id in newer}
    kept = {record.dagster_run.run_id for record in home.get_run_records()}
    assert kept == {*newer, result.run_id}
    said = [entry.user_message for entry in home.all_logs(result.run_id) if not entry.is_dagster_event]
    assert said == ["3 runs of more than 30 days ago removed"]


def test_the_newest_materialisation_stays_however_old_its_run_is(home: dg.DagsterInstance) -> None:
    older, newest = materialise(home, days_ago=500), materialise(home, days_ago=400)
    assert run_as_scheduled(home).success
    assert traces(home, older) == {}
    shown = home.get_latest_materialization_event(dg.AssetKey("counted"))
    assert shown is not None
    assert shown.run_id == newest
