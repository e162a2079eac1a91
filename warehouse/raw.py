"""The raw tables as they are read, whatever release wrote them: ids in one spelling, times on one clock.

The files keep what was written. Release 0.1.0 wrote times by the clock of its machine, and beside them how far the
API's clock was ahead; where that is minutes or more, they are put on the API's clock here.
"""

from __future__ import annotations

import uuid
from typing import Final

import duckdb

from warehouse.declaration import Table
from warehouse.engine import run
from warehouse.lake import Lake
from warehouse.sql import statement, statements
from warehouse.tables import MESSAGE_OBSERVATIONS, OBSERVATIONS, REJECTED_RECORDS, WALKS

REVISION: Final = "revision"
"""Footer key of a raw file: new whenever its rows are."""

SPELLED: Final = "spelled"
"""Footer key of a raw file whose ids are all in the one spelling, so that no reader needs to spell them again."""

IDS: Final = ("job_id", "itwin_id", "walked_itwin_id")
RAW_TABLES: Final = {table.name: table for table in (OBSERVATIONS, WALKS, MESSAGE_OBSERVATIONS, REJECTED_RECORDS)}


def raw_views(con: duckdb.DuckDBPyConnection, lake: Lake, month: str) -> None:
    """Create a view of each raw table's month under its name. The connection has the macros of `warehouse.sql`."""
    wrong_clock = has_wrong_clock(con, lake, month)
    for table in RAW_TABLES.values():
        run(con, f"CREATE OR REPLACE VIEW {table.name} AS {raw_select(lake, table, month, wrong_clock=wrong_clock)}")


def raw_select(lake: Lake, table: Table, month: str | None, *, wrong_clock: bool) -> str:
    """Return a SELECT of a raw table's month (None: of all months) for a connection with the macros of `warehouse.sql`.

    `wrong_clock` says whether a walk of that time was dated by a wrong clock, see `has_wrong_clock`.
    """
    if not wrong_clock or table not in (OBSERVATIONS, WALKS):
        return _spelled(lake, table, month)
    read = ", ".join(f"{each.name} AS ({_spelled(lake, each, month)})" for each in (OBSERVATIONS, WALKS))
    mended = f"mended_walks AS ({statement('raw/mended_walks')})"
    return f"WITH {read}, {mended} SELECT * FROM ({statement(f'raw/{table.name}')})"


def has_wrong_clock(con: duckdb.DuckDBPyConnection, lake: Lake, month: str | None) -> bool:
    """Return whether a walk of a month (None: of any) was dated by a clock that was off by minutes or more."""
    walks = f"walks AS (SELECT * FROM {lake.source(WALKS, month)})"
    shifted = f"SELECT count(*) FROM ({statement('raw/mended_walks')}) WHERE shift_seconds <> 0"
    return bool(run(con, f"WITH {walks} {shifted}")[0][0])


def raw_texts() -> list[str]:
    """Return the texts that say how raw tables are read: what is made from these is made again when they change."""
    return [statement("macros"), *statements("raw")]


def raw_footer(lake: Lake, table: Table, month: str) -> dict[str, str]:
    """Return the footer of a raw file that gets the rows of the one in its place, and new ones.

    New rows of `observations` are spelled as they are landed.
    """
    grows_spelled = table == OBSERVATIONS and (not lake.path(table, month).exists() or _is_spelled(lake, table, month))
    return {REVISION: uuid.uuid4().hex} | ({SPELLED: "true"} if grows_spelled else {})


def _is_spelled(lake: Lake, table: Table, month: str) -> bool:
    return SPELLED in lake.readable_metadata(table, month)


def _spelled(lake: Lake, table: Table, month: str | None) -> str:
    """Return a SELECT of a raw table with its ids in one spelling.

    `spelled` hides a column's range from DuckDB, which then reads what it could pass over: a month whose file says
    that it needs no spelling is read as it is.
    """
    if month and _is_spelled(lake, table, month):
        return f"SELECT * FROM {lake.source(table, month)}"
    ids = ", ".join(f"spelled({name}) AS {name}" for name in IDS if name in table.column_names)
    return f"SELECT * REPLACE ({ids}) FROM {lake.source(table, month)}"
