"""Months replayed by Spark's workers are those that are replayed here."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from assets.replay import replay
from assets.spark_replay import months_by_spark
from warehouse.compare import Difference
from warehouse.contract import contract
from warehouse.lake import Lake
from warehouse.marts.all import MARTS, all_tables
from warehouse.tables import JOBS, flattened_tables

pytestmark = pytest.mark.spark

LEDGER = Path(__file__).parents[1] / "fixtures" / "ledger-0.1.0"
KNOWN = contract()
TABLES = {table.name: table for table in all_tables(KNOWN)}
FEW_MARTS = [mart for mart in MARTS if mart.name == "failure_costs"]


def test_the_same_files_come_out_and_the_same_is_told_of_them(spark: Any, tmp_path: Path) -> None:
    here, by_spark = Lake(tmp_path / "here"), Lake(tmp_path / "spark")
    for lake in (here, by_spark):
        shutil.copytree(LEDGER, lake.data)
        lake.path(JOBS, lake.months(JOBS)[0]).unlink()
    told: list[str] = []
    expected = replay(here, KNOWN, FEW_MARTS, TABLES, tell=lambda _: None)
    found = replay(by_spark, KNOWN, FEW_MARTS, TABLES, tell=told.append, months=months_by_spark(spark, by_spark, KNOWN))
    assert found == expected
    assert sum(difference.added for difference in found) > 0
    assert isinstance(found[0], Difference)
    assert told == [*(f"{month} replayed" for month in by_spark.months(JOBS)), "Names and 1 marts made anew"]
    assert flattened(by_spark) == flattened(here)


def flattened(lake: Lake) -> dict[str, bytes]:
    files = [file for table in flattened_tables(KNOWN) for file in lake.files(table)]
    return {str(file.relative_to(lake.data)): file.read_bytes() for file in files}
