"""The tables of names, made from the raw answers: a pure function of `name_observations` and the contract of names.

They are made again only where the answers, the contract or the statements changed.
"""

from __future__ import annotations

import hashlib
from typing import Final

import duckdb
import pyarrow as pa

from warehouse.contract.names import JSON_TYPES, NameContract, NameField, name_contract
from warehouse.declaration import Table
from warehouse.engine import connection, load, run
from warehouse.lake import Lake, Staging, copy_to, quote
from warehouse.name_tables import (
    DETECTOR_VERSIONS,
    MADE_NAME_TABLES,
    NAME_DRIFT,
    NAME_OBSERVATIONS,
    REALITY_DATA,
    TABLE_OF_KIND,
    USERS,
)
from warehouse.sql import run_macros, statement, statements

LOCK: Final = "names"
"""The lock on all tables of names."""

MADE_FROM: Final = "made_from"
REVISION: Final = "revision"
"""Footer keys: what a table was made from, and what changes with the raw answers."""

_VALUES: Final = {
    "VARCHAR": "{}",
    "DOUBLE": "finite_number({})",
    "BIGINT": "bytes_of(finite_number({}))",
    "BOOLEAN": "{} = 'true'",
    "TIMESTAMPTZ": "utc_time({})",
    "VARCHAR[]": "texts_in({})",
}
"""By a column's type, its value from the text of a JSON value that has the type of the field."""

_OWN: Final = {
    REALITY_DATA: {"itwin_id": "seen_in", "area_km2": "area_km2(south, west, north, east)"},
    DETECTOR_VERSIONS: {"detector_name": "id", "is_latest": "coalesce(version = latest, false)"},
    USERS: {"name": "nullif(trim(concat_ws(' ', given_name, surname)), '')"},
}
"""The columns of a table that no field of the API fills alone."""


def make_name_tables(lake: Lake, *, force: bool = False) -> bool:
    """Make the tables of names again if what they are made from changed; return whether they were."""
    known = name_contract()
    with lake.exclusive(LOCK) as staging:
        footer = {MADE_FROM: made_from(lake, known)}
        if not force and all(lake.metadata(table) == footer for table in MADE_NAME_TABLES):
            return False
        _write(lake, staging, known, footer)
        staging.commit()
    return True


def made_from(lake: Lake, known: NameContract) -> str:
    """What the tables of names would be made from now."""
    parts = [lake.metadata(NAME_OBSERVATIONS).get(REVISION, "-"), known.digest, code_digest()]
    return _digest([*parts, *(table.typed_select for table in MADE_NAME_TABLES)])


def code_digest() -> str:
    """Return what changes with the statements that make the tables of names."""
    return _digest([statement("macros"), *statements("names"), repr(_VALUES), repr([*_OWN.values()])])


def _write(lake: Lake, staging: Staging, known: NameContract, footer: dict[str, str]) -> None:
    with connection() as con:
        run_macros(con)
        run_macros(con, statement("names/macros"))
        lake.view(con, NAME_OBSERVATIONS)
        load(con, "name_fields", _field_rows(known))
        for name in ("newest_names", "detector_bodies"):
            run(con, f"CREATE TABLE {name} AS {statement(f'names/{name}')}")
        for kind, table in TABLE_OF_KIND.items():
            _copy(con, staging, table, _select(kind, table, known), footer)
        _copy(con, staging, NAME_DRIFT, statement("names/name_drift"), footer)


def _copy(con: duckdb.DuckDBPyConnection, staging: Staging, table: Table, select: str, footer: dict[str, str]) -> None:
    copy_to(con, table, f"({select})", staging.reserve(table), footer)


def _select(kind: str, table: Table, known: NameContract) -> str:
    """The SELECT of a kind's table: each value from its place in the body, null where it has another type there."""
    key = table.key[-1]
    fields = [row for row in known.fields_of(kind) if row.column]
    places = {row: place for place, row in enumerate(fields, start=1)}
    paths = f"[{', '.join(quote(row.json_path) for row in fields)}]"
    source = "detector_bodies" if kind == "detector_version" else "newest_names"
    columns = {
        column: f"coalesce({', '.join(_value(row, places[row]) for row in of_column)})"
        for column, of_column in known.columns_of(kind).items()
    }
    if kind != "detector_version":
        columns[key] = "id"  # as it was asked for: a body without a readable one is that thing's all the same
    values = ", ".join(f"{value} AS {column}" for column, value in columns.items())
    kept = [column.name for column in table.columns if column.name not in columns]
    own = _OWN.get(table, {})
    others = "".join(f", {own.get(name, name)} AS {name}" for name in kept)
    once = f" QUALIFY row_number() OVER (PARTITION BY id, {key} ORDER BY body) = 1"
    return (
        f"WITH texts AS (SELECT *, json_type(body, {paths}) AS types, "
        f"json_extract_string(body, {paths}) AS texts FROM {source} WHERE kind = {quote(kind)}), "
        f"read AS (SELECT * EXCLUDE (types, texts), {values} FROM texts) "
        f"SELECT {', '.join(columns)}{others} FROM read WHERE {key} IS NOT NULL{once}"
    )


def _value(row: NameField, place: int) -> str:
    types = ", ".join(map(quote, JSON_TYPES[row.json_type]))
    text = _VALUES[row.column_type].format(f"texts[{place}]")
    text = f"spelled({text})" if row.column.endswith(("_id", "_by")) else text
    return f"CASE WHEN types[{place}] IN ({types}) THEN {text} END"


def _field_rows(known: NameContract) -> pa.Table:
    rows = [
        {
            "kind": row.kind,
            "path": row.path,
            "json_path": row.json_path,
            "json_types": list(JSON_TYPES[row.json_type]),
            "required": row.required,
        }
        for row in known.fields
    ]
    return pa.Table.from_pylist(rows)


def _digest(parts: list[str]) -> str:
    return hashlib.md5("\0".join(parts).encode(), usedforsecurity=False).hexdigest()
