"""Dagster's own state: made once by many, free of dead runs, and bounded."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipelines import home
from pipelines.home import end_dead_runs, hold, home_of, instance
from pipelines.pruning import prune
from pipelines.settings import Settings, read_settings
from tests.pipelines.ledger_of_sandbox import ROOT

OPENS = """
from pathlib import Path
from pipelines.home import instance
from pipelines.settings import read_settings
with instance(read_settings()) as found:
    found.get_runs_count()
"""
RUNS = """
import time
from dagster import DagsterRunStatus
from pipelines.home import hold, instance
from pipelines.settings import read_settings
from tests.pipelines.test_home import a_job
with instance(read_settings()) as found:
    run = found.create_run_for_job(a_job, status=DagsterRunStatus.STARTED)
    hold(found, run.run_id)
    print(run.run_id, flush=True)
    time.sleep(600)
"""

OF_0_1_0 = """\
# Settings of the Dagster instance. `make ui` and `jobledger sync` copy this file into DAGSTER_HOME (data/dagster).
telemetry:
  enabled: false
nux:
  enabled: false

# Launched runs wait in this queue until the daemon takes them: without a running daemon they stay queued.
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    max_concurrent_runs: 2
    dequeue_interval_seconds: 1

run_monitoring:
  enabled: true
  start_timeout_seconds: 180
  poll_interval_seconds: 30

retention:
  schedule:
    purge_after_days: 90
  sensor:
    purge_after_days:
      skipped: 7
      failure: 30
      success: 90
"""


@dg.asset
def an_asset() -> None: ...


@dg.op
def an_op() -> None: ...


@dg.job
def a_job() -> None:
    an_op()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("JOBLEDGER_DATA", str(tmp_path / "data"))
    return read_settings()


def python(text: str, **more: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", text], cwd=ROOT, env=dict(os.environ), text=True, stdout=subprocess.PIPE, **more
    )


@pytest.mark.proof
def test_many_processes_may_make_the_home_at_once(settings: Settings) -> None:
    processes = [python(OPENS, stderr=subprocess.PIPE) for _ in range(5)]
    told = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 5, "\n".join(told)


@pytest.mark.proof
def test_a_run_whose_process_is_gone_is_ended_as_failed(settings: Settings) -> None:
    with python(RUNS) as process, instance(settings) as found:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        assert end_dead_runs(found, settings) == []
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        assert end_dead_runs(found, settings) == [run_id]
        run = found.get_run_by_id(run_id)
        assert run is not None
        assert run.status == dg.DagsterRunStatus.FAILURE
        assert end_dead_runs(found, settings) == []


def test_a_run_that_never_held_a_lock_is_dead_after_a_while_in_a_home_of_our_own_alone(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs").mkdir()
    monkeypatch.setattr(home, "SECONDS_TO_LOCK", 0.0)
    for of_others in (False, True):
        if of_others:
            monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "theirs"))
        with instance(settings) as found:
            run = found.create_run_for_job(a_job, status=dg.DagsterRunStatus.STARTED)
            assert end_dead_runs(found, settings) == ([] if of_others else [run.run_id])


def test_a_run_that_waited_in_the_queue_for_long_has_time_to_take_its_lock(settings: Settings) -> None:
    with instance(settings) as found:
        run = found.create_run_for_job(a_job, status=dg.DagsterRunStatus.STARTING)
        with sqlite3.connect(Path(found.root_directory) / "history" / "runs.db") as con:
            con.execute("UPDATE runs SET create_timestamp = '2026-01-01 00:00:00'")
        con.close()
        assert end_dead_runs(found, settings) == []
        assert [row.run_id for row in found.get_runs()] == [run.run_id]


def test_the_lock_of_a_run_that_ended_is_cleared_away(settings: Settings) -> None:
    with instance(settings) as found:
        place = Path(found.root_directory) / "running" / "ended.lock"
        hold(found, "ended")
        end_dead_runs(found, settings)
        assert place.exists()
        home._held.pop().release()
        end_dead_runs(found, settings)
        assert not place.exists()


def test_a_configuration_that_nobody_changed_is_brought_up_to_date(settings: Settings) -> None:
    place = home_of(settings) / "dagster.yaml"
    shipped = place.read_bytes()
    place.write_text("run_monitoring: {enabled: true}\n")
    home_of(settings)
    assert place.read_text() == "run_monitoring: {enabled: true}\n"
    place.write_text(OF_0_1_0)
    home_of(settings)
    assert place.read_bytes() == shipped


def test_pruning_leaves_the_newest_run_of_each_asset_and_nothing_of_the_others(settings: Settings) -> None:
    with instance(settings) as found:
        made = [dg.materialize([an_asset], instance=found).run_id for _ in range(3)]
        other = a_job.execute_in_process(instance=found).run_id
        assert prune(found, datetime.now(UTC) - timedelta(days=1)) == 0
        assert prune(found, datetime.now(UTC) + timedelta(days=1)) == 3
        assert [record.dagster_run.run_id for record in found.get_run_records()] == [made[-1]]
        newest = found.get_latest_materialization_event(dg.AssetKey("an_asset"))
        assert newest is not None
        assert newest.run_id == made[-1]
        left = [str(file) for file in Path(found.root_directory).rglob("*") if set(file.parts) & {*made[:-1], other}]
        assert left == []
        assert not [file for gone in (*made[:-1], other) for file in Path(found.root_directory).rglob(f"{gone}*")]
