"""Instants as whole microseconds since 1970 (UTC), and months as `YYYY-MM`: cheap to compare and to keep."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIMESTAMP: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")


def to_micros(instant: datetime) -> int:
    """Microseconds since 1970 of an aware datetime."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def from_micros(instant: int) -> datetime:
    """The UTC datetime of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=instant)


def parse_timestamp(text: str) -> int:
    """Microseconds of an API timestamp, finer digits cut off; ValueError when it is none or has no offset."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a timestamp with an offset, like 2025-08-05T12:38:12Z")
    whole, fraction, offset = found.groups()
    return to_micros(datetime.fromisoformat(whole + offset.replace("Z", "+00:00"))) + int(f"{fraction or 0:0<6}"[:6])


def with_z(instant: int) -> str:
    """`2025-08-05T12:38:12Z`, with a fraction only where there is one: `2025-08-05T12:38:12.25Z`."""
    text = from_micros(instant).isoformat()[:-6]
    return f"{text.rstrip('0')}Z" if instant % SECOND else f"{text}Z"


def with_offset(instant: int) -> str:
    """`2025-11-07T09:56:14.0000000+00:00`: seven fraction digits and an offset."""
    return f"{from_micros(instant).isoformat()[:19]}.{instant % SECOND:06d}0+00:00"


def month_of(instant: int) -> str:
    """The month that an instant lies in."""
    return from_micros(instant).strftime("%Y-%m")


def month_before(month: str, count: int = 1) -> str:
    """The month `count` months earlier (later when negative)."""
    number = int(month[:4]) * 12 + int(month[5:]) - 1 - count
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def month_start(month: str) -> int:
    """The first instant of a month."""
    return to_micros(datetime(int(month[:4]), int(month[5:]), 1, tzinfo=UTC))


def months_ending(month: str, count: int) -> tuple[str, ...]:
    """`count` months in order, the last one being `month`."""
    return tuple(month_before(month, back) for back in reversed(range(count)))
