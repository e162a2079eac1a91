"""What a table has now against before: rows by its key that came, went, or are there with other values."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from warehouse.declaration import Table
from warehouse.engine import connection, run
from warehouse.sql import statement


@dataclass
class Difference:
    """What a table has now against before: rows by its key that came, went, or are there with other values."""

    table: str
    rows: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0

    def __add__(self, other: Difference) -> Difference:
        """What two parts of a table differ in together."""
        counts = zip(astuple(self)[1:], astuple(other)[1:], strict=True)
        return Difference(self.table, *(mine + theirs for mine, theirs in counts))


def compare(difference: Difference, table: Table, before: str, after: str, *, places: int = 3) -> None:
    """Add to a difference what two sources (what DuckDB SELECTs from) of a table's rows differ in.

    Doubles are compared to some places, for the last bits of some depend on the order of adding.
    """
    with connection() as con:
        parts = {
            "$key": ", ".join(table.key),
            "$columns": ", ".join(_comparable(table, places)),
            "$before": before,
            "$after": after,
            "$same_key": " AND ".join(f"o.{name} IS NOT DISTINCT FROM n.{name}" for name in table.key),
        }
        text = statement("compare/rows")
        for placeholder, part in parts.items():
            text = text.replace(placeholder, part)
        rows, added, removed, changed = run(con, text)[0]
    difference.rows += rows
    difference.added += added
    difference.removed += removed
    difference.changed += changed


def _comparable(table: Table, places: int) -> list[str]:
    return [f"round({column.name}, {places})" if column.type == "DOUBLE" else column.name for column in table.columns]
