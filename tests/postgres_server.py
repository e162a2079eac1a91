"""A real Postgres server on loopback for tests, as Debian ships it, with passwords asked for as a real one asks.

A server refuses to run as root, so root runs it as the user nobody. Nothing is synced to disk.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg2
import pytest

CANARY: Final = "canary-9c41/p@ss"
"""The password; in a URL it has to be quoted."""

QUOTED: Final = "canary-9c41%2Fp%40ss"

NEEDS_POSTGRES: Final = "needs a Postgres server (Debian: apt-get install postgresql)"


@dataclass(frozen=True)
class Postgres:
    """A server that runs."""

    port: int

    def url(self, database: str = "postgres", password: str = QUOTED) -> str:
        return f"postgresql://ledger:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self, name: str) -> str:
        """Make an empty database and return its URL."""
        con = psycopg2.connect(self.url())
        con.autocommit = True
        con.cursor().execute(f'CREATE DATABASE "{name}"')
        con.close()
        return self.url(name)

    def ask(self, question: str) -> list[Any]:
        """Return the rows that answer a question."""
        with closing(psycopg2.connect(self.url())) as con, con.cursor() as cursor:
            cursor.execute(question)
            return cursor.fetchall()


def programs() -> Path | None:
    """Return the folder of the newest server's programs; Debian keeps them off the PATH."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name), default=None)


@contextmanager
def running() -> Generator[Postgres]:
    """Run a server until the block ends. Skip the test where there is none, unless CI, which installs one, runs it."""
    found = programs()
    if found is None:
        if os.environ.get("CI"):
            raise AssertionError(f"CI {NEEDS_POSTGRES}")
        pytest.skip(NEEDS_POSTGRES)
    folder = Path(tempfile.mkdtemp(prefix="jobledger-postgres-"))
    as_user: dict[str, Any] = {"cwd": folder, "check": True, "stdout": subprocess.DEVNULL}
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        as_user |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    data, password = folder / "data", folder / "password"
    password.write_text(CANARY)
    password.chmod(0o644)
    port = _free_port()
    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off -c synchronous_commit=off"
    control = [found / "pg_ctl", "-D", data, "-w"]
    make = [found / "initdb", "-D", data, "-U", "ledger", "-A", "scram-sha-256", "--pwfile", password, "--no-sync"]
    try:
        subprocess.run([*make, "-E", "UTF8", "--locale=C"], **as_user)
        password.unlink()
        subprocess.run([*control, "-l", folder / "log", "-o", options, "start"], **as_user)
        yield Postgres(port)
    finally:
        if (data / "postmaster.pid").exists():
            subprocess.run([*control, "-m", "immediate", "stop"], **as_user)
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
