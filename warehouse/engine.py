"""How jobledger connects to DuckDB: short connections, times in UTC, a bound on memory. No module but
`instances` connects otherwise.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import duckdb

from warehouse.instances import instance, start
from warehouse.paths import pattern, plain

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

STORAGE_VERSION: Final = "v1.5.0"
"""Storage of the database files that jobledger writes: DuckDB 1.5 opens them."""

MEMORY_LIMIT: Final = "1GB"
"""Past it DuckDB spills to disk what it can; a statement that needs more all the same may have it."""

MEMORY_SETTING: Final = "JOBLEDGER_DUCKDB_MEMORY"
"""Environment variable with another limit ('2GB'), past which there is no more."""

THREADS_OF_A_MONTH: Final = 4
MEGABYTES_OF_WORK: Final = 80
MEGABYTES_A_THREAD: Final = 80
MEGABYTES_A_MILLION_RECORDS: Final = 300
"""What work on a month, or on the jobs of all, may take: so much, and so much for each thread and each million records.
DuckDB spills what is more. Not all of it can be spilled, so one thread alone needs more than its share; and a sort or
join of many rows that has little spills again and again, and takes several times as long.
"""

_MORE_MEMORY: Final = threading.Lock()
"""Held by the statement that has more memory than its connection: the limit comes back when it is done."""

_WORK: Final = "work"
"""The name of the database that a connection works in."""


@contextmanager
def connection(
    database: Path | None = None,
    *,
    read_only: bool = False,
    memory: str = MEMORY_LIMIT,
    spill: Path | None = None,
) -> Generator[duckdb.DuckDBPyConnection]:
    """A connection to a file, or to a database in memory, that is closed in the end. The session's time zone is UTC.

    Past `memory` it spills into the folder `spill`, or one of its own among the system's temporary ones.
    """
    place = quote(":memory:" if database is None else str(plain(database)))
    with _overflow(spill) as overflow, instance() as shared, shared.cursor() as con:
        run(con, f"ATTACH {place} AS {_WORK}{' (READ_ONLY)' if read_only else ''}")
        run(con, f"USE {_WORK}")
        _set_up(con, memory, overflow)
        yield con


@contextmanager
def locked_connection(
    database: Path, folders: Iterable[Path], *, memory: str | None
) -> Generator[duckdb.DuckDBPyConnection]:
    """A connection that reads a database file and the files in some folders, and nothing else, whatever it executes.

    It can be told nothing different, and sees no variables of this process. Writing into the folders is not kept from
    it: the caller executes queries alone. `memory` None: what DuckDB takes by itself.
    """
    names = [name for folder in folders for name in (str(folder), pattern(folder))]  # DuckDB checks patterns as well
    with _overflow(None) as overflow, closing(start()) as con:
        _set_up(con, memory, overflow)
        run(con, f"ATTACH {quote(str(plain(database)))} AS history (READ_ONLY)")
        run(con, "USE history")
        run(con, f"SET allowed_directories = [{', '.join(map(quote, names))}]")
        run(con, "SET enable_external_access = false")
        run(con, "SET python_enable_replacements = false")
        run(con, "SET lock_configuration = true")
        yield con


def _set_up(con: duckdb.DuckDBPyConnection, memory: str | None, overflow: str) -> None:
    """Set what holds for a whole instance of DuckDB."""
    limit = os.environ.get(MEMORY_SETTING) or memory
    if limit:
        run(con, f"SET memory_limit = {quote(limit)}")
    run(con, f"SET temp_directory = {quote(overflow)}")
    run(con, "SET enable_progress_bar = false")


def quote(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _overflow(spill: Path | None) -> AbstractContextManager[str]:
    """Where a connection spills: nobody else can read it."""
    if spill:
        return nullcontext(str(spill))
    return tempfile.TemporaryDirectory(prefix="jobledger-", ignore_cleanup_errors=True)


@contextmanager
def month_connection(records: int, spill: Path | None) -> Generator[duckdb.DuckDBPyConnection]:
    """A connection for the work on so many records of one month: few threads, and a memory to match."""
    with _sized_connection(records, month_threads(), spill) as con:
        run(con, f"SET threads = {month_threads()}")
        yield con


@contextmanager
def history_connection(jobs: int) -> Generator[duckdb.DuckDBPyConnection]:
    """A connection for the work on all months, of so many jobs: with a memory to match."""
    with _sized_connection(jobs, core_count(), None) as con:
        yield con


@contextmanager
def _sized_connection(records: int, threads: int, spill: Path | None) -> Generator[duckdb.DuckDBPyConnection]:
    """A connection with a memory that matches records and threads; no more than DuckDB's own limit."""
    megabytes = MEGABYTES_OF_WORK + threads * MEGABYTES_A_THREAD + records * MEGABYTES_A_MILLION_RECORDS // 1_000_000
    with connection(memory=f"{megabytes}MB", spill=spill) as con:
        if not os.environ.get(MEMORY_SETTING):
            own = _own_memory_limit(con)
            fits = run(con, "SELECT parse_formatted_bytes(?) <= parse_formatted_bytes(?)", [f"{megabytes}MB", own])
            run(con, f"SET memory_limit = {quote(f'{megabytes}MB' if fits[0][0] else own)}")
        yield con


def month_threads() -> int:
    """How many threads the work on one month takes."""
    return min(core_count(), THREADS_OF_A_MONTH)


def core_count() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def side_by_side(con: duckdb.DuckDBPyConnection) -> Generator[duckdb.DuckDBPyConnection]:
    """Another connection to the same database, for a thread of its own: a connection runs one statement at a time."""
    with con.cursor() as own:
        run(own, f"USE {_WORK}")
        yield own


def run(con: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
    """Executes one statement and drains its result, as the next statement needs it; gives the rows.

    A statement that the connection's memory is too small for is executed again with all that DuckDB takes by itself;
    the next one has the connection's memory again.
    Raises duckdb.OutOfMemoryException where that does not do, or where JOBLEDGER_DUCKDB_MEMORY is set.
    """
    return _with_enough_memory(con, lambda: con.execute(sql, parameters or []).fetchall())


def arrow(con: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
    """The rows of a query as an Arrow table, under DuckDB 1.5 and 2.0 alike; as to memory, like `run`."""
    table = _with_enough_memory(con, lambda: con.sql(sql, params=dict(parameters or {})).to_arrow_table())
    return cast("pa.Table", table)


def load(con: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    """Makes a table of Arrow rows in a database in memory."""
    con.register(f"{name}_arrow", rows)
    try:
        run(con, f'CREATE OR REPLACE TABLE "{name}" AS SELECT * FROM "{name}_arrow"')
    finally:
        con.unregister(f"{name}_arrow")


def _is_locked(con: duckdb.DuckDBPyConnection) -> bool:
    return bool(con.execute("SELECT current_setting('lock_configuration')").fetchall()[0][0])


def _with_enough_memory(con: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    """What `work` gives; where the limit that the connection was given is too small for it, with DuckDB's own limit."""
    try:
        return work()
    except duckdb.OutOfMemoryException:
        if os.environ.get(MEMORY_SETTING) or _is_locked(con):
            raise
    with _MORE_MEMORY:
        limit = _memory_limit(con)
        # After a RESET, DuckDB 1.5 shows its own limit but goes on with the one that was set.
        con.execute(f"SET memory_limit = {quote(_own_memory_limit(con))}").fetchall()
        try:
            return work()
        finally:
            with suppress(duckdb.OutOfMemoryException):  # a statement of another thread still has more: it keeps it
                con.execute(f"SET memory_limit = {quote(limit)}").fetchall()


def _own_memory_limit(con: duckdb.DuckDBPyConnection) -> str:
    """The limit that DuckDB takes by itself; it is shown, and whoever calls sets one."""
    con.execute("RESET memory_limit").fetchall()
    return _memory_limit(con)


def _memory_limit(con: duckdb.DuckDBPyConnection) -> str:
    return str(con.execute("SELECT current_setting('memory_limit')").fetchall()[0][0])
