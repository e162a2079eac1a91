"""`flatten`: a month's observations made into its core, typed and drift tables again, each time in a fresh process.

`python -m tests.bench.flatten DATA MONTH` prints the seconds that it took, imports left out.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Final

from assets.flatten import flatten_month
from tests.bench.measuring import Measured, measure, plain_environment, python
from tests.bench.report import Row
from warehouse.contract import contract
from warehouse.lake import Lake

HEAD: Final = ("times", "jobs", "seconds (median)", "jobs a second", "fastest", "slowest", "peak MB")
TIMES: Final = 3
LIMIT: Final = 60_000.0
"""Jobs a second that it should reach."""


def time_flattening(data: Path, month: str, times: int = TIMES) -> list[Measured]:
    """Flattens the month as often as is needed for a median."""
    command = python("tests.bench.flatten", data, month)
    return [measure(command, plain_environment()) for _ in range(times)]


def rate(runs: list[Measured], jobs: int) -> float:
    """Jobs a second, of the median run."""
    return jobs / median(float(run.output) for run in runs)


def rows(runs: list[Measured], jobs: int) -> list[Row]:
    seconds = [float(run.output) for run in runs]
    rates = (jobs / min(seconds), jobs / max(seconds))
    peak = max(run.peak_mb for run in runs)
    return [
        (
            str(len(runs)),
            f"{jobs:,}",
            f"{median(seconds):.2f}",
            f"{rate(runs, jobs):,.0f}",
            *(f"{value:,.0f}" for value in rates),
            f"{peak:.0f}",
        )
    ]


def main() -> None:
    """Flattens the month that the command line names."""
    lake, month, known = Lake(Path(sys.argv[1])), sys.argv[2], contract()
    import_module("pandas")  # pyarrow does so when it first needs it
    began = time.perf_counter()
    flatten_month(lake, month, known, force=True)
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
