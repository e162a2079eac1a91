"""When the next request may start: the budget that all threads share, and the patience after a fault.

What belongs here is timing. What a request is, and which answers are faults, is the client's.
"""

import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from urllib3 import Retry
from urllib3.response import BaseHTTPResponse

from assets.api.errors import WrongUsage

SHARE_USED = 0.98  # requests do not reach the server as evenly as they start, and it may count any minute
LEAST_ALLOWANCE_SECONDS = 0.02  # about what a busy machine is late in waking a thread


class Budget:
    """At most 98 % of `per_minute` request starts a minute, evenly spaced, over all threads that share the object.

    Slots are planned one interval after the last slot, not after the moment at which its thread woke, so late waking
    costs nothing. Slots that nobody took are lost, but for a small allowance: half an interval, or 20 ms.
    """

    def __init__(
        self,
        per_minute: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not per_minute > 0:
            raise WrongUsage(f"a budget needs more than 0 requests a minute, not {per_minute!r}")
        self.interval_seconds = 60.0 / (per_minute * SHARE_USED)
        self.allowance_seconds = max(self.interval_seconds / 2, LEAST_ALLOWANCE_SECONDS)
        self._clock = clock
        self._sleep = sleep
        self._next_slot = clock()
        self._paused_until = self._next_slot
        self._turn = threading.Lock()
        self._pausing = threading.Lock()

    def acquire(self) -> None:
        """Return when the caller may start one request."""
        # One thread at a time waits for its slot and the others queue behind it, so a pause holds off all of them.
        with self._turn:
            slot = max(self._next_slot, self._clock() - self.allowance_seconds)
            self._next_slot = self._wait_for(slot) + self.interval_seconds

    def pause(self, seconds: float) -> None:
        """No request starts for `seconds` from now, in any thread, waiting ones included. Pauses do not add up."""
        with self._pausing:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _wait_for(self, slot: float) -> float:
        """Sleep until `slot`, or until the end of a pause that begins meanwhile; the slot that was waited for."""
        while True:
            slot = max(slot, self._paused_until)
            wait = slot - self._clock()
            if wait <= 0:
                return slot
            self._sleep(wait)


class Patience(Retry):
    """urllib3's Retry with two differences: a Retry-After that cannot be used counts as missing instead of raising,
    and the back-off doubles from the first retry on, where urllib3 makes the first one at once.
    """

    def get_retry_after(self, response: BaseHTTPResponse) -> float:
        return min(retry_after_seconds(response.headers), self.retry_after_max)

    def get_backoff_time(self) -> float:
        if not self.history:
            return 0.0
        doubled = self.backoff_factor * 2 ** (len(self.history) - 1)
        return min(self.backoff_max, doubled * random.uniform(1.0, 1.25))


def retry_after_seconds(headers: Mapping[str, str]) -> float:
    """What `Retry-After` asks to wait: seconds or an HTTP date, which is read by the server's own clock if it tells it.

    0 when the header is missing, in the past, negative or unreadable.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return float(text)
    until = http_date(text)
    if until is None:
        return 0.0
    now = http_date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def http_date(text: str) -> datetime | None:
    """An HTTP date as an aware UTC time, None if it is not one."""
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
