"""`make bench`: the benchmarks, all of them or those that are named, each with its table.

Everything lies in a temporary folder and is gone afterwards. `--jobs` is the size of the month; the histories have a
tenth of it and ten times it. `--quick` measures a tenth in less than two minutes, and fails where a ratio is more than
a third worse than the one that is kept in `tests/bench/kept.toml`; `--keep` writes that file.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from math import ceil
from pathlib import Path
from typing import Final

from tests.bench import commands, flatten, html_report, marts, month, names, scale, steady
from tests.bench.measuring import measure, plain_environment, python
from tests.bench.report import Row, machine, met, table
from tests.bench.server import Server
from warehouse.months import months_between, previous_month

FULL: Final = 100_000
HISTORY_MONTHS: Final = 24
RECENT_SHARE: Final = 20
"""The month of the idle runs has this part of the month's jobs, the same for both histories."""

CHANGED: Final = 10
"""So many jobs of the month of many are changed when it is walked again."""

NAMES: Final = ("commands", "month", "flatten", "many", "steady", "marts", "names")
BY_NAME: Final = ("scale",)
"""What is measured only where it is asked for."""

KEPT: Final = Path(__file__).with_name("kept.toml")
WORSE: Final = 4 / 3
"""How much worse than the kept ratio a quick one may be: a single run at a tenth of the size differs by much."""


LIMITS_HEAD: Final = ("what", "measured", "limit", "")


@dataclass(frozen=True)
class Limit:
    """What was measured, and what it should not exceed; or, with `least`, what it should reach."""

    what: str
    measured: float
    limit: float
    least: bool = False

    def row(self) -> Row:
        holds = self.measured >= self.limit if self.least else self.measured <= self.limit
        return (self.what, f"{self.measured:,.2f}", f"{self.limit:,.2f}", met(holds))


class Bench:
    """The benchmarks over ledgers that are made when first needed, in a folder."""

    def __init__(self, folder: Path, jobs: int, *, quick: bool = False) -> None:
        self._folder, self._jobs, self._quick = folder, jobs, quick
        self.ratios: dict[str, float] = {}
        self.limits: list[Limit] = []
        current = datetime.now(UTC).strftime("%Y-%m")
        self._months = [previous_month(previous_month(current)), previous_month(current)]
        self._history_months = _months_before(self._months[0], HISTORY_MONTHS)
        self._history = cache(self._make_history)

    def commands(self) -> str:
        took = commands.time_commands(self._history(self._jobs // 10), self._history_months[0])
        found = commands.ratios(took)
        self.ratios |= found
        self.limits += [Limit(f"{name} / imports", value, commands.LIMIT) for name, value in found.items()]
        return table("What people wait for", commands.HEAD, commands.rows(took))

    def month(self) -> str:
        newest = self._months[-1]
        with Server(self._jobs, [newest]) as server:
            clients = month.compare(server, newest, self._folder, self._jobs, quick=self._quick)
        found = month.ratios(clients)
        self.ratios |= {name: value for name, value in found.items() if name != "month / floor" or not self._quick}
        limits = {"month / best dlt": month.OF_DLT, "month again / first": month.OF_FIRST}
        self.limits += [Limit(name, found[name], limit) for name, limit in limits.items() if name in found]
        self.limits.append(Limit("peak MB of a month", clients[0].took.peak_mb, month.MEMORY_LIMIT_MB))
        notes = [] if month.has_dlt() else [f"Nothing to compare with: {month.NO_DLT}."]
        return table("A month listed, flattened and landed, Dagster included", month.HEAD, month.rows(clients), notes)

    def flatten(self) -> str:
        newest, data = self._months[-1], self._folder / month.LEDGER
        if not data.exists():
            with Server(self._jobs, [newest]) as server:
                month.by_jobledger(server, newest, data)
        runs = flatten.time_flattening(data, newest)
        self.limits.append(Limit("jobs flattened a second", flatten.rate(runs, self._jobs), flatten.LIMIT, least=True))
        return table("Flattening alone", flatten.HEAD, flatten.rows(runs, self._jobs))

    def many(self) -> str:
        newest, jobs = self._months[-1], self._jobs * 10
        with Server(jobs, [newest]) as server, Server(jobs, [newest], changed=CHANGED) as changed:
            clients = month.compare_many(server, changed, newest, self._folder, jobs)
        limits = {
            "many / best dlt": month.MILLION_OF_DLT,
            "many / floor": month.MILLION_OF_FLOOR,
            "many, without marts / floor": month.BARE_OF_FLOOR,
        }
        found = month.ratios_of_many(clients)
        self.limits += [Limit(name, found[name], limit) for name, limit in limits.items() if name in found]
        peak = max(client.took.peak_mb for client in clients[:3])
        self.limits.append(Limit("peak MB of many", peak, month.MEMORY_LIMIT_MB))
        return table(f"A month of {jobs:,} jobs, its failed jobs' messages known", month.HEAD, month.rows(clients))

    def steady(self) -> str:
        start = self._history_months[0]
        with Server(max(1, self._jobs // RECENT_SHARE), self._months, by_itwin=True) as server:
            sizes = (self._jobs // 10,) if self._quick else (self._jobs // 10, self._jobs * 10)
            found = [steady.idle_runs(server, self._history(jobs), jobs, start, self._months) for jobs in sizes]
        empty = steady.empty_runs(self._folder / "empty", self._months)
        self.ratios["idle / empty job"] = found[0].took.cpu / empty.cpu
        self.limits.append(Limit("idle / empty job", self.ratios["idle / empty job"], steady.OF_EMPTY))
        if not self._quick:
            grown = found[-1].took.cpu / found[0].took.cpu
            self.limits.append(Limit("idle, a hundred times the history", grown, steady.OF_SMALL))
        title = f"An idle run of the two newest months, {self._jobs // RECENT_SHARE:,} jobs each, in 20 iTwins"
        notes = [f"An empty Dagster job of the same shape: {empty.cpu:.2f} s of CPU.", *steady.notes(found)]
        return table(title, steady.head(found), steady.rows(found), notes)

    def marts(self) -> str:
        history = self._history(self._jobs * 10)
        took, report = marts.time_marts(history), html_report.time_report(history)
        self.limits += [Limit(*limit) for limit in marts.limits(took)]
        self.limits.append(Limit("MB of the report", html_report.megabytes(report), html_report.LIMIT_MB))
        notes = [f"Peak {took.peak_mb:.0f} MB.", html_report.note(report)]
        return table(f"The marts over {self._jobs * 10:,} jobs", marts.HEAD, marts.rows(took), notes)

    def scale(self) -> str:
        history, jobs = self._history(self._jobs * 10), self._jobs * 10
        sizes = [scale.measure_size(history, self._folder / "scaled", times, jobs) for times in scale.SIZES]
        return table("All marts over histories of several sizes", scale.HEAD, scale.rows(sizes))

    def names(self) -> str:
        pieces = self._jobs // 2
        runs = names.first_and_daily(self._folder / "names", pieces)
        self.limits += [
            Limit(f"requests for names, {run.which}", run.requests, names.requests(run.named)) for run in runs
        ]
        return table(f"The names of {pieces:,} reality data", names.HEAD, names.rows(runs), names.notes(pieces))

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
    """Runs the benchmarks that are asked for and prints their tables; 1 where a quick ratio is much worse than kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="|".join((*NAMES, *BY_NAME)), help="default: all but scale")
    parser.add_argument("--jobs", type=int, default=FULL, help=f"jobs of the month; default {FULL:,}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the jobs, held to the kept ratios")
    parser.add_argument("--keep", action="store_true", help="with --quick: keep the ratios")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in (*NAMES, *BY_NAME)]
    if unknown or chosen.jobs < 10:
        parser.error(f"no such benchmark: {', '.join(unknown)}" if unknown else "--jobs must be 10 or more")
    jobs = FULL // 10 if chosen.quick else chosen.jobs
    wanted = chosen.names or (("commands", "month", "steady") if chosen.quick else NAMES)
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="jobledger_bench_") as folder:
        bench = Bench(Path(folder), jobs, quick=chosen.quick)
        for name in wanted:
            run: Callable[[], str] = getattr(bench, name)
            print(run(), flush=True)
    if chosen.quick:
        return _held_to_kept(bench.ratios, keep=chosen.keep)
    print(table(f"Limits, which are meant for {FULL:,} jobs", LIMITS_HEAD, [limit.row() for limit in bench.limits]))
    return 0


def _held_to_kept(found: dict[str, float], *, keep: bool) -> int:
    """Print the ratios beside the kept ones, and return 1 if one is much worse."""
    if keep:
        lines = [f'"{name}" = {value:.2f}\n' for name, value in found.items()]
        KEPT.write_text("# Ratios of `make bench -- --quick`: python -m tests.bench --quick --keep\n" + "".join(lines))
    kept: dict[str, float] = tomllib.loads(KEPT.read_text())
    worse = [name for name, value in found.items() if name in kept and value > kept[name] * WORSE]
    rows = [
        (name, f"{value:.2f}", f"{kept[name]:.2f}" if name in kept else "-", "WORSE" if name in worse else "")
        for name, value in found.items()
    ]
    print(table("Ratios of CPU, quick", ("ratio", "now", "kept", ""), rows))
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
