"""What Dagster loads, and what a run of it does: on an ephemeral instance, against the sandbox API over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.checks import AGREEMENT, CORE_CHECKS, EVERY_ITWIN_IS_WALKED, EVERY_MONTH_CAME_THROUGH, RAW_CHECKS
from assets.report.making import REPORT
from assets.wiring import COMPLETE_WALK, PUBLISHED, PUSHED
from pipelines.definitions import JOB_NAME, NAMES_JOB, build_defs
from pipelines.sandbox import Sandbox, ScriptedWorld, World
from pipelines.sync import range_tags
from tests.pipelines.ledger_of_sandbox import NOW, ROOT, environment, running, small_world
from warehouse.contract import contract
from warehouse.declaration import Table
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.tables import CONTRACT_DRIFT, JOBS, OBSERVATIONS, WALKS, flattened_tables

MONTHS = ("2026-01", "2026-02", "2026-03")
ERROR = dg.AssetCheckSeverity.ERROR
A_JOB: dict[str, Any] = {
    "id": "a",
    "userId": "user-1",
    "type": "Objects2D",
    "state": "Success",
    "iTwinId": "11111111-0000-4000-8000-000000000000",
    "executionInfo": {
        "createdDateTime": "2026-03-05T10:00:00Z",
        "startedDateTime": "2026-03-05T10:05:00Z",
        "endedDateTime": "2026-03-05T11:00:00Z",
        "estimatedUnits": 1.5,
    },
    "specifications": {"inputs": {"photos": "bkt:photos"}, "outputs": {"objects2D": "bkt:objects"}, "options": {}},
}


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return build_defs(start="2026-01")


def test_a_backfill_has_as_many_months_in_a_run_as_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBLEDGER_BACKFILL_MONTHS", "2")
    job = build_defs(start="2026-01").resolve_job_def(JOB_NAME)
    assert job.backfill_policy == dg.BackfillPolicy.multi_run(2)


@pytest.mark.parametrize("pushed", [True, False])
def test_a_run_pushes_where_an_address_is_set(monkeypatch: pytest.MonkeyPatch, pushed: bool) -> None:
    monkeypatch.setenv("JOBLEDGER_PUSH_URL", "file:///mnt/backup/ledger" if pushed else "")
    defs = build_defs(start="2026-01")
    for name in (JOB_NAME, NAMES_JOB):
        assert (dg.AssetKey(PUSHED) in defs.resolve_job_def(name).asset_layer.selected_asset_keys) is pushed


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Lake]:
    """An empty ledger whose settings name a running sandbox."""
    world = small_world()
    with running(world) as (sandbox, _):
        set_environment(monkeypatch, sandbox, world, tmp_path)
        yield Lake(tmp_path / "data")


def set_environment(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, world: World, home: Path, **more: str) -> None:
    for name, value in environment(sandbox, world, home / "data", **more).items():
        monkeypatch.setenv(name, value)


def run_stretch(defs: dg.Definitions, first: str, last: str, instance: dg.DagsterInstance) -> Any:
    job = defs.resolve_job_def(JOB_NAME)
    return job.execute_in_process(instance=instance, tags=range_tags(first, last))


def tables_by_name() -> dict[str, Table]:
    return {table.name: table for table in all_tables(contract())}


def test_every_table_is_an_asset_with_description_columns_and_group(defs: dg.Definitions) -> None:
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    tables = {table.name: table for table in all_tables(contract())}
    assert set(specs) == {*tables, PUBLISHED, REPORT, COMPLETE_WALK}
    for name, table in tables.items():
        shown = [(column.name, column.type) for column in specs[name].metadata["dagster/column_schema"].columns]
        assert shown == [(column.name, column.type) for column in table.columns]
        assert (specs[name].description, specs[name].group_name) == (table.comment, table.group)


def test_the_months_are_partitions_up_to_the_present_one(defs: dg.Definitions) -> None:
    for table in all_tables(contract()):
        partitions = defs.resolve_assets_def(table.name).partitions_def
        # The marts' step finds out by itself which months it has to make again.
        assert (partitions is not None) == (table.monthly and table.group != "marts")
        if partitions is not None:
            assert list(partitions.get_partition_keys(current_time=NOW)) == list(MONTHS)


@pytest.mark.proof
def test_a_backfill_over_several_months_is_one_run_and_shows_each_month(defs: dg.Definitions, ledger: Lake) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_stretch(defs, "2026-01", "2026-03", instance)
        assert result.success
        for key in (OBSERVATIONS.name, JOBS.name, "objects2d_jobs"):
            assert instance.get_materialized_partitions(dg.AssetKey(key)) == set(MONTHS)
    assert ledger.months(JOBS) == list(MONTHS)
    assert defs.resolve_assets_def("jobs").backfill_policy == dg.BackfillPolicy.single_run()


@pytest.mark.proof
def test_a_month_that_is_materialised_again_keeps_the_same_files_but_its_walks(
    defs: dg.Definitions, ledger: Lake
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert run_stretch(defs, "2026-02", "2026-02", instance).success
        files = [ledger.path(table, "2026-02") for table in (OBSERVATIONS, *flattened_tables())]
        before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]
        walks = ledger.path(WALKS, "2026-02").read_bytes()
        assert run_stretch(defs, "2026-02", "2026-02", instance).success
    assert [(file.read_bytes(), file.stat().st_mtime_ns) for file in files] == before
    assert ledger.path(WALKS, "2026-02").read_bytes() != walks


@pytest.mark.proof
def test_every_check_holds_on_the_sandbox_s_jobs(defs: dg.Definitions, ledger: Lake) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        evaluations = run_stretch(defs, "2026-01", "2026-03", instance).get_asset_check_evaluations()
    checks = (*RAW_CHECKS, *CORE_CHECKS, EVERY_ITWIN_IS_WALKED, AGREEMENT, EVERY_MONTH_CAME_THROUGH)
    assert sorted(row.check_name for row in evaluations) == sorted(check.name for check in checks)
    assert {row.check_name: row.metadata["offending"].value for row in evaluations if not row.passed} == {}


@pytest.mark.proof
def test_what_the_api_cannot_mean_is_an_error_that_keeps_nothing_from_being_made(
    defs: dg.Definitions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = {"createdDateTime": "2026-03-05T10:00:00Z", "startedDateTime": "2026-03-05T12:00:00Z"}
    odd = {**A_JOB, "executionInfo": {**times, "endedDateTime": "2026-03-05T11:00:00Z", "estimatedUnits": -1}}
    with running(ScriptedWorld(odd)) as (sandbox, _), dg.DagsterInstance.ephemeral() as instance:
        set_environment(monkeypatch, sandbox, small_world(), tmp_path, ITWIN_IDS=A_JOB["iTwinId"])
        result = run_stretch(defs, "2026-03", "2026-03", instance)
    assert result.success
    told = {row.check_name: row.severity for row in result.get_asset_check_evaluations() if not row.passed}
    assert told == dict.fromkeys(("created_before_started_before_ended", "units_are_not_negative"), ERROR)
    assert Lake(tmp_path / "data").row_count(tables_by_name()["open_jobs"]) == 0


@pytest.mark.proof
def test_tables_that_contradict_what_was_sent_keep_the_marts_from_being_made(
    defs: dg.Definitions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path / "data")
    with running(ScriptedWorld(A_JOB)) as (sandbox, _), dg.DagsterInstance.ephemeral() as instance:
        set_environment(monkeypatch, sandbox, small_world(), tmp_path, ITWIN_IDS=A_JOB["iTwinId"])
        assert run_stretch(defs, "2026-03", "2026-03", instance).success
        before = [file.stat().st_mtime_ns for file in lake.files(tables_by_name()["unit_forecast"])]
        place = lake.path(JOBS, "2026-03")
        twice = pq.read_table(place, partitioning=None)
        pq.write_table(pa.concat_tables([twice, twice]).replace_schema_metadata(twice.schema.metadata), place)
        job = defs.resolve_job_def(JOB_NAME)
        tags = range_tags("2026-03", "2026-03")
        result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
        told = {row.check_name: row.severity for row in result.get_asset_check_evaluations() if not row.passed}
    assert told == dict.fromkeys(("job_ids_are_unique", "each_job_is_in_the_table_of_its_type"), ERROR)
    assert not result.success
    assert [file.stat().st_mtime_ns for file in lake.files(tables_by_name()["unit_forecast"])] == before


def test_a_refused_token_fails_the_run_and_shows_in_no_event(
    defs: dg.Definitions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = small_world()
    with running(world) as (sandbox, _), dg.DagsterInstance.ephemeral() as instance:
        set_environment(monkeypatch, sandbox, world, tmp_path, ITWIN_ACCESS_TOKEN="canary-token-of-a-user")
        job = defs.resolve_job_def(JOB_NAME)
        result = job.execute_in_process(instance=instance, tags=range_tags("2026-03", "2026-03"), raise_on_error=False)
        assert not result.success
        told = " ".join(str(event) for event in instance.all_logs(result.run_id))
    assert "HeaderNotFound" in told
    assert "canary-token-of-a-user" not in told


def test_importing_the_definitions_opens_no_file_of_the_user_no_socket_and_no_database(tmp_path: Path) -> None:
    watch = """
import sys
opened = []
def hook(event, arguments):
    if event in ("socket.connect", "socket.bind", "sqlite3.connect"):
        opened.append((event, str(arguments)))
    if event == "open" and isinstance(arguments[0], str) and isinstance(arguments[1], str):
        writes = set(arguments[1]) & set("wax+")
        if (writes and "__pycache__" not in arguments[0]) or arguments[0].startswith(sys.argv[1]):
            opened.append((event, arguments[0]))
import dagster, pandas, pyarrow, duckdb, requests  # theirs is not ours
real = duckdb.connect
duckdb.connect = lambda *a, **k: (opened.append(("duckdb", str(a))), real(*a, **k))[1]
sys.addaudithook(hook)
import pipelines.definitions
print(opened)
"""
    (tmp_path / ".env").write_text("JOBLEDGER_START=2025-02\n")
    done = subprocess.run(
        [sys.executable, "-c", watch, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.proof
def test_dg_lists_every_asset_with_its_group_owners_kinds_and_description() -> None:
    command = [str(Path(sys.executable).with_name("dg")), "list", "defs", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    listed = {row["asset_key"]: row for row in json.loads(done.stdout)["assets"]}
    assert set(listed) == {*(table.name for table in all_tables(contract())), PUBLISHED, REPORT, COMPLETE_WALK}
    for key, row in listed.items():
        assert row["group_name"], key
        assert row["owners"] == [{"team": "jobledger"}], key
        assert row["kinds"], key
        assert row["description"], key


@pytest.mark.proof
def test_when_the_api_changes_its_edition_the_tables_go_on_and_a_check_tells_it(
    defs: dg.Definitions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for edition in ("2025-08", "2026-07"):
            world = small_world(edition)
            with running(world) as (sandbox, _):
                set_environment(monkeypatch, sandbox, world, tmp_path)
                result = defs.resolve_job_def(JOB_NAME).execute_in_process(
                    instance=instance, tags=range_tags("2026-03", "2026-03"), run_config=believe_what_is_gone()
                )
        assert result.success
    told = {row.check_name: row for row in result.get_asset_check_evaluations() if not row.passed}
    assert set(told) == {"a_month_speaks_one_edition"}
    rows = str(told["a_month_speaks_one_edition"].metadata["rows"].value)
    assert "2025-08" in rows
    assert "2026-07" in rows


def believe_what_is_gone() -> dict[str, Any]:
    """The later edition no longer lists the jobs of a type: more than the ledger would believe by itself."""
    return {"ops": {"walk_the_api": {"config": {"accept_gone": True}}}}


@pytest.mark.proof
def test_a_contract_of_one_edition_tells_what_a_later_one_changed_and_no_run_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = contract().of_editions("2025-08")
    defs = build_defs(start="2026-01", known=old)
    world = small_world("2026-04")
    with running(world) as (sandbox, _), dg.DagsterInstance.ephemeral() as instance:
        set_environment(monkeypatch, sandbox, world, tmp_path)
        result = run_stretch(defs, "2026-03", "2026-03", instance)
    assert result.success
    told = {row.check_name for row in result.get_asset_check_evaluations() if not row.passed}
    assert "types_states_and_fields_are_known" in told
    drift = pq.read_table(Lake(tmp_path / "data").path(CONTRACT_DRIFT, "2026-03"), partitioning=None)
    paths = set(drift["path"].to_pylist())
    assert {"$.type", "$.executionInfo.processingUnits", "$.specifications.inputs.model3dA"} <= paths
