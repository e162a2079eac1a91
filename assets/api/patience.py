"""What is tried again, and how long is waited before it.

Every error that is `transient` is tried again, whether it came from the status, from the connection, or from a body
that was cut or is no JSON.
"""

import random
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from assets.api.errors import ApiError, Late


class Patience:
    """At most `attempts` requests for one answer. Between them it waits as long as `Retry-After` asks, or else
    `backoff_seconds`, doubled each time. It does not wait when `Retry-After` asks for more than `longest_wait_seconds`.

    `pause` is called with what `Retry-After` asks for, `wait` with the back-off; both in seconds.
    """

    def __init__(
        self,
        attempts: int,
        backoff_seconds: float,
        longest_wait_seconds: float,
        *,
        pause: Callable[[float], None],
        wait: Callable[[float], None],
    ) -> None:
        self._left = attempts - 1
        self._backoff_seconds = backoff_seconds
        self._longest_wait_seconds = longest_wait_seconds
        self._pause = pause
        self._wait = wait

    def hold_off(self, fault: ApiError) -> None:
        """Return when the next attempt may be made; raise `fault` if there is to be none."""
        asked = fault.retry_after_seconds
        if not fault.transient or isinstance(fault, Late):
            raise fault
        if asked > self._longest_wait_seconds:
            fault.advice = (
                f"The API asks to wait {asked:.0f} s, longer than the {self._longest_wait_seconds:.0f} s that a run"
                " waits: run again after that."
            )
            raise fault
        if asked > 0:
            self._pause(asked)  # the limit is everyone's: all wait, even if this call gives up
        if self._left == 0:
            raise fault
        self._left -= 1
        if asked == 0:
            self._wait(min(self._longest_wait_seconds, self._backoff_seconds * random.uniform(1.0, 1.25)))
            self._backoff_seconds *= 2


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
