"""The contract of names: what the API says of iTwins, reality data, detectors and users, as data in `names.csv`.

It stands apart from the contract of jobs, for names have no edition and no month. The tables of names, how their JSON
is read, the data dictionary and the drift of names all derive from `name_contract`.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Final

from warehouse.contract import ContractError

JSON_TYPES: Final = {
    "string": ("VARCHAR",),
    "number": ("BIGINT", "UBIGINT", "DOUBLE"),
    "boolean": ("BOOLEAN",),
    "object": ("OBJECT",),
    "array": ("ARRAY",),
    "array<string>": ("ARRAY",),
}
"""The types of JSON values that a field may have, each with the words that DuckDB has for it."""

SECRET_KEYS: Final = frozenset({"downloadurl"})
"""Keys, in small letters, whose values are signed URLs: they are cut out before anything is kept."""


@dataclass(frozen=True)
class NameField:
    """A field of what the API answers about a kind: a row of `names.csv`.

    `path` is dotted from the object. `column` is what it fills in the table of its kind; empty where it fills none.
    """

    kind: str
    path: str
    column: str
    json_type: str
    column_type: str
    required: bool
    unit: str | None
    meaning: str

    @property
    def json_path(self) -> str:
        """The path as DuckDB's JSON functions take it."""
        return f"$.{self.path}"


@dataclass(frozen=True)
class NameContract:
    """All that is known of the API's answers about names."""

    fields: tuple[NameField, ...]

    def __post_init__(self) -> None:
        for row in self.fields:
            if row.json_type not in JSON_TYPES:
                raise ContractError(f"{row.kind}.{row.path}: json_type {row.json_type!r} is unknown")
            if bool(row.column) is not bool(row.column_type):
                raise ContractError(f"{row.kind}.{row.path}: a column and its type go together")

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.kind for row in self.fields))

    def fields_of(self, kind: str) -> tuple[NameField, ...]:
        return tuple(row for row in self.fields if row.kind == kind)

    def columns_of(self, kind: str) -> dict[str, tuple[NameField, ...]]:
        """The columns of a kind's table, each with the fields that fill it: the first that is there counts."""
        found: dict[str, tuple[NameField, ...]] = {}
        for row in self.fields_of(kind):
            if row.column:
                found[row.column] = (*found.get(row.column, ()), row)
        return found

    @cached_property
    def digest(self) -> str:
        """Changes when anything in the contract of names changes."""
        return hashlib.md5(repr(self.fields).encode(), usedforsecurity=False).hexdigest()


@cache
def name_contract() -> NameContract:
    """The contract of names that ships with jobledger."""
    text = resources.files("warehouse.contract").joinpath("names.csv").read_text(encoding="utf-8")
    return NameContract(tuple(_field(row) for row in csv.DictReader(text.splitlines())))


def _field(row: dict[str, str]) -> NameField:
    return NameField(
        kind=row["kind"],
        path=row["path"],
        column=row["column"],
        json_type=row["json_type"],
        column_type=row["column_type"],
        required=row["required"] == "yes",
        unit=row["unit"] or None,
        meaning=row["meaning"],
    )
