"""What the report asks of the ledger: the statements in `warehouse/sql/report`, each with what it is asked about.

The values of a statement's parameters are written into its text, so that what the page shows is what was executed, and
`jobledger sql` answers it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from assets.marts import AS_OF
from assets.report import words
from warehouse.engine import quote
from warehouse.errors import WrongUsage
from warehouse.lake import Lake
from warehouse.marts.all import MARTS
from warehouse.months import month_of, months_between, previous_month, window
from warehouse.query import records
from warehouse.sql import statement

Row = dict[str, Any]

QUESTIONS: Final = (
    "scope",
    "forecast",
    "units_by_itwin",
    "months",
    "times_by_type",
    "times_by_month",
    "load",
    "failures",
    "open_summary",
    "open_jobs",
    "detectors",
    "deliverables",
    "options",
    "week",
    "week_parts",
    "walks",
    "drift",
)
"""What every report asks; `lineage` is asked besides, of the dearest deliverable."""

LONGEST_RANGE: Final = 36
SHOWN_MONTHS: Final = 13
NO_MONTH: Final = "0001-01"
"""Stands for the month of as_of where there is none."""


@dataclass(frozen=True)
class Scope:
    """What a report is about: months of creation, an iTwin or all of them, as of when, and the kind of units."""

    first: str
    last: str
    as_of: datetime | None
    kind: str
    itwin_id: str | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the statements, as SQL writes them."""
        return {
            "$first": quote(self.first),
            "$last": quote(self.last),
            "$itwin": "NULL" if self.itwin_id is None else quote(self.itwin_id),
            "$kind": quote(self.kind),
            "$as_of": f"CAST({quote(self.as_of.isoformat()) if self.as_of else 'NULL'} AS TIMESTAMPTZ)",
        }


@dataclass(frozen=True)
class Answer:
    """A statement as it was executed, and the rows that it gave."""

    sql: str
    rows: Sequence[Row]


def as_of(lake: Lake) -> datetime | None:
    """Return the instant that the newest marts are as of, on the API's clock; None before a complete walk."""
    timely = next(mart.table for mart in MARTS if mart.name == "unit_forecast")
    said = lake.metadata(timely).get(AS_OF)
    return datetime.fromisoformat(said) if said else None


def scope(data: Path, itwin: str | None = None, first: str | None = None, last: str | None = None) -> Scope:
    """Return what a report on these months and this iTwin (by id or name) is about; without months, the newest 13.

    Raise WrongUsage for months that cannot be, and for an iTwin that the ledger does not know.
    """
    now = as_of(Lake(data))
    ledger, itwins = records([statement("report/ledger"), statement("report/itwins")], data)
    kind, oldest, newest = ledger.rows[0]
    end = last or (month_of(now) if now else newest or NO_MONTH)
    start = first or min(end, max(oldest or end, months_back(end, SHOWN_MONTHS)))
    if len(months_between(start, end)) > LONGEST_RANGE:
        raise WrongUsage(f"{start} to {end} are more than {LONGEST_RANGE} months; ask for fewer.")
    return Scope(start, end, now, kind or "estimatedUnits", _itwin_id(itwin, itwins.rows) if itwin else None)


def ask(data: Path, about: Scope) -> dict[str, Answer]:
    """Return the answer to every question, by its name."""
    texts = [with_parameters(statement(f"report/{name}"), about.parameters) for name in QUESTIONS]
    answers = dict(zip(QUESTIONS, _answers(data, texts), strict=True))
    dearest = next((quote(row["job_id"]) for row in answers["deliverables"].rows), "NULL")
    lineage = with_parameters(statement("report/lineage"), {**about.parameters, "$deliverable": dearest})
    return {**answers, "lineage": _answers(data, [lineage])[0]}


def with_parameters(text: str, parameters: Mapping[str, str]) -> str:
    """Return a statement with its parameters written into it."""
    for name, value in parameters.items():
        text = text.replace(name, value)
    return text


def months_back(last: str, months: int) -> str:
    """Return the first of so many months that end with `last`. Raise WrongUsage if that is no month."""
    window(last)
    first = last
    for _ in range(months - 1 if last > NO_MONTH else 0):
        first = previous_month(first)
    return first


def _answers(data: Path, texts: Sequence[str]) -> list[Answer]:
    found = records(texts, data)
    return [
        Answer(text, _with_names([dict(zip(each.names, row, strict=True)) for row in each.rows]))
        for text, each in zip(texts, found, strict=True)
    ]


def _with_names(rows: Sequence[Row]) -> Sequence[Row]:
    """Rows in which an iTwin has a name that no other one has."""
    if not rows or "itwin" not in rows[0]:
        return rows
    names = words.distinct_names(rows, "itwin_id", "itwin")
    return [{**row, "itwin": names[row["itwin_id"]]} for row in rows]


def _itwin_id(asked: str, itwins: Iterable[tuple[Any, ...]]) -> str:
    """The id of the iTwin that goes by an id or a name. Raise WrongUsage for none, or for several."""
    wanted = asked.strip().casefold()
    found = sorted(
        {str(itwin_id) for itwin_id, name in itwins if wanted in (itwin_id.casefold(), (name or "").casefold())}
    )
    if len(found) > 1:
        raise WrongUsage(f"--itwin {asked!r}: {len(found)} iTwins have that name; give an id: {', '.join(found[:5])}.")
    if not found:
        raise WrongUsage(f"--itwin {asked!r}: the ledger has no job of an iTwin with that id or name.")
    return found[0]
