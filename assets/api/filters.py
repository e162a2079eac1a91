"""`$filter` expressions of the Reality Analysis API: built from checked values, never pasted together from text."""

import re
from datetime import UTC, datetime

from assets.api.errors import WrongUsage

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def window_filter(start: datetime, end: datetime, itwin_id: str | None) -> str:
    """The filter for jobs created from `start` up to, but not including, `end`, in one iTwin if one is given.

    Raises WrongUsage for a time without zone, an empty window, or an id that cannot be one.
    """
    since, until = _timestamp(start), _timestamp(end)
    if start >= end:
        raise WrongUsage(f"the window from {since} to {until} is empty: the end must be after the start")
    window = f"createdDateTime ge {since} and createdDateTime lt {until}"
    return window if itwin_id is None else f"{window} and iTwinId eq {_literal(itwin_id)}"


def plain_id(text: str) -> str:
    """An id as it is kept and compared: a GUID in lower case, any other text as it is.

    The API's schema says only that ids are strings. Raises WrongUsage for what is empty or has control characters.
    """
    if not text.strip() or _CONTROL.search(text):
        short = text if len(text) <= 60 else text[:57] + "..."
        raise WrongUsage(f"{short!r} is not an id: give one such as 2c8e5a40-0000-4000-8000-000000000000")
    return text.lower() if _GUID.fullmatch(text) else text


def _literal(itwin_id: str) -> str:
    """An id as a filter says it: GUIDs stand unquoted, other texts in quotes, which are doubled inside."""
    text = plain_id(itwin_id)
    return text if _GUID.fullmatch(text) else "'" + text.replace("'", "''") + "'"


def _timestamp(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise WrongUsage(f"{moment.isoformat()} has no time zone: give an aware time")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
