"""Queries on the ledger: `rows` gives an Arrow table, `sql` the same as a pandas data frame, for notebooks and scripts.

    from warehouse.query import sql
    sql("select * from jobs where type = $kind", kind="Objects2D")

A query reads the tables of the ledger and nothing else: no other file, no network, no setting, and it writes nothing.
"""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

import duckdb

from warehouse.catalog import door, is_duckdb
from warehouse.engine import MEMORY_LIMIT, MEMORY_SETTING, locked_connection
from warehouse.errors import JobledgerError, WrongUsage
from warehouse.lake import Lake
from warehouse.sql import run_macros

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from warehouse.estimate import Estimate

T = TypeVar("T")

_NUMBER: Final = re.compile(r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)")
"""How DuckDB writes the types of numbers; a list of numbers is none."""

_FIRST_WORD: Final = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*(\w+|\(|)", re.DOTALL)
_WARNINGS: Final = threading.Lock()
"""Held by whoever changes the filters of warnings: they are the process's."""

_PIVOTS: Final = ("PIVOT", "PIVOT_WIDER", "UNPIVOT", "PIVOT_LONGER", "WITH", "FROM", "SELECT", "(")
"""How a query with a PIVOT begins: DuckDB makes several statements of it, and does not say of what kind."""


@dataclass(frozen=True)
class Records:
    """The answer to a query as Python values: the columns' names, which of them hold numbers, and the rows."""

    names: Sequence[str]
    are_numbers: Sequence[bool]
    rows: Sequence[tuple[Any, ...]]


_Query: TypeAlias = tuple[str, Mapping[str, Any]]
"""The text of a query, and its parameters by name."""

_Read: TypeAlias = "Callable[[duckdb.DuckDBPyConnection], T]"
"""Kept as text: as an object of typing's caches it outlives DuckDB's module, which then tells of leaks at exit."""


def rows(text: str, data: str | Path | None = None, params: Mapping[str, Any] | None = None) -> pa.Table:
    """Return the answer to a query; `$name` in the text stands for the parameter `name`.

    The ledger is the one in `data`, else in JOBLEDGER_DATA, else in `./data`. Times are UTC, durations seconds. Raises
    WrongUsage if there is no ledger, or for what is no query or does not work.
    """
    return _answers([(text, params or {})], data, _as_arrow)[0]


def records(
    texts: Sequence[str], data: str | Path | None = None, params: Mapping[str, Any] | None = None
) -> list[Records]:
    """Return the answers to queries that see the same ledger, as Python values; for the rest as `rows`.

    Where Python has no such value (months of an interval, nanoseconds) it is Arrow's.
    """
    return _answers([(text, params or {}) for text in texts], data, _as_records)


def _answers(queries: Sequence[_Query], data: str | Path | None, read: _Read[T], macros: str = "") -> list[T]:
    folder = Path(data or os.environ.get("JOBLEDGER_DATA") or "data").expanduser()
    lake, file = Lake(folder), existing_door(folder)
    try:
        return lake.undisturbed(partial(_execute, queries, lake, file, read, macros))
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.PermissionException as error:
        raise WrongUsage(
            f"A query reads the tables of the ledger, and no other file: {error}. If the data folder was moved, "
            "`jobledger sync` makes its history.duckdb anew."
        ) from None
    except duckdb.Error as error:
        raise WrongUsage(f"The query does not work: {error}") from None


def sql(text: str, *, data: str | Path | None = None, **params: Any) -> pd.DataFrame:
    """Return the answer to a query as a data frame: `rows`, for pandas.

    Exact numbers that pandas knows only as Python objects, such as a sum of whole numbers, come as int64 where all fit
    in it, else as float64, as DuckDB's own data frames have them.
    """
    import pyarrow as pa

    found = rows(text, data, params)
    for place, field in enumerate(found.schema):
        if pa.types.is_decimal(field.type):
            found = found.set_column(place, field.name, _numbers_of_pandas(found.column(place)))
    return found.to_pandas()


def _numbers_of_pandas(exact: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    import pyarrow as pa

    if exact.type.scale == 0:
        try:
            return exact.cast(pa.int64())
        except pa.ArrowInvalid:  # a number of them is larger
            pass
    return exact.cast(pa.float64())


def estimate(
    job_type: str,
    *,
    itwin: str | None = None,
    detector: str | None = None,
    options: Mapping[str, str] | None = None,
    inputs: Sequence[str] = (),
    at: datetime | None = None,
    data: str | Path | None = None,
) -> Estimate:
    """Return what the next job of a type will take, told by the jobs that are like it, and what that rests on.

    `itwin` is an id or a name; `detector` a name, or a name and version with a slash between; `options` are values by
    the option's canonical name; `inputs` are ids of reality data, for what is taken by size. The wait is that at the
    time of day of `at` (default: now). Raises WrongUsage for what the ledger does not know, with what there is;
    NoLikeJobs if there is no job of the type.
    """
    from warehouse.estimate import Rows, make_estimate
    from warehouse.marts import mart_macros

    def ask(queries: Sequence[_Query]) -> list[Rows]:
        found = _answers(queries, data, _as_records, mart_macros())
        return [[dict(zip(each.names, row, strict=True)) for row in each.rows] for each in found]

    when = (at or datetime.now(UTC)).astimezone(UTC)
    return make_estimate(ask, job_type, itwin=itwin, detector=detector, options=options or {}, inputs=inputs, at=when)


def existing_door(data: Path) -> Path:
    """Return the file for SQL; raise WrongUsage if there is none, JobledgerError if something else is in its place."""
    file = door(data)
    if not file.exists():
        if Lake(data).root.exists():
            raise JobledgerError(
                f"The tables are there, but {file}, which shows them, is not: a pull or a first sync died before it "
                "made that file, or is still at work. `jobledger marts` makes it."
            )
        raise WrongUsage(f"There is no ledger at {file}. Run `jobledger sync` first, or set JOBLEDGER_DATA.")
    if not is_duckdb(file):
        raise JobledgerError(
            f"{file} is empty or no DuckDB file. `jobledger sync` or `jobledger replay` puts a right one there."
        )
    return file


def _refuse_other_than_a_query(con: duckdb.DuckDBPyConnection, text: str) -> None:
    """Raise WrongUsage unless the text is one query. Raise duckdb.ParserException if it cannot be read.

    It is read by the connection that will execute it: DuckDB's module would start an instance of its own for that.
    """
    parts = con.extract_statements(text)
    if not parts:
        raise WrongUsage("There is no query in the text.")
    if len(parts) > 1 and any(part.query for part in parts):
        raise WrongUsage(f"These are {len(parts)} statements: give one query.")
    found = _FIRST_WORD.match(text)
    word = found.group(1).upper() if found else ""
    kind = parts[0].type
    is_query = kind == duckdb.StatementType.SELECT and len(parts) == 1
    is_pivot = (kind == duckdb.StatementType.MULTI or len(parts) > 1) and word in _PIVOTS
    is_plan = kind == duckdb.StatementType.EXPLAIN and not re.search("analy[sz]e", text, re.IGNORECASE)
    if not (is_query or is_pivot or is_plan):
        raise WrongUsage(f"{word} is no query: what may be asked begins with SELECT, FROM, WITH, PIVOT or DESCRIBE.")


def _execute(queries: Sequence[_Query], lake: Lake, file: Path, read: _Read[T], macros: str) -> list[T]:
    """Execute queries; where the usual limit on memory is too small, again with all that DuckDB takes by itself."""
    folders = [lake.root, lake.data.resolve() / "lake"]

    def ask(memory: str | None) -> list[T]:
        with locked_connection(file, folders, memory=memory) as con:
            for text, _ in queries:
                _refuse_other_than_a_query(con, text)
            run_macros(con, macros, temporary=True)
            return [read(con.execute(text, dict(params))) for text, params in queries]

    try:
        return ask(MEMORY_LIMIT)
    except duckdb.OutOfMemoryException:
        if os.environ.get(MEMORY_SETTING):
            raise
    return ask(None)


def _as_arrow(result: duckdb.DuckDBPyConnection) -> pa.Table:
    """Each column keeps its name, where a relation would rename all but one of those that share it."""
    with _WARNINGS, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Arrow output on a DB-API result", UserWarning)
        return cast("pa.Table", result.to_arrow_table())


def _as_records(result: duckdb.DuckDBPyConnection) -> Records:
    names, types = ([str(column[place]) for column in result.description or ()] for place in (0, 1))
    numbers = [_NUMBER.fullmatch(kind) is not None for kind in types]
    if not any(word in kind for kind in types for word in ("INTERVAL", "_NS")):
        return Records(names, numbers, result.fetchall())
    columns = [column.to_pylist(maps_as_pydicts="lossy") for column in _as_arrow(result).columns]
    return Records(names, numbers, list(zip(*columns, strict=True)))
