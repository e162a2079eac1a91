"""Dagster on a real Postgres server: runs, schedules, sensors, checks, pruning, and a password that shows nowhere."""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
import pytest
import sqlalchemy as sa
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._scheduler.scheduler import launch_scheduled_runs

from assets.marts import make_marts
from assets.plan import quiet
from assets.replay import replay
from pipelines.definitions import JOB_NAME, build_defs
from pipelines.home import end_dead_runs, home_of, instance
from pipelines.pruning import prune
from pipelines.sandbox import ScriptedWorld
from pipelines.settings import Settings, read_settings
from pipelines.switches import switch
from pipelines.sync import range_tags
from tests.pipelines.ledger_of_sandbox import ROOT, environment, jobledger, running, small_world
from tests.pipelines.test_checks_remember import ITWIN
from tests.pipelines.test_checks_remember import a_job as job_of
from tests.pipelines.test_dagster_ui import ENDED, run_of_months, runs
from tests.pipelines.test_home import RUNS, a_job, an_asset, python
from tests.pipelines.test_postgres_locks import DEAF
from tests.pipelines.test_secrets import holds
from tests.pipelines.ui_server import answers, free_port, graphql, until
from tests.postgres_server import CANARY, QUOTED, Postgres
from tests.postgres_server import running as running_postgres
from tests.test_deploy import COMPOSE
from warehouse.contract import contract
from warehouse.errors import WrongUsage
from warehouse.lake import Lake
from warehouse.marts.all import MARTS, all_tables
from warehouse.tables import JOBS

pytestmark = pytest.mark.postgres

TICKS = """
query Ticks($of: InstigationSelector!) {
  instigationStateOrError(instigationSelector: $of) {
    ... on InstigationState { ticks(limit: 5) { status skipReason } }
  }
}
"""
BACKFILL = """
mutation Backfill($parameters: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $parameters) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
RUNS_OF_BACKFILL = """
query Runs($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status runs { status startTime endTime tags { key value } } }
  }
}
"""
CONFIGURATION = "query { instance { info } }"


@pytest.fixture(scope="module")
def server() -> Generator[Postgres]:
    with running_postgres() as found:
        yield found


@pytest.fixture
def url(server: Postgres, request: pytest.FixtureRequest) -> str:
    """The address of a database of the test's own."""
    return server.new_database(f"test_{abs(hash(request.node.name))}")


@pytest.fixture
def settings(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a ledger whose Dagster is on Postgres."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("JOBLEDGER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("JOBLEDGER_POSTGRES_URL", url)
    return read_settings()


def everything_in(url: str) -> str:
    """All rows of all tables, as text."""
    with psycopg2.connect(url) as con, con.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        texts: list[str] = []
        for (name,) in cursor.fetchall():
            cursor.execute(f'SELECT string_agg(of::text, chr(10)) FROM "{name}" AS of')
            texts += [text for (text,) in cursor.fetchall() if text]
    con.close()
    return "\n".join(texts)


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {row["about"]: row["said"] for row in json.loads(done.stdout)}


def test_the_commands_keep_runs_and_switches_in_postgres_and_the_password_to_themselves(
    server: Postgres, url: str, tmp_path: Path
) -> None:
    world, data = small_world(), tmp_path / "data"
    (tmp_path / "workspace.yaml").write_text(
        (ROOT / "workspace.yaml").read_text().replace("pipelines/", f"{ROOT}/pipelines/").replace(": .", f": {ROOT}")
    )
    with running(world) as (sandbox, _):
        env = environment(sandbox, world, data)
        (tmp_path / ".env").write_text(f"JOBLEDGER_POSTGRES_URL={url}\n")
        before = jobledger("doctor", "--json", env=env, cwd=tmp_path)
        synced = jobledger("sync", "--from", "2026-03", "--to", "2026-03", env=env, cwd=tmp_path)
        assert synced.returncode == 0, synced.stderr
        switched = jobledger("schedules", "on", env=env, cwd=tmp_path)
        assert switched.returncode == 0, switched.stderr
        status = jobledger("status", env=env, cwd=tmp_path)
        after = jobledger("doctor", "--json", env=env, cwd=tmp_path)
        refused = jobledger("sync", "--debug", env=env | {"JOBLEDGER_POSTGRES_URL": f"{url}_not"}, cwd=tmp_path)
    where = f"Postgres at 127.0.0.1:{server.port}/{url.rpartition('/')[2]}"
    assert findings(before)["Dagster"] == f"no run has been stored in {where} yet"
    assert findings(after)["Dagster"] == f"{where} holds 1 run"
    assert findings(after)["schedules"].startswith("on: alerts, daily_names, daily_older_open_months, hourly_")
    assert "is on" in switched.stderr
    assert status.returncode == 0
    assert refused.returncode == 1
    assert f"{where}_not: FATAL: database" in refused.stderr.replace(
        f'connection to server at "127.0.0.1", port {server.port} failed: ', ""
    )
    assert list(data.rglob("*.db")) == []
    (tmp_path / ".env").unlink()
    told = "".join(done.stdout + done.stderr for done in (before, synced, switched, status, after, refused))
    for canary in (CANARY, QUOTED):
        assert canary not in told + everything_in(url)
        assert holds(tmp_path, canary) == []


def test_a_wrong_password_is_told_once_and_not_shown(server: Postgres, tmp_path: Path) -> None:
    world = small_world()
    wrong = server.url(password="wrong-password-1")
    with running(world) as (sandbox, _):
        env = environment(sandbox, world, tmp_path / "data", JOBLEDGER_POSTGRES_URL=wrong)
        synced = jobledger("sync", env=env, cwd=tmp_path)
        examined = jobledger("doctor", "--json", env=env, cwd=tmp_path)
    assert synced.returncode == 1
    said = f"Postgres at 127.0.0.1:{server.port}/postgres: "
    assert said in synced.stderr
    assert 'FATAL: password authentication failed for user "ledger". Check that the server runs' in synced.stderr
    assert findings(examined)["Postgres"].startswith(said)
    assert "wrong-password-1" not in synced.stdout + synced.stderr + examined.stdout + examined.stderr


def test_a_home_on_sqlite_is_told_what_becomes_of_it_and_is_there_again_without_the_setting(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("JOBLEDGER_DATA", str(tmp_path / "data"))

    def runs_known() -> tuple[int, str]:
        with instance(read_settings()) as found:
            return found.get_runs_count(), " ".join(capsys.readouterr().err.split())

    with instance(read_settings()) as found:
        a_job.execute_in_process(instance=found)
    capsys.readouterr()
    monkeypatch.setenv("JOBLEDGER_POSTGRES_URL", url)
    moved = runs_known()
    assert moved[0] == 0
    assert moved[1].startswith("Dagster keeps runs and events in Postgres (127.0.0.1:")
    assert "have to be switched on anew: `jobledger schedules on`" in moved[1]
    assert runs_known() == (0, "")
    monkeypatch.delenv("JOBLEDGER_POSTGRES_URL")
    back = runs_known()
    assert back[0] == 1
    assert back[1].startswith("JOBLEDGER_POSTGRES_URL is not set any more")
    assert runs_known() == (1, "")


def test_a_check_stays_red_in_another_process_s_eyes_until_it_is_mended(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ScriptedWorld(job_of("odd", "2026-01", -1), job_of("other", "2026-02", 1))
    with running(world) as (sandbox, _):
        env = environment(sandbox, small_world(), settings.data, ITWIN_IDS=ITWIN)
        for name, value in env.items():
            monkeypatch.setenv(name, value)

        def verdict_after(month: str) -> AssetCheckEvaluation:
            with instance(settings) as found:
                job = build_defs(start="2026-01").resolve_job_def(JOB_NAME)
                assert job.execute_in_process(instance=found, tags=range_tags(month, month)).success
            with instance(settings) as found:
                key = dg.AssetCheckKey(dg.AssetKey("jobs"), "units_are_not_negative")
                (newest,) = found.event_log_storage.get_asset_check_execution_history(key, limit=1)
                assert newest.evaluation is not None
                return newest.evaluation

        red = verdict_after("2026-01")
        assert not red.passed
        assert "| 2026-01 | odd |" in str(red.metadata["rows"].value)
        assert not verdict_after("2026-02").passed
        world.put(job_of("odd", "2026-01", 1))
        assert verdict_after("2026-01").passed


def of_days_ago(found: dg.DagsterInstance, run_id: str, days: float) -> str:
    """Let a run have been created so many days ago."""
    storage: Any = found.run_storage
    created = (datetime.now(UTC) - timedelta(days=days)).replace(tzinfo=None)
    with storage.connect() as con:
        con.execute(sa.update(RunsTable).where(RunsTable.c.run_id == run_id).values(create_timestamp=created))
    return run_id


def test_pruning_leaves_the_newest_run_of_each_asset_and_nothing_of_the_others(settings: Settings, url: str) -> None:
    with instance(settings) as found:
        old = [of_days_ago(found, dg.materialize([an_asset], instance=found).run_id, 40) for _ in range(2)]
        old.append(of_days_ago(found, a_job.execute_in_process(instance=found).run_id, 31))
        newest = of_days_ago(found, dg.materialize([an_asset], instance=found).run_id, 35)
        recent = a_job.execute_in_process(instance=found).run_id
        assert prune(found, datetime.now(UTC) - timedelta(days=30)) == 3
        assert {record.dagster_run.run_id for record in found.get_run_records()} == {newest, recent}
        shown = found.get_latest_materialization_event(dg.AssetKey("an_asset"))
        assert shown is not None
        assert shown.run_id == newest
    left = everything_in(url)
    assert [run_id for run_id in old if run_id in left] == []
    assert newest in left


def test_a_run_whose_process_is_gone_is_ended_also_by_a_machine_that_has_no_lock_file_of_it(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.home.SECONDS_TO_LOCK", 0.0)
    with python(RUNS) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        monkeypatch.setenv("JOBLEDGER_DATA", str(tmp_path / "elsewhere"))
        elsewhere = read_settings()
        with instance(elsewhere) as found:
            assert end_dead_runs(found, elsewhere) == []
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            assert until(lambda: end_dead_runs(found, elsewhere), 10, "the lock to be free") == [run_id]
            run = found.get_run_by_id(run_id)
            assert run is not None
            assert run.status == dg.DagsterRunStatus.FAILURE


def test_a_process_keeps_its_connections_and_finds_new_ones_when_the_server_ended_them(
    settings: Settings, server: Postgres
) -> None:
    database = settings.postgres_url.rpartition("/")[2]
    count = f"SELECT sessions FROM pg_stat_database WHERE datname = '{database}'"
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"

    with instance(settings) as found:
        a_job.execute_in_process(instance=found)
        before = server.ask(count)[0][0]
        for _ in range(3):
            assert a_job.execute_in_process(instance=found).success
        assert server.ask(count)[0][0] - before <= 6  # a run has some 50 statements
        assert len(server.ask(end)) >= 2
        assert a_job.execute_in_process(instance=found).success
        assert found.get_runs_count() == 5


def test_a_configuration_that_somebody_changed_is_not_passed_over_in_silence(settings: Settings) -> None:
    place = home_of(settings) / "dagster.yaml"
    assert "env: JOBLEDGER_POSTGRES_URL" in place.read_text()
    place.write_text("telemetry: {enabled: false}\n")
    with pytest.raises(WrongUsage, match="was changed by hand and does not name it: give it the storage of"):
        home_of(settings)
    assert place.read_text() == "telemetry: {enabled: false}\n"


@contextmanager
def services(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **more: str) -> Generator[str]:
    """The services of deploy/compose.yaml as processes of this machine, with the DAGSTER_HOME of the image."""
    home, world = tmp_path / "data" / "dagster", small_world()
    home.mkdir(parents=True)
    shipped = (ROOT / "pipelines" / name for name in ("dagster.yaml", "dagster_on_postgres.yaml"))
    (home / "dagster.yaml").write_bytes(b"".join(file.read_bytes() for file in shipped))
    code, web = free_port(), free_port()
    workspace = (ROOT / "deploy" / "workspace.yaml").read_text()
    (tmp_path / "workspace.yaml").write_text(
        workspace.replace("host: code", "host: 127.0.0.1").replace("4000", str(code))
    )
    with running(world) as (sandbox, _), (tmp_path / "log.txt").open("w") as log, ExitStack() as stack:
        env = environment(sandbox, world, tmp_path / "data", JOBLEDGER_POSTGRES_URL=url, DAGSTER_HOME=str(home), **more)
        for name in os.environ:
            if name.startswith(("ITWIN_", "JOBLEDGER_", "DAGSTER")):
                monkeypatch.delenv(name)
        for name, value in env.items():
            monkeypatch.setenv(name, value)

        def start(service: str) -> None:
            here = {"0.0.0.0": "127.0.0.1", "4000": str(code), "3000": str(web), "/opt/jobledger": str(ROOT)}
            here |= {"workspace.yaml": str(tmp_path / "workspace.yaml")}
            program, *given = shlex.split(COMPOSE["services"][service]["command"])
            command = [str(Path(sys.executable).with_name(program)), *(here.get(word, word) for word in given)]
            process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)

        start("code")
        until(lambda: listens(code), 240, "the code location")
        start("webserver")
        start("daemon")
        until(lambda: answers(f"http://127.0.0.1:{web}"), 240, "the web server")
        yield f"http://127.0.0.1:{web}"


@pytest.fixture
def ui(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with services(url, tmp_path, monkeypatch) as found:
        yield found


def listens(port: int) -> bool:
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0


def command_lines() -> str:
    """What is to be read of every process of this machine."""
    found = (place.read_bytes() for place in Path("/proc").glob("[0-9]*/cmdline") if place.exists())
    return b"\n".join(found).decode(errors="replace")


def tick_of_the_hourly_schedule(settings: Settings, workspace_file: Path) -> None:
    """Let the hourly schedule tick now, as the daemon lets it at the full hour."""
    target = WorkspaceFileTarget([str(workspace_file)])
    with instance(settings) as found, WorkspaceProcessContext(found, target) as workspace:
        (location,) = workspace.create_request_context().code_locations
        (repository,) = location.get_repositories().values()
        found.start_schedule(repository.get_schedule("hourly_recent_months"))
        found.start_sensor(repository.get_sensor("alerts"))
        later = datetime.now(UTC) + timedelta(hours=1)
        for error in launch_scheduled_runs(workspace, logging.getLogger("ticks"), later, {}):
            assert error is None, error
        (state,) = [row for row in found.all_instigator_state() if row.name == "hourly_recent_months"]
        (tick,) = found.get_ticks(state.instigator_origin_id, state.selector_id)
        assert tick.status == TickStatus.SUCCESS


def test_a_launched_run_a_schedule_s_run_and_a_sensor_s_tick_come_through_the_daemon(
    ui: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, ended = run_of_months(ui, "2026-02", "2026-03")
    assert ended == "SUCCESS"
    monkeypatch.chdir(tmp_path)
    for on in (True, False):  # all of them; below the two alone whose ticks are the same at every hour
        assert "hourly_recent_months" in switch(read_settings(), on=on)
    tick_of_the_hourly_schedule(read_settings(), tmp_path / "workspace.yaml")
    of_schedule = until(lambda: set(runs(ui)) - {run_id}, 60, "the schedule's run")
    assert len(of_schedule) == 1
    until(lambda: runs(ui)[next(iter(of_schedule))] in ENDED, 90, "the schedule's run to end")
    assert runs(ui)[next(iter(of_schedule))] == "SUCCESS"
    alerts = {"repositoryLocationName": "jobledger", "repositoryName": "__repository__", "name": "alerts"}
    skipped = {"status": "SKIPPED", "skipReason": "JOBLEDGER_ALERT_URLS names no address."}
    until(lambda: skipped in graphql(ui, TICKS, of=alerts)["instigationStateOrError"]["ticks"], 60, "a tick")
    info = graphql(ui, CONFIGURATION)["instance"]["info"]
    assert "QueuedRunCoordinator" in info
    for canary in (CANARY, QUOTED):
        assert canary not in info + command_lines() + everything_in(url)
        assert holds(tmp_path, canary) == []


def backfilled(url: str, months: Sequence[str]) -> tuple[str, list[dict[str, Any]]]:
    """Launch a backfill of the job as a person would, and wait for its end: how it ended, and its runs."""
    repository = {"repositoryLocationName": "jobledger", "repositoryName": "__repository__"}
    selector = {"repositorySelector": repository, "partitionSetName": f"{JOB_NAME}_partition_set"}
    launched = graphql(url, BACKFILL, parameters={"selector": selector, "partitionNames": list(months)})
    found = launched["launchPartitionBackfill"]
    assert found["__typename"] == "LaunchBackfillSuccess", found

    def ended() -> dict[str, Any] | None:
        shown = graphql(url, RUNS_OF_BACKFILL, id=found["backfillId"])["partitionBackfillOrError"]
        return shown if shown["status"] not in ("REQUESTED", "FAILING", "CANCELING") else None

    shown = until(ended, 300, "the backfill to end")
    return shown["status"], sorted(shown["runs"], key=lambda run: run["startTime"])


def test_a_backfill_makes_months_side_by_side_on_machines_that_no_file_lock_reaches(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deaf").mkdir()
    (tmp_path / "deaf" / "sitecustomize.py").write_text(DEAF)
    months = ["2026-01", "2026-02", "2026-03"]
    more = {"JOBLEDGER_BACKFILL_MONTHS": "1", "PYTHONPATH": str(tmp_path / "deaf")}
    with services(url, tmp_path, monkeypatch, **more) as ui:
        status, of_months = backfilled(ui, months)
    tags = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in of_months]
    assert status == "COMPLETED_SUCCESS", of_months
    assert [run["status"] for run in of_months] == ["SUCCESS"] * 3
    assert sorted(of["dagster/partition"] for of in tags) == months
    assert of_months[1]["startTime"] < of_months[0]["endTime"]
    lake, known = Lake(tmp_path / "data"), contract()
    tables = {table.name: table for table in all_tables(known)}
    assert lake.months(JOBS) == months
    assert set(make_marts(lake, MARTS, tables).values()) == {None}  # none of them is stale
    changed = [of for of in replay(lake, known, MARTS, tables, tell=quiet) if of.added or of.removed or of.changed]
    assert changed == []
