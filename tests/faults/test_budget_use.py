"""The budget against a server that keeps one: nearly all of what is allowed is used, and nearly nothing refused."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from assets.auth import FixedToken
from assets.budget import Budget
from assets.client import Client, Tally
from pipelines.sandbox import READY_TOKEN, FixedClock, Sandbox, ScriptedWorld
from tests.faults.world import NOW, job

PER_MINUTE = 1200
SECONDS = 4.0
MINUTE = 60.0


def ask(url: str, per_minute: float, seconds: float) -> tuple[Tally, list[float]]:
    """Eight threads that ask as often as their budget lets them; what it cost, and when each answer came."""
    tally, moments, lock = Tally(), list[float](), threading.Lock()
    with Client(url, FixedToken(READY_TOKEN), Budget(per_minute), longest_wait_seconds=0.1) as api:
        end = time.monotonic() + seconds

        def work() -> None:
            while time.monotonic() < end:
                api.job("a", tally)
                with lock:
                    moments.append(time.monotonic())

        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(work) for _ in range(8)]:
                done.result()
    return tally, sorted(moments)


def test_nearly_all_of_the_budget_is_used_and_nothing_is_refused() -> None:
    # The sandbox allows as many requests in any minute as are allowed in the seconds of this test: were the budget to
    # start one more than its share, there would be a 429.
    allowed = PER_MINUTE * SECONDS / MINUTE + 1
    with Sandbox(ScriptedWorld(job("a")), clock=FixedClock(NOW), rate_per_minute=allowed) as sandbox:
        tally, moments = ask(sandbox.url, PER_MINUTE, SECONDS - 8 * MINUTE / PER_MINUTE)
    rate = (len(moments) - 1) / (moments[-1] - moments[0]) * MINUTE
    assert 0.95 * PER_MINUTE <= rate <= 1.02 * PER_MINUTE
    assert tally.throttled < 0.01 * tally.requests


def test_over_virtual_hours_a_rolling_minute_never_holds_more_than_is_allowed_and_hardly_less() -> None:
    now, starts = 0.0, list[float]()

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    budget = Budget(500, lambda: now, sleep)
    for number in range(60_000):
        now += 0.08 if number % 7 else 0.0  # answers take their time
        budget.acquire()
        starts.append(now)
    # The server's rolling minute, kept as the sandbox does: refused is what finds it full.
    first, refused = 0, 0
    for last, start in enumerate(starts):
        while starts[first] <= start - MINUTE:
            first += 1
        refused += last - first + 1 > 500
    assert refused < 0.01 * len(starts)
    assert 0.95 * 500 <= len(starts) / starts[-1] * MINUTE <= 500.1
