"""What the API is asked about names: the requests of names.csv's kinds, as data for `Client.look_up`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import quote

V1: Final = "application/vnd.bentley.itwin-platform.v1+json"
V2: Final = "application/vnd.bentley.itwin-platform.v2+json"

TOP: Final = 1000
"""Things on a page, and users in one request: the most that the API takes."""

MAX_RETURN: Final = 10_000
"""The most that the list of iTwins shows in all; it ends there without a word."""


@dataclass(frozen=True)
class Question:
    """A request about names. `holds` is the key that an answer has, of a list where `many` are asked for.

    `ids` are posted, if there are any.
    `link` is the next link of an answer before: its query takes the place of `query`.
    """

    path: str
    holds: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = (("Accept", V1),)
    ids: tuple[str, ...] = ()
    many: bool = False
    link: str | None = None

    def after(self, link: str) -> Question:
        """The question for the page that a next link leads to."""
        return replace(self, link=link)


def itwins(skip: int) -> Question:
    """A page of the iTwins that the caller is a member of, inactive ones included."""
    query = (("$top", str(TOP)), ("$skip", str(skip)), ("includeInactive", "true"))
    return Question("/itwins/", "iTwins", query, (("Accept", V1), ("X-Max-Return", str(MAX_RETURN))), many=True)


def itwin(itwin_id: str) -> Question:
    return Question(f"/itwins/{_segment(itwin_id)}", "iTwin")


def reality_data(itwin_id: str, since: datetime | None, until: datetime) -> Question:
    """The first page of an iTwin's reality data, of those alone that changed `since` where that is given."""
    query = [("iTwinId", itwin_id), ("$top", str(TOP))]
    if since is not None:
        query.append(("modifiedDateTime", f"{_instant(since)}/{_instant(until)}"))
    headers = (("Accept", V1), ("Prefer", "return=representation"))
    return Question("/reality-management/reality-data/", "realityData", tuple(query), headers, many=True)


def one_reality_data(reality_data_id: str, itwin_id: str) -> Question:
    path = f"/reality-management/reality-data/{_segment(reality_data_id)}"
    return Question(path, "realityData", (("iTwinId", itwin_id),))


def users(ids: tuple[str, ...]) -> Question:
    return Question("/users/getbyidlist", "users", ids=ids, many=True)


def permissions(itwin_id: str) -> Question:
    """The caller's rights in an iTwin, by their names."""
    path = f"/accesscontrol/itwins/{_segment(itwin_id)}/permissions"
    return Question(path, "permissions", headers=(("Accept", V2),), many=True)


def detectors() -> Question:
    return Question("/reality-analysis/detectors", "detectors", headers=(("Accept", V2),), many=True)


def detector(name: str) -> Question:
    return Question(f"/reality-analysis/detectors/{_segment(name)}", "detector", headers=(("Accept", V2),))


def _segment(text: str) -> str:
    """A text as one segment of a path, whatever stands in it."""
    return quote(text, safe="") if text.strip(".") else quote(text, safe="").replace(".", "%2E")


def _instant(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
