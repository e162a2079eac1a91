"""A cut through the lake: all files of its tables as they are between two commits, linked aside.

Files are replaced by renames, so a link keeps the content that it was made of. Nothing waits for it: a month is locked
for as long as it is walked. Instead, the files are looked at before and after, and linked again if one was replaced.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from warehouse import journal
from warehouse.declaration import Table
from warehouse.errors import Busy
from warehouse.files import make_folder
from warehouse.lake import Lake

FILE: Final = "pushed_files.json"
"""Where the rows and digests of files are kept, so that one is read only once. It may be deleted at any time."""

LOCK: Final = "pushed_files"
ATTEMPTS: Final = 100
SECONDS_BETWEEN: Final = 0.05


class _Known(msgspec.Struct, frozen=True):
    """What was read of a file; `size` and `changed_ns` tell whether it is still the same."""

    size: int
    changed_ns: int
    rows: int
    sha256: str


@dataclass(frozen=True)
class CutFile:
    """A file of the cut: where its link lies, its month if it is one's, its rows and its SHA-256."""

    table: Table
    month: str | None
    link: Path
    size: int
    rows: int
    sha256: str


class _Seen(NamedTuple):
    """A file of a table as it was seen in its place."""

    table: Table
    month: str | None
    place: Path
    inode: int
    size: int
    changed_ns: int


def cut(lake: Lake, tables: Sequence[Table], folder: Path) -> list[CutFile]:
    """Link the files of some tables into a folder beside the lake, as they are between two commits.

    The caller holds a lock of its own, under which the digests are kept. Raise Busy if files are replaced all the time.
    """
    for _ in range(ATTEMPTS):
        if _is_settled(lake):
            seen = list(_look(lake, tables))
            links = _link(seen, folder)
            if links is not None and list(_look(lake, tables)) == seen:
                return _described(lake, seen, links)
        time.sleep(SECONDS_BETWEEN)
    raise Busy("The files of the ledger are replaced all the time, so that no whole publish can be taken. Run again.")


def _is_settled(lake: Lake) -> bool:
    """Return whether no commit is under way; one that a process left which died is carried out first."""
    under_way = journal.under_way(lake.data)
    for lock in under_way:
        with suppress(Busy), lake.exclusive(lock, wait_seconds=0):
            pass
    return not under_way


def _look(lake: Lake, tables: Sequence[Table]) -> Iterator[_Seen]:
    """The files of the tables that are in their places."""
    for table in tables:
        for month in lake.months(table) if table.monthly else [None]:
            place = lake.path(table, month)
            with suppress(FileNotFoundError):
                found = place.stat()
                yield _Seen(table, month, place, found.st_ino, found.st_size, found.st_mtime_ns)


def _link(seen: Sequence[_Seen], folder: Path) -> list[Path] | None:
    """Link files aside and return the links; None if one went away meanwhile."""
    aside = make_folder(folder / uuid.uuid4().hex)
    links: list[Path] = []
    for file in seen:
        link = aside / f"{len(links)}.parquet"
        try:
            os.link(file.place, link)
        except FileNotFoundError:
            return None
        links.append(link)
    return links


def _described(lake: Lake, seen: Sequence[_Seen], links: Sequence[Path]) -> list[CutFile]:
    """The files with their rows and digests, read only where they changed since the last time."""
    had = _kept(lake)
    names = [file.place.relative_to(lake.data).as_posix() for file in seen]
    known = {
        name: of if (of := had.get(name)) and (of.size, of.changed_ns) == (file.size, file.changed_ns) else _read(link)
        for name, file, link in zip(names, seen, links, strict=True)
    }
    if known != had:
        with lake.exclusive(LOCK) as staging:
            staging.reserve_place(lake.data / FILE).write_bytes(msgspec.json.encode(known))
            staging.commit()
    return [
        CutFile(file.table, file.month, link, of.size, of.rows, of.sha256)
        for file, link, of in zip(seen, links, known.values(), strict=True)
    ]


def _kept(lake: Lake) -> dict[str, _Known]:
    place = lake.data / FILE
    return msgspec.json.decode(place.read_bytes(), type=dict[str, _Known]) if place.exists() else {}


def _read(link: Path) -> _Known:
    import pyarrow.parquet as pq

    status = link.stat()
    with link.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return _Known(status.st_size, status.st_mtime_ns, int(pq.read_metadata(link).num_rows), digest)
