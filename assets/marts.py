"""Making the marts: each is one SELECT over the lake, made again only when something that it reads has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from warehouse.declaration import Table
from warehouse.engine import connection, load, run
from warehouse.lake import Lake, copy_to
from warehouse.marts import Mart
from warehouse.tables import WALKS

MADE_FROM: Final = "made_from"


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
        load(con, "clock", pa.table({"as_of": pa.array([clock], pa.timestamp("us", tz="UTC"))}))
        changed: set[str] = set()
        for mart in marts:
            wanted = _made_from(lake, mart, tables, clock)
            stale = force or changed & set(mart.reads) or lake.metadata(mart.table).get(MADE_FROM) != wanted
            if not stale:
                made[mart.name] = None
                _read(con, lake, [mart.table])
                continue
            changed.add(mart.name)
            _read(con, lake, (tables[name] for name in mart.reads if name not in changed))
            made[mart.name] = _make(con, mart, staging.reserve(mart.table), wanted)
        staging.commit()
    return made


def _make(con: duckdb.DuckDBPyConnection, mart: Mart, path: Path, wanted: str) -> int:
    run(con, f"CREATE OR REPLACE TEMP TABLE {mart.name} AS SELECT {mart.table.typed_select} FROM ({mart.sql})")
    return copy_to(con, mart.table, mart.name, path, {MADE_FROM: wanted})


def _read(con: duckdb.DuckDBPyConnection, lake: Lake, tables: Iterable[Table]) -> None:
    for table in tables:
        run(con, f"CREATE OR REPLACE TEMP VIEW {table.name} AS SELECT * FROM {lake.source(table)}")


def _made_from(lake: Lake, mart: Mart, tables: Mapping[str, Table], clock: datetime | None) -> str:
    """Changes with the mart's SQL, the files that it reads, and the clock where the mart depends on it."""
    digest = hashlib.md5(mart.sql.encode(), usedforsecurity=False)
    for name in sorted(mart.reads):
        for file in lake.files(tables[name]):
            status = file.stat()
            digest.update(f"{file} {status.st_size} {status.st_mtime_ns} ".encode())
    if mart.timely:
        digest.update(str(clock).encode())
    return digest.hexdigest()
