"""Spark, called as a user calls it, makes of a long history the marts that DuckDB makes."""

from __future__ import annotations

import os
import subprocess
import sys
from math import ceil
from pathlib import Path
from typing import Final

import pytest

from assets.marts import make_marts
from tests.docs_ledger import ROOT
from tests.spark.frames import copied, differences
from warehouse.contract import contract
from warehouse.lake import Lake
from warehouse.marts.all import MARTS, all_tables
from warehouse.months import months_between

JOBS: Final = int(os.environ.get("SPARK_JOBS", "0"))
"""A million, with SPARK_DRIVER_MEMORY=6g, is the whole proof; some thousand take two minutes."""

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(JOBS == 0, reason="a long proof: SPARK_JOBS says over how many jobs"),
]

MONTHS: Final = months_between("2026-05", "2026-09")


def _program(module: str, *arguments: object, **settings: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_marts_of_a_long_history_are_the_same(tmp_path: Path) -> None:
    tables = {table.name: table for table in all_tables(contract())}
    _program("tests.bench.history", tmp_path / "duckdb", ceil(JOBS / len(MONTHS)), *MONTHS)
    expected = Lake(tmp_path / "duckdb")
    found = copied(expected.data, tmp_path / "spark")
    make_marts(expected, MARTS, tables)
    _program("pipelines.spark", "--master", "local[2]", JOBLEDGER_DATA=str(found.data))
    assert expected.row_count(tables["jobs"]) >= JOBS
    assert {mart.name: differences(mart, expected, found) for mart in MARTS} == {mart.name: [] for mart in MARTS}
