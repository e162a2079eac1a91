"""The door for SQL: `history.duckdb`, with a commented view, or table, for each table of the lake.

It is built beside its place and renamed over it, so an analyst's open connection keeps the old one and blocks nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import duckdb

from warehouse.declaration import Table
from warehouse.engine import STORAGE_VERSION, connection, run
from warehouse.files import make_folder, put
from warehouse.lake import Lake, quote, read_table
from warehouse.paths import plain

Publish = Literal["views", "tables"]

PUBLISH: Final = "publish"
EXPORT: Final = "export"
"""The locks on the door, and on making a file to carry away: one publisher at a time."""


def door(data: Path) -> Path:
    """Where the file for SQL lies."""
    return data / "history.duckdb"


def is_duckdb(file: Path) -> bool:
    """Whether a file begins as DuckDB's do. Raise OSError if it cannot be read."""
    with file.open("rb") as content:
        return content.read(12)[8:] == b"DUCK"


def publish(lake: Lake, tables: Sequence[Table], how: Publish) -> Path:
    """Build the door over the lake: with views on its files, or with the data inside ('tables').

    Views name the lake by its absolute path. The storage version is one that DuckDB 1.5 opens.
    """
    place = door(lake.data)
    with lake.exclusive(PUBLISH) as staging:
        _build(lake, tables, how, staging.reserve_place(place))
        staging.commit()
    return place


def export(lake: Lake, tables: Sequence[Table], target: Path) -> None:
    """Write a DuckDB file with all data inside, wherever it is to lie.

    It is built beside its place under a name of this ledger's alone, so one that is there was left by a holder of the
    lock that died.
    """
    target = plain(target)
    ledger = hashlib.md5(str(lake.data).encode(), usedforsecurity=False).hexdigest()
    staged = target.with_name(f".{target.name}.{ledger[:12]}.tmp")
    with lake.exclusive(EXPORT):
        make_folder(target.parent)
        try:
            _build(lake, tables, "tables", staged)
            put(staged, target)
        finally:
            _remove_database(staged)


def _build(lake: Lake, tables: Sequence[Table], how: Publish, file: Path) -> None:
    lake.undisturbed(lambda: _write(lake, tables, how, file))


def _write(lake: Lake, tables: Sequence[Table], how: Publish, file: Path) -> None:
    _remove_database(file)
    with connection() as con:
        run(con, f"ATTACH {quote(str(file))} AS door (STORAGE_VERSION {quote(STORAGE_VERSION)})")
        for table in tables:
            _put(con, lake, table, how)
        run(con, "DETACH door")


def _remove_database(file: Path) -> None:
    for part in (file, file.with_name(f"{file.name}.wal")):
        part.unlink(missing_ok=True)


def _put(con: duckdb.DuckDBPyConnection, lake: Lake, table: Table, how: Publish) -> None:
    kind = "VIEW" if how == "views" else "TABLE"
    run(con, f"CREATE {kind} door.{table.name} AS SELECT {table.typed_select} FROM {_source(lake, table)}")
    run(con, f"COMMENT ON {kind} door.{table.name} IS {quote(table.comment)}")
    for column in table.columns:
        run(con, f'COMMENT ON COLUMN door.{table.name}."{column.name}" IS {quote(column.comment)}')


def _source(lake: Lake, table: Table) -> str:
    """The table's files by pattern, so that a view sees the months that come later; no rows while there are none."""
    if not lake.files(table):
        return f"({table.empty_select})"
    return read_table(table, quote(Lake(lake.data.resolve()).glob(table)))
