"""Ledgers on disk made from rows of tables, for what is asked through the door; nothing is walked or flattened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.warehouse.mart_worlds import Row
from warehouse.catalog import publish
from warehouse.contract import contract
from warehouse.declaration import Table
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.tables import WALKS


def made_ledger(data: Path, tables: Mapping[str, Sequence[Row]], as_of: datetime) -> Path:
    """Write rows of tables, monthly ones in the month of their job, and a complete walk that ended at `as_of`."""
    lake, declared = Lake(data), {table.name: table for table in all_tables(contract())}
    months = {row["job_id"]: row["created_month"] for row in tables["jobs"]}
    walk = {"walk_id": "walk", "finished_at": as_of, "complete": True, "on_api_clock": True}
    monthly = {name: rows for name, rows in tables.items() if declared[name].monthly}
    for month in {*months.values(), f"{as_of:%Y-%m}"}:
        with lake.exclusive(month) as staging:
            for name, rows in monthly.items():
                of_month = [row for row in rows if months[row["job_id"]] == month]
                staging.write(declared[name], month, _arrow(declared[name], of_month))
            if month == f"{as_of:%Y-%m}":
                staging.write(WALKS, month, _arrow(WALKS, [walk]))
            staging.commit()
    with lake.exclusive("names") as staging:
        for name in tables.keys() - monthly:
            staging.write(declared[name], None, _arrow(declared[name], tables[name]))
        staging.commit()
    publish(lake, tuple(declared.values()), "views")
    return data


def _arrow(table: Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    schema = table.arrow_schema
    return pa.Table.from_arrays([pa.array([row.get(f.name) for row in rows], f.type) for f in schema], schema=schema)
