"""Random histories for tests: the lives of a few jobs in one ledger, as hypothesis thinks of them, and its syncs.

`play` lets a ledger live through a history: the API is in this process, everything behind it is real. The API remembers
what it last showed of each job, which is what the ledger should know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from assets.api.errors import Unreachable
from assets.api.protocol import Answer, Page, Tally
from assets.flatten import flatten_month
from assets.marts import make_marts
from assets.plan import Plan
from assets.sync import sync_month
from warehouse.contract import contract
from warehouse.lake import Lake
from warehouse.marts.all import MARTS, all_tables
from warehouse.tables import OBSERVATIONS

KNOWN: Final = contract()
TABLES: Final = {table.name: table for table in all_tables(KNOWN)}
MONTHS: Final = ("2025-10", "2025-11", "2025-12")
BEGIN: Final = datetime(2025, 12, 29, 22, tzinfo=UTC)
ITWINS: Final = ("aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002")
TYPES: Final = ("Objects2D", "Segmentation3D", "Holograms4D")
USERS: Final = ("user-1", "user-2", None)
CREATED: Final = (
    "2025-10-05T10:00:00Z",
    "2025-10-31T23:59:59.9999999Z",
    "2025-11-01T00:00:00Z",
    "2025-11-30T23:30:00Z",
    "2025-12-01t00:00:00z",
    "2025-12-29T21:59:59Z",
)
NEVER: Final = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "2199-01-01T00:00:00Z", "soon")
UNITS: Final = (None, 1.5, 0, 0.000001, 7.25, -1, 123456.654321, 1e12, "many")
REFERENCES: Final = (
    "c2a5b1d4-6f0e-4b7a-8c3d-9e1f2a3b4c5d",
    "C2A5B1D4-6F0E-4B7A-8C3D-9E1F2A3B4C5D",
    "5e0c1d2f-0000-4000-8000-000000000002",
)

Body = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """What a job is from now on. `started` and `ended` are texts, or minutes after the creation."""

    state: str = "Success"
    created: str = CREATED[0]
    started: str | int | None = 5
    ended: str | int | None = 35
    units_field: str = "estimatedUnits"
    units: float | str | None = 1.5
    user: str | None = USERS[0]
    reads: str = REFERENCES[0]
    makes: str = REFERENCES[-1]
    upper_case: bool = False

    def body(self, number: int) -> Body:
        """The job of this number as the API shows it."""
        job_id, itwin_id = job_id_of(number), ITWINS[number % 2]
        info = {
            "createdDateTime": self.created,
            "startedDateTime": self._time(self.started),
            "endedDateTime": self._time(self.ended),
            self.units_field: self.units,
        }
        return {
            "id": job_id.upper() if self.upper_case else job_id,
            "iTwinId": itwin_id.upper() if self.upper_case else itwin_id,
            "userId": self.user,
            "type": TYPES[number % 3],
            "state": self.state,
            "executionInfo": {name: value for name, value in info.items() if value is not None},
            "specifications": {
                "inputs": {"photos": self.reads, "photoObjectDetector": "cracks"},
                "outputs": {"objects2D": self.makes},
                "options": {"minPhotos": number},
            },
        }

    def _time(self, told: str | int | None) -> str | None:
        return (moment(self.created) + timedelta(minutes=told)).isoformat() if isinstance(told, int) else told


GONE: Final = "gone"
Life = tuple[Change | str | None, ...]
"""What happens to a job on each day: a change (where it is not there, it is now), GONE, or nothing."""


@dataclass(frozen=True)
class Sync:
    """These months are synced in this order; broken, each walk ends after its first page."""

    months: tuple[str, ...]
    broken: bool = False


@dataclass(frozen=True)
class History:
    """The lives of jobs, and the sync at the end of each day: a walk of two iTwins, or of the caller's own jobs."""

    lives: Sequence[Life]
    syncs: Sequence[Sync]
    own_jobs: bool = False


def job_id_of(number: int) -> str:
    return f"ab{number:06}-0000-4000-8000-0000000000cd"


def moment(text: str) -> datetime:
    """A time of creation as the ledger keeps it: microseconds, what is finer is cut off."""
    return datetime.fromisoformat(text.upper())


_TIMES = st.one_of(st.sampled_from((5, 35, 0, 50 * 60, -70, -2 * 24 * 60, None)), st.sampled_from(NEVER))
_CHANGES = st.builds(
    Change,
    state=st.sampled_from(("Success", "Active", "Queued", "Failed", "Cancelled", "Terminating", "Pondering")),
    created=st.sampled_from(CREATED),
    started=_TIMES,
    ended=_TIMES,
    units_field=st.sampled_from(("estimatedUnits", "processingUnits")),
    units=st.sampled_from(UNITS),
    user=st.sampled_from(USERS),
    reads=st.sampled_from(REFERENCES),
    makes=st.sampled_from(REFERENCES),
    upper_case=st.booleans(),
)
_EVENTS = st.one_of(_CHANGES, _CHANGES, st.none(), st.just(GONE))
_MONTHS = st.lists(st.sampled_from(MONTHS), min_size=1, max_size=3, unique=True).map(tuple)
_SYNCS = st.builds(Sync, _MONTHS, broken=st.sampled_from((False, False, False, True)))


def histories(lives: int, days: int) -> st.SearchStrategy[History]:
    """Histories of so many lives, each of so many days."""
    life = st.tuples(*[_EVENTS] * days)
    return st.builds(History, st.tuples(*[life] * lives), st.tuples(*[_SYNCS] * days), st.booleans())


@dataclass
class Service:
    """The API: its jobs by id in lower case, and what it last showed of each. A request takes a second."""

    jobs: dict[str, Body] = field(default_factory=dict[str, Body])
    shown: dict[str, Body] = field(default_factory=dict[str, Body])
    now: datetime = BEGIN
    broken: bool = False

    def live(self, number: int, event: Change | str | None) -> None:
        """Let a day of a job's life happen."""
        if isinstance(event, Change):
            self.jobs[job_id_of(number)] = event.body(number)
        elif event == GONE:
            self.jobs.pop(job_id_of(number), None)

    def first_page(self, filter: str, top: int, tally: Tally) -> Page:
        words = filter.split()
        since, until = (moment(words[place + 1]) for place in (1, 5))
        itwin_id = words[-1] if "iTwinId" in words else None
        found = [
            job_id
            for job_id, body in sorted(self.jobs.items())
            if since <= moment(body["executionInfo"]["createdDateTime"]) < until
            and itwin_id in (None, body["iTwinId"].lower())
        ]
        return self._page(found, top)

    def next_page(self, link: str, tally: Tally, top: int | None = None) -> Page:
        if self.broken:
            raise Unreachable("the line is cut")
        return self._page(link.split(), top or len(link))

    def job(self, job_id: str, tally: Tally) -> Answer:
        self._tick()
        if job_id not in self.jobs:
            return Answer(404, b'{"error": {"code": "JobNotFound", "message": "gone"}}', self.now, None)
        self.shown[job_id] = self.jobs[job_id]
        return Answer(200, json.dumps({"job": self.jobs[job_id]}).encode(), self.now, None)

    def messages(self, job_id: str, tally: Tally) -> Answer:
        self._tick()
        told = [{"code": code, "title": "T", "message": "M", "params": []} for code in ("E1", "E2", "E1")]
        return Answer(200, json.dumps({"messages": {"errors": told, "warnings": told}}).encode(), self.now, None)

    def identity(self) -> str:
        return "somebody"

    def interrupt(self) -> None:
        pass

    def _page(self, job_ids: Sequence[str], top: int) -> Page:
        self._tick()
        here, rest = job_ids[:top], job_ids[top:]
        self.shown |= {job_id: self.jobs[job_id] for job_id in here}
        records = [msgspec.Raw(json.dumps(self.jobs[job_id]).encode()) for job_id in here]
        more = " ".join(rest) if rest or self.broken else None
        return Page(records, more, self.now, 0.0, sum(map(len, records)))

    def _tick(self) -> None:
        self.now += timedelta(seconds=1)


@dataclass(frozen=True)
class Lived:
    """A ledger after a history, its tables and marts made; what it was last shown of each job, and when that was."""

    lake: Lake
    shown: Mapping[str, Body]
    until: datetime


def play(data: Path, history: History) -> Lived:
    """Let a ledger under `data` live through a history, then flatten its months and make its marts."""
    service, lake = Service(), Lake(data)
    plan = Plan(() if history.own_jobs else ITWINS, page_size=10, threads=1, accept_gone=True)
    for day, sync in enumerate(history.syncs):
        service.now += timedelta(hours=5)
        service.broken = sync.broken
        for number, life in enumerate(history.lives):
            service.live(number, life[day])
        for month in sync.months:
            assert sync_month(lake, service, month, KNOWN, plan, f"run-{day}").failure is None
    for month in lake.months(OBSERVATIONS):
        flatten_month(lake, month, KNOWN)
    make_marts(lake, MARTS, TABLES)
    return Lived(lake, service.shown, service.now)
