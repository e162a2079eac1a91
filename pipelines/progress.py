"""The progress of long work, on a terminal: walks by month and iTwin with pages, jobs a second and time left.

Elsewhere (on a pipe, in a file, with --quiet) nothing is drawn: the lines that a command prints say how far it is. A
run and the command that started it are one process, so what is drawn is this process's.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from assets.plan import PageSeen
from pipelines.console import draws, err

AFTER: Final = "Every walk ended; making the tables"


class Walks:
    """The walks of a command, as a bar: `total` of them, None where nobody knows how many there will be."""

    def __init__(self, bar: Progress, total: int | None) -> None:
        self._bar, self._lock, self._total = bar, threading.Lock(), total
        self._ended = 0
        self._pages: dict[str, PageSeen] = {}
        self._task = bar.add_task("Walking", total=total, pages=0, jobs=0, rate="")

    def note(self, seen: PageSeen) -> None:
        """Show a page of a walk, or its end."""
        with self._lock:
            self._pages[seen.walk_id] = seen
            self._ended += seen.ended
            pages, jobs = (sum(getattr(of, name) for of in self._pages.values()) for name in ("pages", "records"))
            elapsed = self._bar.tasks[self._task].elapsed or 0.0
            done = self._ended == self._total
            self._bar.update(
                self._task,
                completed=self._ended,
                description=AFTER if done else f"{seen.month}, {seen.itwin_id or 'own jobs'}",
                pages=pages,
                jobs=jobs,
                rate=f"{jobs / elapsed:,.0f} jobs/s" if elapsed else "",
            )


_walks: list[Walks] = []
"""The bar of the command that this process runs, if it draws one."""


def note_page(seen: PageSeen) -> None:
    """Show a page of a walk where a bar of walks is drawn."""
    for walks in _walks:
        walks.note(seen)


@contextmanager
def walking(total: int | None) -> Generator[None]:
    """Draw a bar of walks while the block lasts, if this is a terminal."""
    if not draws():
        yield
        return
    counted = TextColumn("{task.completed}/{task.total} walks, {task.fields[pages]} pages, {task.fields[jobs]} jobs")
    rate = TextColumn("{task.fields[rate]}")
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), counted, rate, TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        _walks.append(Walks(bar, total))
        try:
            yield
        finally:
            _walks.clear()


class Steps:
    """Steps of a known number, as a bar; without a terminal nothing."""

    def __init__(self, bar: Progress | None, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total) if bar else None

    def done(self, what: str) -> None:
        """Show that one more step is done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=1, description=what)


@contextmanager
def stepping(total: int) -> Generator[Steps]:
    """Draw a bar of steps while the block lasts, if this is a terminal."""
    if not draws():
        yield Steps(None, total)
        return
    counted = TextColumn("{task.completed}/{task.total}")
    columns = (TextColumn("{task.description}"), BarColumn(20), counted, TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        yield Steps(bar, total)
