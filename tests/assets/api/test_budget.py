import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.api.budget import SHARE_USED, Budget, Patience, http_date, retry_after_seconds
from assets.api.errors import WrongUsage

ONE_A_SECOND = 60 / SHARE_USED


class FakeTime:
    """A clock that moves only when someone sleeps, and then `late_seconds` too far, as real machines do."""

    def __init__(self, late_seconds: float = 0.0) -> None:
        self.now = 1000.0
        self.late_seconds = late_seconds
        self.at_sleep: Callable[[], None] | None = None

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        callback, self.at_sleep = self.at_sleep, None
        if callback:
            callback()
        self.now += seconds + self.late_seconds


def starts(budget: Budget, fake: FakeTime, busy_seconds: list[float]) -> list[float]:
    """When each request starts, for a caller that is busy that long before asking for it."""
    moments: list[float] = []
    for busy in busy_seconds:
        fake.now += busy
        budget.acquire()
        moments.append(fake.now)
    return moments


def test_starts_are_evenly_spaced() -> None:
    fake = FakeTime()
    budget = Budget(ONE_A_SECOND, fake.clock, fake.sleep)
    assert starts(budget, fake, [0.0, 0.0, 0.25, 0.5]) == [1000.0, 1001.0, 1002.0, 1003.0]


@pytest.mark.parametrize("per_minute", [60, 500, 5000])
@pytest.mark.parametrize("late_seconds", [0.0, 0.001, 0.015])
def test_late_waking_costs_less_than_a_twentieth_of_the_budget(per_minute: int, late_seconds: float) -> None:
    fake = FakeTime(late_seconds)
    budget = Budget(per_minute, fake.clock, fake.sleep)
    moments = starts(budget, fake, [0.0] * 1000)
    rate = 999 * 60 / (moments[-1] - moments[0])
    assert 0.95 * per_minute <= rate <= 1.01 * per_minute


def test_an_idle_hour_saves_up_no_more_than_half_an_interval() -> None:
    fake = FakeTime()
    budget = Budget(ONE_A_SECOND, fake.clock, fake.sleep)
    assert starts(budget, fake, [0.0, 3600.0, 0.0, 0.0]) == [1000.0, 4600.0, 4600.5, 4601.5]


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


@given(
    per_minute=st.floats(1, 10_000),
    busy_seconds=st.lists(st.floats(0, 10), min_size=2, max_size=60),
)
def test_no_span_of_time_ever_holds_more_starts_than_allowed(per_minute: float, busy_seconds: list[float]) -> None:
    fake = FakeTime()
    budget = Budget(per_minute, fake.clock, fake.sleep)
    moments = starts(budget, fake, busy_seconds)
    for first, since in enumerate(moments):
        for last, until in enumerate(moments[first:], first):
            allowed = (until - since + budget.allowance_seconds) / budget.interval_seconds + 1
            assert last - first + 1 <= allowed + 1e-6


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
    assert 0.195 - budget.allowance_seconds <= max(moments) - min(moments) <= 1.0


@pytest.mark.parametrize("per_minute", [0, -1, float("nan")])
def test_a_budget_of_nothing_is_refused(per_minute: float) -> None:
    with pytest.raises(WrongUsage):
        Budget(per_minute)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("-3", 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("\u0663", 0.0),
        ("Thu, 99 Foo 2025", 0.0),
        ("9" * 5000, float("inf")),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_or_counts_as_missing(text: str, seconds: float) -> None:
    assert retry_after_seconds({"retry-after": text}) == seconds


def test_retry_after_as_a_date_is_read_by_the_servers_own_clock() -> None:
    headers = {"date": "Wed, 21 Oct 2015 07:28:00 GMT", "retry-after": "Wed, 21 Oct 2015 07:28:30 GMT"}
    assert retry_after_seconds(headers) == 30.0


def test_retry_after_as_a_date_is_read_by_the_local_clock_if_the_server_tells_no_time() -> None:
    until = datetime.now(UTC) + timedelta(seconds=60)
    assert 55.0 < retry_after_seconds({"retry-after": format_datetime(until, usegmt=True)}) <= 60.0


def test_http_dates_are_utc() -> None:
    assert http_date("Wed, 21 Oct 2015 07:28:00 GMT") == datetime(2015, 10, 21, 7, 28, tzinfo=UTC)
    assert http_date("Wed, 21 Oct 2015 07:28:00 -0000") == datetime(2015, 10, 21, 7, 28, tzinfo=UTC)
    assert http_date("yesterday") is None


def test_the_back_off_doubles_from_the_first_retry_up_to_its_limit() -> None:
    patience = Patience(total=9, backoff_factor=1.0, backoff_max=6.0)
    waits: list[float] = [patience.get_backoff_time()]
    for _ in range(5):
        patience = patience.increment("GET", "/jobs", error=OSError())
        waits.append(patience.get_backoff_time())
    lowest, highest = [0.0, 1.0, 2.0, 4.0, 6.0, 6.0], [0.0, 1.25, 2.5, 5.0, 6.0, 6.0]
    assert all(low <= wait <= high for low, wait, high in zip(lowest, waits, highest, strict=True))
