"""When the next request may start: the budget of the account, shared by every process on a data folder.

Each request takes a slot: the first moment at which no limit is exceeded, in the order of asking. The slots that were
taken lie in a log (`assets.api.slots`); who has taken one waits for it alone. Late waking costs nothing, since the next
slot is planned from the last slot and not from the moment at which its thread woke.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from assets.api.errors import Interrupted, WrongUsage
from assets.api.slots import Slots, Taken

SHARE_USED: Final = 0.98  # requests do not reach the server as evenly as they start, and it may count any minute
ALLOWANCE_SECONDS: Final = 0.02  # about what a busy machine is late in waking a thread
MOST_AT_ONCE: Final = 20
LONG_WAIT_SECONDS: Final = 30.0
"""A wait for the budget that is so long is told."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limit:
    """At most so many requests in any span of so many seconds; `setting` is where that is set."""

    requests: int
    seconds: float
    setting: str

    @property
    def span(self) -> float:
        """The span that is kept free of more: a little longer, as requests do not arrive as evenly as they start."""
        return self.seconds / SHARE_USED


class Budget:
    """At most `per_minute` and at most `per_hour` request starts in any minute and hour; 0 is no limit.

    The starts of a minute are evenly spaced, so that nothing comes in bursts. With a `folder` the budget is shared by
    all processes that name the same one, else by all threads that share the object. 98 % of each limit is used. Slots
    that nobody took are lost, but for 20 ms. Times are in seconds; `minute_seconds` is for tests.

    Raises WrongUsage for a limit that is no number of requests.
    """

    def __init__(
        self,
        per_minute: float = 0,
        clock: Callable[[], float] = time.monotonic,  # one clock for all processes of a machine, which nobody sets
        sleep: Callable[[float], object] | None = None,
        *,
        per_hour: float = 0,
        folder: Path | None = None,
        stopped: threading.Event | None = None,
        minute_seconds: float = 60.0,
    ) -> None:
        self.stopped = stopped or threading.Event()
        self._limits = [
            *_limit(per_minute, minute_seconds, "ITWIN_REQUESTS_PER_MINUTE"),
            *_limit(per_hour, 60 * minute_seconds, "ITWIN_REQUESTS_PER_HOUR"),
        ]
        self.interval_seconds = minute_seconds / (per_minute * SHARE_USED) if per_minute else 0.0
        self._clock = clock
        self._sleep = sleep or self.stopped.wait
        spans = [limit.span for limit in self._limits]
        self._slots = Slots(folder if spans else None, max(spans, default=0.0), clock)
        # Where slots are closer than a machine can tell apart, several are taken at once: it costs less.
        a_few = math.floor(ALLOWANCE_SECONDS / (self.interval_seconds or 1))
        self._at_once = min(max(1, a_few), MOST_AT_ONCE)
        self._mine = deque[tuple[float, Limit | None]]()
        self._turn = threading.Lock()

    def acquire(self) -> None:
        """Return when the caller may start one request. Raises Interrupted once the budget was stopped."""
        # One thread of a process waits for its slot and the others queue behind it, so a pause holds off all of them
        # and wastes one slot at most.
        with self._turn:
            slot = self._next_of_mine()
            while self._slots.paused_until() > slot:
                slot = self._next_of_mine()

    def wait_ahead(self) -> float:
        """Return how long the next request would have to wait."""
        if self._mine:
            return 0.0
        return max(0.0, self._slots.locked(lambda taken: self._next_slot(taken)[0]) - self._clock())

    def pause(self, seconds: float) -> None:
        """No request starts for `seconds` from now, in any thread or process, waiting ones included.

        Pauses do not add up.
        """
        self._slots.locked(lambda taken: taken.pause(self._clock() + seconds))

    def wait(self, seconds: float) -> None:
        """Wait as long. Raises Interrupted once the budget was stopped."""
        self._wait_until(self._clock() + seconds)

    def stop(self) -> None:
        """Let whoever waits, and whoever comes, raise Interrupted at once."""
        self.stopped.set()

    def _next_of_mine(self) -> float:
        """Wait for the next slot of this process and return it."""
        while self._mine and self._mine[0][0] < self._clock() - ALLOWANCE_SECONDS:
            self._mine.popleft()  # nobody took it in time
        if not self._mine:
            self._mine.extend(self._slots.locked(lambda taken: [self._take(taken) for _ in range(self._at_once)]))
        slot, limit = self._mine.popleft()
        if limit and slot - self._clock() > LONG_WAIT_SECONDS:
            _tell(limit, slot - self._clock())
        self._wait_until(slot)
        return slot

    def _take(self, taken: Taken) -> tuple[float, Limit | None]:
        slot, by = self._next_slot(taken)
        if self._limits:
            taken.add(slot)
        return slot, by

    def _next_slot(self, taken: Taken) -> tuple[float, Limit | None]:
        """The next slot, and the limit that puts it off, if one does that more than even spacing does."""
        slot, by = max(self._clock() - ALLOWANCE_SECONDS, taken.last_but(1) + self.interval_seconds), None
        for limit in self._limits:
            earliest = taken.last_but(limit.requests) + limit.span
            if earliest > slot:
                slot, by = earliest, limit
        if taken.paused_until > slot:
            slot, by = taken.paused_until, None
        return slot, by

    def _wait_until(self, moment: float) -> None:
        while not self.stopped.is_set():
            wait = moment - self._clock()
            if wait <= 0:
                return
            self._sleep(wait)
        raise Interrupted("The run was interrupted while it waited for its budget of requests.")


def _limit(requests: float, seconds: float, setting: str) -> list[Limit]:
    """A limit, if there is one. Less than one request in a span is one request in a longer span."""
    if not 0 <= requests < math.inf:
        raise WrongUsage(f"give a number of requests, or 0 for no limit, not {requests!r}")
    if requests == 0:
        return []
    return [Limit(max(1, math.floor(requests)), seconds / min(1.0, requests), setting)]


def _tell(limit: Limit, seconds: float) -> None:
    log.warning(
        f"The budget of {limit.requests} requests in {limit.seconds / 60:g} min ({limit.setting}) is used up: "
        f"the next request starts in {seconds / 60:.1f} min."
    )
