"""A walk: one month of one iTwin, page by page to its proven end, written to disk as it goes.

A walk is complete when the API itself said that there is no next page, and nothing on the way gave reason to doubt it.
Else its `error` says where it ended. Whether the records that it saw are new is `assets.landing`'s business.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from assets.api.errors import ApiError, NotAuthorised, Throttled, refuses_token
from assets.api.filters import window_filter
from assets.api.protocol import Api, Page, Tally
from assets.plan import PAGE_SIZE
from assets.records import RecordFile
from warehouse.months import Window

SMALLEST_PAGE: Final = 2
IDLE_PAGES: Final = 20
"""Pages in a row, each empty or come before, after which a chain is taken to be without end."""


@dataclass
class Walk:
    """What a walk asked for and how it went: the row of `walks`, before its records are compared with the ledger.

    `refusal` is the API's refusal of the token, which ends not only this walk. Times are UTC.
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
    faults: list[str] = field(default_factory=list[str])
    refusal: NotAuthorised | None = None

    @property
    def complete(self) -> bool:
        return not self.faults

    def doubt(self, fault: str) -> None:
        """Notes a reason why the walk does not prove that it saw everything."""
        self.faults.append(fault)

    def __str__(self) -> str:
        return f"{self.window.month}, {self.itwin_id or 'own jobs'}"


class EndlessChain(Exception):
    """The pages of a walk go round in a circle, or on without anything new on them."""


def walk(
    api: Api, walk: Walk, file: Path, *, page_size: int = PAGE_SIZE, on_page: Callable[[Walk], None] | None = None
) -> Walk:
    """Walks `walk.window` to its end and writes the records to `file`; gives the walk, complete or with its faults."""
    with RecordFile(file) as records:
        try:
            for page in _pages(api, walk, page_size):
                walk.pages += 1
                walk.records += len(page.records)
                walk.clock_skew_seconds = page.clock_skew_seconds
                # What came later was seen later, even if the clock was set back meanwhile.
                walk.finished_at = max(page.received_at, walk.finished_at or page.received_at)
                records.add(
                    (bytes(record) for record in page.records),
                    source="list",
                    observed_at=walk.finished_at,
                    walk_id=walk.walk_id,
                    walked_itwin_id=walk.itwin_id,
                    page=walk.pages,
                )
                if on_page:
                    on_page(walk)
        except (ApiError, EndlessChain) as error:
            walk.doubt(f"ended after page {walk.pages} ({walk.records} records): {error}")
            if isinstance(error, NotAuthorised) and refuses_token(error):
                walk.refusal = error
    walk.finished_at = walk.finished_at or datetime.now(UTC)
    return walk


def _pages(api: Api, walk: Walk, page_size: int) -> Iterator[Page]:
    """The pages to the end of the chain; raises EndlessChain where it has none."""
    asked = window_filter(walk.window.start, walk.window.end, walk.itwin_id)
    page, size = _smaller_until_it_works(lambda top: api.first_page(asked, top, walk.tally), page_size)
    links: set[bytes] = set()
    contents: set[bytes] = set()
    idle = 0
    while True:
        content = _fingerprint(page.records)
        idle = idle + 1 if not page.records or content in contents else 0
        if idle > IDLE_PAGES:
            raise EndlessChain(f"{idle} pages in a row had nothing new and each named a next one")
        contents.add(content)
        yield page
        link = page.next_link
        if link is None:
            return
        if _fingerprint([link.encode()]) in links:
            raise EndlessChain("a next link came again")
        links.add(_fingerprint([link.encode()]))
        page, size = _smaller_until_it_works(
            lambda top, link=link: api.next_page(link, walk.tally, top=top), min(page_size, size * 10)
        )


def _smaller_until_it_works(ask: Callable[[int], Page], size: int) -> tuple[Page, int]:
    """A page, asked for smaller each time it fails, so that one bad page costs as little as it can; with its size."""
    while True:
        try:
            return ask(size), size
        except ApiError as error:
            if not error.transient or isinstance(error, Throttled) or size <= SMALLEST_PAGE:
                raise
            size = max(SMALLEST_PAGE, size // 10)


def _fingerprint(parts: Iterable[bytes | memoryview]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(bytes(part))
    return digest.digest()
