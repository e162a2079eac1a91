"""A walk: one month of one iTwin, page by page to its proven end, written to disk as it goes.

A walk is complete when the API itself said that there is no next page, and nothing on the way gave reason to doubt it.
Else its `error` says where it ended. Whether the records that it saw are new is `assets.landing`'s business.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from assets.api.errors import ApiError, Late, NotAuthorised, TooLarge, refuses_token
from assets.api.filters import window_filter
from assets.api.protocol import Api, Page, Tally, clock_correction
from assets.plan import PAGE_SIZE
from assets.records import RecordFile
from warehouse.months import Window

SMALLEST_PAGE: Final = 2
IDLE_PAGES: Final = 20
"""Pages of records that the walk has seen before, after which a chain is taken to be without end."""

EMPTY_PAGES: Final = 300
"""The same for empty pages: some services send them by the dozen before the next full one."""

MOST_PAGES: Final = 20_000
"""Pages after which a walk ends whatever is on them: twenty million jobs, or as many as a month of short pages has."""


@dataclass
class Walk:
    """What a walk asked for and how it went: the row of `walks`, before its records are compared with the ledger.

    `refusal` is the API's refusal of the token, which ends not only this walk. `identity` is the digest of whose jobs a
    walk without an iTwin lists. Times are UTC, on the API's clock once it has answered.
    """

    window: Window
    itwin_id: str | None
    run_id: str
    walk_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    tally: Tally = field(default_factory=Tally)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    finished_at: datetime | None = None
    pages: int = 0
    records: int = 0
    clock_skew_seconds: float | None = None
    identity: str | None = None
    faults: list[str] = field(default_factory=list[str])
    refusal: NotAuthorised | None = None

    @property
    def complete(self) -> bool:
        return not self.faults

    def doubt(self, fault: str) -> None:
        """Note a reason why the walk does not prove that it saw everything."""
        self.faults.append(fault)

    def __str__(self) -> str:
        return f"{self.window.month}, {self.itwin_id or 'own jobs'}"


class EndlessChain(Exception):
    """The pages of a walk go round in a circle, on without anything new, or on for longer than a walk follows."""


@dataclass
class _Progress:
    """What came since the last record that the walk had not seen: pages of known records, and empty ones."""

    idle: int = 0
    empty: int = 0

    def note(self, records: int, new_records: int) -> None:
        if new_records:
            self.idle = self.empty = 0
        elif records:
            self.idle += 1
        else:
            self.empty += 1

    def judge(self, pages: int) -> None:
        """Raise EndlessChain if a walk of so many pages should not go on."""
        if self.idle > IDLE_PAGES:
            raise EndlessChain(f"{self.idle} pages had nothing new and each named a next one")
        if self.empty > EMPTY_PAGES:
            raise EndlessChain(f"{self.empty} pages were empty and each named a next one")
        if pages >= MOST_PAGES:
            raise EndlessChain(f"the list goes on after {pages} pages, which is as far as a walk follows it")


def walk(
    api: Api, walk: Walk, file: Path, *, page_size: int = PAGE_SIZE, on_page: Callable[[Walk], None] | None = None
) -> Walk:
    """Walk `walk.window` to its end and write the records to `file`; return the walk, complete or with its faults."""
    progress = _Progress()
    with RecordFile(file) as records:
        try:
            for page in _pages(api, walk, page_size):
                progress.note(len(page.records), _take(page, walk, records))
                if on_page:
                    on_page(walk)
                if page.next_link is not None:
                    progress.judge(walk.pages)
        except (ApiError, EndlessChain) as error:
            walk.doubt(f"ended after page {walk.pages} ({walk.records} records): {error}")
            if isinstance(error, NotAuthorised) and refuses_token(error):
                walk.refusal = error
    walk.finished_at = walk.finished_at or datetime.now(UTC)
    return walk


def _take(page: Page, walk: Walk, records: RecordFile) -> int:
    """Write the records of a page, and count it; return how many of them the walk had not seen."""
    walk.pages += 1
    walk.records += len(page.records)
    if walk.pages == 1:
        walk.started_at += clock_correction(page.clock_skew_seconds)
    walk.clock_skew_seconds = page.clock_skew_seconds
    # What came later was seen later, even if the clock was set back meanwhile.
    walk.finished_at = max(page.received_at, walk.finished_at or page.received_at)
    return records.add(
        (bytes(record) for record in page.records),
        source="list",
        observed_at=walk.finished_at,
        walk_id=walk.walk_id,
        walked_itwin_id=walk.itwin_id,
        page=walk.pages,
    )


def _pages(api: Api, walk: Walk, page_size: int) -> Iterator[Page]:
    """The pages to the end of the chain; raises EndlessChain where it goes round in a circle."""
    asked = window_filter(walk.window.start, walk.window.end, walk.itwin_id)
    size = _PageSize(page_size)
    page = size.ask(lambda top: api.first_page(asked, top, walk.tally))
    links: set[bytes] = set()
    while True:
        yield page
        link = page.next_link
        if link is None:
            return
        digest = hashlib.blake2b(link.encode(), digest_size=16).digest()
        if digest in links:
            raise EndlessChain("a next link came again")
        links.add(digest)
        page = size.ask(lambda top, link=link: api.next_page(link, walk.tally, top=top))


class _PageSize:
    """How many jobs to ask for: fewer where a page fails, so that it costs as little as it can, then more again."""

    def __init__(self, most: int) -> None:
        self.most = self.now = most

    def ask(self, ask: Callable[[int], Page]) -> Page:
        while True:
            try:
                page = ask(self.now)
            except ApiError as error:
                if not error.smaller_helps or self.now <= SMALLEST_PAGE:
                    raise
                self.now = max(SMALLEST_PAGE, self.now // 10)
                if isinstance(error, (Late, TooLarge)):
                    self.most = self.now  # the next page of that size would take as long, or be as large
            else:
                self.now = min(self.most, self.now * 10)
                return page
