"""What goes wrong is a sentence on stderr and an exit code, and costs what it must: the command line, on real data."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.sandbox import READY_TOKEN, Sandbox, ScriptedWorld
from tests.pipelines.ledger_of_sandbox import jobledger, running
from tests.pipelines.test_definitions import A_JOB
from warehouse.lake import Lake
from warehouse.tables import JOBS

pytestmark = pytest.mark.proof

Ledger = tuple[dict[str, str], Path]
OPEN = {**A_JOB, "id": "open", "state": "Queued", "executionInfo": {"createdDateTime": "2026-03-05T10:00:00Z"}}
"""A job that is open since March, so that a sync without months has a gap between its months: two runs."""


@pytest.fixture(scope="module")
def sandbox() -> Generator[Sandbox]:
    with running(ScriptedWorld(A_JOB, OPEN)) as (sandbox, _):
        yield sandbox


@pytest.fixture(scope="module")
def template(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """A ledger of one month, synced once."""
    home = tmp_path_factory.mktemp("ledger")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ITWIN_", "JOBLEDGER_"))}
    env = kept | {
        "ITWIN_API_URL": sandbox.url,
        "ITWIN_ACCESS_TOKEN": READY_TOKEN,
        "ITWIN_IDS": A_JOB["iTwinId"],
        "JOBLEDGER_START": "2026-03",
        "JOBLEDGER_DATA": "data",
    }
    done = jobledger("sync", "--to", "2026-03", env=env, cwd=home)
    assert done.returncode == 0, done.stderr
    return env, home


@pytest.fixture
def ledger(template: Ledger, tmp_path: Path) -> Ledger:
    """A copy of that ledger, to be spoilt."""
    env, home = template
    shutil.copytree(home / "data", tmp_path / "data")
    return env, tmp_path


def walked_months(ledger: Ledger) -> set[str]:
    env, home = ledger
    text = "select distinct strftime(created_from, '%Y-%m') as month from walks"
    done = jobledger("sql", text, "--format", "json", env=env, cwd=home)
    return {row["month"] for row in json.loads(done.stdout)}


def test_a_month_that_fails_keeps_the_other_run_of_a_sync_from_nothing(ledger: Ledger) -> None:
    env, home = ledger
    (home / "data" / "scratch" / "2026-03").write_text("in the way")
    done = jobledger("sync", env=env, cwd=home)
    assert (done.returncode, done.stdout) == (1, "")
    assert "jobledger: 1 month failed; all other months are done.\n2026-03: Something of that name" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(walked_months(ledger)) == 3  # March, and the two recent months, which are a run of their own
    status = jobledger("status", env=env, cwd=home)
    assert "2026-03" in status.stdout.split("Failed months")[1]


def test_a_refused_token_ends_all_asking_and_says_which_months_were_not_asked_for(ledger: Ledger) -> None:
    env, home = ledger
    done = jobledger("sync", env={**env, "ITWIN_ACCESS_TOKEN": "canary-of-a-token"}, cwd=home)
    assert (done.returncode, done.stdout) == (3, "")
    assert "jobledger: 3 months failed; all other months are done." in done.stderr
    assert "401 HeaderNotFound" in done.stderr
    assert "canary-of-a-token" not in done.stderr
    told = jobledger("status", env=env, cwd=home).stdout.split("Failed months")[1]
    assert len([line for line in told.splitlines() if "Not authorised" in line]) == 3


def test_a_blocking_check_that_fails_is_a_sentence(ledger: Ledger) -> None:
    env, home = ledger
    place = Lake(home / "data").path(JOBS, "2026-03")
    twice = pq.read_table(place, partitioning=None)
    pq.write_table(pa.concat_tables([twice, twice]).replace_schema_metadata(twice.schema.metadata), place)
    done = jobledger("sync", "--to", "2026-03", env=env, cwd=home)
    assert done.returncode == 1, done.stderr
    assert "A check failed whose failure keeps the tables behind it from being made" in done.stderr
    assert "job_ids_are_unique" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["--debug", "status"], ["status", "--debug"]])
def test_debug_before_or_after_the_command_shows_the_traceback(arguments: list[str], tmp_path: Path) -> None:
    done = jobledger(*arguments, env={**os.environ, "JOBLEDGER_DATA": "nowhere"}, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert "\njobledger: There is no ledger at nowhere" in done.stderr
