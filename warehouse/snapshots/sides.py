"""The two sides of a comparison: a snapshot in a store, or a ledger's own lake, each as its tables' files.

Files of a snapshot are fetched when they are asked for, those of a lake are read where they lie.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from warehouse.declaration import Table
from warehouse.errors import WrongUsage
from warehouse.lake import Lake
from warehouse.snapshots.snapshot import FileOf, Snapshot, read_snapshot, read_time
from warehouse.snapshots.store import Store, StoreFailed

Months = Iterable[str | None]


class Name(NamedTuple):
    """What a side is called: where it lies, when it was taken, and which release and contract made it, if known."""

    place: str
    at: datetime
    release: str | None
    contract: str | None


class Side(ABC):
    """One side of a comparison."""

    name: Name

    @abstractmethod
    def digests(self, table: Table) -> dict[str | None, str]:
        """By month, what changes with the content of a table's file."""

    @abstractmethod
    def files(self, table: Table, months: Months) -> list[Path]:
        """The files of some months of a table, here on the disk."""

    @abstractmethod
    def rows(self, table: Table) -> int:
        """How many rows a table has."""


def side(text: str, folder: Path) -> Side:
    """Return what a text names: URL, URL@TIME, or a data folder. Fetched files go to a folder.

    Raise WrongUsage for what is neither, or is not there.
    """
    if "://" not in text:
        return _LakeSide(Path(text).expanduser())
    url, at = text, None
    head, _, tail = text.rpartition("@")
    if "://" in head:
        with suppress(WrongUsage):
            url, at = head, read_time(tail)
    return _StoreSide(Store(url), at, folder)


class _StoreSide(Side):
    def __init__(self, store: Store, at: datetime | None, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.snapshot: Snapshot = read_snapshot(store, at)
        found = self.snapshot
        self.name = Name(store.url, found.at, found.release, found.contract)

    def digests(self, table: Table) -> dict[str | None, str]:
        return {file.month: file.sha256 for file in self._files(table)}

    def files(self, table: Table, months: Months) -> list[Path]:
        wanted = set(months)
        return [self._fetch(table, file) for file in self._files(table) if file.month in wanted]

    def rows(self, table: Table) -> int:
        return sum(file.rows for file in self._files(table))

    def _files(self, table: Table) -> Sequence[FileOf]:
        found = self.snapshot.tables.get(table.name)
        return found.files if found else ()

    def _fetch(self, table: Table, file: FileOf) -> Path:
        place = self.folder / f"{file.sha256}.parquet"
        if not place.exists() and self.store.fetch(file.path, place) != file.sha256:
            raise StoreFailed(f"{self.store.uri(file.path)} is not what was pushed: its digest differs.")
        return place


class _LakeSide(Side):
    def __init__(self, data: Path) -> None:
        self.lake = Lake(data)
        if not self.lake.root.is_dir():
            raise WrongUsage(
                f"There is no ledger in {data}. Name a data folder, or a store such as s3://BUCKET/ledger."
            )
        changed = max((file.stat().st_mtime for file in self.lake.root.rglob("*.parquet")), default=0.0)
        self.name = Name(str(data), datetime.fromtimestamp(changed, UTC), None, None)

    def digests(self, table: Table) -> dict[str | None, str]:
        return {month: _digest(self.lake.path(table, month)) for month in self._months(table)}

    def files(self, table: Table, months: Months) -> list[Path]:
        wanted = set(months)
        return [self.lake.path(table, month) for month in self._months(table) if month in wanted]

    def rows(self, table: Table) -> int:
        return self.lake.row_count(table)

    def _months(self, table: Table) -> Sequence[str | None]:
        return self.lake.months(table) if table.monthly else [None] * len(self.lake.files(table))


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
