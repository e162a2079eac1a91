"""The marts that add money up have the same bytes whenever they are made of the same files, by however many threads.

Doubles add up to other last digits in another order, and threads bring them in any. So the units here are large and
have fractions: there the last digits of a sum of doubles are not rounded away.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import duckdb
import pytest

from tests.assets.ledgers import MONTH
from warehouse.contract import contract
from warehouse.engine import connection, run
from warehouse.lake import Lake, copy_to
from warehouse.marts import Mart, mart_macros
from warehouse.marts.all import MARTS, all_tables
from warehouse.sql import run_macros
from warehouse.tables import JOB_MESSAGES, JOB_REFERENCES, JOBS

TABLES: Final = {table.name: table for table in all_tables(contract())}
SUMS: Final = (
    "units_by_month",
    "failure_costs",
    "failure_reasons",
    "retry_chains",
    "reference_lineage",
    "deliverable_units",
    "units_by_day",
)
"""The marts that add units up, and what they read."""

ROWS: Final = {
    JOBS: f"""
        SELECT
            job_id,
            'itwin-' || number // 60 % 2 AS itwin_id,
            'user' AS user_id,
            'Objects2D' AS type,
            CASE number % 60 WHEN 59 THEN 'success' ELSE 'failed' END AS outcome,
            '{MONTH}' AS created_month,
            TIMESTAMPTZ '{MONTH}-01 00:00:00+00' + to_seconds(number) AS created_at,
            TIMESTAMPTZ '{MONTH}-01 00:00:00+00' + to_seconds(number) AS ended_at,
            hash(number) % 100000000000 / 1000 AS units,
            'processingUnits' AS units_source
        FROM numbers
    """,
    JOB_REFERENCES: """
        SELECT
            job_id,
            'input' AS direction,
            'photos' AS role,
            'photos' AS api_field,
            0 AS ordinal,
            'photos-' || number // 60 AS reference,
            'reality_data' AS kind
        FROM numbers
        UNION ALL
        SELECT job_id, 'output', 'objects2d', 'objects2d', 0, 'objects-' || number, 'reality_data'
        FROM numbers
        UNION ALL
        SELECT job_id, 'input', 'objects2d', 'objects2d', step, 'objects-' || number - step, 'reality_data'
        FROM numbers, range(1, 60) AS steps(step)
        WHERE number % 60 = 59
    """,
    JOB_MESSAGES: "SELECT job_id, 'error' AS severity, 1 AS ordinal, 'E' || number % 3 AS code FROM numbers",
}
"""Jobs that fail 59 times before one succeeds, which takes what all of them made."""


def write_ledger(lake: Lake, jobs: int) -> None:
    """Write a month of `jobs` jobs, with their references and messages."""
    with connection() as con, lake.exclusive(MONTH) as staging:
        run(
            con,
            f"CREATE VIEW numbers AS SELECT range AS number, format('job-{{:07}}', range) AS job_id FROM range({jobs})",
        )
        for table, select in ROWS.items():
            filled = f"({table.empty_select} UNION ALL BY NAME ({select}))"
            copy_to(con, table, filled, staging.reserve(table, MONTH))
        staging.commit()


def bytes_of_marts(lake: Lake, folder: Path, threads: int) -> Mapping[str, bytes]:
    """The bytes of the marts' files, made of the lake by this many threads."""
    folder.mkdir()
    with connection() as con:
        run(con, f"SET threads = {threads}")
        run_macros(con, mart_macros())
        for table in TABLES.values():
            run(con, f"CREATE VIEW {table.name} AS SELECT * FROM {lake.source(table)}")
        return {mart.name: _bytes(con, mart, folder) for mart in MARTS if mart.name in SUMS}


def _bytes(con: duckdb.DuckDBPyConnection, mart: Mart, folder: Path) -> bytes:
    place = folder / f"{mart.name}.parquet"
    copy_to(con, mart.table, f"({mart.sql})", place)
    run(con, f"CREATE OR REPLACE VIEW {mart.name} AS SELECT * FROM '{place}'")
    return place.read_bytes()


def assert_same_bytes(tmp_path: Path, jobs: int, times: int) -> None:
    lake = Lake(tmp_path)
    write_ledger(lake, jobs)
    first = bytes_of_marts(lake, tmp_path / "0", 1)
    assert first.keys() == set(SUMS)
    for number in range(1, times):
        again = bytes_of_marts(lake, tmp_path / str(number), 1 + number % 4)
        assert {name for name in SUMS if first[name] != again[name]} == set()


@pytest.mark.proof
def test_marts_of_the_same_files_have_the_same_bytes(tmp_path: Path) -> None:
    assert_same_bytes(tmp_path, 100_000, 3)


@pytest.mark.soak
def test_marts_of_a_million_jobs_have_the_same_bytes_each_time(tmp_path: Path) -> None:
    assert_same_bytes(tmp_path, 1_000_000, int(os.environ.get("SOAK_TIMES", "12")))
