"""A ledger for Spark beside one for DuckDB, and their rows in one order, to be compared to the last bit."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa

from warehouse.catalog import door
from warehouse.declaration import Table
from warehouse.engine import arrow, connection
from warehouse.lake import Lake
from warehouse.marts import Mart


def copied(data: Path, folder: Path, first_month: str = "") -> Lake:
    """A ledger with the files of another one, from a month on: what is put in the place of a file is a new one."""

    def older(_: str, names: list[str]) -> list[str]:
        return [name for name in names if name.startswith("created_month=") and name[14:] < first_month]

    shutil.copytree(data, folder, copy_function=os.link, ignore=older)
    return Lake(folder)


def spark_rows(spark: Any, table: Table) -> pa.Table:
    """The rows of a view of a session."""
    rows = spark.sql(f"SELECT * FROM `{table.name}`").toArrow()
    assert rows.column_names == list(table.column_names)
    with connection() as con:
        con.register("rows", rows)
        return arrow(con, f"SELECT {table.typed_select} FROM rows ORDER BY ALL")


def door_rows(data: Path, table: Table) -> pa.Table:
    """The rows of a table of the door."""
    with connection(door(data), read_only=True) as con:
        return arrow(con, f"SELECT {table.typed_select} FROM {table.name} ORDER BY ALL")


def differences(mart: Mart, expected: Lake, found: Lake) -> list[str]:
    """What of a mart is not the same in two lakes; of what is interpolated, what is off by more than 1e-9."""
    rows = [_ordered(mart.table, lake) for lake in (expected, found)]
    if rows[0].num_rows != rows[1].num_rows:
        return [f"{rows[0].num_rows} rows, not {rows[1].num_rows}"]
    return [
        name
        for name in mart.table.column_names
        if not rows[0][name].equals(rows[1][name])
        and not (name in mart.interpolated and _are_close(rows[0][name].to_pylist(), rows[1][name].to_pylist()))
    ]


def _ordered(table: Table, lake: Lake) -> pa.Table:
    with connection() as con:
        return arrow(con, f"SELECT * FROM {lake.source(table)} ORDER BY {', '.join(table.key)}")


def _are_close(expected: list[float | None], found: list[float | None]) -> bool:
    return all(
        left == right or (left is not None and right is not None and math.isclose(left, right, rel_tol=1e-9))
        for left, right in zip(expected, found, strict=True)
    )
