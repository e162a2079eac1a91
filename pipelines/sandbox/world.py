"""The generated world: months of believable jobs that live on a clock.

A month is made when it is first looked at, and depends on the seed, the month and the scale alone. Which months are
seen, and what state their jobs are in, depends on the clock that is given with each question.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from itertools import chain
from random import Random
from typing import Any, Final

import msgspec

from pipelines.sandbox.catalogue import kinds_of
from pipelines.sandbox.instants import month_before, month_of, months_ending, to_micros
from pipelines.sandbox.interface import Bounds
from pipelines.sandbox.messages import messages_of
from pipelines.sandbox.references import Plan, plan_of
from pipelines.sandbox.rendering import Edition
from pipelines.sandbox.skeleton import Cast, Job, cast_of, skeletons
from pipelines.sandbox.values import job_name
from warehouse.contract import Contract
from warehouse.contract import contract as shipped_contract

LISTS_KEPT: Final = 64

_NAME_SALT: Final = 3


class Month:
    """The jobs of one month, indexed for listing, and their bodies once they were rendered."""

    def __init__(self, world: World, month: str) -> None:
        self._world = world
        self._month = month
        self._specifications: dict[str, bytes] = {}
        self._bodies: dict[str, tuple[int, bytes]] = {}
        self.all_jobs = skeletons(world.cast, month, world.jobs_per_month, self)
        self.jobs = [job for job in self.all_jobs if job.type in world.edition.job_types]

    @cached_property
    def by_id(self) -> dict[str, Job]:
        return {job.id: job for job in self.jobs}

    @cached_property
    def in_order(self) -> list[Job]:
        """By position, which is the order of the listing."""
        return sorted(self.jobs, key=lambda job: job.position)

    @cached_property
    def by_itwin(self) -> dict[str, list[Job]]:
        found: dict[str, list[Job]] = {}
        for job in self.in_order:
            found.setdefault(job.itwin_id, []).append(job)
        return found

    @cached_property
    def own(self) -> list[Job]:
        return [job for job in self.in_order if job.user_id == self._world.caller]

    @cached_property
    def _producers(self) -> dict[tuple[str, str], list[Job]]:
        found: dict[tuple[str, str], list[Job]] = {}
        for job in sorted(self.all_jobs, key=lambda job: job.ended):
            if job.outcome == "success":
                found.setdefault((job.itwin_id, job.type), []).append(job)
        return found

    def producers(self, itwin_id: str, job_type: str) -> Sequence[Job]:
        """The successful jobs of an iTwin and type, by the instant they ended."""
        return self._producers.get((itwin_id, job_type), ())

    def state(self, job: Job, now: int) -> str:
        return self._world.edition.state(job, now)

    def body(self, job: Job, now: int) -> bytes:
        """The job as JSON; kept until its next moment has passed."""
        phase = job.phase_at(now)
        kept = self._bodies.get(job.id)
        if kept is None or kept[0] != phase:
            kept = (phase, self._world.edition.job(job, self.name(job), self._specified(job), now))
            self._bodies[job.id] = kept
        return kept[1]

    def name(self, job: Job) -> str | None:
        return job_name(Random(job.seed ^ _NAME_SALT))

    def messages(self, job: Job, now: int) -> bytes:
        return messages_of(job, self._world.edition.inputs(job, self._plan(job)), now)

    def progress(self, job: Job, now: int) -> bytes | None:
        return self._world.edition.progress(job, now)

    def _specified(self, job: Job) -> bytes:
        rendered = self._specifications.get(job.id)
        if rendered is None:
            rendered = self._world.edition.specifications(job, self._plan(job))
            self._specifications[job.id] = rendered
        return rendered

    def _plan(self, job: Job) -> Plan:
        return plan_of(job, (self.producers, self._producers_before))

    def _producers_before(self, itwin_id: str, job_type: str) -> Sequence[Job]:
        return self._world.month(month_before(self._month)).producers(itwin_id, job_type)


class World:
    """Jobs of `months` calendar months up to the clock's own, shown in one edition.

    `jobs_per_month` is for the shortest month; the others have more as they have more working days, up to 15 %.
    Jobs whose type the edition does not know are made all the same and not shown, so ids agree across editions.
    `caller` is the identity whose jobs a listing without an iTwin gives. Errors: ValueError for an unknown edition.
    """

    def __init__(
        self,
        seed: int = 1,
        contract: Contract | None = None,
        jobs_per_month: int = 1550,
        months: int = 12,
        itwins: int = 20,
        users: int = 60,
        edition: str = "2025-08",
    ) -> None:
        contract = contract or shipped_contract()
        self.jobs_per_month = jobs_per_month
        self.months = months
        self.edition = Edition(contract, edition)
        self.cast: Cast = cast_of(seed, itwins, users, kinds_of(contract))
        self.caller = self.cast.teams[self.cast.itwins[0]][0].id
        self._months: dict[str, Month] = {}
        self._lists: dict[tuple[tuple[str, ...], frozenset[str] | None, bool], list[Job]] = {}

    @property
    def itwins(self) -> tuple[str, ...]:
        """The ids of all iTwins, the busiest first."""
        return self.cast.itwins

    def month(self, month: str) -> Month:
        """The jobs of a month `YYYY-MM`, made when first asked for."""
        found = self._months.get(month)
        if found is None:
            found = self._months[month] = Month(self, month)
        return found

    def months_at(self, clock: datetime) -> tuple[str, ...]:
        """The months that are seen at an instant, in order."""
        return months_ending(month_of(to_micros(clock)), self.months)

    def jobs_at(self, clock: datetime) -> list[dict[str, Any]]:
        """All jobs as the API shows them at an instant, in order of creation."""
        now = to_micros(clock)
        shown = [job for month in self.months_at(clock) for job in _created_by(self.month(month).jobs, now)]
        return [msgspec.json.decode(job.body(now)) for job in shown]

    def has_itwin(self, itwin_id: str) -> bool:
        return itwin_id in self.cast.teams

    def find(self, job_id: str, now: int) -> Job | None:
        for month in reversed(months_ending(month_of(now), self.months)):
            job = self.month(month).by_id.get(job_id)
            if job is not None:
                return job if job.created <= now else None
        return None

    def candidates(self, bounds: Bounds, now: int, *, own: bool) -> Sequence[Job]:
        if bounds.ids is not None:
            found = [self.find(job_id, now) for job_id in bounds.ids]
            jobs = [job for job in found if job is not None and (not own or job.user_id == self.caller)]
            return sorted(jobs, key=lambda job: job.position)
        months = self._within(bounds, now)
        jobs = self._merged(months, bounds.itwins, own)
        # Only the clock's own month has jobs that are still to come.
        return [job for job in jobs if job.created <= now] if month_of(now) in months else jobs

    def _within(self, bounds: Bounds, now: int) -> tuple[str, ...]:
        since = "" if bounds.since is None else month_of(bounds.since)
        until = "9999" if bounds.until is None else month_of(bounds.until)
        return tuple(month for month in months_ending(month_of(now), self.months) if since <= month <= until)

    def _merged(self, months: tuple[str, ...], itwins: frozenset[str] | None, own: bool) -> list[Job]:
        """Jobs of whole months by position; kept for the next page, as merging takes longer than a page."""
        key = (months, itwins, own)
        if key not in self._lists:
            lists = [jobs for month in months for jobs in _lists(self.month(month), itwins, own)]
            merged = chain.from_iterable(lists)
            while len(self._lists) >= LISTS_KEPT:
                self._lists.pop(next(iter(self._lists)))
            self._lists[key] = lists[0] if len(lists) == 1 else sorted(merged, key=lambda job: job.position)
        return self._lists[key]


def _lists(month: Month, itwins: frozenset[str] | None, own: bool) -> list[list[Job]]:
    if own:
        return [month.own]
    if itwins is None:
        return [month.in_order]
    return [month.by_itwin[itwin] for itwin in sorted(itwins) if itwin in month.by_itwin]


def _created_by(jobs: list[Job], now: int) -> list[Job]:
    return jobs[: bisect_right(jobs, now, key=lambda job: job.created)]
