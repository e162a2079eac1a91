"""The raw tables as they are read: ids in the one spelling in which they are compared, whatever release wrote them."""

from __future__ import annotations

from typing import Final

import duckdb

from warehouse.declaration import Table
from warehouse.engine import run
from warehouse.lake import Lake

IDS: Final = ("job_id", "itwin_id", "walked_itwin_id")


def raw_views(con: duckdb.DuckDBPyConnection, lake: Lake, tables: tuple[Table, ...], month: str) -> None:
    """Create a view of each raw table's month under its name. The connection has the macros of `warehouse.sql`."""
    for table in tables:
        ids = [name for name in IDS if name in table.column_names]
        spelled = ", ".join(f"spelled({name}) AS {name}" for name in ids)
        select = f"SELECT * REPLACE ({spelled}) FROM {lake.source(table, month)}"
        run(con, f"CREATE OR REPLACE VIEW {table.name} AS {select}")
