"""The progress of long work, on a terminal: walks by month and iTwin, months flattened, marts made ..., a bar each.

Elsewhere (on a pipe, in a file, with --quiet) nothing is drawn: the lines that a command prints say how far it is. A
run and the command that started it are one process, so what is drawn is this process's.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from assets.progress import FLATTENING, MARTS, PageSeen, PartDone
from pipelines.console import draws, err

WALKING: Final = "Walking"
UNITS: Final = {FLATTENING: "months", MARTS: "files"}
"""What the parts of a step are, if they are counted."""


WIDE: Final = 120
"""Columns of a terminal that has room for what is worked on beside how far it is."""


class Bars:
    """The bars of a command, each from when its step begins. `walks` is None where nobody knows how many there are."""

    def __init__(self, drawn: Progress, walks: int | None) -> None:
        self._drawn, self._lock = drawn, threading.Lock()
        self._walks, self._ended = walks, 0
        self._pages: dict[str, PageSeen] = {}
        self._tasks: dict[str, TaskID] = {}
        if walks != 0:
            self._task(WALKING)

    def page(self, seen: PageSeen) -> None:
        """Show a page of a walk, or its end."""
        with self._lock:
            self._pages[seen.walk_id] = seen
            self._ended += seen.ended
            pages, jobs = (sum(getattr(of, name) for of in self._pages.values()) for name in ("pages", "records"))
            counted = f"{self._ended}/{'?' if self._walks is None else self._walks} walks, {pages} pages"
            now = "" if self._ended == self._walks else f"{seen.month}, {seen.itwin_id or 'own jobs'}"
            self._show(WALKING, self._ended, self._walks, counted, jobs, now)

    def part(self, done: PartDone) -> None:
        """Show that a part of a step is done, or that the step begins."""
        with self._lock:
            if done.done == 0 and done.step in self._tasks:
                self._drawn.reset(self._tasks[done.step])
            unit, is_over = UNITS.get(done.step), done.done == done.total
            counted = f"{done.done}/{done.total} {unit}" if unit else ""
            total = done.total if unit or is_over else None
            self._show(done.step, done.done, total, counted, done.jobs, "" if is_over else done.part)

    def _show(self, step: str, done: int, total: int | None, counted: str, jobs: int, now: str) -> None:
        task = self._task(step)
        elapsed = self._drawn.tasks[task].elapsed
        rate = f", {jobs} jobs {jobs / elapsed:,.0f} jobs/s" if jobs and elapsed else ""
        shown: dict[str, Any] = {"counted": counted + rate, "now": now}
        self._drawn.update(task, completed=done, total=total, **shown)

    def _task(self, step: str) -> TaskID:
        if step not in self._tasks:
            self._tasks[step] = self._drawn.add_task(step, total=None, counted="", now="")
        return self._tasks[step]


_bars: list[Bars] = []
"""The bars of the command that this process runs, if it draws any."""


def note_page(seen: PageSeen) -> None:
    """Show a page of a walk where bars are drawn."""
    for bars in _bars:
        bars.page(seen)


def note_part(done: PartDone) -> None:
    """Show a part of a step where bars are drawn."""
    for bars in _bars:
        bars.part(done)


@contextmanager
def drawing(walks: int | None = 0) -> Generator[None]:
    """Draw bars of what is done while the block lasts, if this is a terminal; of so many walks, None: of some."""
    if not draws():
        yield
        return
    counted, now = TextColumn("{task.fields[counted]}"), TextColumn("{task.fields[now]}")
    columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), counted, TimeRemainingColumn()]
    columns += [now] if err.width >= WIDE else []
    with Progress(*columns, console=err, transient=True) as drawn:
        _bars.append(Bars(drawn, walks))
        try:
            yield
        finally:
            _bars.clear()
