"""How jobledger connects to DuckDB: short connections, times in UTC, a bound on memory. No other module connects."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

STORAGE_VERSION: Final = "v1.5.0"
"""Storage of the database files that jobledger writes: DuckDB 1.5 opens them."""

MEMORY_LIMIT: Final = "1GB"
"""Past it DuckDB spills to disk. Set JOBLEDGER_DUCKDB_MEMORY to another size."""


@contextmanager
def connection(database: str | Path = ":memory:", *, read_only: bool = False) -> Generator[duckdb.DuckDBPyConnection]:
    """A connection that is closed in the end. The session's time zone is UTC."""
    con = duckdb.connect(str(database), read_only=read_only)
    try:
        con.execute("SET TimeZone = 'UTC'").fetchall()
        con.execute(f"SET memory_limit = '{os.environ.get('JOBLEDGER_DUCKDB_MEMORY', MEMORY_LIMIT)}'").fetchall()
        con.execute("SET preserve_insertion_order = true").fetchall()
        yield con
    finally:
        con.close()


def run(con: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
    """Executes one statement and drains its result, as the next statement needs it; gives the rows."""
    return con.execute(sql, parameters or []).fetchall()


def arrow(con: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
    """The rows of a query as an Arrow table, under DuckDB 1.5 and 2.0 alike."""
    table = con.sql(sql, params=dict(parameters or {})).to_arrow_table()
    assert isinstance(table, pa.Table)
    return table


def load(con: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    """Makes a temporary table of Arrow rows."""
    con.register(f"{name}_arrow", rows)
    try:
        run(con, f'CREATE OR REPLACE TEMP TABLE "{name}" AS SELECT * FROM "{name}_arrow"')
    finally:
        con.unregister(f"{name}_arrow")
