"""Making the marts: each is one SELECT over the lake, made again only when something that it reads has changed.

A mart is written straight to its file, and the marts behind it read it from there: no table is held in memory. What a
file was made from stands in its footer: its SQL, the marts' macros and its sources, and apart from them the time, if it
depends on it. It is decided first which files have to be made, and then they are made.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import duckdb
import pyarrow as pa

from assets.progress import MARTS, OnPart, Parts, unseen
from warehouse.declaration import Table
from warehouse.engine import core_count, history_connection, load, quote, run, side_by_side
from warehouse.lake import MARTS_LOCK, Lake, Staging, copy_to, parquet_source, stamp
from warehouse.marts import Mart, mart_macros
from warehouse.paths import pattern
from warehouse.raw import RAW_TABLES, has_wrong_clock, raw_select, raw_texts
from warehouse.sql import run_macros, statement
from warehouse.tables import JOBS, WALKS

MADE_FROM: Final = "made_from"
MADE_AT: Final = "made_at"
AS_OF: Final = "as_of"


class _Piece(NamedTuple):
    """A file of a mart: that of a month ('YYYY-MM'), or the only one."""

    mart: Mart
    month: str | None

    @property
    def place(self) -> tuple[str, str | None]:
        return self.mart.name, self.month


def as_of(con: duckdb.DuckDBPyConnection, lake: Lake) -> datetime | None:
    """The end of the newest complete walk on the API's clock (UTC); None before there is one. It is never after now."""
    found: datetime | None = run(
        con,
        f"WITH walks AS (SELECT * FROM {lake.source(WALKS)}) "
        f"SELECT max(finished_at) FROM ({statement('raw/mended_walks')}) WHERE complete AND finished_at <= ?",
        [datetime.now(UTC) + timedelta(days=1)],  # the API's clock may be ahead of this machine's, but not by more
    )[0][0]
    return found


class Inputs(NamedTuple):
    """What a file of a mart is made from: the files of the tables that the mart reads, by name, and the time.

    `is_clock_wrong` says that a walk of the files was dated by a wrong clock (`warehouse.raw`).
    """

    files: Mapping[str, Sequence[Path]]
    as_of: datetime | None
    is_clock_wrong: bool


class Engine(Protocol):
    """What executes the SQL of marts where DuckDB does not."""

    def write(self, mart: Mart, inputs: Inputs, folder: Path) -> None:
        """Write a mart's rows as Parquet files into a folder that is not there yet, in any order."""
        ...


def make_marts(
    lake: Lake,
    marts: Sequence[Mart],
    tables: Mapping[str, Table],
    *,
    force: bool = False,
    on_part: OnPart = unseen,
    engine: Engine | None = None,
) -> dict[str, int | None]:
    """Makes the marts whose sources, SQL or clock changed; gives the rows of each, None for one left as it was.

    `tables` are the tables of the ledger by name. `on_part` gets each mart whose file was written; a monthly one for
    each month. `engine` executes the marts' SQL in the place of DuckDB,
    which still says what has to be made, and writes the files.
    """
    with lake.exclusive(MARTS_LOCK) as staging:
        made = lake.undisturbed(lambda: _stage_marts(lake, staging, marts, tables, force, on_part, engine))
        staging.commit()
    return {mart.name: lake.row_count(mart.table) if mart.name in made else None for mart in marts}


def _stage_marts(
    lake: Lake,
    staging: Staging,
    marts: Sequence[Mart],
    tables: Mapping[str, Table],
    force: bool,
    on_part: OnPart,
    engine: Engine | None,
) -> set[str]:
    """Stage the files that have to be made; return the names of their marts."""
    staging.forget()
    with history_connection(lake.readable_row_count(JOBS)) as con:
        clock = as_of(con, lake)
        run_macros(con)
        run_macros(con, mart_macros())
        _set_clock(con, "clock", clock)
        making = _Making(lake, tables, clock, on_part, engine)
        for mart in marts:
            for month in making.months_of(mart):
                piece = _Piece(mart, month)
                footer, had = making.footer(piece), lake.metadata(mart.table, month)
                if not force and (had == footer or _holds(con, making, mart, had, footer)):
                    making.footers[piece.place] = had
                else:
                    making.footers[piece.place] = footer
                    making.staged[piece.place] = staging.reserve(mart.table, month)
        making.write(con, marts)
    return {name for name, _ in making.staged}


def mart_digest(mart: Mart) -> str:
    """Return what changes with all that makes a mart, its sources and the time apart."""
    columns = f"{mart.table.typed_select} ORDER BY {mart.table.order}"
    raw = raw_texts() if RAW_TABLES.keys() & set(mart.reads) else ()
    return _digest([mart_macros(), *mart.step_sql.values(), mart.sql, mart.holds_sql or "", columns, *raw])


class _Making:
    """The files of marts that are to be made: `staged` by mart and month, and what every file is made from."""

    def __init__(
        self,
        lake: Lake,
        tables: Mapping[str, Table],
        clock: datetime | None,
        on_part: OnPart,
        engine: Engine | None,
    ) -> None:
        self.lake = lake
        self.tables = tables
        self.clock = clock
        self.on_part = on_part
        self.engine = engine
        self.footers: dict[tuple[str, str | None], dict[str, str]] = {}
        self.staged: dict[tuple[str, str | None], Path] = {}

    def months_of(self, mart: Mart) -> Sequence[str | None]:
        """The months of which a mart has, or will have, a file; [None] where it is not monthly."""
        if not mart.table.monthly:
            return [None]
        return sorted({month for name in mart.reads for month in self.lake.months(self.tables[name])})

    def footer(self, piece: _Piece) -> dict[str, str]:
        """What a file would be made from. The walks are part of the time: every run adds some to them."""
        mart, month = piece
        timeless = [name for name in sorted(mart.reads) if not (mart.timely and name == WALKS.name)]
        parts = [mart_digest(mart), *(self._version(self.tables[name], month) for name in timeless)]
        footer = {MADE_FROM: _digest(parts)}
        if mart.timely:
            walks = self._version(WALKS, month) if WALKS.name in mart.reads else ""
            as_of = self.clock.isoformat() if self.clock else ""
            footer |= {MADE_AT: _digest([str(self.clock), walks]), AS_OF: as_of}
        return footer

    def write(self, con: duckdb.DuckDBPyConnection, marts: Sequence[Mart]) -> None:
        """Writes all files: those of single months first, small and many, side by side; then the others in order."""
        pieces = [_Piece(mart, month) for mart in marts for month in self.months_of(mart)]
        wanted = [piece for piece in pieces if piece.place in self.staged]
        parts = Parts(MARTS, len(wanted), self.on_part)
        for piece, seconds in self._written(con, wanted):
            parts.done(piece.mart.name, seconds=seconds)

    def _written(self, con: duckdb.DuckDBPyConnection, wanted: Sequence[_Piece]) -> Iterator[tuple[_Piece, float]]:
        """Write files; yield each when it is written, with the seconds that it took."""
        monthly, whole = (
            [piece for piece in wanted if bool(piece.month) is is_monthly] for is_monthly in (True, False)
        )
        with ThreadPoolExecutor(core_count() if self.engine is None else 1) as pool:  # an engine has cores of its own
            yield from zip(monthly, pool.map(partial(self._write, con), monthly), strict=True)
        for piece in whole:
            yield piece, self._write(con, piece)

    def view(self, con: duckdb.DuckDBPyConnection, name: str, month: str | None = None) -> None:
        """Let a connection see a table under its name: the files that are there, or those that come in their place."""
        table = self.tables[name]
        if name in RAW_TABLES:
            wrong_clock = has_wrong_clock(con, self.lake, month)
            _view(con, name, f"({raw_select(self.lake, table, month, wrong_clock=wrong_clock)})")
            return
        _view(con, name, parquet_source(table, self._files(table, month)))

    def _files(self, table: Table, month: str | None) -> list[Path]:
        """The files of a table that are there, or those that come in their place."""
        months = [month] if month or not table.monthly else self._months(table)
        places = [self.staged.get((table.name, found)) or self.lake.path(table, found) for found in months]
        return [place for place in places if place.exists()]

    def _write(self, con: duckdb.DuckDBPyConnection, piece: _Piece) -> float:
        """Write a file; return the seconds that it took."""
        began = time.monotonic()
        with side_by_side(con) as own, self._rows(own, piece) as rows:
            copy_to(own, piece.mart.table, rows, self.staged[piece.place], self.footers[piece.place])
        return time.monotonic() - began

    @contextmanager
    def _rows(self, con: duckdb.DuckDBPyConnection, piece: _Piece) -> Generator[str]:
        """What to SELECT the rows of a file from in a connection."""
        mart, month = piece
        if self.engine is None:
            for name in mart.reads:
                self.view(con, name, month)
            for name, step in mart.step_sql.items():
                run(con, f"CREATE OR REPLACE TEMP TABLE {name} AS {step}")
            yield f"({mart.sql})"
        else:
            with self.lake.scratch(MARTS_LOCK) as folder:
                self.engine.write(mart, self._inputs(con, mart, month), folder / mart.name)
                yield f"read_parquet({quote(pattern(folder / mart.name) + '/*.parquet')}, hive_partitioning = false)"

    def _inputs(self, con: duckdb.DuckDBPyConnection, mart: Mart, month: str | None) -> Inputs:
        is_clock_wrong = bool(RAW_TABLES.keys() & set(mart.reads)) and has_wrong_clock(con, self.lake, month)
        names = {*mart.reads, WALKS.name} if is_clock_wrong else mart.reads
        return Inputs({name: self._files(self.tables[name], month) for name in names}, self.clock, is_clock_wrong)

    def _months(self, table: Table) -> list[str]:
        """The months of a table, those to come included."""
        to_come = {month for name, month in self.staged if name == table.name and month}
        return sorted({*self.lake.months(table), *to_come})

    def _version(self, table: Table, month: str | None) -> str:
        """Changes with a table's rows: for a mart it is what it was made from, for the others their files."""
        if table.group == "marts":
            months = [month] if month or not table.monthly else self._months(table)
            found = (self.footers.get((table.name, each)) or self.lake.metadata(table, each) for each in months)
            return str([sorted(footer.items()) for footer in found])
        return stamp([self.lake.path(table, month)] if month else self.lake.files(table))


def _holds(
    con: duckdb.DuckDBPyConnection, making: _Making, mart: Mart, had: Mapping[str, str], footer: Mapping[str, str]
) -> bool:
    """Whether only the time differs, and the mart says that its rows are the same all the same."""
    if mart.holds_sql is None or had.get(MADE_FROM) != footer[MADE_FROM]:
        return False
    _set_clock(con, "earlier_clock", datetime.fromisoformat(had[AS_OF]) if had.get(AS_OF) else None)
    _view(con, "earlier", making.lake.source(mart.table))
    for name in mart.reads:
        making.view(con, name)
    return run(con, mart.holds_sql)[0][0] is True


def _set_clock(con: duckdb.DuckDBPyConnection, name: str, at: datetime | None) -> None:
    load(con, name, pa.table({"as_of": pa.array([at], pa.timestamp("us", tz="UTC"))}))


def _view(con: duckdb.DuckDBPyConnection, name: str, source: str) -> None:
    run(con, f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM {source}")


def _digest(parts: Sequence[str]) -> str:
    return hashlib.md5("\0".join(parts).encode(), usedforsecurity=False).hexdigest()
