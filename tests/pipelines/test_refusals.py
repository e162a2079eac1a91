"""What cannot work is refused in a sentence that names the setting or the file: the command line as a user meets it."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.pipelines.ledger_of_sandbox import JOBLEDGER, jobledger

SQL = ["sql", "select 1 as one"]


def own_environment(home: Path, **more: str) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ITWIN_", "JOBLEDGER_", "DAGSTER"))
    }
    return {**kept, "JOBLEDGER_DATA": str(home / "data"), **more}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a ledger that can be queried."""
    (tmp_path / "data" / "lake").mkdir(parents=True)
    duckdb.connect(str(tmp_path / "data" / "history.duckdb")).close()
    return tmp_path


def write_env_in_utf_16(home: Path) -> None:
    (home / ".env").write_text("JOBLEDGER_START=2025-01\n", encoding="utf-16")


def empty_the_door(home: Path) -> None:
    (home / "data" / "history.duckdb").write_bytes(b"")


def put_notes_in_the_door_s_place(home: Path) -> None:
    (home / "data" / "history.duckdb").write_text("notes of somebody\n" * 100)


def put_a_folder_in_the_door_s_place(home: Path) -> None:
    (home / "data" / "history.duckdb").unlink()
    (home / "data" / "history.duckdb").mkdir()


def write_notes(home: Path) -> None:
    (home / "notes.txt").write_text("notes of somebody")


def nothing(home: Path) -> None: ...


@pytest.mark.parametrize(
    ("spoil", "arguments", "settings", "code", "words"),
    [
        (nothing, SQL, {"REQUESTS_CA_BUNDLE": "no.pem"}, 2, "REQUESTS_CA_BUNDLE: there is no file no.pem"),
        (nothing, SQL, {"DAGSTER_HOME": "home"}, 2, "DAGSTER_HOME: home is relative"),
        (nothing, SQL, {"JOBLEDGER_START": "2999-01"}, 2, "JOBLEDGER_START: 2999-01 lies in the future"),
        (nothing, SQL, {"JOBLEDGER_DUCKDB_MEMORY": "abc"}, 2, "JOBLEDGER_DUCKDB_MEMORY: 'abc' is no size"),
        (write_env_in_utf_16, SQL, {}, 2, ".env: the file is not UTF-8"),
        (empty_the_door, SQL, {}, 1, "history.duckdb is empty or no DuckDB file"),
        (put_notes_in_the_door_s_place, SQL, {}, 1, "history.duckdb is empty or no DuckDB file"),
        (put_a_folder_in_the_door_s_place, SQL, {}, 1, "A folder is where a file should be"),
        (nothing, ["export", "."], {}, 2, ". is a folder"),
        (nothing, ["export", "/dev/null"], {}, 2, "/dev/null is there and no DuckDB file"),
        (write_notes, ["export", "notes.txt"], {}, 2, "notes.txt is there and no DuckDB file"),
        (nothing, ["sandbox", "--faults", "p=0.1,kind=429"], {}, 2, "--faults"),
        (nothing, ["sandbox", "--faults", "kinds=428"], {}, 2, "--faults"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(
    spoil: Callable[[Path], None], arguments: list[str], settings: dict[str, str], code: int, words: str, home: Path
) -> None:
    spoil(home)
    before = {file: file.read_bytes() for file in home.rglob("*") if file.is_file()}
    done = jobledger(*arguments, env=own_environment(home, **settings), cwd=home)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert {file: file.read_bytes() for file in home.rglob("*") if file.is_file()} == before


def test_a_taken_port_is_named(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = jobledger("sandbox", "--port", str(port), env=own_environment(home), cwd=home)
    assert done.returncode == 2
    assert f"--port {port}: the port is taken" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told(home: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [JOBLEDGER, *SQL]
        done = subprocess.run(
            command, env=own_environment(home), cwd=home, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert b"No space is left" in done.stderr
    assert b"Traceback" not in done.stderr
