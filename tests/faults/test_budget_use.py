"""The budget against a server that keeps one: nearly all of what is allowed is used, and nearly nothing refused."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from random import Random

import pytest

from assets.api.auth import FixedToken
from assets.api.budget import Budget
from assets.api.client import Client
from assets.api.protocol import Tally
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


@pytest.mark.proof
def test_nearly_all_of_the_budget_is_used_and_nothing_is_refused() -> None:
    # The sandbox allows as many requests in any minute as are allowed in the seconds of this test: were the budget to
    # start one more than its share, there would be a 429.
    allowed = PER_MINUTE * SECONDS / MINUTE + 1
    with Sandbox(ScriptedWorld(job("a")), clock=FixedClock(NOW), rate_per_minute=allowed) as sandbox:
        tally, moments = ask(sandbox.url, PER_MINUTE, SECONDS - 8 * MINUTE / PER_MINUTE)
    rate = (len(moments) - 1) / (moments[-1] - moments[0]) * MINUTE
    assert 0.95 * PER_MINUTE <= rate <= 1.02 * PER_MINUTE
    assert tally.throttled < 0.01 * tally.requests


class StrictServer:
    """Virtual hours with a server that allows so many requests in any minute, and tells late ones to wait."""

    def __init__(self, per_minute: int, seed: int) -> None:
        self.now = 0.0
        self.per_minute = per_minute
        self.taken = deque[float]()
        self.refused = 0
        self.rng = Random(seed)
        self.budget = Budget(per_minute, lambda: self.now, self.sleep)
        self.told: list[tuple[float, float]] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds + self.rng.uniform(0, 0.01)  # nobody wakes on time
        for at, wait in [one for one in self.told if one[0] <= self.now]:
            self.told.remove((at, wait))
            self.budget.pause(at + wait - self.now)

    def ask(self) -> None:
        """One request: on its way for up to 50 ms; an answer that asks to wait is read a tenth of a second later."""
        self.budget.acquire()
        arrival = self.now + self.rng.uniform(0, 0.05)
        while self.taken and self.taken[0] <= arrival - MINUTE:
            self.taken.popleft()
        if len(self.taken) < self.per_minute:
            self.taken.append(arrival)
        else:
            self.refused += 1
            self.told.append((arrival + 0.1, ceil(self.taken[0] + MINUTE - arrival)))


@pytest.mark.proof
@pytest.mark.parametrize("per_minute", [60, 500, 5000])
def test_over_hours_a_server_with_the_same_limit_refuses_less_than_one_in_a_hundred(per_minute: int) -> None:
    server, requests = StrictServer(per_minute, seed=1), 20 * per_minute
    for _ in range(requests):
        server.ask()
    assert server.refused < 0.01 * requests
    assert 0.95 * per_minute <= (requests - server.refused) / server.now * MINUTE <= per_minute
