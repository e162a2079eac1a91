"""The schema `named` of history.duckdb: the tables and marts with names beside the ids, made from the declarations.

A table is in it if it has a column with an id of something that has a name; so a new mart is in it by itself. Ids
stay. A name is the newest one, and null where it is not known. Every view reads one row for each row of its table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from warehouse.declaration import Column, Table
from warehouse.name_tables import NAME_TABLES

NAMED: Final = "named"


@dataclass(frozen=True)
class _Name:
    """A name that stands beside a column with an id: where it comes from, by which key."""

    column: str
    table: str
    key: str
    meaning: str


_NAMES: Final = {
    "itwin_id": _Name("itwin_name", "itwins", "itwin_id", "Name of the iTwin; null where it is not known"),
    "user_id": _Name("user_name", "users", "user_id", "Name of the user; null where it is not known"),
    "reference": _Name(
        "reference_name", "reality_data", "reality_data_id", "Name of the reality data; null where it is not known"
    ),
    "detector_name": _Name(
        "detector_display_name", "detectors", "detector_name", "Name of the detector; null where it is not known"
    ),
}
"""By the column of an id, the name that is shown beside it."""


def named_tables(tables: Iterable[Table]) -> list[Table]:
    """The tables that have an id of something that has a name; those of names have their own."""
    return [table for table in tables if table not in NAME_TABLES and _names_of(table)]


def named_columns(table: Table) -> Iterator[Column]:
    """The columns of a table's view: its own, and behind each id the name."""
    names = _names_of(table)
    for column in table.columns:
        yield column
        if column.name in names:
            yield Column(names[column.name].column, "VARCHAR", names[column.name].meaning)


def named_select(table: Table) -> str:
    """The SELECT of a table's view, over the views or tables of the schema main.

    It names no database: whoever opens the file, or attaches it, has another name for it.
    """
    names = _names_of(table)
    places = {column.name: f'own."{column.name}"' for column in table.columns}
    places |= {name.column: f"{name.table}.name" for name in names.values()}
    joins = [
        f"LEFT JOIN main.{name.table} AS {name.table} ON {name.table}.{name.key} = own.{own}"
        for own, name in names.items()
    ]
    if "detector_name" in names:  # a detector may be reality data, which jobs call by an id
        places["detector_display_name"] = "coalesce(detectors.name, detector_data.name)"
        joins.append(
            "LEFT JOIN main.reality_data AS detector_data ON detector_data.reality_data_id = own.detector_name"
        )
    if {"reference", "detector_name"} <= names.keys():  # and a reference a detector, by its name
        places["reference_name"] = "coalesce(reality_data.name, detectors.name)"
    columns = (f'{places[column.name]} AS "{column.name}"' for column in named_columns(table))
    return f"SELECT {', '.join(columns)} FROM main.{table.name} AS own {' '.join(joins)}"


def _names_of(table: Table) -> dict[str, _Name]:
    """The names that a table lacks, by its columns with ids."""
    return {
        own: name for own, name in _NAMES.items() if own in table.column_names and name.column not in table.column_names
    }
