"""Where a table's file lies, and how it is put there. Nothing else in jobledger knows either.

A file is written beside its place, synced, and renamed over it, so a reader sees the old file or the new one. The files
of one step are all staged before the first is renamed. What hides from globs (a leading dot) is not yet, or no longer,
part of the lake.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.declaration import Table
from warehouse.engine import run

MONTH: Final = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])")
METADATA_PREFIX: Final = "jobledger."
COMPRESSION: Final = "zstd"
COMPRESSION_LEVEL: Final = 1
ROW_GROUP_SIZE: Final = 20_480


class Lake:
    """The Parquet files under a data folder. Making one opens nothing and creates nothing."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.root = data / "lake"

    def path(self, table: Table, month: str | None = None) -> Path:
        """The place of a table's file; monthly tables need the month ('YYYY-MM'), the others none."""
        if table.monthly is (month is None):
            raise ValueError(f"{table.name} is {'monthly' if table.monthly else 'not monthly'}, and month is {month!r}")
        folder = self.root / table.name
        return (folder / f"created_month={month}" if month else folder) / f"{table.name}.parquet"

    def months(self, table: Table) -> list[str]:
        """The months of which a monthly table has a file, in order."""
        folders = (self.root / table.name).glob("created_month=*")
        found = (folder.name.removeprefix("created_month=") for folder in folders if self._has_file(folder, table))
        return sorted(month for month in found if MONTH.fullmatch(month))

    def files(self, table: Table) -> list[Path]:
        """The files of a table that are there, in order of their months."""
        if table.monthly:
            return [self.path(table, month) for month in self.months(table)]
        place = self.path(table)
        return [place] if place.exists() else []

    def glob(self, table: Table) -> str:
        """The pattern that any engine may read the table by."""
        return str(self.path(table, "*") if table.monthly else self.path(table))

    def source(self, table: Table, month: str | None = None) -> str:
        """What to SELECT a table from in DuckDB: its file or files, or no rows with its columns."""
        files = [self.path(table, month)] if month else self.files(table)
        if not files or (month and not files[0].exists()):
            return f"({table.empty_select})"
        return parquet_source(files)

    def source_of_months(self, table: Table, months: Iterable[str]) -> str:
        """What to SELECT some months of a monthly table from."""
        files = [file for file in (self.path(table, month) for month in months) if file.exists()]
        return parquet_source(files) if files else f"({table.empty_select})"

    def row_count(self, table: Table) -> int:
        """The rows of all files of a table, as their footers tell."""
        return sum(int(pq.read_metadata(file).num_rows) for file in self.files(table))

    def metadata(self, table: Table, month: str | None = None) -> dict[str, str]:
        """What was written into the footer of a table's file beside its rows; empty where there is no file."""
        place = self.path(table, month)
        if not place.exists():
            return {}
        entries: dict[bytes, bytes] = pq.read_metadata(place).metadata or {}
        pairs = ((key.decode(), value.decode()) for key, value in entries.items())
        return {key.removeprefix(METADATA_PREFIX): value for key, value in pairs if key.startswith(METADATA_PREFIX)}

    @contextmanager
    def scratch(self, name: str) -> Generator[Path]:
        """A folder for what is on its way, where a rename reaches the lake; it is gone in the end.

        The caller holds the lock that `name` goes with, so what is there already was left by a run that died.
        """
        folder = self.data / "scratch" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    @contextmanager
    def staging(self) -> Generator[Staging]:
        """Files to be put in place together: `commit` does it, leaving without it forgets them."""
        staging = Staging(self)
        try:
            yield staging
        finally:
            staging.forget()

    def _has_file(self, folder: Path, table: Table) -> bool:
        return (folder / f"{table.name}.parquet").exists()


@dataclass
class Staging:
    """Files written beside their places and not yet in them."""

    lake: Lake
    _moves: dict[Path, Path] = field(default_factory=dict[Path, Path])

    def reserve(self, table: Table, month: str | None = None) -> Path:
        """A path beside the table's place, for whoever writes the file itself."""
        place = self.lake.path(table, month)
        place.parent.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        staged = place.with_name(f".{place.name}.{uuid.uuid4().hex}.tmp")
        self._moves[staged] = place
        return staged

    def write(self, table: Table, month: str | None, rows: pa.Table, metadata: Mapping[str, str] | None = None) -> None:
        """Stages Arrow rows, whose columns must be the table's by name; raises ValueError where they are not."""
        staged = self.reserve(table, month)
        schema = table.arrow_schema.with_metadata(footer(metadata or {}))
        pq.write_table(
            rows.select(list(table.column_names)).cast(schema),
            staged,
            compression=COMPRESSION,
            compression_level=COMPRESSION_LEVEL,
            row_group_size=ROW_GROUP_SIZE,
        )

    def commit(self) -> None:
        """Syncs all staged files, then renames them over their places, in the order in which they were staged."""
        for staged in self._moves:
            _sync(staged)
        for staged, place in list(self._moves.items()):
            os.replace(staged, place)
            del self._moves[staged]
            _sync(place.parent)

    def forget(self) -> None:
        """Removes what was staged and not committed."""
        for staged in self._moves:
            staged.unlink(missing_ok=True)
        self._moves.clear()


def copy_to(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    rows: str,
    path: Path,
    metadata: Mapping[str, str] | None = None,
    *,
    ordered: bool = False,
) -> int:
    """Writes `rows` (a name, or a SELECT in brackets) as a table's Parquet file, in the table's order; gives
    their count. Rows that are `ordered` already are not sorted again.
    """
    entries = ", ".join(f"{quote(key)}: {quote(value)}" for key, value in footer(metadata or {}).items())
    options = (
        f"FORMAT parquet, COMPRESSION {COMPRESSION}, COMPRESSION_LEVEL {COMPRESSION_LEVEL}, "
        f"ROW_GROUP_SIZE {ROW_GROUP_SIZE}" + (f", KV_METADATA {{{entries}}}" if entries else "")
    )
    order = "" if ordered else f" ORDER BY {', '.join(table.order)}"
    select = f"SELECT {table.typed_select} FROM {rows}{order}"
    return int(run(con, f"COPY ({select}) TO {quote(str(path))} ({options})")[0][0])


def parquet_source(files: Sequence[Path]) -> str:
    """What to SELECT from in DuckDB for the rows of these Parquet files, one after the other."""
    return f"read_parquet([{', '.join(quote(str(file)) for file in files)}], hive_partitioning = false)"


def footer(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata with the prefix that it carries in a Parquet footer."""
    return {METADATA_PREFIX + key: value for key, value in metadata.items()}


def quote(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def replace_file(staged: Path, place: Path) -> None:
    """Puts a single file that lies beside its place over it, synced first."""
    _sync(staged)
    os.replace(staged, place)
    _sync(place.parent)


def _sweep(place: Path) -> None:
    """Removes what a writer that died left beside the place; the caller holds the lock on it."""
    for left in place.parent.glob(f".{place.name}.*.tmp"):
        left.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
