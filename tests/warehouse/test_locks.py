from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from tests.holding import held_by_another
from warehouse.errors import Busy
from warehouse.locks import exclusive

ROOT = Path(__file__).parents[2]

HOLDER = """
import sys
from pathlib import Path
from warehouse.locks import exclusive
with exclusive(Path(sys.argv[1]), "2025-11", wait_seconds=0):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process_that_holds_november(data: Path) -> Generator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.kill()


def test_nobody_has_to_wait_for_a_lock_that_is_free(tmp_path: Path) -> None:
    told: list[str] = []
    for _ in range(2):
        with exclusive(tmp_path, "2025-11", wait_seconds=0, on_wait=told.append):
            pass
    assert told == []


def test_a_second_holder_says_that_it_waits_and_works_when_the_first_has_ended(tmp_path: Path) -> None:
    told: list[str] = []
    order: list[str] = []
    waiting = Event()

    def tell(sentence: str) -> None:
        told.append(sentence)
        waiting.set()

    def second() -> None:
        with exclusive(tmp_path, "2025-11", wait_seconds=10, on_wait=tell):
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with exclusive(tmp_path, "2025-11"):
            later = pool.submit(second)
            assert waiting.wait(5)
            order.append("first")
        later.result(timeout=5)
    assert order == ["first", "second"]
    assert told == ["2025-11 is being worked on by another run; waiting up to 10 s for it."]


def test_a_second_holder_that_waits_in_vain_is_told_that_the_month_is_busy(tmp_path: Path) -> None:
    with (
        held_by_another(tmp_path, "2025-11"),
        pytest.raises(Busy) as busy,
        exclusive(tmp_path, "2025-11", wait_seconds=0.1),
    ):
        pytest.fail("two holders at once")
    assert str(busy.value) == (
        f"2025-11 is still being worked on by another run after 0 s ({tmp_path}/locks/2025-11.lock is locked). "
        "Nothing was changed; run again when it has ended."
    )


def test_a_thread_takes_its_own_lock_again_and_holds_it_to_the_end_of_the_outer_one(tmp_path: Path) -> None:
    with exclusive(tmp_path, "2025-11", wait_seconds=0) as had:
        with exclusive(tmp_path, "2025-11", wait_seconds=0) as had_again:
            assert (had, had_again) == (False, True)
        with ThreadPoolExecutor(1) as pool, pytest.raises(Busy):
            pool.submit(take, tmp_path).result()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(take, tmp_path).result() is False


def take(data: Path) -> bool:
    with exclusive(data, "2025-11", wait_seconds=0) as had:
        return had


def test_months_and_folders_do_not_lock_each_other(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path, "2025-11", wait_seconds=0),
        exclusive(tmp_path, "2025-12", wait_seconds=0),
        exclusive(tmp_path / "other", "2025-11", wait_seconds=0),
    ):
        held = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.lock"))
    assert held == ["locks/2025-11.lock", "locks/2025-12.lock", "other/locks/2025-11.lock"]


def test_an_error_under_the_lock_frees_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"^oops$"), exclusive(tmp_path, "2025-11"):
        raise RuntimeError("oops")
    with exclusive(tmp_path, "2025-11", wait_seconds=0):
        pass


def test_the_lock_holds_between_processes_and_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    with another_process_that_holds_november(tmp_path) as holder:
        with pytest.raises(Busy), exclusive(tmp_path, "2025-11", wait_seconds=0):
            pytest.fail("two holders at once")
        holder.kill()
        with exclusive(tmp_path, "2025-11", wait_seconds=5):
            pass
