"""The ledger as one code location of another team's workspace: keys below a prefix, and assets of theirs downstream."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from assets.wiring import asset_key
from pipelines.definitions import build_defs
from pipelines.home import as_home
from pipelines.own_runs import of_ledger
from pipelines.pruning import prune
from pipelines.settings import read_settings
from tests.pipelines.ledger_of_sandbox import ROOT, environment, jobledger, running, small_world
from tests.pipelines.test_dagster_ui import run_of_months
from tests.pipelines.ui_server import graphql, serving_workspace, until
from warehouse.contract import contract
from warehouse.errors import WrongUsage
from warehouse.marts.all import all_tables

PAGE = ROOT / "docs" / "mounting.md"
PREFIX = ("reality", "jobs")
ROWS = """
query Materialisations($key: AssetKeyInput!) {
  assetOrError(assetKey: $key) { ... on Asset { assetMaterializations(limit: 1) { metadataEntries {
    ... on FloatMetadataEntry { label floatValue } ... on IntMetadataEntry { label intValue } } } } }
}
"""
PARENTS = "query Node($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { groupName } } }"


def test_with_a_prefix_all_keys_checks_and_groups_begin_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = build_defs(start="2026-01")
    monkeypatch.setenv("JOBLEDGER_ASSET_PREFIX", "reality/jobs")
    defs = build_defs(start="2026-01")
    specs = {spec.key: spec for spec in defs.resolve_all_asset_specs()}
    graph, before = defs.resolve_asset_graph(), plain.resolve_asset_graph()
    assert specs.keys() == {dg.AssetKey([*PREFIX, *key.path]) for key in before.get_all_asset_keys()}
    assert {spec.group_name for spec in specs.values()} == {
        f"reality_jobs_{spec.group_name}" for spec in plain.resolve_all_asset_specs()
    }
    checks = {
        dg.AssetCheckKey(dg.AssetKey([*PREFIX, *key.asset_key.path]), key.name) for key in before.asset_check_keys
    }
    assert graph.asset_check_keys == checks
    assert {dep.asset_key for spec in specs.values() for dep in spec.deps} <= specs.keys()
    lineage: list[Any] = [spec.metadata.get("dagster/column_lineage") for spec in specs.values()]
    sources = {dep.asset_key for found in lineage if found for deps in found.deps_by_column.values() for dep in deps}
    assert sources
    assert sources <= specs.keys()


@pytest.mark.proof
def test_whatever_is_run_from_the_command_line_has_its_events_below_the_prefix(
    tmp_path: Path,
) -> None:
    world = small_world()
    with running(world) as (sandbox, _):
        env = environment(sandbox, world, tmp_path / "data")
        (tmp_path / ".env").write_text("JOBLEDGER_ASSET_PREFIX=reality/jobs\n")
        done = jobledger("sync", "--from", "2026-03", "--to", "2026-03", env=env, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        job_id = jobledger("sql", "--format", "csv", "select min(job_id) as id from jobs", env=env, cwd=tmp_path)
        ids = job_id.stdout.splitlines()[-1].strip('"')
        done = jobledger("sync", "--ids", "-", env=env, cwd=tmp_path, stdin=ids)
        assert done.returncode == 0, done.stderr
    home = tmp_path / "data" / "dagster"
    with as_home(home), dg.DagsterInstance.from_config(str(home)) as found:
        paths = {tuple(key.path) for key in found.all_asset_keys()}
        checks = found.event_log_storage.get_asset_check_summary_records(
            list(build_defs(start="2026-01").resolve_asset_graph().asset_check_keys)
        )
    assert {path[:2] for path in paths} == {PREFIX}
    assert {path[2] for path in paths} >= {table.name for table in all_tables(contract())}
    assert all(record.last_check_execution_record is None for record in checks.values())  # of keys without the prefix


@pytest.mark.parametrize("prefix", ["a//b", "/a", "a.b", "a b", "a/"])
def test_a_prefix_that_cannot_be_is_told(prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongUsage, match=r"JOBLEDGER_ASSET_PREFIX: .* is no prefix"):
        read_settings({"JOBLEDGER_ASSET_PREFIX": prefix}, tmp_path / ".env")
    monkeypatch.setenv("JOBLEDGER_ASSET_PREFIX", prefix)
    with pytest.raises(WrongUsage, match=r"JOBLEDGER_ASSET_PREFIX: .* is no prefix"):
        asset_key("jobs")


@dg.op
def works() -> None: ...


def origin_in(location: str) -> RemoteJobOrigin:
    target = LoadableTargetOrigin(python_file="definitions.py")
    repository = RemoteRepositoryOrigin(InProcessCodeLocationOrigin(target, location_name=location), "__repository__")
    return RemoteJobOrigin(repository, "sync")


def test_in_another_team_s_home_their_runs_are_neither_pruned_nor_told_of() -> None:
    job = dg.GraphDefinition(name="sync", node_defs=[works]).to_job()
    theirs = dg.GraphDefinition(name="theirs", node_defs=[works]).to_job()
    with dg.DagsterInstance.ephemeral() as found:

        def run_of(what: dg.JobDefinition, location: str | None) -> str:
            pointer = ModuleCodePointer("definitions", "defs", working_directory=".")
            code = JobPythonOrigin(what.name, RepositoryPythonOrigin(sys.executable, pointer))
            run = found.create_run_for_job(
                what,
                status=dg.DagsterRunStatus.SUCCESS,
                remote_job_origin=None if location is None else origin_in(location),
                job_code_origin=code,
            )
            return run.run_id

        kept = {run_of(job, "theirs"), run_of(theirs, None)}
        ours = {run_of(job, "jobledger"), run_of(job, None)}
        is_ours = of_ledger("jobledger", own_home=False)
        assert {run.run_id for run in found.get_runs() if is_ours(run)} == ours
        assert prune(found, datetime.now(UTC) + timedelta(days=1), is_ours) == 2
        assert {run.run_id for run in found.get_runs()} == kept


def block(language: str) -> str:
    """The only block of the page in a language."""
    (text,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return text


@pytest.fixture
def project(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The project of the page, in whose folder lies a package of the name of one of ours; its UI and daemon run."""
    folder, home, data = tmp_path / "project", tmp_path / "home", tmp_path / "data"
    for made in (folder / "assets", home):
        made.mkdir(parents=True)
    (folder / "assets" / "__init__.py").write_text("raise ImportError('the package of another team')\n")
    (folder / "ours.py").write_text(block("python").replace('"follows", ', '"follows", minimum_interval_seconds=1, '))
    workspace = block("yaml").replace("/opt/jobledger/.venv/bin/python", sys.executable)
    (folder / "workspace.yaml").write_text(workspace.replace("/opt/jobledger", str(ROOT)))
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    settings = dict(line.split("=", 1) for line in block("sh").splitlines())
    prefix = settings["JOBLEDGER_ASSET_PREFIX"]
    assert settings["JOBLEDGER_DATA"] == "/var/lib/jobledger"
    assert len(yaml.safe_load(workspace)["load_from"]) == 2
    world = small_world()
    with running(world) as (sandbox, _):
        env = environment(sandbox, world, data, JOBLEDGER_ASSET_PREFIX=prefix, DAGSTER_HOME=str(home))
        with serving_workspace(folder, env, home) as found:
            yield found.url, data


@pytest.mark.proof
def test_in_an_empty_project_an_asset_of_theirs_is_made_when_the_ledger_was_synced(project: tuple[str, Path]) -> None:
    url, data = project
    assert (
        graphql(url, PARENTS, key={"path": [*PREFIX, "jobs"]})["assetNodeOrError"]["groupName"] == "reality_jobs_core"
    )
    _, ended = run_of_months(url, "2026-03", "2026-03")
    assert ended == "SUCCESS"

    def made() -> Any:
        found = graphql(url, ROWS, key={"path": ["invoice"]})["assetOrError"].get("assetMaterializations")
        return found and found[0]["metadataEntries"]

    (entry,) = until(made, 120, "the invoice")
    asked = jobledger(
        *("sql", "--format", "csv", "SELECT coalesce(sum(estimated_units), 0) FROM units_by_month"),
        env={**os.environ, "JOBLEDGER_DATA": str(data)},
        cwd=data,
    )
    assert entry == {"label": "units", "floatValue": pytest.approx(float(asked.stdout.splitlines()[-1]))}
