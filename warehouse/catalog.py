"""The door for SQL: `history.duckdb`, with a commented view, or table, for each table of the lake.

It is built beside its place and renamed over it, so an analyst's open connection keeps the old one and blocks nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import duckdb

from warehouse import locks
from warehouse.declaration import Table
from warehouse.engine import STORAGE_VERSION, connection, run
from warehouse.files import make_folder, put
from warehouse.lake import Lake, quote
from warehouse.named import NAMED, named_columns, named_select, named_tables
from warehouse.paths import plain

Publish = Literal["views", "tables"]

PUBLISH: Final = "publish"
EXPORT: Final = "export"
"""The locks on the door, and on making a file to carry away: one publisher at a time."""

MADE_FROM: Final = "made_from"
"""A macro of the door that tells the digest of its views."""


def door(data: Path) -> Path:
    """Where the file for SQL lies."""
    return data / "history.duckdb"


def is_duckdb(file: Path) -> bool:
    """Whether a file begins as DuckDB's do. Raise OSError if it cannot be read."""
    with file.open("rb") as content:
        return content.read(12)[8:] == b"DUCK"


def publish(lake: Lake, tables: Sequence[Table], how: Publish) -> Path:
    """Build the door over the lake: with views on its files, or with the data inside ('tables').

    Views name the lake by its absolute path, and see files that come later: a door of the same views stays. The storage
    version is one that DuckDB 1.5 opens.
    """
    place = door(lake.data)
    with lake.exclusive(PUBLISH) as staging:
        if how == "tables" or _made_from(place) != _digest(lake, tables):
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
            locks.assure(lake.data, EXPORT)
            put(staged, target)
        finally:
            _remove_database(staged)


def _build(lake: Lake, tables: Sequence[Table], how: Publish, file: Path) -> None:
    lake.undisturbed(lambda: _write(lake, tables, how, file))


def _write(lake: Lake, tables: Sequence[Table], how: Publish, file: Path) -> None:
    _remove_database(file)
    with connection() as con:
        run(con, f"ATTACH {quote(str(file))} AS door (STORAGE_VERSION {quote(STORAGE_VERSION)})")
        own = run(con, "SELECT current_database()")[0][0]
        run(con, "USE door")  # DuckDB 1.5 would keep the name `door` in the text of a view that is made from elsewhere
        run(con, "BEGIN")
        for text in _door(lake, tables, how):
            run(con, text)
        if how == "views":
            run(con, f"CREATE MACRO door.{MADE_FROM}() AS {quote(_digest(lake, tables))}")
        run(con, "COMMIT")
        run(con, f"USE {own}")
        run(con, "DETACH door")


def _remove_database(file: Path) -> None:
    for part in (file, file.with_name(f"{file.name}.wal")):
        part.unlink(missing_ok=True)


def _door(lake: Lake, tables: Sequence[Table], how: Publish) -> Iterator[str]:
    """What makes the door: each table, and behind them the same with names beside the ids."""
    for table in tables:
        yield from _statements(lake, table, how)
    yield f"CREATE SCHEMA door.{NAMED}"
    for table in named_tables(tables):
        yield f"CREATE VIEW door.{NAMED}.{table.name} AS {named_select(table)}"
        yield f"COMMENT ON VIEW door.{NAMED}.{table.name} IS {quote(table.comment)}"
        for column in named_columns(table):
            yield f'COMMENT ON COLUMN door.{NAMED}.{table.name}."{column.name}" IS {quote(column.comment)}'


def _statements(lake: Lake, table: Table, how: Publish) -> Iterator[str]:
    """What makes a table of the door, with its comments."""
    kind = "VIEW" if how == "views" else "TABLE"
    yield f"CREATE {kind} door.{table.name} AS {_select(lake, table)}"
    yield f"COMMENT ON {kind} door.{table.name} IS {quote(table.comment)}"
    for column in table.columns:
        yield f'COMMENT ON COLUMN door.{table.name}."{column.name}" IS {quote(column.comment)}'


def _digest(lake: Lake, tables: Sequence[Table]) -> str:
    """What changes with the door's views."""
    texts = _door(lake, tables, "views")
    return hashlib.md5("\0".join((STORAGE_VERSION, *texts)).encode(), usedforsecurity=False).hexdigest()


def _made_from(place: Path) -> str:
    """The digest of the views that a door has; empty if it has none, or cannot be read: it is built anew then."""
    try:
        with connection(place, read_only=True) as con:
            return str(run(con, f"SELECT {MADE_FROM}()")[0][0])
    except duckdb.Error:
        return ""


def _select(lake: Lake, table: Table) -> str:
    """A SELECT of the rows that the door shows under a table's name."""
    return " UNION ALL ".join(
        f"SELECT {table.typed_select} FROM {Lake(lake.data.resolve()).source_by_pattern(each)}" for each in table.shown
    )
