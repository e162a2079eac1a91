"""Making the marts: each is one SELECT over the lake, made again only when something that it reads has changed.

A mart is written straight to its file, and the marts behind it read it from there: no table is held in memory. What a
mart was made from stands in its file's footer: its SQL and sources, and apart from them the time, if it depends on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from warehouse.declaration import Table
from warehouse.engine import connection, load, run
from warehouse.lake import Lake, copy_to, parquet_source
from warehouse.marts import Mart
from warehouse.tables import WALKS

MADE_FROM: Final = "made_from"
MADE_AT: Final = "made_at"
AS_OF: Final = "as_of"


def as_of(con: duckdb.DuckDBPyConnection, lake: Lake) -> datetime | None:
    """The end of the newest complete walk (UTC); None before there is one."""
    found: datetime | None = run(con, f"SELECT max(finished_at) FROM {lake.source(WALKS)} WHERE complete")[0][0]
    return found


def make_marts(
    lake: Lake, marts: Sequence[Mart], tables: Mapping[str, Table], *, force: bool = False
) -> dict[str, int | None]:
    """Makes the marts whose sources, SQL or clock changed; gives the rows of each, None for one left as it was.

    `tables` are the tables of the ledger by name. The caller holds the lock of what is not monthly.
    """
    made: dict[str, int | None] = {}
    with connection() as con, lake.staging() as staging:
        clock = as_of(con, lake)
        _set_clock(con, "clock", clock)
        footers: dict[str, dict[str, str]] = {}
        staged: dict[str, Path] = {}
        for mart in marts:
            footer = footers[mart.name] = _footer(lake, mart, tables, clock, footers)
            had = lake.metadata(mart.table)
            for name in mart.reads:
                _view(con, name, parquet_source([staged[name]]) if name in staged else lake.source(tables[name]))
            if not force and (had == footer or _holds(con, lake, mart, had, footer)):
                footers[mart.name] = had
                made[mart.name] = None
                continue
            place = staging.reserve(mart.table)
            made[mart.name] = copy_to(con, mart.table, f"({mart.sql})", place, footer)
            staged[mart.name] = place
        staging.commit()
    return made


def _holds(
    con: duckdb.DuckDBPyConnection, lake: Lake, mart: Mart, had: Mapping[str, str], footer: Mapping[str, str]
) -> bool:
    """Whether only the time differs, and the mart says that its rows are the same all the same."""
    if mart.holds_sql is None or had.get(MADE_FROM) != footer[MADE_FROM]:
        return False
    _set_clock(con, "earlier_clock", datetime.fromisoformat(had[AS_OF]) if had.get(AS_OF) else None)
    _view(con, "earlier", lake.source(mart.table))
    return run(con, mart.holds_sql)[0][0] is True


def _set_clock(con: duckdb.DuckDBPyConnection, name: str, at: datetime | None) -> None:
    load(con, name, pa.table({"as_of": pa.array([at], pa.timestamp("us", tz="UTC"))}))


def _view(con: duckdb.DuckDBPyConnection, name: str, source: str) -> None:
    run(con, f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM {source}")


def _footer(
    lake: Lake,
    mart: Mart,
    tables: Mapping[str, Table],
    clock: datetime | None,
    footers: Mapping[str, Mapping[str, str]],
) -> dict[str, str]:
    """What the mart would be made from. The walks are part of the time: every run adds some to them."""
    timeless = [name for name in sorted(mart.reads) if not (mart.timely and name == WALKS.name)]
    parts = [mart.sql, mart.holds_sql or "", *(_version(lake, tables[name], footers) for name in timeless)]
    footer = {MADE_FROM: _digest(parts)}
    if mart.timely:
        walks = _version(lake, WALKS, footers) if WALKS.name in mart.reads else ""
        footer |= {MADE_AT: _digest([str(clock), walks]), AS_OF: clock.isoformat() if clock else ""}
    return footer


def _version(lake: Lake, table: Table, footers: Mapping[str, Mapping[str, str]]) -> str:
    """Changes with a table's rows: for a mart it is what it was made from, for the others their files."""
    if table.group == "marts":
        return str(sorted((footers.get(table.name) or lake.metadata(table)).items()))
    stamps = ((file, file.stat()) for file in lake.files(table))
    return " ".join(f"{file} {status.st_size} {status.st_mtime_ns}" for file, status in stamps)


def _digest(parts: Sequence[str]) -> str:
    return hashlib.md5("\0".join(parts).encode(), usedforsecurity=False).hexdigest()
