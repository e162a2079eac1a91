"""What a sync asks for, and how: the settings of a run as the functions of this floor need them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from assets.progress import OnPage, unseen
from warehouse.locks import WAIT_SECONDS

PAGE_SIZE: Final = 1000
THREADS: Final = 8


def quiet(_: str) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Plan:
    """What a sync asks for and how. `itwin_ids` empty: the caller's own jobs. `tell` gets a sentence now and then,
    `on_page` what each page and the end of each walk brought.

    `every_itwin` stands for all that the list of iTwins shows, which `assets.itwins` puts in its place. `names` are
    the kinds whose names are asked for, each again after `names_every_hours`. `wait_seconds` bounds the wait for
    months that other runs work on, all of them together.
    """

    itwin_ids: tuple[str, ...] = ()
    every_itwin: bool = False
    names: tuple[str, ...] = ()
    names_every_hours: float = 24.0
    page_size: int = PAGE_SIZE
    threads: int = THREADS
    accept_gone: bool = False
    wait_seconds: float = WAIT_SECONDS
    tell: Callable[[str], None] = quiet
    on_page: OnPage = unseen

    @property
    def scopes(self) -> tuple[str | None, ...]:
        """What to walk: iTwins, or None for the caller's own jobs."""
        return self.itwin_ids if self.itwin_ids or self.every_itwin else (None,)


@dataclass(frozen=True)
class PushPlan:
    """Where a run pushes what it published, and how long snapshots stay there."""

    url: str
    keep: timedelta
