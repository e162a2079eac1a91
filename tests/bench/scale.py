"""`scale`: all marts over histories of several sizes, for docs/scale.md. It is asked for by name, for it takes long.

The larger ones are the history of `marts` several times over, each copy with ids and references of its own.
`python -m tests.bench.scale DATA TARGET TIMES` writes one.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.marts import ALL, time_marts_together
from tests.bench.measuring import JOBLEDGER, Measured, measure, plain_environment, python
from tests.bench.report import Row
from warehouse.catalog import publish
from warehouse.contract import contract
from warehouse.declaration import Table
from warehouse.engine import connection
from warehouse.lake import Lake, copy_to
from warehouse.marts.all import all_tables

HEAD: Final = ("jobs", "the lake, GB", "all marts, s", "CPU s", "peak MB", "a count by SQL, CPU s")
SIZES: Final = (1, 3, 10)
"""How many times the history of `marts` is taken."""

OWN_ID: Final = "substr('0123456789abcdef', copy + 1, 1) || substr({}, 2)"
"""The id that a copy has in the place of another one."""

QUESTION: Final = "select type, count(*), sum(units) from jobs group by type"


@dataclass(frozen=True)
class Size:
    """What a history takes: on disk, in marts, and for a question."""

    jobs: int
    gigabytes: float
    marts: Measured
    question: Measured


def measure_size(history: Path, folder: Path, times: int, jobs: int) -> Size:
    """Write the history so many times over into a folder, and make its marts there; the folder is gone afterwards."""
    measure(python("tests.bench.scale", history, folder, times), plain_environment())
    gigabytes = sum(file.stat().st_size for file in (folder / "lake").rglob("*.parquet")) / 1e9
    took = time_marts_together(folder)
    question = measure([JOBLEDGER, "sql", QUESTION], plain_environment(JOBLEDGER_DATA=str(folder)))
    shutil.rmtree(folder)
    return Size(jobs * times, gigabytes, took, question)


def rows(sizes: Sequence[Size]) -> list[Row]:
    return [
        (
            f"{size.jobs:,}",
            f"{size.gigabytes:.2f}",
            f"{json.loads(size.marts.output)[ALL][0]:.1f}",
            f"{size.marts.cpu:.1f}",
            f"{size.marts.peak_mb:.0f}",
            f"{size.question.cpu:.2f}",
        )
        for size in sizes
    ]


def multiply(history: Lake, target: Lake, tables: Sequence[Table], times: int) -> None:
    """Write a ledger that has each job of another one so many times, at most 16, in the same months."""
    for table in (table for table in tables if table.monthly and table.group != "marts"):
        for month in history.months(table):
            place = target.path(table, month)
            place.parent.mkdir(parents=True)
            if "job_id" not in table.column_names:
                shutil.copy(history.path(table, month), place)
                continue
            with connection() as con:
                copy_to(con, table, f"({_copies(history, table, month, times)})", place)


def _copies(history: Lake, table: Table, month: str, times: int) -> str:
    own = [f"{OWN_ID.format('job_id')} AS job_id"]
    if "reference" in table.column_names:
        own.append(
            f"CASE kind WHEN 'reality_data' THEN {OWN_ID.format('reference')} "
            "WHEN 'bucket_path' THEN reference || copy ELSE reference END AS reference"
        )
    copies = f"SELECT * FROM {history.source(table, month)} CROSS JOIN range({times}) AS copies(copy)"
    return f"SELECT * REPLACE ({', '.join(own)}) FROM ({copies})"


def main() -> None:
    """Write the ledger that the command line names."""
    history, target, times = Lake(Path(sys.argv[1])), Lake(Path(sys.argv[2])), int(sys.argv[3])
    tables = all_tables(contract())
    multiply(history, target, tables, times)
    publish(target, tables, "views")


if __name__ == "__main__":
    main()
