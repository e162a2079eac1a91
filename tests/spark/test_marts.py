"""Spark makes every mart with the rows that DuckDB makes, of the same text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assets.marts import make_marts
from assets.spark_marts import SparkEngine
from tests.spark.frames import copied, differences
from tests.spark.odd_world import odd_ledger
from tests.warehouse.made_ledgers import made_ledger
from tests.warehouse.mart_worlds import AS_OF, world
from warehouse.contract import contract
from warehouse.lake import Lake
from warehouse.marts.all import MARTS, all_tables

pytestmark = pytest.mark.spark

TABLES = {table.name: table for table in all_tables(contract())}


@pytest.fixture(scope="session")
def engine(spark: Any) -> SparkEngine:
    return SparkEngine(spark, TABLES)


def test_every_mart_has_the_rows_that_duckdb_makes(engine: SparkEngine, docs_ledger: Path, tmp_path: Path) -> None:
    expected, found = (copied(docs_ledger, tmp_path / name, "2026-01") for name in ("duckdb", "spark"))
    make_marts(expected, MARTS, TABLES, force=True)
    made = make_marts(found, MARTS, TABLES, force=True, engine=engine)
    assert {mart.name: differences(mart, expected, found) for mart in MARTS} == {mart.name: [] for mart in MARTS}
    assert all(made.values())


def test_what_spark_made_is_as_fresh_as_what_duckdb_makes(engine: SparkEngine, tmp_path: Path) -> None:
    lake = Lake(made_ledger(tmp_path, {"jobs": world(1)}, AS_OF))
    make_marts(lake, MARTS, TABLES)
    assert set(make_marts(lake, MARTS, TABLES, engine=engine).values()) == {None}
    table = TABLES["failure_costs"]
    rows, footer = lake.row_count(table), lake.metadata(table)
    lake.path(table).unlink()
    made = make_marts(lake, MARTS, TABLES, engine=engine)
    assert {name: count for name, count in made.items() if count is not None} == {"failure_costs": rows}
    assert lake.metadata(table) == footer
    assert list((lake.data / "scratch").iterdir()) == []
    assert set(make_marts(lake, MARTS, TABLES).values()) == {None}


def test_every_mart_is_the_same_in_an_odd_world(engine: SparkEngine, tmp_path: Path) -> None:
    expected = Lake(odd_ledger(tmp_path / "duckdb"))
    found = copied(expected.data, tmp_path / "spark")
    make_marts(expected, MARTS, TABLES)
    make_marts(found, MARTS, TABLES, engine=engine)
    assert {mart.name: differences(mart, expected, found) for mart in MARTS} == {mart.name: [] for mart in MARTS}
    assert {mart.name for mart in MARTS if expected.row_count(mart.table) == 0} == set()


def test_a_ledger_without_jobs_has_no_rows_and_no_months(engine: SparkEngine, tmp_path: Path) -> None:
    few = [mart for mart in MARTS if mart.name in ("hourly_load", "open_jobs", "units_by_day", "unit_forecast")]
    assert make_marts(Lake(tmp_path), few, TABLES, engine=engine) == {
        "hourly_load": 0,
        "open_jobs": 0,
        "units_by_day": None,
        "unit_forecast": 0,
    }
