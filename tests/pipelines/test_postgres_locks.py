"""The ledger's locks at a real Postgres server, between machines whose file locks do not reach each other.

Such a machine is a process for which `flock` says yes to everybody, as on NFS with `local_lock` or in a mounted bucket.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import pytest

from assets.wiring import LAST_STEP
from pipelines.postgres_locks import hold_locks_at, locks_of_worker
from pipelines.settings import read_settings
from tests.pipelines.ledger_of_sandbox import ROOT, jobledger, without_settings
from tests.pipelines.test_months_apart import MONTHS, Service, a_ledger
from tests.pipelines.test_secrets import holds
from tests.pipelines.ui_server import free_port
from tests.postgres_server import CANARY, QUOTED, Postgres
from tests.postgres_server import running as running_postgres
from tests.servers import Reply, Request
from warehouse.errors import Busy, LockLost, WrongUsage
from warehouse.lake import Lake
from warehouse.locks import exclusive
from warehouse.tables import OBSERVATIONS

pytestmark = pytest.mark.postgres

DEAF = "import fcntl\nfcntl.flock = lambda *_: None\n"
"""What makes a process a machine that no file lock reaches."""

SETTLED = "from pipelines.settings import read_settings\ndata = read_settings().data\n"

HOLDER = """
import sys
from warehouse.locks import exclusive
from warehouse.tables import OBSERVATIONS
with exclusive(data, sys.argv[1], wait_seconds=0):
    print("held", flush=True)
    sys.stdin.read()
"""
COUNTER = """
from warehouse.lake import Lake
lake = Lake(data)
print("ready", flush=True)
input()
for _ in range(30):
    with lake.exclusive("report") as staging:
        place = data / "report.html"
        before = int(place.read_text()) if place.exists() else 0
        staging.reserve_place(place).write_text(str(before + 1))
        staging.commit()
"""


@pytest.fixture(scope="module")
def server() -> Generator[Postgres]:
    with running_postgres() as found:
        yield found


@pytest.fixture
def env(server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[dict[str, str]]:
    """The environment of a ledger whose locks are at the server; this process has it too."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("JOBLEDGER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("JOBLEDGER_POSTGRES_URL", server.url())
    read_settings()
    yield without_settings() | {"JOBLEDGER_DATA": str(tmp_path / "data"), "JOBLEDGER_POSTGRES_URL": server.url()}
    hold_locks_at("")


def end_sessions(server: Postgres, named: str) -> int:
    """End the sessions that hold a lock; return how many there were."""
    found = server.ask(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        f"WHERE application_name LIKE 'jobledger {named} on %'",
    )
    return len(found)


def machine(code: str, *arguments: str, env: dict[str, str]) -> subprocess.Popen[str]:
    """A process that no file lock reaches."""
    command = [sys.executable, "-c", DEAF + SETTLED + code, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env)


@contextmanager
def another_machine_that_holds(name: str, env: dict[str, str]) -> Generator[subprocess.Popen[str]]:
    with machine(HOLDER, name, env=env) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.kill()


def count_on_two_machines(env: dict[str, str]) -> int:
    machines = [machine(COUNTER, env=env) for _ in range(2)]
    for one in machines:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in machines:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    ended = [one.communicate(timeout=60) and one.returncode for one in machines]
    place = Path(env["JOBLEDGER_DATA"]) / "report.html"
    return int(place.read_text()) if ended == [0, 0] else -1


def test_what_two_machines_commit_at_once_is_all_there(env: dict[str, str]) -> None:
    assert count_on_two_machines(env) == 60


def test_without_the_server_such_machines_lose_what_the_other_one_did(env: dict[str, str]) -> None:
    del env["JOBLEDGER_POSTGRES_URL"]
    assert count_on_two_machines(env) < 60


def test_a_month_that_another_machine_works_on_is_busy_and_told_once_and_free_when_that_one_is_killed(
    env: dict[str, str], server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, told = tmp_path / "data", list[str]()
    monkeypatch.setattr("fcntl.flock", lambda *_: None)
    with another_machine_that_holds("2025-11", env) as holder:
        with (
            pytest.raises(Busy) as busy,
            exclusive(data, "2025-11", wait_seconds=0.5, on_wait=told.append),
        ):
            pytest.fail("two holders at once")
        with exclusive(data, "2025-12", wait_seconds=0), exclusive(tmp_path / "other", "2025-11", wait_seconds=0):
            pass
        holder.kill()
        with exclusive(data, "2025-11", wait_seconds=5) as had, exclusive(data, "2025-11") as had_again:
            assert (had, had_again) == (False, True)
    assert told == ["2025-11 is being worked on by another run; waiting up to 0 s for it."]
    assert str(busy.value) == (
        "2025-11 is still being worked on by another run after 0 s (it is locked at Postgres at "
        f"127.0.0.1:{server.port}/postgres). Nothing was changed; run again when it has ended."
    )


def test_a_folder_is_the_same_wherever_it_is_mounted_and_a_copy_is_another(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.flock", lambda *_: None)
    (tmp_path / "data").mkdir()
    (tmp_path / "mounted").symlink_to(tmp_path / "data")
    with (
        another_machine_that_holds("2025-11", env | {"JOBLEDGER_DATA": str(tmp_path / "mounted")}),
        pytest.raises(Busy),
        exclusive(tmp_path / "data", "2025-11", wait_seconds=0),
    ):
        pytest.fail("two holders at once")


def test_who_lost_the_lock_commits_nothing_and_says_what_to_do(
    env: dict[str, str], server: Postgres, tmp_path: Path
) -> None:
    lake = Lake(tmp_path / "data")
    place = lake.data / "report.html"

    def write(text: str, *, losing: bool) -> None:
        with lake.exclusive("report", wait_seconds=0) as staging:
            for part in (place, lake.data / "history.duckdb"):
                staging.reserve_place(part).write_text(text)
            if losing:
                assert end_sessions(server, "report") == 1
                with another_machine_that_holds("report", env):
                    staging.commit()
            else:
                staging.commit()

    write("first", losing=False)
    with pytest.raises(LockLost) as lost:
        write("second", losing=True)
    assert str(lost.value) == (
        f"The lock on report was lost: the session at Postgres at 127.0.0.1:{server.port}/postgres that held it has "
        "ended, and another run may work on it by now. Nothing of this step was put in place. Check that the server "
        "runs and can be reached all the time, then run again."
    )
    assert (place.read_text(), list((lake.data / "journal").iterdir())) == ("first", [])
    write("third", losing=False)
    assert place.read_text() == "third"
    assert list((lake.data / "staged").iterdir()) == []


def test_a_server_that_is_gone_is_told_and_the_password_is_not(env: dict[str, str], tmp_path: Path) -> None:
    nobody = f"postgresql://ledger:{QUOTED}@127.0.0.1:{free_port()}/postgres"
    done = jobledger("replay", env=env | {"JOBLEDGER_POSTGRES_URL": nobody}, cwd=tmp_path)
    assert done.returncode == 2  # no ledger yet, and no server is asked
    Lake(tmp_path / "data").root.mkdir(parents=True)
    done = jobledger("replay", env=env | {"JOBLEDGER_POSTGRES_URL": nobody}, cwd=tmp_path)
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
    assert "Check that the server runs, and user, password and database in JOBLEDGER_POSTGRES_URL" in done.stderr
    for canary in (CANARY, QUOTED):
        assert canary not in done.stdout + done.stderr


def test_a_run_that_loses_the_lock_on_a_month_fails_in_that_month_alone_and_the_next_one_mends_it(
    env: dict[str, str], server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Losing(Service):
        def __call__(self, request: Request) -> Reply:
            if "ge 2025-10" in unquote(request.target) and not ended:
                ended.append(end_sessions(server, "2025-10"))
            return super().__call__(request)

    ended: list[int] = []
    with a_ledger(tmp_path / "data", monkeypatch, Losing()) as ledger:
        result, failed = ledger.run()
        assert (ended, failed) == ([1], [LAST_STEP])
        assert list(ledger.why()) == ["2025-10"]
        assert ledger.why()["2025-10"].startswith("The lock on 2025-10 was lost: the session at Postgres at 127.0.0.1:")
        assert ledger.lake.months(OBSERVATIONS) == ["2025-09", "2025-11"]
        assert [len(ledger.states(month)) for month in MONTHS] == [20, 0, 20]
        mended, _ = ledger.run()
        assert (mended.success, ledger.why()) == (True, {})
        assert [len(ledger.states(month)) for month in MONTHS] == [20, 20, 20]
    for canary in (CANARY, QUOTED):
        assert canary not in "".join(str(event) for event in (*result.all_events, *mended.all_events))
        assert holds(tmp_path, canary) == []


def test_a_worker_of_spark_holds_the_locks_where_the_command_does_or_says_what_it_lacks(
    env: dict[str, str], server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = locks_of_worker(server.url())
    assert CANARY not in repr(begin)
    monkeypatch.delenv("JOBLEDGER_POSTGRES_URL")
    with pytest.raises(WrongUsage, match=f"at 127.0.0.1:{server.port}/postgres, and this worker of Spark does not"):
        begin()
    hold_locks_at("")
    monkeypatch.setenv("JOBLEDGER_POSTGRES_URL", server.url())
    monkeypatch.setattr("fcntl.flock", lambda *_: None)
    with another_machine_that_holds("2025-11", env):
        locks_of_worker("")()
        with exclusive(tmp_path / "data", "2025-11", wait_seconds=0):
            pass  # the command holds file locks alone, and so does its worker
        begin()
        with pytest.raises(Busy), exclusive(tmp_path / "data", "2025-11", wait_seconds=0):
            pytest.fail("two holders at once")
