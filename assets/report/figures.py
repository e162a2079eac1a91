"""What the report shows: sections of figures, each a drawing with its title, words for who cannot see it, its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from assets.report import words
from assets.report.questions import Answer, Row

ALL_ITWINS: Final = "All iTwins."
ALL_TIME: Final = "All iTwins and months."
TOLD: Final = 5
"""The rows that are said in words for who cannot see a drawing."""


class Column(NamedTuple):
    """A column of a table: the rows' field, its heading with the unit, how it is written."""

    field: str
    heading: str
    write: Callable[[Any], str] = words.text

    @property
    def is_number(self) -> bool:
        return self.write not in (words.text, words.instant, words.month, words.weekday, words.hour)


class Key(NamedTuple):
    """An entry of a legend: its name and colour, and how it is drawn: box, dot, ring, tick, line or dashes."""

    name: str
    colour: str
    form: str = "box"


@dataclass(frozen=True)
class Figure:
    """A drawing (None: there is nothing to draw) with all that stands around it.

    `rows` are the answer's, unless the table needs columns that the answer lacks.
    """

    name: str
    title: str
    note: str
    alt: str
    answer: Answer
    columns: Sequence[Column]
    chart: Any = None
    legend: Sequence[Key] = ()
    empty: str = "Nothing to show."
    is_wide: bool = False
    rows: Sequence[Row] | None = None

    @property
    def shown_rows(self) -> Sequence[Row]:
        return self.answer.rows if self.rows is None else self.rows


@dataclass(frozen=True)
class Section:
    """Figures that answer one question."""

    name: str
    title: str
    lead: str
    figures: Sequence[Figure] = field(default_factory=list[Figure])


def unlike(rows: Sequence[Row], name: str) -> list[Row]:
    """Return rows of which no two have the same name: a drawing would put them into one place."""
    seen: dict[str, int] = {}
    made: list[Row] = []
    for row in rows:
        seen[row[name]] = seen.get(row[name], 0) + 1
        made.append(row if seen[row[name]] == 1 else {**row, name: f"{row[name]} ({seen[row[name]]})"})
    return made


def told(what: str, rows: Iterable[Row], name: str, value: str, write: Callable[[Any], str] = words.text) -> str:
    """Return what a drawing shows, with its first rows, for who cannot see it."""
    said = [f"{words.one_line(row[name])} {write(row[value])}" for row in rows]
    more = f"; and {len(said) - TOLD} more" if len(said) > TOLD else ""
    return f"{what}: {'; '.join(said[:TOLD])}{more}." if said else f"{what}: nothing."


def extremes(what: str, rows: Sequence[Row], field: str, write: Callable[[Any], str] = words.number) -> str:
    """Return what a drawing over months shows, with its lowest and highest, for who cannot see it."""
    known = [row for row in rows if row[field] is not None]
    if not known:
        return f"{what}: no month has a value."
    low, high = min(known, key=lambda row: row[field]), max(known, key=lambda row: row[field])
    lowest, highest = (f"{write(row[field])} in {words.month(row['month'])}" for row in (low, high))
    return f"{what}: lowest {lowest}, highest {highest}."
