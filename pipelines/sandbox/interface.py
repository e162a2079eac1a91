"""What the server needs of a world: rows that can be tested against a filter and shown as JSON at an instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias


class Untestable(Enum):
    """Stands for a property that a strange record does not have: every comparison with it holds."""

    UNTESTABLE = "untestable"


UNTESTABLE = Untestable.UNTESTABLE

Text: TypeAlias = str | Untestable | None


@dataclass(frozen=True)
class Bounds:
    """What a filter surely demands, so that a world need not offer every row. None: no demand.

    `since` and `until` are microseconds, both included; `itwins` and `ids` are lower case.
    """

    since: int | None = None
    until: int | None = None
    itwins: frozenset[str] | None = None
    ids: frozenset[str] | None = None


class Row(Protocol):
    """One record. `position` is unique and orders the listing; instants are microseconds since 1970."""

    @property
    def position(self) -> str: ...
    @property
    def id(self) -> Text: ...
    @property
    def itwin_id(self) -> Text: ...
    @property
    def name(self) -> Text: ...
    @property
    def email(self) -> Text: ...
    @property
    def type(self) -> Text: ...
    @property
    def created(self) -> int | Untestable: ...
    def state_at(self, now: int) -> Text: ...
    def body(self, now: int) -> bytes:
        """The job as JSON, as the API shows it at `now`."""
        ...

    def messages(self, now: int) -> bytes:
        """The `messages` object as JSON."""
        ...

    def progress(self, now: int) -> bytes | None:
        """The `progress` object as JSON; None when it is gone."""
        ...


class ApiWorld(Protocol):
    """A set of jobs that the app can serve."""

    def has_itwin(self, itwin_id: str) -> bool: ...

    def find(self, job_id: str, now: int) -> Row | None:
        """The job with this id, if it is there at `now`."""
        ...

    def candidates(self, bounds: Bounds, now: int, *, own: bool) -> Sequence[Row]:
        """All rows there at `now` that may fulfil the bounds (and others), by position; `own`: only the caller's."""
        ...
