"""How far long work is, for whoever shows it: the pages of walks, and the parts of the steps after them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

FLATTENING: Final = "Flattening"
NAMES: Final = "Names"
MARTS: Final = "Marts"
REPORT: Final = "Report"


class PageSeen(NamedTuple):
    """How far a walk is: its pages and records so far, and whether it ended."""

    walk_id: str
    month: str
    itwin_id: str | None
    pages: int
    records: int
    ended: bool


class PartDone(NamedTuple):
    """A part of a step that is done: a month, or a mart. A step begins with one of no name, when `done` is 0.

    Of the names and the report nobody knows how far they are: they have one part.

    `done` counts the parts so far, of `total`, and `jobs` the jobs in them; `seconds` is what this part took.
    """

    step: str
    part: str
    done: int
    total: int
    seconds: float = 0.0
    jobs: int = 0


OnPage = Callable[[PageSeen], None]
OnPart = Callable[[PartDone], None]


def unseen(_: PageSeen | PartDone) -> None:
    """Show nobody how far it is."""


class Parts:
    """Counts the parts of a step that are done, and shows each."""

    def __init__(self, step: str, total: int, on_part: OnPart) -> None:
        self._on_part = on_part
        self._last = PartDone(step, "", 0, total)
        on_part(self._last)

    def done(self, part: str, *, seconds: float = 0.0, jobs: int = 0) -> None:
        """Show that one more part is done."""
        last = self._last
        self._last = last._replace(part=part, done=last.done + 1, seconds=seconds, jobs=last.jobs + jobs)
        self._on_part(self._last)
