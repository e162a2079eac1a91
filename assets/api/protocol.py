"""What the ledger needs of the API: the requests that it makes and the answers that it gets.

`assets.api.client.Client` is the API over HTTP. A test may bring another one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Final, Protocol

import msgspec

from assets.api.questions import Question


@dataclass
class Tally:
    """The cost of a walk: every attempt counts as a request, those after a call's first as retries, and each 429."""

    requests: int = 0
    retries: int = 0
    throttled: int = 0
    _lock: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    def add(self, *, requests: int = 0, retries: int = 0, throttled: int = 0) -> None:
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.throttled += throttled


TOLD_SKEW_SECONDS: Final = 2.0
"""A skew below this is none: the API tells its time in whole seconds, and an answer is on its way for a while."""


def clock_correction(skew_seconds: float | None) -> timedelta:
    """What to add to this machine's time to have the API's, by how far the API's clock is ahead (None: not told)."""
    told = skew_seconds is not None and abs(skew_seconds) >= TOLD_SKEW_SECONDS
    return timedelta(seconds=skew_seconds) if told and skew_seconds is not None else timedelta()


@dataclass(frozen=True)
class Page:
    """One page of the list of jobs. The records are slices of the page as it was sent, cut but not parsed.

    `next_link` is None on the last page. `received_at` is UTC, on the API's clock. `clock_skew_seconds` is how far that
    is ahead of this machine's, to about a second, None if the API does not tell its time. `size` is the body's length
    in bytes.
    """

    records: list[msgspec.Raw]
    next_link: str | None
    received_at: datetime
    clock_skew_seconds: float | None
    size: int


@dataclass(frozen=True)
class Answer:
    """The answer about one job: status 200 or 404, and the whole body as it was sent. About names also 403.

    `received_at` is UTC, on the API's clock.
    """

    status: int
    body: bytes
    received_at: datetime
    correlation_id: str | None


class Api(Protocol):
    """The requests of the ledger. Each raises the errors of `assets.api.errors.ApiError`.

    Once `interrupt` was called, whoever waits, and whoever asks, raises Interrupted.
    """

    def first_page(self, filter: str, top: int, tally: Tally) -> Page: ...
    def next_page(self, link: str, tally: Tally, top: int | None = None) -> Page: ...
    def job(self, job_id: str, tally: Tally) -> Answer: ...
    def messages(self, job_id: str, tally: Tally) -> Answer: ...
    def look_up(self, question: Question, tally: Tally) -> Answer: ...
    def identity(self) -> str: ...
    def interrupt(self) -> None: ...
