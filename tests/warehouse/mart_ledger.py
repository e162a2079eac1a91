"""Ledgers in memory for the marts' tests: every declared table, filled from plain rows, and the clock.

The SQL of a mart runs here as it runs over the lake; only where the rows come from differs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from warehouse.declaration import Table
from warehouse.marts import Mart, mart_macros
from warehouse.sql import run_macros
from warehouse.tables import ledger_tables

Row = dict[str, Any]


def ledger(
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    as_of: datetime | None,
    marts: Iterable[Mart] = (),
) -> duckdb.DuckDBPyConnection:
    """A connection in UTC with every table below the marts, empty where `tables` names none, and `clock(as_of)`.

    A row may leave out columns (they are null) but not invent any. `marts` are made as tables in their order, for
    marts that read other marts.
    """
    con = _empty().cursor()
    declared = {table.name: table for table in ledger_tables()}
    unknown = set(tables) - set(declared)
    if unknown:
        raise ValueError(f"not tables of the ledger: {sorted(unknown)}")
    for name, of_table in tables.items():
        _create(con, declared[name], of_table)
    con.execute("CREATE TEMP TABLE clock AS SELECT ?::TIMESTAMPTZ AS as_of", [as_of])
    for mart in marts:
        _make_steps(con, mart)
        con.execute(f"CREATE TEMP TABLE {mart.name} AS SELECT {mart.table.typed_select} FROM ({mart.sql})")
    return con


@cache
def _empty() -> duckdb.DuckDBPyConnection:
    """An empty ledger. It is made once and can only be read: what a test adds are temporary tables, its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/empty.duckdb"
        with duckdb.connect(file) as con:
            for table in ledger_tables():
                con.execute(f'CREATE TABLE "{table.name}" AS {table.empty_select}')
            run_macros(con, mart_macros())
        empty = duckdb.connect(file, read_only=True, config={"threads": 1})
    empty.execute("SET GLOBAL TimeZone = 'UTC'")
    return empty


def _make_steps(con: duckdb.DuckDBPyConnection, mart: Mart) -> None:
    for name, step in mart.step_sql.items():
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {step}")


def _create(con: duckdb.DuckDBPyConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Make a declared table with these rows, if there are any."""
    if not rows:
        return
    invented = {name for row in rows for name in row} - set(table.column_names)
    if invented:
        raise ValueError(f"not columns of {table.name}: {sorted(invented)}")
    schema = table.arrow_schema
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in schema]
    con.register("incoming", pa.Table.from_arrays(columns, schema=schema))
    con.execute(f'CREATE TEMP TABLE "{table.name}" AS SELECT {table.typed_select} FROM incoming')
    con.unregister("incoming")


def rows(con: duckdb.DuckDBPyConnection, mart: Mart) -> list[Row]:
    """What the mart's SELECT gives, sorted by its key (null first), after its columns and types were checked."""
    table = mart.table
    _make_steps(con, mart)
    relation = con.sql(mart.sql)
    found = [(name, str(kind)) for name, kind in zip(relation.columns, relation.types, strict=True)]
    wanted = [(column.name, DUCKDB_NAMES.get(column.type, column.type)) for column in table.columns]
    assert found == wanted, f"{mart.name} gives other columns than it declares"
    result = [dict(zip(table.column_names, values, strict=True)) for values in relation.fetchall()]
    keys = [tuple(row[name] for name in table.key) for row in result]
    assert len(set(keys)) == len(keys), f"{mart.name} repeats its key"
    return sorted(result, key=lambda row: by_key(row, table.key))


def by_key(row: Mapping[str, Any], key: Sequence[str]) -> tuple[tuple[bool, Any], ...]:
    """A sort key that takes nulls: they come first."""
    return tuple((row[name] is not None, row[name]) for name in key)


DUCKDB_NAMES = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
