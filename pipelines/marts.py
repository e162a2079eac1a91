"""`jobledger marts`: the marts made here and now, by DuckDB or by Spark."""

from __future__ import annotations

import sys

from assets.marts import make_marts
from assets.progress import PartDone
from assets.spark_marts import SparkEngine
from pipelines.console import console, tell
from pipelines.progress import drawing, note_part
from pipelines.rows import grid
from pipelines.settings import Settings
from pipelines.spark import session_if_wanted
from warehouse import query
from warehouse.catalog import publish
from warehouse.contract import contract
from warehouse.lake import existing_lake
from warehouse.marts.all import MARTS, all_tables


def make_and_tell(settings: Settings, engine: str, master: str | None) -> None:
    """Make the marts whose sources changed, open the door for SQL, and print what was made."""
    lake = existing_lake(settings.data)
    tables = {table.name: table for table in all_tables(contract())}
    with session_if_wanted(engine, master) as spark, drawing():
        executing = SparkEngine(spark, tables) if spark else None
        made = make_marts(lake, MARTS, tables, engine=executing, on_part=_show)
    publish(lake, tuple(tables.values()), settings.publish)
    state = {name: "left as it was" if rows is None else "made" for name, rows in made.items()}
    shown = [(mart.name, lake.row_count(mart.table), state[mart.name]) for mart in MARTS]
    found = query.Records(["mart", "rows", "now"], [False, True, False], shown)
    console(sys.stdout).print(grid(found, "Marts, and which of them were made"))


def _show(done: PartDone) -> None:
    note_part(done)
    if done.part:
        tell(f"{done.part} made in {done.seconds:.1f} s")
