"""`jobledger marts`: the marts made here and now, by DuckDB or by Spark."""

from __future__ import annotations

import sys

from assets.marts import Engine, make_marts
from pipelines.console import console, tell
from pipelines.rows import grid
from pipelines.settings import Settings
from warehouse import query
from warehouse.catalog import publish
from warehouse.contract import contract
from warehouse.errors import WrongUsage
from warehouse.lake import Lake
from warehouse.marts.all import MARTS, all_tables


def make_by_duckdb(settings: Settings) -> None:
    """Make the marts whose sources changed, open the door for SQL, and print what was made."""
    _make(settings, None)


def make_by_spark(settings: Settings, master: str | None) -> None:
    """Do the same in a session of Spark; raise WrongUsage if pyspark or Java is missing."""
    from assets.spark_marts import SparkEngine
    from pipelines.spark import session

    _ledger(settings)
    with session(master) as spark:
        tell("Spark is there.")
        _make(settings, SparkEngine(spark, {table.name: table for table in all_tables(contract())}))


def _make(settings: Settings, engine: Engine | None) -> None:
    lake = _ledger(settings)
    tables = {table.name: table for table in all_tables(contract())}
    made = make_marts(
        lake, MARTS, tables, engine=engine, on_made=lambda name, seconds: tell(f"{name} made in {seconds:.1f} s")
    )
    publish(lake, tuple(tables.values()), settings.publish)
    shown = [
        (mart.name, lake.row_count(mart.table), "left as it was" if made[mart.name] is None else "made")
        for mart in MARTS
    ]
    found = query.Records(["mart", "rows", "now"], [False, True, False], shown)
    console(sys.stdout).print(grid(found, "Marts, and which of them were made"))


def _ledger(settings: Settings) -> Lake:
    lake = Lake(settings.data)
    if not lake.root.exists():
        raise WrongUsage(f"There is no ledger in {settings.data}. Run `jobledger sync` first, or set JOBLEDGER_DATA.")
    return lake
