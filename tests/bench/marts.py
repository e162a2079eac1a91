"""`marts`: every mart made again over the whole history: all together, then each by itself, in one fresh process.

`python -m tests.bench.marts DATA [together]` prints the seconds and rows of each as JSON; `""` stands for all together.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from assets.marts import make_marts
from tests.bench.measuring import Measured, measure, plain_environment, python
from tests.bench.report import Row
from warehouse.contract import contract
from warehouse.declaration import Table
from warehouse.lake import Lake
from warehouse.marts import Mart
from warehouse.marts.all import MARTS, all_tables

HEAD: Final = ("mart", "rows", "seconds")
EACH_LIMIT, ALL_LIMIT, MEMORY_LIMIT_MB = 3.0, 12.0, 800.0
"""Seconds, and MB, for 1 million jobs."""

ALL: Final = ""


def time_marts(data: Path) -> Measured:
    return measure(python("tests.bench.marts", data), plain_environment())


def time_marts_together(data: Path) -> Measured:
    return measure(python("tests.bench.marts", data, "together"), plain_environment())


def rows(took: Measured) -> list[Row]:
    """The marts, slowest first, and all together."""
    timed: Mapping[str, tuple[float, int]] = json.loads(took.output)
    each = sorted(((name, *found) for name, found in timed.items() if name), key=lambda row: -row[1])
    lines = [(name, f"{made:,}", f"{seconds:.2f}") for name, seconds, made in each]
    return [*lines, ("all together, in one go", f"{timed[ALL][1]:,}", f"{timed[ALL][0]:.2f}")]


def limits(took: Measured) -> list[tuple[str, float, float]]:
    """What was measured, and what it should not exceed."""
    timed: Mapping[str, tuple[float, int]] = json.loads(took.output)
    slowest = max(seconds for name, (seconds, _) in timed.items() if name)
    return [
        ("slowest mart, s", slowest, EACH_LIMIT),
        ("all marts, s", timed[ALL][0], ALL_LIMIT),
        ("peak MB of the marts", took.peak_mb, MEMORY_LIMIT_MB),
    ]


def _timed(lake: Lake, marts: Sequence[Mart], tables: Mapping[str, Table]) -> tuple[float, int]:
    began = time.perf_counter()
    made = make_marts(lake, marts, tables, force=True)
    return time.perf_counter() - began, sum(count or 0 for count in made.values())


def main() -> None:
    """Makes the marts of the ledger that the command line names."""
    lake, tables = Lake(Path(sys.argv[1])), {table.name: table for table in all_tables(contract())}
    timed = {ALL: _timed(lake, MARTS, tables)}
    if "together" not in sys.argv[2:]:
        timed |= {mart.name: _timed(lake, [mart], tables) for mart in MARTS}
    print(json.dumps(timed))


if __name__ == "__main__":
    main()
