"""The data folder: whether it can be written, and what lies in it that should not, or that cannot be read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from pipelines.doctor.finding import Finding, counted, fault, fine, warning
from pipelines.settings import Settings, prepare_data
from warehouse.contract import contract
from warehouse.declaration import Table
from warehouse.errors import JobledgerError
from warehouse.failed_months import failed_months
from warehouse.files import shared
from warehouse.journal import is_place, unreadable_journals
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.release import NewerLedger, is_signed
from warehouse.tables import OBSERVATIONS

LEAST_FREE: Final = 200_000_000
FEW_FREE: Final = 2_000_000_000
"""Bytes: with less nothing can be staged; with less a large month may not be."""

SHOWN: Final = 3
"""So many files are named; of the others the number is told."""


def examine(settings: Settings) -> Iterator[Finding]:
    """Examine the folder, unless a newer release wrote it."""
    data = settings.data.absolute()
    try:
        is_signed(data)
    except NewerLedger as error:
        yield fault("data folder", str(error), "")
        return
    yield from _space(data)
    if not data.exists():
        yield from _to_be_made(data)
        return
    yield from _rights(settings, data)
    lake = Lake(settings.data)
    yield fine("ledger", f"{len(lake.months(OBSERVATIONS))} months in {lake.root}")
    yield from _files(lake)
    yield from _leftovers(data)
    for month in failed_months(lake):
        yield warning(
            "failed month", f"{month.month}, {month.step}: {month.reason}", "The next sync of the month mends it."
        )


def _space(data: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(_existing(data)).free
    told = f"{free / 1e9:.1f} GB are free on the disk of {data}"
    if free < LEAST_FREE:
        yield fault("disk", told, "Free some space, or name another folder in JOBLEDGER_DATA: nothing can be staged.")
    elif free < FEW_FREE:
        yield warning("disk", told, "A month of a million jobs needs 2 GB while it is rewritten: free some space.")
    else:
        yield fine("disk", told)


def _to_be_made(data: Path) -> Iterator[Finding]:
    parent = _existing(data)
    if not parent.is_dir():
        yield fault("data folder", f"{parent} is no folder", "Name another folder in JOBLEDGER_DATA.")
    elif os.access(parent, os.W_OK | os.X_OK):
        yield fine("data folder", f"{data} is not there yet; the first sync makes it")
    else:
        advice = "Name another folder in JOBLEDGER_DATA, or give the user that runs jobledger the right to write there."
        yield fault("data folder", f"{data} is not there, and {parent} cannot be written", advice)


def _existing(place: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next(folder for folder in (place, *place.parents) if folder.exists())


def _rights(settings: Settings, data: Path) -> Iterator[Finding]:
    try:
        prepare_data(settings)
    except JobledgerError as error:
        yield fault("data folder", str(error), "")
        return
    if data.stat().st_mode & 0o077 and not shared():
        advice = f"Run `chmod -R go= {data}`, or set JOBLEDGER_SHARED=1 if that is meant to be so."
        yield warning("data folder", f"other users of this machine can read {data}", advice)
    else:
        yield fine("data folder", f"{data} can be written")


def _files(lake: Lake) -> Iterator[Finding]:
    """The files of the lake: those that are no table's, and those whose footer cannot be read."""
    tables = {table.name: table for table in all_tables(contract())}
    files = sorted(place for place in lake.root.rglob("*") if place.is_file() and not place.name.startswith("."))
    own = {place for place in files if is_place(place.relative_to(lake.data)) and place.stem in tables}
    if foreign := [place for place in files if place not in own]:
        advice = "Nothing reads them, but who globs the lake would. Move them away."
        yield warning("lake", f"{counted(len(foreign), 'file')} that no table has: {_named(foreign, lake)}", advice)
    damaged = [place for place in own if not _can_be_read(place)]
    for remakeable in (False, True):
        found = sorted(place for place in damaged if _is_remakeable(tables[place.stem]) is remakeable)
        if found:
            yield fault(
                "lake",
                f"{counted(len(found), 'file')} that cannot be read: {_named(found, lake)}",
                _mending(remakeable),
            )
    if not damaged:
        yield fine("lake", f"{len(own)} files, all of which can be read")


def _named(files: Sequence[Path], lake: Lake) -> str:
    told = ", ".join(str(place.relative_to(lake.data)) for place in files[:SHOWN])
    return told + (" ..." if len(files) > SHOWN else "")


def _can_be_read(place: Path) -> bool:
    try:
        pq.read_metadata(place)
    except (OSError, pa.ArrowException):
        return False
    return True


def _is_remakeable(table: Table) -> bool:
    """Whether the table is made from raw tables alone."""
    return table.group != "raw" and table.name != "rejected_records"


def _mending(remakeable: bool) -> str:
    if remakeable:
        return "`jobledger replay` makes them anew from what was fetched."
    return (
        "What was fetched lies in them alone: put them back from a back-up. Without one, move them away and sync the "
        "months: what the API still shows comes back, the earlier versions do not."
    )


def _leftovers(data: Path) -> Iterator[Finding]:
    """What runs left that died, and what is being worked on now."""
    for problem in unreadable_journals(data):
        yield fault("journal", problem, "")
    busy = sorted(place.stem for place in (data / "locks").glob("*.lock") if not _is_free(place))
    if busy:
        yield fine("locks", f"being worked on now: {', '.join(busy)}")
    left = [place for folder in ("staged", "scratch") for place in (data / folder).glob("*")]
    left = [place for place in left if place.name.split(".")[0] not in busy]
    if left:
        size = sum(file.stat().st_size for place in left for file in place.rglob("*") if file.is_file())
        said = f"{counted(len(left), 'folder')} with {size / 1e6:.1f} MB left by runs that died"
        yield warning("leftovers", said, "The next run that holds their lock removes them: `jobledger sync`.")


def _is_free(place: Path) -> bool:
    try:
        with FileLock(place, timeout=0):
            return True
    except Timeout:
        return False
