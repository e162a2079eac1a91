"""The report over a whole history, for `marts`: how large it is, and what making it takes, in a fresh process.

`python -m tests.bench.html_report DATA` prints the bytes and seconds as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Final

from assets.report.making import make_report
from assets.unit_budget import UnitBudget
from tests.bench.measuring import Measured, measure, plain_environment, python
from warehouse.catalog import publish
from warehouse.contract import contract
from warehouse.lake import Lake
from warehouse.marts.all import all_tables

LIMIT_MB: Final = 4.0


def time_report(data: Path) -> Measured:
    """Make the report of a ledger whose marts are made."""
    return measure(python("tests.bench.html_report", data), plain_environment())


def megabytes(took: Measured) -> float:
    return float(json.loads(took.output)["bytes"]) / 1e6


def note(took: Measured) -> str:
    seconds = json.loads(took.output)["seconds"]
    return f"The report of it: {megabytes(took):.2f} MB, made in {seconds:.1f} s, peak {took.peak_mb:.0f} MB."


def main() -> None:
    """Make the report of the ledger that the command line names."""
    lake, tables = Lake(Path(sys.argv[1])), all_tables(contract())
    publish(lake, tables, "views")
    began = time.perf_counter()
    place = make_report(lake, tables, UnitBudget()).place
    print(json.dumps({"bytes": place.stat().st_size, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
