"""`flatten`: a month's observations made into its core, typed and drift tables again, each time in a fresh process;
beside it the floor: the same rows, in memory and in order, written into the same files.

`python -m tests.bench.flatten DATA MONTH WHAT` prints the seconds that one of them took, imports left out.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

from assets.flatten import flatten_month
from tests.bench.measuring import Measured, measure, plain_environment, python
from tests.bench.report import Row
from warehouse.contract import Contract, contract
from warehouse.declaration import Table
from warehouse.engine import connection, month_threads, run, side_by_side
from warehouse.lake import Lake, copy_to
from warehouse.tables import flattened_tables

HEAD: Final = ("what", "times", "seconds (median)", "jobs a second", "fastest", "slowest", "peak MB")
TIMES: Final = 3
LIMIT: Final = 60_000.0
"""Jobs a second that it should reach."""

FLATTENING: Final = "flattening"
WRITING: Final = "writing its rows alone"

Runs: TypeAlias = dict[str, list[Measured]]
"""By what was done, its runs."""


def time_flattening(data: Path, month: str, times: int = TIMES) -> Runs:
    """Flattens the month, and writes its rows, in turns, as often as is needed for a median."""
    runs: Runs = {FLATTENING: [], WRITING: []}
    for _ in range(times):
        for what, of in runs.items():
            of.append(measure(python("tests.bench.flatten", data, month, what), plain_environment()))
    return runs


def rate(runs: Runs, jobs: int) -> float:
    """Jobs flattened a second, of the median run."""
    return jobs / median(float(run.output) for run in runs[FLATTENING])


def rows(runs: Runs, jobs: int) -> list[Row]:
    return [_row(what, of, jobs) for what, of in runs.items()]


def _row(what: str, runs: list[Measured], jobs: int) -> Row:
    seconds = [float(run.output) for run in runs]
    rates = (jobs / median(seconds), jobs / min(seconds), jobs / max(seconds))
    peak = max(run.peak_mb for run in runs)
    return (what, str(len(runs)), f"{median(seconds):.2f}", *(f"{value:,.0f}" for value in rates), f"{peak:.0f}")


def main() -> None:
    """Does for the month that the command line names what it names."""
    import_module("pandas")  # pyarrow does so when it first needs it
    done = {FLATTENING: seconds_of_flattening, WRITING: seconds_of_writing}[sys.argv[3]]
    print(done(Lake(Path(sys.argv[1])), sys.argv[2], contract()))


def seconds_of_flattening(lake: Lake, month: str, known: Contract) -> float:
    """Make the flattened tables of a month from its observations."""
    began = time.perf_counter()
    flatten_month(lake, month, known, force=True)
    return time.perf_counter() - began


def seconds_of_writing(lake: Lake, month: str, known: Contract) -> float:
    """Write the rows of a month's flattened tables from memory, as many files at once as flattening does."""
    tables = flattened_tables(known)
    with TemporaryDirectory() as folder, connection(memory="8GB") as con:
        for table in tables:
            run(con, f"CREATE TABLE {table.name} AS SELECT * FROM {lake.source(table, month)}")
        run(con, "SET threads = 1")

        def write(table: Table) -> int:
            with side_by_side(con) as own:
                return copy_to(own, table, table.name, Path(folder) / f"{table.name}.parquet", ordered=True)

        began = time.perf_counter()
        with ThreadPoolExecutor(month_threads()) as pool:
            list(pool.map(write, tables))
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
