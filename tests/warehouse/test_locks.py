from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from warehouse.errors import Busy
from warehouse.locks import exclusive

HOLDER = """
import sys, time
from pathlib import Path
from warehouse.locks import exclusive
with exclusive(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""

COUNTER = """
import sys
from pathlib import Path
from warehouse.locks import exclusive
data = Path(sys.argv[1])
for _ in range(20):
    with exclusive(data, "2025-11"):
        count = int((data / "count").read_text())
        (data / "count").write_text(str(count + 1))
"""


@contextmanager
def held_elsewhere(data: Path, name: str) -> Generator[subprocess.Popen[str]]:
    """Another process holds the lock, until its stdin is closed."""
    command = [sys.executable, "-c", HOLDER, str(data), name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder


def test_a_month_that_another_process_works_on_is_busy(tmp_path: Path) -> None:
    told: list[str] = []
    with held_elsewhere(tmp_path, "2025-11"), pytest.raises(Busy, match="2025-11 is still being worked on"):  # noqa: SIM117
        with exclusive(tmp_path, "2025-11", wait_seconds=0.1, on_wait=told.append):
            pytest.fail("two writers on one month")
    assert told == ["2025-11 is being worked on by another run; waiting up to 0 s for it."]


def test_who_waits_works_when_the_other_has_ended(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path, "2025-11") as holder:
        assert holder.stdin is not None
        threading.Timer(0.2, holder.stdin.close).start()
        with exclusive(tmp_path, "2025-11", wait_seconds=10):
            assert holder.wait(5) == 0


def test_other_months_are_free(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path, "2025-11"), exclusive(tmp_path, "2025-12", wait_seconds=0):
        pass


def test_a_killed_process_leaves_its_lock(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path, "2025-11") as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait(5)
        with exclusive(tmp_path, "2025-11", wait_seconds=1):
            pass


def test_an_error_under_the_lock_leaves_it(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path, "2025-11"):
        raise ZeroDivisionError
    with exclusive(tmp_path, "2025-11", wait_seconds=0):
        pass


def test_threads_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    with exclusive(tmp_path, "2025-11"):
        refused: list[bool] = []

        def other() -> None:
            try:
                with exclusive(tmp_path, "2025-11", wait_seconds=0):
                    refused.append(False)
            except Busy:
                refused.append(True)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert refused == [True]


def test_processes_that_take_turns_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    workers = [subprocess.Popen([sys.executable, "-c", COUNTER, str(tmp_path)]) for _ in range(4)]
    assert [worker.wait(60) for worker in workers] == [0] * 4
    assert (tmp_path / "count").read_text() == "80"
