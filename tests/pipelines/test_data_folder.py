"""The data folder: any path works or is refused by name before anything is made, and so is one of a newer release."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.sandbox import Sandbox, World
from pipelines.settings import prepare_data, read_settings
from tests.pipelines.ledger_of_sandbox import NOW, environment, jobledger
from tests.warehouse.test_files import modes, umask
from warehouse.errors import WrongUsage
from warehouse.release import NewerLedger

ODD = "it's a=b #1;&$x ünï-日本 s3:x 100% created_month=2020-01"
COUNT = ["sql", "select count(*) as n, count(distinct walk_id) as walks from observations", "--format", "json"]
MARCH = ["sync", "--from", "2026-03", "--to", "2026-03"]


pytestmark = pytest.mark.proof


@pytest.fixture(scope="module")
def synced(world: World, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a sync made of a relative folder of an odd name."""
    home = tmp_path_factory.mktemp("odd")
    with umask(0o022):
        done = jobledger(*MARCH, env=environment(sandbox, world, Path(ODD)), cwd=home)
    assert done.returncode == 0, done.stderr
    return home / ODD


def test_a_sync_and_a_query_work_in_a_relative_folder_of_an_odd_name(
    synced: Path, world: World, sandbox: Sandbox
) -> None:
    done = jobledger(*COUNT, env=environment(sandbox, world, Path(ODD)), cwd=synced.parent)
    created = [job["executionInfo"]["createdDateTime"] for job in world.jobs_at(NOW)]
    march = sum(instant.startswith("2026-03") for instant in created)
    assert json.loads(done.stdout) == [{"n": march, "walks": 3}], done.stderr
    assert [path.name for path in synced.parent.iterdir()] == [ODD]
    assert (synced / "dagster" / "history" / "runs.db").exists()


def test_all_that_a_sync_makes_is_its_owners_alone(synced: Path) -> None:
    assert "dagster/history/runs.db" in modes(synced)
    assert {name: mode for name, mode in modes(synced.parent).items() if mode not in ("600", "700")} == {}


def test_what_is_shared_follows_the_umask(synced: Path, world: World, sandbox: Sandbox, tmp_path: Path) -> None:
    env = environment(sandbox, world, synced, JOBLEDGER_SHARED="1")
    with umask(0o027):
        done = jobledger("export", "out/carry.duckdb", env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert modes(tmp_path) == {"out": "750", "out/carry.duckdb": "640"}


def test_a_ledger_beside_one_that_its_name_matches_as_a_pattern_holds_its_own_jobs(
    synced: Path, world: World, sandbox: Sandbox, tmp_path: Path
) -> None:
    shutil.copytree(synced, tmp_path / "ledger1")
    (tmp_path / "home").mkdir()
    one = ",".join(world.itwins[:1])
    env = environment(sandbox, world, tmp_path / "ledger[1]", ITWIN_IDS=one, DAGSTER_HOME=str(tmp_path / "home"))
    done = jobledger(*MARCH, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    itwins = "select distinct itwin_id from observations"
    rows = jobledger("sql", itwins, "--format", "json", env=env, cwd=tmp_path)
    assert json.loads(rows.stdout) == [{"itwin_id": one}], rows.stderr


@pytest.mark.parametrize("name", ["a?b", "a\\b", "a\nb", "a[1]", "a*b", "a%41", "~nobody-of-this-name/ledger"])
def test_what_cannot_be_a_data_folder_is_refused_by_the_name_of_the_setting_and_nothing_is_made(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with pytest.raises(WrongUsage, match=r"^JOBLEDGER_DATA: .*"):
        read_settings({"JOBLEDGER_DATA": name}, tmp_path / ".env")
    assert list(tmp_path.iterdir()) == []


def test_what_only_dagster_cannot_read_is_taken_where_dagster_has_a_home_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    assert read_settings({"JOBLEDGER_DATA": "a[1]"}, tmp_path / ".env").data == Path("a[1]")


def test_a_tilde_is_the_home_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings = read_settings({"JOBLEDGER_DATA": "~/ledger"}, tmp_path / ".env")
    prepare_data(settings)
    assert settings.data == tmp_path / "home" / "ledger"
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["home", "home/ledger"]


@pytest.mark.parametrize("command", [["sync"], ["sql", "select 1"], ["status"], ["replay"], ["export", "out.duckdb"]])
def test_no_command_touches_a_folder_that_a_newer_release_wrote(
    command: list[str], synced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    shutil.copytree(synced, data)
    (data / "ledger.json").write_text('{"format": 99, "release": "9.9.9"}')
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    monkeypatch.setenv("JOBLEDGER_DATA", str(data))
    monkeypatch.setenv("ITWIN_ACCESS_TOKEN", "token")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, command)
    assert (done.exit_code, done.stdout) == (1, ""), done.output
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_no_run_begins_on_a_folder_that_a_newer_release_wrote(tmp_path: Path) -> None:
    (tmp_path / "ledger.json").write_text('{"format": 99, "release": "9.9.9"}')
    with pytest.raises(NewerLedger, match=r"was written by jobledger 9\.9\.9"):
        prepare_data(read_settings({"JOBLEDGER_DATA": str(tmp_path)}, tmp_path / ".env"))
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.json"]
