"""The month: what the API is asked for, what a file holds, what Dagster calls a partition. All months are UTC."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from warehouse.errors import WrongUsage

MONTH: Final = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])")
"""How a month is written."""


@dataclass(frozen=True)
class Window:
    """The instants of a month: from `start`, included, to `end`, excluded, both UTC."""

    month: str
    start: datetime
    end: datetime


def window(month: str) -> Window:
    """The window of a month 'YYYY-MM'; raises WrongUsage for anything else."""
    if not re.fullmatch(r"(?!0000|9999)[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise WrongUsage(f"{month!r} is no month; write it as YYYY-MM, for example 2025-11.")
    start = datetime(int(month[:4]), int(month[5:]), 1, tzinfo=UTC)
    following = next_month(month)
    return Window(month, start, datetime(int(following[:4]), int(following[5:]), 1, tzinfo=UTC))


def month_of(instant: datetime) -> str:
    """The month that an instant lies in."""
    return instant.astimezone(UTC).strftime("%Y-%m")


def next_month(month: str) -> str:
    return _shifted(month, 1)


def previous_month(month: str) -> str:
    return _shifted(month, -1)


def months_between(first: str, last: str) -> list[str]:
    """The months from `first` to `last`, both included; raises WrongUsage if they stand the wrong way round."""
    for month in (first, last):
        window(month)
    if first > last:
        raise WrongUsage(f"The months {first} to {last} stand the wrong way round.")
    months = [first]
    while months[-1] < last:
        months.append(next_month(months[-1]))
    return months


def stretches(months: Iterable[str]) -> list[tuple[str, str]]:
    """The months as stretches without gaps, (first, last) each: what one Dagster run can hold."""
    found: list[tuple[str, str]] = []
    for month in sorted(set(months)):
        if found and next_month(found[-1][1]) == month:
            found[-1] = (found[-1][0], month)
        else:
            found.append((month, month))
    return found


def _shifted(month: str, by: int) -> str:
    count = int(month[:4]) * 12 + int(month[5:]) - 1 + by
    return f"{count // 12:04d}-{count % 12 + 1:02d}"
