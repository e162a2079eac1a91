"""Months are independent: each is worked on by itself, and one that fails costs the others nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from warehouse.errors import Busy
from warehouse.locks import WAIT_SECONDS


class Done(Protocol):
    """What came of a month."""

    @property
    def failure(self) -> Exception | None: ...


D = TypeVar("D", bound=Done)


def each_month(
    months: Sequence[str],
    work: Callable[[str, float], D],
    failed: Callable[[str, Exception], D],
    wait_seconds: float = WAIT_SECONDS,
) -> Iterator[D]:
    """Yield what `work` made of each month, or what `failed` makes of its error.

    `work` gets the month and the seconds that it may wait for its lock. A month that another run works on comes last;
    `wait_seconds` bounds the wait for all such months together.
    """
    locked: list[str] = []
    for month in months:
        done = _attempt(month, 0.0, work, failed)
        if isinstance(done.failure, Busy):
            locked.append(month)
        else:
            yield done
    deadline = time.monotonic() + wait_seconds
    for month in locked:
        yield _attempt(month, max(0.0, deadline - time.monotonic()), work, failed)


def _attempt(
    month: str, wait_seconds: float, work: Callable[[str, float], D], failed: Callable[[str, Exception], D]
) -> D:
    try:
        return work(month, wait_seconds)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this month's alone: the run reports it and fails
        return failed(month, error)
