"""`jobledger diff`: which figures moved between two publishes, and why, on a screen or as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from rich.console import Console

from pipelines.console import console
from pipelines.rows import as_json_object, grid
from warehouse.contract import contract
from warehouse.marts.all import all_tables
from warehouse.query import Records
from warehouse.snapshots.diff import Diff, Group, Month, TableMoved, Units, diff
from warehouse.snapshots.sides import Name

REASONS: Final = {
    "new job": "created after the first publish",
    "late job": "created before the first publish, and shown by the API only later",
    "missing job": "in the first publish alone",
    "moved": "another month, iTwin, type or user; counted where it was and where it is",
    "vanished": "the API shows it no more; its units stay in the totals",
    "first value": "the API told its units for the first time",
    "value withdrawn": "the API tells its units no more",
    "restated": "the API told other units",
    "other field": "estimatedUnits became processingUnits, or the other way round",
    "read otherwise": "the same answer of the API, read by another contract or release",
}
"""What the reasons mean for which units move; each job has one."""

BEHIND: Final = "units_by_month is behind its jobs"
WIDE: Final = ("month", "what", "jobs", "estimated_units", "processing_units")


def show_diff(before: str, after: str, *, as_json: bool) -> None:
    """Print what moved from one publish to the other."""
    found = diff(before, after, all_tables(contract()))
    if as_json:
        sys.stdout.buffer.write(as_json_object(_as_object(found)) + b"\n")
    else:
        _print(found, console(sys.stdout))


def _print(found: Diff, page: Console) -> None:
    for word, name in (("From", found.before), ("To", found.after)):
        page.print(f"{word:4} {_shown(name)}")
    if not found.tables:
        page.print("\nNothing moved: all tables are the same.")
        return
    page.print()
    tables = Records(TableMoved._fields, [name != "table" for name in TableMoved._fields], found.tables)
    page.print(grid(tables, "Tables that differ (of raw tables, rows are counted and not compared)"))
    page.print()
    if not found.months:
        page.print("Units by month: nothing moved.")
        return
    rows = [row for month in found.months for row in _rows(month)]
    page.print(grid(Records(WIDE, [name not in ("month", "what") for name in WIDE], rows), "Units by month"))
    reasons = dict.fromkeys(reason for month in found.months for reason in month.reasons)
    page.print("\n" + "\n".join(f"{reason}: {REASONS[reason]}" for reason in reasons))
    for total in found.totals:
        if total.is_behind:
            page.print(f"{BEHIND}: {', '.join(str(part) for part in total.group)}")


def _rows(month: Month) -> Iterator[tuple[Any, ...]]:
    """A month on the screen: its units before, what each reason adds, and its units after."""
    yield month.month, "before", None, *_numbers(month.before)
    for reason, (jobs, units) in month.reasons.items():
        yield month.month, reason, jobs, *_numbers(units, sign=True)
    yield month.month, "after", None, *_numbers(month.after)


def _numbers(units: Units, *, sign: bool = False) -> Iterator[str]:
    for number in units:
        yield f"{_plain(number):{'+' if sign and number else ''}f}"


def _plain(number: Decimal) -> Decimal:
    """A number without zeros at its end."""
    whole = number.to_integral_value()
    return whole if number == whole else number.normalize()


def _shown(name: Name) -> str:
    made = f", jobledger {name.release}, contract {name.contract[:12]}" if name.release and name.contract else ""
    return f"{name.place}, {name.at:%Y-%m-%d %H:%M:%S} UTC{made}"


def _as_object(found: Diff) -> dict[str, Any]:
    return {
        "from": found.before._asdict(),
        "to": found.after._asdict(),
        "tables": [table._asdict() for table in found.tables],
        "units": [
            {
                **_group(total.group),
                **_units("before", total.before),
                **_units("after", total.after),
                "is_behind": total.is_behind,
                "reasons": [
                    {"reason": row.reason, "jobs": row.jobs, **_units("added", row.units)}
                    for row in found.reasons
                    if row.group == total.group
                ],
            }
            for total in found.totals
        ],
    }


def _group(group: Group) -> dict[str, Any]:
    return group._asdict()


def _units(word: str, units: Units) -> dict[str, Decimal]:
    return {f"{word}_estimated_units": _plain(units.estimated), f"{word}_processing_units": _plain(units.processing)}
