"""What a sync asks for, and how: the settings of a run as the functions of this floor need them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from warehouse.locks import WAIT_SECONDS

PAGE_SIZE: Final = 1000
THREADS: Final = 8


def quiet(_: str) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Plan:
    """What a sync asks for and how. `itwin_ids` empty: the caller's own jobs. `tell` gets a sentence now and then.

    `wait_seconds` bounds the wait for months that other runs work on, all of them together.
    """

    itwin_ids: tuple[str, ...] = ()
    page_size: int = PAGE_SIZE
    threads: int = THREADS
    accept_gone: bool = False
    wait_seconds: float = WAIT_SECONDS
    tell: Callable[[str], None] = quiet
