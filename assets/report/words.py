"""How the report writes values: numbers with few digits, durations in a unit of their size, instants in UTC."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

NONE: Final = "–"
LONGEST: Final = 80
"""The signs of a name that are shown."""

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
UNITS_OF_TIME: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def count(value: Any) -> str:
    return NONE if value is None else f"{value:,}"


def number(value: Any) -> str:
    """A number with three digits or more where it has them: 1,234, 12.3, 0.12."""
    if value is None:
        return NONE
    places = 0 if abs(value) >= 99.95 or value == 0 else 1 if abs(value) >= 9.995 else 2
    return f"{value:,.{places}f}"


def signed(value: Any) -> str:
    """A change with its sign; a minus is a minus."""
    return NONE if value is None else f"{'+' if value > 0 else '−' if value < 0 else '±'}{number(abs(value))}"


def share(value: Any) -> str:
    if value is None:
        return NONE
    percent = value * 100
    return f"{percent:.0f} %" if percent in (0, 100) or percent >= 9.95 else f"{percent:.1f} %"


def duration(seconds: Any) -> str:
    """A duration in the largest unit of which it has one: 45 s, 3.1 min, 2.6 h, 1.3 d."""
    if seconds is None:
        return NONE
    size, unit = next(((size, unit) for size, unit in UNITS_OF_TIME if seconds >= size), UNITS_OF_TIME[-1])
    return f"{number(seconds / size) if unit != 's' else round(seconds)} {unit}"


def hours(value: Any) -> str:
    return NONE if value is None else duration(value * 3600)


def times(value: Any) -> str:
    return NONE if value is None else f"{number(value)} ×"


def instant(value: datetime | None) -> str:
    return NONE if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"


def month(value: str | None) -> str:
    """A month 'YYYY-MM' as 'Mar 2026'."""
    return NONE if value is None else f"{MONTHS[int(value[5:]) - 1]} {value[:4]}"


def weekday(value: int) -> str:
    return WEEKDAYS[value - 1]


def hour(value: int) -> str:
    return f"{value:02d}:00"


def text(value: Any) -> str:
    """A text on one line: what steers a terminal or turns the direction of writing is left out, what is long is cut."""
    if value is None:
        return NONE
    plain = "".join(
        " " if unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp", "Cs") else sign for sign in str(value)
    )
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"


def short(value: Any, signs: int = 30) -> str:
    """A text for a drawing."""
    plain = text(value)
    return plain if len(plain) <= signs else plain[: signs - 1].rstrip() + "…"


def one_line(label: str) -> str:
    """A label of a drawing, which may have two lines, within a sentence."""
    return label.replace("\n", " ")


def none(value: int) -> str:
    """A count within a sentence."""
    return f"{value:,}" if value else "none"


def jobs(value: int) -> str:
    return "No job" if value == 0 else "1 job" if value == 1 else f"{value:,} jobs"


def rows(value: int) -> str:
    return "1 row" if value == 1 else f"{value:,} rows"


def listed(parts: Sequence[str]) -> str:
    """Texts as a sentence lists them."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def distinct_names(rows: Iterable[Mapping[str, Any]], key: str, name: str) -> dict[Any, str]:
    """Return by key the name that is shown: an id that has none is cut, names that several keys share get their ids."""
    names = {row[key]: text(row[name]) for row in rows}
    shared = [shown for shown in set(names.values()) if list(names.values()).count(shown) > 1]
    return {
        found: f"{str(found)[:8]}…"
        if shown == found and len(shown) == 36
        else f"{shown} ({str(found)[:8]})"
        if shown in shared and found is not None
        else shown
        for found, shown in names.items()
    }
