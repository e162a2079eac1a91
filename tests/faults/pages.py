"""Stand-ins for the API, for walks that no server could give: clocks set back, months of any length."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from assets.api.protocol import Answer, Page, Tally


class Pages:
    """Hands out the pages as given; the link of a page is the place of the next one."""

    def __init__(self, *pages: Page) -> None:
        self.pages = list(pages)

    def first_page(self, filter: str, top: int, tally: Tally) -> Page:
        return self.pages[0]

    def next_page(self, link: str, tally: Tally, top: int | None = None) -> Page:
        return self.pages[int(link)]

    def job(self, job_id: str, tally: Tally) -> Answer:
        raise NotImplementedError

    def interrupt(self) -> None:
        pass

    def identity(self) -> str:
        return "somebody"

    def messages(self, job_id: str, tally: Tally) -> Answer:
        raise NotImplementedError


class LongMonth(Pages):
    """So many pages of a thousand small records, each made when it is asked for."""

    def __init__(self, pages: int) -> None:
        self.last = pages - 1

    def first_page(self, filter: str, top: int, tally: Tally) -> Page:
        return self.next_page("0", tally, top)

    def next_page(self, link: str, tally: Tally, top: int | None = None) -> Page:
        number = int(link)
        records = [msgspec.Raw(b'{"id":"%d-%d"}' % (number, place)) for place in range(1000)]
        following = str(number + 1) if number < self.last else None
        return Page(records, following, datetime.now(UTC), None, 0)
