"""The command line as a user meets it: a process of its own, against the sandbox API over HTTP."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from pipelines.sandbox import READY_TOKEN, Sandbox, World
from tests.pipelines.ledger_of_sandbox import JOBLEDGER, NOW, environment, imported_by, jobledger

Ledger = tuple[dict[str, str], Path]


@pytest.fixture(scope="module")
def synced(world: World, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """A ledger that holds the sandbox's months, as `jobledger sync` left it."""
    home = tmp_path_factory.mktemp("ledger")
    env = environment(sandbox, world, home / "data")
    command = [JOBLEDGER, "sync", "--from", "2026-01", "--to", "2026-03"]
    done = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "Every walk is complete." in done.stderr
    return env, home


def test_a_query_answers_in_every_format(synced: Ledger, world: World) -> None:
    env, home = synced
    shown = world.jobs_at(NOW)
    text = "select count(*) as jobs, count(distinct itwin_id) as itwins from jobs"
    as_json = jobledger("sql", text, "--format", "json", env=env, cwd=home)
    assert json.loads(as_json.stdout) == [{"jobs": len(shown), "itwins": len({job["iTwinId"] for job in shown})}]
    as_csv = jobledger("sql", text, "--format", "csv", env=env, cwd=home)
    assert next(csv.DictReader(io.StringIO(as_csv.stdout)))["jobs"] == str(len(shown))
    assert str(len(shown)) in jobledger("sql", text, env=env, cwd=home).stdout


def test_a_query_gives_parquet_to_a_pipe(synced: Ledger) -> None:
    env, home = synced
    command = [JOBLEDGER, "sql", "select job_id, created_at from jobs", "--format", "parquet"]
    done = subprocess.run(command, env=env, cwd=home, capture_output=True, check=True)
    assert str(pq.read_schema(io.BytesIO(done.stdout)).field("created_at").type) == "timestamp[us, tz=UTC]"


def test_each_typed_table_has_exactly_the_jobs_of_its_type(synced: Ledger, world: World) -> None:
    _, home = synced
    with duckdb.connect(f"{home}/data/history.duckdb", read_only=True) as con:
        by_type = dict(con.execute("select type, count(*) from jobs group by 1").fetchall())
        objects = con.execute("select count(*) from objects2d_jobs").fetchall()[0][0]
    assert len(by_type) == 12
    assert objects == by_type["Objects2D"] == sum(job["type"] == "Objects2D" for job in world.jobs_at(NOW))


@pytest.mark.proof
def test_a_second_sync_adds_no_version_of_an_unchanged_job(synced: Ledger) -> None:
    env, home = synced
    count = ["sql", "select count(*) as n from observations", "--format", "json"]
    before = jobledger(*count, env=env, cwd=home).stdout
    again = jobledger("sync", "--from", "2026-01", "--to", "2026-03", env=env, cwd=home)
    assert again.returncode == 0, again.stderr
    assert jobledger(*count, env=env, cwd=home).stdout == before


@pytest.mark.parametrize("arguments", [["--help"], ["sql", "select count(*) from jobs"], ["status"]], ids=" ".join)
def test_what_people_wait_for_imports_neither_dagster_nor_arrow(synced: Ledger, arguments: list[str]) -> None:
    env, home = synced
    assert imported_by(*arguments, env=env, cwd=home) == set()


def test_the_status_fits_its_questions_on_one_screen(synced: Ledger) -> None:
    env, home = synced
    done = jobledger("status", env=env, cwd=home)
    assert done.returncode == 0, done.stderr
    for word in ("Walks", "Jobs by type", "Open jobs by age", "Rejected records", "Contract drift", "2026-03"):
        assert word in done.stdout


def test_an_export_carries_the_data_and_comments_away(synced: Ledger, tmp_path: Path) -> None:
    env, home = synced
    file = tmp_path / "carry.duckdb"
    done = jobledger("export", str(file), env=env, cwd=home)
    assert done.returncode == 0, done.stderr
    with duckdb.connect(str(file), read_only=True) as con:
        kinds = con.execute(
            "select distinct table_schema, table_type from information_schema.tables order by all"
        ).fetchall()
        comment = con.execute("select comment from duckdb_tables() where table_name = 'jobs'").fetchall()[0][0]
        exported = con.execute("select count(*) from jobs").fetchall()
        assert con.execute("select count(*) from named.jobs").fetchall() == exported
    assert kinds == [("main", "BASE TABLE"), ("named", "VIEW")]
    assert comment.startswith("Every job in its newest version.")
    with duckdb.connect(f"{home}/data/history.duckdb", read_only=True) as con:
        assert con.execute("select count(*) from jobs").fetchall() == exported


@pytest.mark.proof
def test_a_replay_of_an_untouched_ledger_changes_nothing(synced: Ledger) -> None:
    env, home = synced
    done = jobledger("replay", env=env, cwd=home)
    assert done.returncode == 0, done.stderr
    rows = [line.split("│") for line in done.stdout.splitlines() if "│" in line]
    assert len(rows) > 18
    assert {tuple(cell.strip() for cell in row[2:]) for row in rows} == {("0", "0", "0")}


@pytest.mark.proof
@pytest.mark.parametrize("read_only", [True, False])
def test_an_analyst_s_open_connection_blocks_no_sync_and_is_not_blocked(
    read_only: bool, synced: Ledger, tmp_path: Path
) -> None:
    env, home = synced
    shutil.copytree(home / "data", tmp_path / "data")
    env = {**env, "JOBLEDGER_DATA": str(tmp_path / "data")}
    with duckdb.connect(str(tmp_path / "data" / "history.duckdb"), read_only=read_only) as con:
        before = con.execute("select count(*) from jobs").fetchall()
        again = jobledger("sync", "--from", "2026-03", "--to", "2026-03", env=env, cwd=tmp_path)
        assert again.returncode == 0, again.stderr
        assert con.execute("select count(*) from jobs").fetchall() == before


@pytest.mark.proof
def test_jobs_by_id_land_in_their_months_and_missing_ones_are_listed(
    world: World, sandbox: Sandbox, tmp_path: Path
) -> None:
    env = environment(sandbox, world, tmp_path / "data")
    ids = [job["id"] for job in world.jobs_at(NOW)[:5]]
    missing = "00000000-0000-4000-8000-000000000000"
    done = jobledger("sync", "--ids", "-", env=env, cwd=tmp_path, stdin="\n".join([*ids, "# a comment", missing]))
    assert done.returncode == 4, done.stderr
    assert f"NOT FOUND: {missing}" in done.stderr
    assert "5 of 6 jobs fetched" in done.stderr
    rows = jobledger("sql", "select job_id from jobs order by 1", "--format", "json", env=env, cwd=tmp_path)
    assert [row["job_id"] for row in json.loads(rows.stdout)] == sorted(ids)


def test_without_credentials_sync_refuses_and_says_what_to_set(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ITWIN_", "JOBLEDGER_"))}
    done = jobledger("sync", env=env, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    for name in ("ITWIN_CLIENT_ID", "ITWIN_CLIENT_SECRET", "ITWIN_ACCESS_TOKEN"):
        assert name in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.proof
def test_a_wrong_token_is_told_with_the_api_s_words_and_without_the_token(
    world: World, sandbox: Sandbox, tmp_path: Path
) -> None:
    env = environment(sandbox, world, tmp_path / "data", ITWIN_ACCESS_TOKEN="canary-of-a-token")
    done = jobledger("sync", env=env, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "HeaderNotFound" in done.stderr
    assert "correlation id" in done.stderr
    assert "canary-of-a-token" not in done.stderr + done.stdout


@pytest.mark.proof
def test_an_unknown_itwin_leaves_its_walk_incomplete_and_the_others_whole(
    world: World, sandbox: Sandbox, tmp_path: Path
) -> None:
    stranger = "99999999-9999-4999-8999-999999999999"
    itwins = ",".join([world.itwins[0], stranger])
    env = environment(sandbox, world, tmp_path / "data", ITWIN_IDS=itwins, ITWIN_ACCESS_TOKEN=READY_TOKEN)
    done = jobledger("sync", "--from", "2026-03", "--to", "2026-03", env=env, cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    assert "INCOMPLETE" in done.stderr
    assert "iTwinNotFound" in done.stderr
    walks = "select itwin_id, complete, error like '%iTwinNotFound%' as why from walks order by complete"
    rows = json.loads(jobledger("sql", walks, "--format", "json", env=env, cwd=tmp_path).stdout)
    assert rows == [
        {"itwin_id": stranger, "complete": False, "why": True},
        {"itwin_id": world.itwins[0], "complete": True, "why": None},
    ]


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (["sync", "--from", "2026-13"], {}, "'2026-13' is no month"),
        (["sync", "--from", "2026-03", "--to", "2026-01"], {}, "the wrong way round"),
        (["sync", "--from", "2020-01"], {}, "before JOBLEDGER_START"),
        (["sync", "--all", "--from", "2026-01"], {}, "contradict"),
        (["sync", "--ids", "nowhere.txt"], {}, "nowhere.txt"),
        (["sync"], {"ITWIN_API_URL": "http://api.example.com"}, "ITWIN_API_URL"),
        (["sync"], {"JOBLEDGER_DATA": "/proc/nowhere"}, "JOBLEDGER_DATA"),
        (["sql", "select 1"], {"JOBLEDGER_DATA": "empty"}, "There is no ledger at empty/history.duckdb"),
        (["status"], {"JOBLEDGER_DATA": "empty"}, "There is no ledger"),
        (["sandbox", "--edition", "2020-01"], {}, "--edition"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_and_where(
    arguments: list[str], settings: dict[str, str], words: str, world: World, sandbox: Sandbox, tmp_path: Path
) -> None:
    done = jobledger(*arguments, env=environment(sandbox, world, tmp_path / "data", **settings), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_query_that_does_not_work_says_why(synced: Ledger) -> None:
    env, home = synced
    done = jobledger("sql", "select nothing from jobs", env=env, cwd=home)
    assert done.returncode == 2
    assert "nothing" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.proof
def test_ctrl_c_leaves_the_ledger_as_it_was_and_the_next_sync_goes_on(
    world: World, sandbox: Sandbox, tmp_path: Path
) -> None:
    env = environment(sandbox, world, tmp_path / "data", ITWIN_REQUESTS_PER_MINUTE="1200")
    sync = [JOBLEDGER, "sync", "--from", "2026-01", "--to", "2026-03"]
    process = subprocess.Popen(sync, env=env, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "new versions" in line:
            break
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert process.wait(60) == 1
    assert "Traceback" not in said
    process.stderr.close()
    env["ITWIN_REQUESTS_PER_MINUTE"] = "60000"
    assert jobledger(*sync[1:], env=env, cwd=tmp_path).returncode == 0
    count = jobledger("sql", "select count(*) as n from jobs", "--format", "json", env=env, cwd=tmp_path)
    assert json.loads(count.stdout) == [{"n": len(world.jobs_at(NOW))}]
