"""The Delta logs, read by another reader than the library that writes them: that of DuckDB, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.buckets import KEEP, MONTHLY, WHOLE, push_numbers
from warehouse.contract import contract
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.snapshots.push import push

pytestmark = pytest.mark.s3

ROOT = Path(__file__).parents[2]
DELTA = ROOT / ".delta"
NEEDS_READER = f"needs duckdb-extension-delta and its release of DuckDB in {DELTA.name}/: make s3 installs them"
LEDGER = ROOT / "tests" / "fixtures" / "ledger-0.1.0"
TABLES = {table.name: table for table in all_tables(contract())}

ASK = """
import json, sys
from importlib import resources
import duckdb
con = duckdb.connect()
(extension,) = resources.files("duckdb_extension_delta").glob("extensions/*/delta.duckdb_extension")
con.execute(f"LOAD '{extension}'")
print(json.dumps([con.execute(question).fetchall() for question in json.load(sys.stdin)]))
"""


def answers(*questions: str) -> list[Any]:
    """What DuckDB with its reader of Delta answers, in a process of its own."""
    if not DELTA.exists():
        if os.environ.get("CI"):
            raise AssertionError(f"CI {NEEDS_READER}")
        pytest.skip(NEEDS_READER)
    command, given = [sys.executable, "-c", ASK], json.dumps(questions)
    env = {**os.environ, "PYTHONPATH": str(DELTA)}
    done = subprocess.run(command, input=given, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def test_every_table_has_the_rows_and_columns_of_its_parquet_files(tmp_path: Path) -> None:
    lake, url = Lake(tmp_path / "data"), f"file://{tmp_path}/bucket"
    shutil.copytree(LEDGER, lake.data)
    push(lake, tuple(TABLES.values()), url, contract=contract().digest, keep=KEEP)
    questions: list[str] = []
    for name, table in TABLES.items():
        by_log, by_files = f"(FROM delta_scan('{url}/tables/{name}'))", f"(FROM {lake.source(table)})"
        questions += [f"SELECT count(*) FROM ({a} EXCEPT ALL {b})" for a, b in ((by_log, by_files), (by_files, by_log))]
        questions += [f"SELECT count(*) FROM {by_log}", f"DESCRIBE {by_log}", f"DESCRIBE {by_files}"]
    found, rows = answers(*questions), 0
    for number, table in enumerate(TABLES.values()):
        more, fewer, [[count]], columns, declared = found[5 * number : 5 * number + 5]
        assert (table.name, more, fewer, count) == (table.name, [[0]], [[0]], lake.row_count(table))
        assert columns == declared
        rows += count
    assert rows > 1_000


def test_each_publish_is_a_version(tmp_path: Path) -> None:
    lake, url = Lake(tmp_path / "data"), f"file://{tmp_path}/bucket"
    for number in (1, 2, 3):
        push_numbers(lake, url, number)
    asked = [f"FROM delta_scan('{url}/tables/{table.name}', version => 1)" for table in (MONTHLY, WHOLE)]
    newest = f"FROM delta_scan('{url}/tables/{MONTHLY.name}')"
    assert answers(*asked, newest) == [[[2], [2]], [[2]], [[3], [3]]]
