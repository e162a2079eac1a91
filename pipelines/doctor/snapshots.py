"""Whether the place that runs push to can be reached, and what is kept there. Nothing is put there."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.doctor.finding import Finding, counted, fault, fine
from pipelines.settings import Settings
from warehouse.errors import JobledgerError
from warehouse.snapshots.snapshot import read_head, shown
from warehouse.snapshots.store import Store

ABOUT = "snapshots"


def examine(settings: Settings) -> Iterator[Finding]:
    """Examine the place, if runs push to one."""
    if not settings.push_url:
        return
    try:
        found = read_head(Store(settings.push_url))
    except JobledgerError as error:
        yield fault(
            ABOUT, str(error), "Runs do all the rest, and fail last, until it can be reached; see docs/lake.md."
        )
        return
    if found is None:
        yield fine(ABOUT, f"{settings.push_url} can be read, and holds none yet: the next run puts one there")
        return
    history = found.head.history
    yield fine(
        ABOUT, f"{settings.push_url} holds {counted(len(history), 'snapshot')}, the newest of {shown(history[-1].at)}"
    )
