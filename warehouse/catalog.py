"""The door for SQL: `history.duckdb`, with a commented view, or table, for each table of the lake.

It is built beside its place and renamed over it, so an analyst's open connection keeps the old one and blocks nobody.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import duckdb

from warehouse.declaration import Table
from warehouse.engine import STORAGE_VERSION, connection, run
from warehouse.lake import Lake, quote, replace_file

Publish = Literal["views", "tables"]


def door(data: Path) -> Path:
    """Where the file for SQL lies."""
    return data / "history.duckdb"


def publish(lake: Lake, tables: Sequence[Table], how: Publish, target: Path | None = None) -> Path:
    """Builds the DuckDB file over the lake: with views on its files, or with the data inside ('tables').

    Views name the lake by its absolute path. The storage version is one that DuckDB 1.5 opens.
    """
    place = target or door(lake.data)
    place.parent.mkdir(parents=True, exist_ok=True)
    for left in place.parent.glob(f".{place.name}.*.tmp"):
        left.unlink()
    staged = place.with_name(f".{place.name}.{uuid.uuid4().hex}.tmp")
    try:
        with connection() as con:
            run(con, f"ATTACH {quote(str(staged))} AS door (STORAGE_VERSION {quote(STORAGE_VERSION)})")
            for table in tables:
                _put(con, lake, table, how)
            run(con, "DETACH door")
        replace_file(staged, place)
    finally:
        staged.unlink(missing_ok=True)
    return place


def _put(con: duckdb.DuckDBPyConnection, lake: Lake, table: Table, how: Publish) -> None:
    kind = "VIEW" if how == "views" else "TABLE"
    run(con, f"CREATE {kind} door.{table.name} AS SELECT {table.typed_select} FROM {_source(lake, table)}")
    run(con, f"COMMENT ON {kind} door.{table.name} IS {quote(table.comment)}")
    for column in table.columns:
        unit = f" [{column.unit}]" if column.unit else ""
        run(con, f'COMMENT ON COLUMN door.{table.name}."{column.name}" IS {quote(column.meaning + unit)}')


def _source(lake: Lake, table: Table) -> str:
    """The table's files by pattern, so that a view sees the months that come later; no rows while there are none."""
    if not lake.files(table):
        return f"({table.empty_select})"
    absolute = Lake(lake.data.resolve())
    return f"read_parquet({quote(absolute.glob(table))}, hive_partitioning = false)"
