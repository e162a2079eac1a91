"""The raw tables as they are read, whatever release wrote them: ids in one spelling, times on one clock.

The files keep what was written. Release 0.1.0 wrote times by the clock of its machine, and beside them how far the
API's clock was ahead; where that is minutes or more, they are put on the API's clock here.
"""

from __future__ import annotations

from typing import Final

import duckdb

from warehouse.engine import run
from warehouse.lake import Lake
from warehouse.sql import statement
from warehouse.tables import MESSAGE_OBSERVATIONS, OBSERVATIONS, REJECTED_RECORDS, WALKS

IDS: Final = ("job_id", "itwin_id", "walked_itwin_id")


def raw_views(con: duckdb.DuckDBPyConnection, lake: Lake, month: str) -> None:
    """Create a view of each raw table's month under its name. The connection has the macros of `warehouse.sql`."""
    for table in (OBSERVATIONS, WALKS, MESSAGE_OBSERVATIONS, REJECTED_RECORDS):
        ids = [name for name in IDS if name in table.column_names]
        spelled = ", ".join(f"spelled({name}) AS {name}" for name in ids)
        select = f"SELECT * REPLACE ({spelled}) FROM {lake.source(table, month)}"
        run(con, f"CREATE OR REPLACE VIEW {table.name} AS {select}")
    _mend_clocks(con, lake, month)


def _mend_clocks(con: duckdb.DuckDBPyConnection, lake: Lake, month: str) -> None:
    """Put the times of walks by a wrong clock, and of what they saw, on the API's clock, where there are any."""
    run(con, f"CREATE OR REPLACE TABLE mended_walks AS {statement('raw/mended_walks')}")
    if not run(con, "SELECT count(*) FROM mended_walks WHERE shift_seconds <> 0")[0][0]:
        return
    for table in (OBSERVATIONS, WALKS):
        run(con, f"CREATE OR REPLACE TABLE {table.name}_on_api_clock AS {statement(f'raw/{table.name}')}")
        run(con, f"CREATE OR REPLACE VIEW {table.name} AS SELECT * FROM {table.name}_on_api_clock")
