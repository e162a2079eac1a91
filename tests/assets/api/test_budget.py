import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.api import slots
from assets.api.budget import ALLOWANCE_SECONDS, SHARE_USED, Budget
from assets.api.errors import Interrupted, WrongUsage
from warehouse.errors import Busy

ONE_A_SECOND = 60 / SHARE_USED
START = 1000.0
FIRST = START - ALLOWANCE_SECONDS
ROOT = Path(__file__).parents[3]


class FakeTime:
    """A clock that moves only when someone sleeps, and then `late_seconds` too far, as real machines do."""

    def __init__(self, late_seconds: float = 0.0) -> None:
        self.now = START
        self.late_seconds = late_seconds
        self.at_sleep: Callable[[], None] | None = None

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        callback, self.at_sleep = self.at_sleep, None
        if callback:
            callback()
        self.now += seconds + self.late_seconds


def starts(budget: Budget, fake: FakeTime, busy_seconds: Sequence[float]) -> list[float]:
    """When each request starts, for a caller that is busy that long before asking for it."""
    moments: list[float] = []
    for busy in busy_seconds:
        fake.now += busy
        budget.acquire()
        moments.append(fake.now)
    return moments


def most_in_any(seconds: float, moments: Sequence[float]) -> int:
    """The most of these moments that any span of so many seconds holds."""
    most, first = 0, 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def test_starts_are_evenly_spaced() -> None:
    fake = FakeTime()
    budget = Budget(ONE_A_SECOND, fake.clock, fake.sleep)
    assert starts(budget, fake, [0.0, 0.0, 0.25, 0.5]) == [START, FIRST + 1, FIRST + 2, FIRST + 3]


@pytest.mark.parametrize("per_minute", [60, 500, 5000])
@pytest.mark.parametrize("late_seconds", [0.0, 0.001, 0.015])
def test_late_waking_costs_less_than_a_twentieth_of_the_budget(per_minute: int, late_seconds: float) -> None:
    fake = FakeTime(late_seconds)
    budget = Budget(per_minute, fake.clock, fake.sleep)
    moments = starts(budget, fake, [0.0] * 1000)
    rate = 999 * 60 / (moments[-1] - moments[0])
    assert 0.95 * per_minute <= rate <= 1.01 * per_minute


@pytest.mark.parametrize(("per_minute", "per_hour"), [(500, 5000), (0, 5000), (60, 100), (5000, 0), (7, 0), (1, 20)])
def test_over_hours_nearly_all_that_is_allowed_is_used_and_never_more_in_any_minute_or_hour(
    per_minute: int, per_hour: int
) -> None:
    fake = FakeTime(late_seconds=0.002)
    budget = Budget(per_minute, fake.clock, fake.sleep, per_hour=per_hour)
    hours = 4
    moments: list[float] = []
    while not moments or (fake.now < START + hours * 3600 and len(moments) < 15_000):
        moments += starts(budget, fake, [0.0] * 10)
    assert most_in_any(60, moments) <= (per_minute or per_hour)
    assert most_in_any(3600, moments) <= (per_hour or 60 * per_minute)
    if per_hour:  # as many as fit into the whole hours that were walked
        assert (
            sum(moment < START + 3 * 3600 for moment in moments) >= 0.95 * min(per_hour, 60 * (per_minute or 1e9)) * 3
        )
    else:
        assert (len(moments) - 1) * 60 / (moments[-1] - moments[0]) >= 0.95 * per_minute


@settings(max_examples=50)
@given(
    per_minute=st.integers(0, 200),
    per_hour=st.integers(1, 60),
    busy_seconds=st.lists(st.floats(0, 400), min_size=2, max_size=120),
)
def test_whatever_is_asked_for_when_no_minute_and_no_hour_ever_holds_more_starts_than_allowed(
    per_minute: int, per_hour: int, busy_seconds: list[float]
) -> None:
    fake = FakeTime()
    moments = starts(Budget(per_minute, fake.clock, fake.sleep, per_hour=per_hour), fake, busy_seconds)
    assert most_in_any(60, moments) <= (per_minute or per_hour)
    assert most_in_any(3600, moments) <= per_hour


def test_an_idle_hour_saves_up_no_more_than_the_allowance() -> None:
    fake = FakeTime()
    budget = Budget(ONE_A_SECOND, fake.clock, fake.sleep)
    later = START + 3600
    assert starts(budget, fake, [0.0, 3600.0, 0.0, 0.0]) == pytest.approx(
        [START, later, later + 1 - ALLOWANCE_SECONDS, later + 2 - ALLOWANCE_SECONDS]
    )


def test_after_a_pause_the_first_start_is_at_its_end_and_the_next_an_interval_later() -> None:
    fake = FakeTime()
    budget = Budget(ONE_A_SECOND, fake.clock, fake.sleep)
    budget.pause(30.0)
    assert starts(budget, fake, [0.0, 0.0, 0.0]) == [1030.0, 1031.0, 1032.0]


def test_a_pause_holds_off_who_already_waits() -> None:
    fake = FakeTime()
    budget = Budget(ONE_A_SECOND, fake.clock, fake.sleep)
    budget.acquire()
    fake.at_sleep = lambda: budget.pause(10.0)
    assert starts(budget, fake, [0.0, 0.0]) == [1010.0, 1011.0]


def test_a_shorter_pause_does_not_end_a_longer_one_and_they_do_not_add_up() -> None:
    fake = FakeTime()
    budget = Budget(ONE_A_SECOND, fake.clock, fake.sleep)
    budget.pause(30.0)
    budget.pause(10.0)
    assert starts(budget, fake, [0.0]) == [1030.0]


def test_without_limits_nobody_waits_but_for_a_pause(tmp_path: Path) -> None:
    fake = FakeTime()
    budget = Budget(0, fake.clock, fake.sleep, per_hour=0, folder=tmp_path / "budget")
    moments = starts(budget, fake, [0.0] * 100)
    budget.pause(5.0)
    assert (moments, starts(budget, fake, [0.0])) == ([START] * 100, [START + 5])
    assert list(tmp_path.iterdir()) == []


def test_threads_share_one_budget() -> None:
    budget = Budget(12_000)  # one each 5 ms
    moments: list[float] = []

    def take_ten() -> None:
        for _ in range(10):
            budget.acquire()
            moments.append(time.monotonic())

    threads = [threading.Thread(target=take_ten) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # How late a loaded machine wakes its threads is not ours to promise, so only the lower bound is sharp.
    assert len(moments) == 40
    assert 0.195 - ALLOWANCE_SECONDS <= max(moments) - min(moments) <= 1.0


@pytest.mark.parametrize("requests", [-1, float("nan"), float("inf")])
def test_what_is_no_number_of_requests_is_refused(requests: float) -> None:
    with pytest.raises(WrongUsage):
        Budget(requests)
    with pytest.raises(WrongUsage):
        Budget(500, per_hour=requests)


def test_less_than_one_request_a_minute_is_one_in_a_longer_time() -> None:
    fake = FakeTime()
    moments = starts(Budget(0.5 / SHARE_USED, fake.clock, fake.sleep), fake, [0.0] * 3)
    assert moments == pytest.approx([START, FIRST + 120, FIRST + 240])


def test_a_long_wait_for_the_hour_is_told_once_with_the_setting(caplog: pytest.LogCaptureFixture) -> None:
    fake = FakeTime()
    budget = Budget(500, fake.clock, fake.sleep, per_hour=10)
    starts(budget, fake, [0.0] * 20)
    assert caplog.messages == [
        "The budget of 10 requests in 60 min (ITWIN_REQUESTS_PER_HOUR) is used up: the next request starts in 61.2 min."
    ]


def test_who_waits_for_the_budget_ends_at_once_when_it_is_stopped() -> None:
    budget = Budget(1, per_hour=1)
    budget.acquire()
    ended: list[float] = []

    def wait() -> None:
        with pytest.raises(Interrupted):
            budget.acquire()
        ended.append(time.monotonic())

    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    stopped = time.monotonic()
    budget.stop()
    for thread in threads:
        thread.join(5)
    assert len(ended) == 8
    assert max(ended) - stopped < 0.5
    with pytest.raises(Interrupted):
        budget.wait(60)


PROCESS = """
import sys, threading, time
from pathlib import Path
from assets.api.budget import Budget
minute = float(sys.argv[2])
budget = Budget(int(sys.argv[3]), per_hour=int(sys.argv[4]), folder=Path(sys.argv[1]), minute_seconds=minute)
moments = []
def work():
    while True:
        budget.acquire()
        moments.append(time.monotonic())
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(float(sys.argv[5]))
print(*moments)
"""


def in_processes(folder: Path, minute: float, per_minute: int, per_hour: int, seconds: float) -> list[float]:
    """When requests start, until the first of three processes with three threads each ends; a minute is shorter."""
    arguments = [str(value) for value in (folder, minute, per_minute, per_hour, seconds)]
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [[float(text) for text in process.communicate(timeout=60)[0].split()] for process in processes]
    until = min(moments[-1] for moments in said)
    return sorted(moment for moments in said for moment in moments if moment <= until)


def taken_slots(folder: Path) -> list[float]:
    content = (folder / "slots").read_bytes()[24:]
    return list(struct.unpack(f"<{len(content) // 8}d", content))


@pytest.mark.parametrize(
    ("minute", "per_minute", "per_hour"),
    [pytest.param(1.0, 80, 0, id="minutes"), pytest.param(1 / 60, 0, 100, id="hours"), pytest.param(1 / 60, 4, 100)],
)
def test_processes_share_the_budget_of_their_folder(
    tmp_path: Path, minute: float, per_minute: int, per_hour: int
) -> None:
    moments = in_processes(tmp_path, minute, per_minute, per_hour, 3.2)
    taken = taken_slots(tmp_path)
    limits = [(count, span) for count, span in ((per_minute, minute), (per_hour, 60 * minute)) if count]
    for count, span in limits:
        assert most_in_any(span, taken) <= count
    # Nobody starts before the slot, but a loaded machine wakes threads late, so starts are closer than their slots.
    count, span = limits[-1]
    assert most_in_any(span - 0.1, moments) <= count
    whole = (moments[-1] - moments[0]) // span * span
    assert whole >= 2 * span
    # It also leaves slots unused, but most of them are used.
    assert sum(moment < moments[0] + whole for moment in moments) >= 0.6 * count * whole / span


def test_a_pause_holds_off_the_other_processes_of_the_folder(tmp_path: Path) -> None:
    fake = FakeTime()
    one, other = (Budget(ONE_A_SECOND, fake.clock, fake.sleep, folder=tmp_path) for _ in range(2))
    one.acquire()
    fake.at_sleep = lambda: other.pause(10.0)
    assert starts(one, fake, [0.0]) == [1010.0]
    assert starts(other, fake, [0.0]) == [1011.0]


def test_the_budget_outlives_the_process(tmp_path: Path) -> None:
    fake = FakeTime()
    starts(Budget(500, fake.clock, fake.sleep, per_hour=5, folder=tmp_path), fake, [0.0] * 5)
    assert starts(Budget(500, fake.clock, fake.sleep, per_hour=5, folder=tmp_path), fake, [0.0]) == [
        FIRST + 3600 / SHARE_USED
    ]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: b"\x00" * 200, id="zeros"),
        pytest.param(lambda content: content[:-3], id="cut"),
        pytest.param(lambda content: content[:10], id="no header"),
        pytest.param(lambda content: os.urandom(len(content)), id="noise"),
        pytest.param(lambda content: content[:-8] + struct.pack("<d", float("nan")), id="no number"),
        pytest.param(lambda content: content[:-8] + struct.pack("<d", 1e300), id="the end of time"),
    ],
)
def test_a_damaged_file_is_made_anew_and_that_is_told(
    tmp_path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeTime()
    budget = Budget(ONE_A_SECOND, fake.clock, fake.sleep, per_hour=5, folder=tmp_path)
    starts(budget, fake, [0.0] * 5)
    (tmp_path / "slots").write_bytes(damage((tmp_path / "slots").read_bytes()))
    fake.now = 2000.0
    assert starts(budget, fake, [0.0, 0.0]) == [2000.0, 2001.0 - ALLOWANCE_SECONDS]
    [told] = caplog.messages
    assert str(tmp_path / "slots") in told
    assert "made anew" in told


def test_a_restart_of_the_machine_forgets_nothing_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    fake = FakeTime()
    fake.now = 900_000.0
    starts(Budget(500, fake.clock, fake.sleep, per_hour=5, folder=tmp_path), fake, [0.0] * 5)
    begun, fake.now = fake.now, 30.0  # half a minute after the start, the file a minute old
    os.utime(tmp_path / "slots", (time.time() - 60, time.time() - 60))
    [moment] = starts(Budget(500, fake.clock, fake.sleep, per_hour=5, folder=tmp_path), fake, [0.0])
    passed_at_the_first = begun - 900_000.0 + 60
    assert moment == pytest.approx(30.0 + 3600 / SHARE_USED - passed_at_the_first, abs=1)


def test_a_clock_of_the_wall_that_jumps_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTime()
    budget = Budget(ONE_A_SECOND, fake.clock, fake.sleep, folder=tmp_path)
    moments = starts(budget, fake, [0.0, 0.0])
    for jump in (1e9, -1e9):
        monkeypatch.setattr(time, "time", lambda jump=jump: 1.7e9 + jump)
        moments += starts(budget, fake, [0.0])
    assert moments == [START, FIRST + 1, FIRST + 2, FIRST + 3]


def test_the_file_stays_small_however_long_it_is_used(tmp_path: Path) -> None:
    fake = FakeTime()
    budget = Budget(60, fake.clock, fake.sleep, folder=tmp_path)
    sizes: list[int] = []
    for _ in range(60):
        starts(budget, fake, [0.0] * 10)
        sizes.append((tmp_path / "slots").stat().st_size)
    assert max(sizes) < 24 + 8 * 140
    assert len(list(tmp_path.iterdir())) == 2


def test_a_log_that_stays_locked_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "LOCK_SECONDS", 0.05)
    budget = Budget(60, folder=tmp_path)
    with FileLock(tmp_path / "slots.lock"), pytest.raises(Busy, match="locked the budget of requests"):
        budget.acquire()


def test_a_data_folder_that_is_deleted_meanwhile_stops_nothing(tmp_path: Path) -> None:
    fake = FakeTime()
    budget = Budget(ONE_A_SECOND, fake.clock, fake.sleep, folder=tmp_path / "budget")
    budget.acquire()
    for path in (tmp_path / "budget").iterdir():
        path.unlink()
    (tmp_path / "budget").rmdir()
    assert starts(budget, fake, [0.0]) == [START]
