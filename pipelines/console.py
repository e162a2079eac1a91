"""Where people read: stderr for what a command does, stdout for data. Texts are printed as they are.

Names come from the API, so nothing in a text is markup, an emoji's name, or something to highlight.
"""

from __future__ import annotations

from typing import IO, Final

from rich.console import Console

WIDTH_OF_A_PIPE: Final = 100_000
"""No program reads cells that were wrapped or cut to fit a screen."""

err = Console(stderr=True, soft_wrap=True, markup=False, emoji=False, highlight=False)
"""Everything that is not data goes here."""


_quiet: list[bool] = []
"""Not empty once a command was given --quiet."""


def be_quiet() -> None:
    """Let this process say nothing but warnings and errors."""
    _quiet.append(True)


def is_quiet() -> bool:
    return bool(_quiet)


def draws() -> bool:
    """Whether progress is drawn: on a terminal that can, unless --quiet was given."""
    return err.is_terminal and not err.is_dumb_terminal and not is_quiet()


def tell(text: str) -> None:
    """Print on stderr what a command does, unless it was given --quiet."""
    if not is_quiet():
        err.print(text)


def console(file: IO[str]) -> Console:
    """A console for data, as wide as the terminal or, on a pipe, as wide as the data."""
    width = None if file.isatty() else WIDTH_OF_A_PIPE
    return Console(file=file, width=width, markup=False, emoji=False, highlight=False)
