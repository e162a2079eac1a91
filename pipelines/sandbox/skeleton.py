"""The jobs of a month without their specifications: who, what, when, how it ended, what it took.

A month is a pure function of the seed, the month and the scale; no clock has a part in it. Instants are microseconds.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

from pipelines.sandbox.catalogue import Kind
from pipelines.sandbox.instants import DAY, HOUR, MINUTE, SECOND, from_micros, month_before, month_start

HOUR_WEIGHTS: Final = (2, 1, 1, 1, 1, 2, 5, 12, 22, 28, 30, 27, 20, 24, 30, 29, 24, 17, 10, 7, 6, 5, 4, 3)
WEEKEND_WEIGHT: Final = 0.08
SHORTEST_MONTH: Final = 20 + 8 * WEEKEND_WEIGHT
"""A February of 28 days in working days, a day of a weekend counted as what it weighs."""

RETRY_SHARE: Final = 0.02
FAILED, CANCELLED = 0.06, 0.03


class Home(Protocol):
    """Where a job lives: knows how to show it."""

    def state(self, job: Job, now: int) -> str: ...
    def body(self, job: Job, now: int) -> bytes: ...
    def name(self, job: Job) -> str | None: ...
    def messages(self, job: Job, now: int) -> bytes: ...
    def progress(self, job: Job, now: int) -> bytes | None: ...


@dataclass(slots=True, eq=False)
class Job:
    """A job over its whole life. `units` are (instant known, value) in order; `moments` are where its body changes.

    `asked` is the job whose specifications it repeats: itself, or the failed one that it tries again.
    """

    home: Home
    id: str
    seed: int
    kind: Kind
    itwin_id: str
    user_id: str
    email: str
    created: int
    started: int | None
    terminating: int | None
    ended: int
    outcome: str
    units: tuple[tuple[int, float], ...]
    moments: tuple[int, ...]
    asked: Job

    @property
    def position(self) -> str:
        return self.id

    @property
    def type(self) -> str:
        return self.kind.job_type

    @property
    def name(self) -> str | None:
        return self.home.name(self)

    def phase_at(self, now: int) -> int:
        """How many of its moments have passed: the body is the same throughout a phase."""
        return bisect_right(self.moments, now)

    def state_at(self, now: int) -> str:
        return self.home.state(self, now)

    def body(self, now: int) -> bytes:
        return self.home.body(self, now)

    def messages(self, now: int) -> bytes:
        return self.home.messages(self, now)

    def progress(self, now: int) -> bytes | None:
        return self.home.progress(self, now)


@dataclass(frozen=True)
class Person:
    """An identity that creates jobs."""

    id: str
    email: str


@dataclass(frozen=True)
class Cast:
    """Who and what may take part: iTwins with their teams, and job types. All fixed for a seed."""

    seed: int
    itwins: tuple[str, ...]
    teams: dict[str, tuple[Person, ...]]
    kinds: tuple[Kind, ...]


def guid(*parts: object) -> str:
    """A GUID that follows from its parts."""
    text = hashlib.md5("/".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) % 4]}{text[17:20]}-{text[20:]}"


def cast_of(seed: int, itwins: int, users: int, kinds: tuple[Kind, ...]) -> Cast:
    """The cast of a world: each iTwin has a team of 3 to 7 (or all users, if they are fewer)."""
    people = [Person(guid(seed, "user", n), f"user{n:02d}@example.com") for n in range(users)]
    ids = tuple(guid(seed, "itwin", n) for n in range(itwins))
    rng = Random(f"{seed}/teams")
    teams = {itwin: tuple(rng.sample(people, min(users, rng.randint(3, 7)))) for itwin in ids}
    return Cast(seed, ids, teams, kinds)


def skeletons(cast: Cast, month: str, scale: int, home: Home) -> list[Job]:
    """The jobs created in a month, in order of creation: `scale` of them in the shortest month, more in the others."""
    count = round(scale * sum(_day_weights(month)) / SHORTEST_MONTH)
    rng = Random(f"{cast.seed}/{month}/{count}")
    fresh = _fresh(cast, month, count, rng, home)
    jobs = [next(fresh) for _ in range(count - round(count * RETRY_SHARE))]
    month_end = month_start(month_before(month, -1))
    for failed in [job for job in jobs if job.outcome == "failed" and rng.random() < 0.4]:
        again = failed.ended + int(rng.lognormvariate(math.log(15), 1) * MINUTE)
        if len(jobs) < count and again < month_end:
            jobs.append(_job(rng, home, guid(failed.id, "again"), failed.kind, failed, again))
    jobs.extend(next(fresh) for _ in range(count - len(jobs)))
    return sorted(jobs, key=lambda job: (job.created, job.id))


@dataclass(frozen=True)
class _Asker:
    """Who asks for a job, and where."""

    itwin_id: str
    user_id: str
    email: str


def _fresh(cast: Cast, month: str, count: int, rng: Random, home: Home) -> Iterator[Job]:
    """First attempts, `count` of them: the retries take the place of some."""
    created = _creations(month, count, rng)
    kinds = rng.choices(cast.kinds, [kind.weight for kind in cast.kinds], k=count)
    itwins = rng.choices(cast.itwins, [(rank + 1) ** -0.7 for rank in range(len(cast.itwins))], k=count)
    for number in range(count):
        team = cast.teams[itwins[number]]
        person = team[int(len(team) * rng.random() ** 2)]
        asker = _Asker(itwins[number], person.id, person.email)
        job_id = guid(cast.seed, month, count, number)
        yield _job(rng, home, job_id, kinds[number], asker, created[number])


def _creations(month: str, count: int, rng: Random) -> list[int]:
    """Instants of creation: by weekday and hour, most on whole seconds."""
    start, weights = month_start(month), _day_weights(month)
    days, hours = range(len(weights)), range(24)
    chosen = zip(rng.choices(days, weights, k=count), rng.choices(hours, HOUR_WEIGHTS, k=count), strict=True)
    return [start + day * DAY + hour * HOUR + _within_hour(rng) for day, hour in chosen]


def _day_weights(month: str) -> list[float]:
    """How busy each day of a month is, beside a working day."""
    start = month_start(month)
    days = (month_start(month_before(month, -1)) - start) // DAY
    first = from_micros(start).weekday()
    return [WEEKEND_WEIGHT if (first + day) % 7 >= 5 else 1.0 for day in range(days)]


def _within_hour(rng: Random) -> int:
    instant = int(rng.random() * HOUR)
    return instant if rng.random() < 0.2 else instant - instant % SECOND


def _job(rng: Random, home: Home, job_id: str, kind: Kind, asker: _Asker | Job, created: int) -> Job:
    outcome = _outcome(rng)
    started, ended = _times(rng, kind, outcome, created)
    units = _units(rng, kind, outcome, started, ended)
    terminating = _terminating(rng, outcome, started or created, ended)
    known = (started, terminating, ended, *(instant for instant, _ in units))
    moments = tuple(sorted({instant for instant in known if instant is not None}))
    seed = int(job_id[:8] + job_id[24:32], 16)
    job = Job(
        home, job_id, seed, kind, asker.itwin_id, asker.user_id, asker.email, created, started, terminating, ended,
        outcome, units, moments, None,  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    job.asked = asker.asked if isinstance(asker, Job) else job
    return job


def _outcome(rng: Random) -> str:
    draw = rng.random()
    return "failed" if draw < FAILED else "cancelled" if draw < FAILED + CANCELLED else "success"


def _times(rng: Random, kind: Kind, outcome: str, created: int) -> tuple[int | None, int]:
    """When it started (None: cancelled in the queue) and ended."""
    when = from_micros(created)
    office = when.weekday() < 5 and 7 <= when.hour < 18
    queue = _seconds(rng.lognormvariate(math.log(240 if office else 35), 0.9))
    if outcome == "cancelled" and rng.random() < 0.5:
        return None, created + queue
    run = _run(rng, kind)
    if outcome != "success":
        run = max(SECOND, _seconds(run / SECOND * rng.random() ** 2))
    return created + queue, created + queue + run


def _run(rng: Random, kind: Kind) -> int:
    draw = rng.random()
    if draw < 0.01:
        return _seconds(rng.uniform(1, 5))
    if draw < 0.015:
        return _seconds(3600 * rng.uniform(10, 40))
    return _seconds(rng.lognormvariate(math.log(kind.run_seconds), 0.9))


def _seconds(seconds: float) -> int:
    """Whole seconds, at least one, as microseconds."""
    return max(1, int(seconds)) * SECOND


def _terminating(rng: Random, outcome: str, running: int, ended: int) -> int | None:
    """From when on it was about to end: every cancelled job and some failed ones, for at most a minute and a half."""
    if outcome == "success" or (outcome == "failed" and rng.random() > 0.4):
        return None
    return max(running, ended - _seconds(rng.uniform(5, 90)))


def _units(rng: Random, kind: Kind, outcome: str, started: int | None, ended: int) -> tuple[tuple[int, float], ...]:
    """What the job took: known at its end, hours later, restated once, or never."""
    draw = rng.random()
    if draw < 0.03:
        return ()
    value = _amount(rng, kind, outcome, 0 if started is None else ended - started)
    if draw < 0.11:
        return ((ended + _seconds(3600 * rng.uniform(1, 20)), value),)
    if draw < 0.14:
        return ((ended, value), (ended + _seconds(3600 * rng.uniform(2, 48)), round(value * 1.15 + 0.25, 2)))
    return ((ended, value),)


def _amount(rng: Random, kind: Kind, outcome: str, run: int) -> float:
    free = 0.08 if outcome == "success" else 0.55
    if run == 0 or rng.random() < free:
        return 0
    # Half of what makes a run long is its data; the rest, load and luck and hanging, is not charged for.
    charged = math.sqrt(run / SECOND * kind.run_seconds) / 3600
    exact = charged * kind.units_per_hour * rng.uniform(0.85, 1.15)
    return max(1, round(exact)) if rng.random() < 0.35 else round(exact, 4)
