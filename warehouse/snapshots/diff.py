"""What moved between two publishes, and why: tables by their rows, and the units of each month to the last billionth.

Only files that differ are fetched and read. The reasons are told by the jobs of both sides, each job one reason, so
that their sum is the difference of the totals. That `units_by_month` shows these totals is verified on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import duckdb

from warehouse.compare import Difference, compare
from warehouse.declaration import Table
from warehouse.engine import connection, quote, run
from warehouse.lake import parquet_source
from warehouse.marts import mart_macros
from warehouse.marts.consumption import UNITS_BY_MONTH
from warehouse.snapshots.sides import Name, Side, side
from warehouse.sql import run_macros, statement
from warehouse.tables import JOBS

ROWS_ARE_COMPARED: Final = ("core", "marts", "names")
"""The groups of tables whose rows are compared one by one; of the others, they are counted."""

PLACES: Final = 9
"""Places to which doubles are compared: units are whole billionths."""


class TableMoved(NamedTuple):
    """A table that differs: its rows on both sides, and those that came, went or changed, where they were compared."""

    table: str
    rows_before: int
    rows_after: int
    added: int | None = None
    removed: int | None = None
    changed: int | None = None


class Group(NamedTuple):
    """A row of `units_by_month`."""

    month: str
    itwin_id: str | None
    type: str | None
    user_id: str | None


class Units(NamedTuple):
    """Units of both kinds, exact."""

    estimated: Decimal = Decimal(0)
    processing: Decimal = Decimal(0)

    def plus(self, other: Units) -> Units:
        return Units(self.estimated + other.estimated, self.processing + other.processing)


class Reason(NamedTuple):
    """Why the units of a group moved, by how many jobs, and by how much."""

    group: Group
    reason: str
    jobs: int
    units: Units


class Total(NamedTuple):
    """The units of a group on both sides. `is_behind`: `units_by_month` shows others than the jobs, on either side."""

    group: Group
    before: Units
    after: Units
    is_behind: bool


class Month(NamedTuple):
    """The units of all jobs of a month in which something moved, and by reason how many jobs add what."""

    month: str
    before: Units
    after: Units
    reasons: dict[str, tuple[int, Units]]


@dataclass(frozen=True)
class Diff:
    """What moved between two sides: tables, the units of months, and those of single rows of `units_by_month`."""

    before: Name
    after: Name
    tables: list[TableMoved]
    months: list[Month]
    totals: list[Total]
    reasons: list[Reason]


def diff(before: str, after: str, tables: Sequence[Table]) -> Diff:
    """Compare two publishes, each URL, URL@TIME or a data folder; raise WrongUsage for what is none."""
    with TemporaryDirectory() as name:
        sides = side(before, Path(name)), side(after, Path(name))
        moved = [found for table in tables if (found := _table_moved(*sides, table))]
        totals, reasons = _units_moved(*sides)
    groups = {row.group for row in reasons}
    shown = [total for total in totals if total.group in groups or total.is_behind]
    return Diff(sides[0].name, sides[1].name, moved, _months(totals, shown, reasons), shown, reasons)


def _months(totals: Sequence[Total], shown: Sequence[Total], reasons: Sequence[Reason]) -> list[Month]:
    """The months in which something moved, each with all its units."""
    found = {total.group.month: Month(total.group.month, Units(), Units(), {}) for total in shown}
    for total in totals:
        if month := found.get(total.group.month):
            added = month.before.plus(total.before), month.after.plus(total.after)
            found[month.month] = month._replace(before=added[0], after=added[1])
    for row in reasons:
        of_month = found[row.group.month].reasons
        jobs, units = of_month.get(row.reason, (0, Units()))
        of_month[row.reason] = jobs + row.jobs, units.plus(row.units)
    return list(found.values())


def _differing(before: Side, after: Side, table: Table) -> list[str | None]:
    """The months of a table whose files differ."""
    old, new = before.digests(table), after.digests(table)
    return [month for month in sorted(old.keys() | new.keys(), key=str) if old.get(month) != new.get(month)]


def _table_moved(before: Side, after: Side, table: Table) -> TableMoved | None:
    """What a table differs in; None if all its files, or all its rows, are the same."""
    months = _differing(before, after, table)
    if not months:
        return None
    found = Difference(table.name)
    counts = before.rows(table), after.rows(table)
    if table.group not in ROWS_ARE_COMPARED:
        return TableMoved(table.name, *counts)
    sources = (parquet_source(table, each.files(table, months)) for each in (before, after))
    compare(found, table, *sources, places=PLACES)
    if found == Difference(table.name, found.rows):
        return None
    return TableMoved(table.name, *counts, found.added, found.removed, found.changed)


def _units_moved(before: Side, after: Side) -> tuple[list[Total], list[Reason]]:
    """The totals of all groups in months that differ, and the reasons for which they moved."""
    months = sorted({*_differing(before, after, JOBS), *_differing(before, after, UNITS_BY_MONTH)}, key=str)
    with connection() as con:
        run_macros(con, mart_macros())
        totals = [_totals(con, each, months) for each in (before, after)]
        for name, each in (("old_jobs", before), ("new_jobs", after)):
            _view(con, name, JOBS, each, months)
        text = statement("diff/units_moved").replace("$taken_at", quote(before.name.at.isoformat()))
        reasons = [Reason(Group(*row[:4]), row[4], row[5], _units(row[6:])) for row in run(con, text)]
    groups = sorted({*totals[0], *totals[1], *(row.group for row in reasons)}, key=str)
    return [_total(group, *(each.get(group, (Units(), False)) for each in totals)) for group in groups], reasons


def _totals(con: duckdb.DuckDBPyConnection, of: Side, months: Sequence[str | None]) -> dict[Group, tuple[Units, bool]]:
    """By group, the units of the jobs, and whether the mart shows others."""
    _view(con, "jobs", JOBS, of, months)
    _view(con, "units_by_month", UNITS_BY_MONTH, of, months)
    return {Group(*row[:4]): (_units(row[4:6]), row[6]) for row in run(con, statement("diff/unit_totals"))}


def _view(con: duckdb.DuckDBPyConnection, name: str, table: Table, of: Side, months: Sequence[str | None]) -> None:
    run(con, f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM {parquet_source(table, of.files(table, months))}")


def _total(group: Group, before: tuple[Units, bool], after: tuple[Units, bool]) -> Total:
    return Total(group, before[0], after[0], before[1] or after[1])


def _units(billionths: Sequence[Any]) -> Units:
    """Whole billionths as units, exact; none where there is no row."""
    return Units(*(Decimal(0 if value is None else value).scaleb(-9) for value in billionths))
