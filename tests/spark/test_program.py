"""`jobledger marts --engine spark`, as a program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from assets.marts import make_marts
from tests.docs_ledger import ROOT
from tests.warehouse.made_ledgers import made_ledger
from tests.warehouse.mart_worlds import AS_OF, world
from warehouse.catalog import publish
from warehouse.contract import contract
from warehouse.lake import Lake
from warehouse.marts.all import MARTS, all_tables
from warehouse.query import rows

pytestmark = pytest.mark.spark

TABLES = {table.name: table for table in all_tables(contract())}


def test_the_program_makes_what_is_stale_and_says_so(tmp_path: Path) -> None:
    lake = Lake(made_ledger(tmp_path / "data", {"jobs": world(1)}, AS_OF))
    make_marts(lake, MARTS, TABLES)
    publish(lake, tuple(TABLES.values()), "views")
    asked = "select * from failure_costs order by all"
    expected = rows(asked, lake.data)
    lake.path(TABLES["failure_costs"]).unlink()
    environment = {**os.environ, "JOBLEDGER_DATA": str(lake.data), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.spark", "--master", "local[1]"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines() if "│ made" in line] == [
        ["failure_costs", "│", str(expected.num_rows), "│", "made"]
    ]
    assert rows(asked, lake.data).equals(expected)
    assert "failure_costs made in " in done.stderr
