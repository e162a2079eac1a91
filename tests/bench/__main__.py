"""`make bench`: the benchmarks, all of them or those that are named, each with its table.

Everything lies in a temporary folder and is gone afterwards. `--jobs` is the size of the month; the histories have a
tenth of it and ten times it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from math import ceil
from pathlib import Path
from typing import Final

from tests.bench import flatten, marts, month, steady
from tests.bench.measuring import measure, plain_environment, python
from tests.bench.report import machine, met, table
from tests.bench.server import Server
from warehouse.months import months_between, previous_month

FULL: Final = 100_000
HISTORY_MONTHS: Final = 24
RECENT_SHARE: Final = 20
"""The month of the idle runs has this part of the month's jobs, the same for both histories."""


class Bench:
    """The benchmarks over ledgers that are made when first needed, in a folder."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self._folder, self._jobs = folder, jobs
        current = datetime.now(UTC).strftime("%Y-%m")
        self._months = [previous_month(previous_month(current)), previous_month(current)]
        self._history_months = _months_before(self._months[0], HISTORY_MONTHS)
        self._history = cache(self._make_history)

    def month(self) -> str:
        newest = self._months[-1]
        with Server(self._jobs, [newest]) as server:
            clients = month.compare(server, newest, self._folder, self._jobs)
        took = clients[0].took
        limits = f"under {month.CPU_LIMIT:.0f} s of CPU and {month.MEMORY_LIMIT_MB:.0f} MB"
        holds = took.cpu < month.CPU_LIMIT and took.peak_mb < month.MEMORY_LIMIT_MB
        notes = [f"jobledger {limits}: {met(holds)}." if self._is_full else f"At {FULL:,} jobs: {limits}."]
        notes += [] if month.has_dlt() else [f"Nothing to compare with: {month.NO_DLT}."]
        return table("A month listed, flattened and landed, Dagster included", month.HEAD, month.rows(clients), notes)

    def flatten(self) -> str:
        newest, data = self._months[-1], self._folder / month.LEDGER
        if not data.exists():
            with Server(self._jobs, [newest]) as server:
                month.by_jobledger(server, newest, data)
        runs = flatten.time_flattening(data, newest)
        holds = flatten.rate(runs, self._jobs) >= flatten.LIMIT
        notes = [f"{flatten.LIMIT:,.0f} jobs a second or more: {met(holds)}."] if self._is_full else []
        return table("Flattening alone", flatten.HEAD, flatten.rows(runs, self._jobs), notes)

    def steady(self) -> str:
        start = self._history_months[0]
        with Server(max(1, self._jobs // RECENT_SHARE), self._months, by_itwin=True) as server:
            found = [
                steady.idle_runs(server, self._history(jobs), jobs, start, self._months)
                for jobs in (self._jobs // 10, self._jobs * 10)
            ]
        title = f"An idle run of the two newest months, {self._jobs // RECENT_SHARE:,} jobs each, in 20 iTwins"
        return table(title, steady.head(found), steady.rows(found), steady.notes(found))

    def marts(self) -> str:
        took = marts.time_marts(self._history(self._jobs * 10))
        notes = [marts.verdict(took)] if self._is_full else []
        return table(f"The marts over {self._jobs * 10:,} jobs", marts.HEAD, marts.rows(took), notes)

    @property
    def _is_full(self) -> bool:
        return self._jobs == FULL

    def _make_history(self, jobs: int) -> Path:
        data = self._folder / f"history_{jobs}"
        self._write(data, ceil(jobs / HISTORY_MONTHS), self._history_months)
        return data

    def _write(self, data: Path, jobs: int, months: list[str]) -> None:
        measure(python("tests.bench.history", data, jobs, *months), plain_environment())


def _months_before(month: str, count: int) -> list[str]:
    first = month
    for _ in range(count):
        first = previous_month(first)
    return months_between(first, previous_month(month))


def main(arguments: list[str] | None = None) -> int:
    """Runs the benchmarks that are asked for and prints their tables."""
    names = ("month", "flatten", "steady", "marts")
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="|".join(names), help="default: all")
    parser.add_argument("--jobs", type=int, default=FULL, help=f"jobs of the month; default {FULL:,}")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in names]
    if unknown or chosen.jobs < 10:
        parser.error(f"no such benchmark: {', '.join(unknown)}" if unknown else "--jobs must be 10 or more")
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="jobledger_bench_") as folder:
        bench = Bench(Path(folder), chosen.jobs)
        for name in chosen.names or names:
            run: Callable[[], str] = getattr(bench, name)
            print(run(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
