"""`jobledger doctor` on set-ups that are broken in one way each: it names that one first, and what to do."""

from __future__ import annotations

import base64
import json
import shutil
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pipelines.sandbox import Sandbox, World
from tests.pipelines.ledger_of_sandbox import ROOT, environment, jobledger

pytestmark = pytest.mark.proof

Env = dict[str, str]
Found = list[dict[str, str]]
STRANGER = "00000000-0000-4000-8000-00000000dead"


@pytest.fixture(scope="module")
def ledger(world: World, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder into which one month was synced, through Dagster."""
    home = tmp_path_factory.mktemp("doctor")
    env = environment(sandbox, world, home / "data")
    assert jobledger("sync", "--from", "2026-02", "--to", "2026-02", env=env, cwd=home).returncode == 0
    return home / "data"


@pytest.fixture
def env(world: World, sandbox: Sandbox, ledger: Path, tmp_path: Path) -> Env:
    """The settings of a sound ledger, a copy of the one above."""
    shutil.copytree(ledger, tmp_path / "data")
    return environment(sandbox, world, tmp_path / "data")


def examined(env: Mapping[str, str], cwd: Path) -> tuple[int, Found]:
    done = jobledger("doctor", "--json", env=env, cwd=cwd)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def unfit(env: Env) -> None:
    env["ITWIN_REQUESTS_PER_HOUR"] = "many"


def uncredentialed(env: Env) -> None:
    env["ITWIN_CLIENT_ID"] = env["ITWIN_CLIENT_SECRET"] = ""


def misplaced(env: Env) -> None:
    place = Path(env["JOBLEDGER_DATA"]).with_name("file")
    place.write_text("no folder")
    env["JOBLEDGER_DATA"] = str(place / "data")


def of_newer_release(env: Env) -> None:
    Path(env["JOBLEDGER_DATA"], "ledger.json").write_text('{"format": 99, "release": "9.0"}')


def with_damaged_mart(env: Env) -> None:
    Path(env["JOBLEDGER_DATA"], "lake/retry_chains/retry_chains.parquet").write_bytes(b"PAR1 and no more")


def with_damaged_raw_file(env: Env) -> None:
    Path(env["JOBLEDGER_DATA"], "lake/observations/created_month=2026-02/observations.parquet").write_bytes(b"")


def with_foreign_journal(env: Env) -> None:
    Path(env["JOBLEDGER_DATA"], "journal/2026-02.json").write_text('{"format": 7}')


def with_wrong_secret(env: Env) -> None:
    env["ITWIN_CLIENT_SECRET"] = "canary-of-a-secret"


def with_token_of_other_scope(env: Env) -> None:
    claims = base64.urlsafe_b64encode(b'{"sub": "me", "scope": ["other"]}').decode().rstrip("=")
    env["ITWIN_ACCESS_TOKEN"] = f"e30.{claims}.canary-of-a-signature"


def without_service(env: Env) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    env["ITWIN_TOKEN_URL"] = f"http://127.0.0.1:{port}/connect/token"


def with_strange_itwin(env: Env) -> None:
    env["ITWIN_IDS"] = f"{env['ITWIN_IDS']},{STRANGER}"


def without_the_disk_of_snapshots(env: Env) -> None:
    env["JOBLEDGER_PUSH_URL"] = "file:///nowhere/at/all"


def with_damaged_dagster(env: Env) -> None:
    Path(env["JOBLEDGER_DATA"], "dagster/history/runs.db").write_bytes(b"no database at all" * 100)


BROKEN: list[tuple[Callable[[Env], None], str, str, str]] = [
    (unfit, "settings", "ITWIN_REQUESTS_PER_HOUR: 'many' is no number from 0 on.", "settings"),
    (uncredentialed, "credentials", "none are set", "ITWIN_CLIENT_ID and ITWIN_CLIENT_SECRET"),
    (misplaced, "data folder", "is no folder", "JOBLEDGER_DATA"),
    (of_newer_release, "data folder", "jobledger 9.0 (format 99)", ""),
    (with_damaged_mart, "lake", "lake/retry_chains/retry_chains.parquet", "jobledger replay"),
    (with_damaged_raw_file, "lake", "observations.parquet", "back-up"),
    (with_foreign_journal, "journal", "lists files that a run had still to put in place", ""),
    (with_wrong_secret, "token", "The token endpoint refused the application", "ITWIN_CLIENT_SECRET"),
    (with_token_of_other_scope, "token", "its scopes are other", "itwin-platform"),
    (without_service, "token", "gave no whole answer", "ITWIN_TOKEN_URL"),
    (with_strange_itwin, f"iTwin {STRANGER}", "404", "no member"),
    (without_the_disk_of_snapshots, "snapshots", "There is no folder /nowhere/at/all", "docs/lake.md"),
    (with_damaged_dagster, "Dagster", "cannot be read", "Move the folder away"),
]


@pytest.mark.parametrize(("break_it", "about", "said", "advice"), BROKEN, ids=[case[0].__name__ for case in BROKEN])
def test_the_fault_of_a_broken_setup_is_named_first(
    break_it: Callable[[Env], None], about: str, said: str, advice: str, env: Env, tmp_path: Path
) -> None:
    break_it(env)
    code, found = examined(env, tmp_path)
    first = found[0]
    assert (code, first["verdict"], first["about"]) == (1, "fault", about), found
    assert said in first["said"]
    assert advice in first["advice"]
    assert "canary" not in json.dumps(found)


def test_a_sound_setup_has_no_fault(env: Env, tmp_path: Path) -> None:
    code, found = examined(env, tmp_path)
    assert (code, [finding for finding in found if finding["verdict"] == "fault"]) == (0, [])
    (off,) = [finding for finding in found if finding["about"] == "schedules"]
    assert off["advice"] == "Switch them on: `jobledger schedules on`."
    assert {"versions", "disk", "ledger", "lake", "token", "clock", "budget", "daemon"} <= {
        finding["about"] for finding in found
    }


def test_an_itwin_of_the_budget_that_nobody_knows_is_told(env: Env, world: World, tmp_path: Path) -> None:
    env["JOBLEDGER_UNIT_BUDGET"] = f"5000, {world.itwins[0].upper()}=100, Bridge Nroth=800"
    _, found = examined(env, tmp_path)
    told = [finding for finding in found if finding["about"] == "JOBLEDGER_UNIT_BUDGET"]
    assert [(finding["verdict"], "'bridge nroth'" in finding["said"]) for finding in told] == [("warning", True)]
    env["JOBLEDGER_UNIT_BUDGET"] = f"{world.itwins[0]}=100"
    _, found = examined(env, tmp_path)
    assert [finding["verdict"] for finding in found if finding["about"] == "JOBLEDGER_UNIT_BUDGET"] == ["fine"]


def test_people_read_signs_and_a_count(env: Env, tmp_path: Path) -> None:
    with_damaged_mart(env)
    lines = jobledger("doctor", env=env, cwd=tmp_path).stdout.splitlines()
    assert lines[0].startswith("✗ lake: 1 file that cannot be read: lake/retry_chains/retry_chains.parquet")
    assert lines[1] == "    `jobledger replay` makes them anew from what was fetched."
    assert lines[-1].startswith("1 fault, ")


def test_schedules_that_are_on_need_a_daemon(env: Env, tmp_path: Path) -> None:
    on = jobledger("schedules", "on", env=env, cwd=ROOT)
    assert (on.returncode, on.stdout) == (0, "")
    assert "hourly_recent_months is on" in on.stderr.splitlines()
    code, found = examined(env, tmp_path)
    assert (code, found[0]["about"]) == (1, "daemon")
    assert "no daemon is alive" in found[0]["said"]
    off = jobledger("schedules", "off", env=env, cwd=ROOT)
    assert "hourly_recent_months is off" in off.stderr.splitlines()
    assert examined(env, tmp_path)[0] == 0


def test_schedules_are_switched_where_the_workspace_is(env: Env, tmp_path: Path) -> None:
    done = jobledger("schedules", "on", env=env, cwd=tmp_path)
    assert done.returncode == 2
    assert f"There is no workspace.yaml in {tmp_path}." in done.stderr
