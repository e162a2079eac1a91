"""What a job was asked to do, in canonical names: the second stage of generation, on top of the skeletons.

References are causal: an input that an earlier job made names the output of a job in the same iTwin that had ended well
before this one was created, this month or the month before. Everything follows from the id of the job.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias

from pipelines.sandbox.catalogue import DETECTOR, PREDICTION, Kind, Slot, Source
from pipelines.sandbox.skeleton import Job, guid
from pipelines.sandbox.values import NAMED_DETECTORS, bucket_path, option_value

POOL: Final = 12
"""Pieces of reality data of one sort in an iTwin."""

RECENT: Final = 40
"""Only the latest so many jobs are looked at for a link."""

_OUTPUTS_SALT: Final = 0x5EED


@dataclass(frozen=True)
class Link:
    """The output of an earlier job; how it is written depends on the edition."""

    job: Job
    output: str


Value: TypeAlias = str | float | bool | list[str] | Link

Producers: TypeAlias = Callable[[str, str], Sequence[Job]]
"""The successful jobs of an iTwin and a type in one month, by the instant they ended."""


@dataclass(frozen=True)
class Plan:
    """The specifications of a job in canonical names; outputs are only named, options None when there are none."""

    inputs: dict[str, Value]
    outputs: frozenset[str]
    options: dict[str, Value] | None


def plan_of(job: Job, months: Sequence[Producers]) -> Plan:
    """The plan of a job; `months` are its own month and the one before."""
    asked = job.asked
    rng = Random(asked.seed)
    return Plan(_inputs(rng, asked, months), outputs_of(asked), _options(rng, asked))


def outputs_of(job: Job) -> frozenset[str]:
    """Which outputs a job makes: what others need is there with them, and no edition is left without any."""
    asked = job.asked
    rng = Random(asked.seed ^ _OUTPUTS_SALT)
    slots = asked.kind.outputs
    present: set[str] = set()
    for slot in sorted(slots, key=lambda slot: bool(slot.needs)):
        likely = 0.3 if slot.needs else 0.55
        if (rng.random() < likely and slot.needs <= present) or slot.required:
            present.add(slot.name)
    return frozenset(present | _at_least_one(asked.kind, present))


def trained_detector(job: Job) -> tuple[str, str]:
    """Name and version of the detector that a training makes, where an edition names it."""
    rng = Random(job.asked.seed ^ 1)
    name = f"{rng.choice(('site', 'line', 'team'))}-{rng.choice(('rail', 'pylons', 'cracks', 'trees'))}"
    return f"{name}-{job.itwin_id[:4]}", f"{rng.randint(1, 4)}.{rng.randint(0, 3)}"


def _at_least_one(kind: Kind, present: set[str]) -> set[str]:
    bare = [edition for edition in kind.editions if not any(edition in slot.editions for slot in _named(kind, present))]
    first = (
        next((slot.name for slot in kind.outputs if edition in slot.editions and not slot.needs), "")
        for edition in bare
    )
    return {name for name in first if name}


def _named(kind: Kind, names: set[str]) -> list[Slot]:
    return [slot for slot in kind.outputs if slot.name in names]


def _inputs(rng: Random, job: Job, months: Sequence[Producers]) -> dict[str, Value]:
    """Required inputs always; a detector unless an earlier job's result takes its place; the rest now and then."""
    inputs: dict[str, Value] = {}
    linked = False
    for slot in sorted(job.kind.inputs, key=lambda slot: slot.holds == DETECTOR):
        if slot.sources and slot.holds != DETECTOR:
            value = _linked(rng, job, slot, months) if slot.required or rng.random() < 0.2 else None
            linked = linked or value is not None
        else:
            value = _own_input(rng, job, slot, months) if _wanted(rng, slot, linked) else None
        if value is None and slot.required:
            value = _pooled(rng, job, slot)
        if value is not None:
            inputs[slot.name] = value
    return inputs


def _wanted(rng: Random, slot: Slot, linked: bool) -> bool:
    likely = (0.3 if linked else 0.97) if slot.holds == DETECTOR else 0.7
    return rng.random() < likely or slot.required


def _own_input(rng: Random, job: Job, slot: Slot, months: Sequence[Producers]) -> Value:
    if slot.holds == DETECTOR:
        return _detector(rng, job, slot, months)
    if slot.holds != "reality_data":
        return bucket_path(rng, slot.name)
    return _pooled(rng, job, slot)


def _detector(rng: Random, job: Job, slot: Slot, months: Sequence[Producers]) -> Value:
    if job.kind.family == "training":
        return trained_detector(job)[0]
    draw = rng.random()
    trained = _linked(rng, job, slot, months) if draw < 0.5 else None
    if trained is not None:
        return trained
    return rng.choice(NAMED_DETECTORS) if draw < 0.85 else guid("detector", job.itwin_id, rng.randrange(3))


def _pooled(rng: Random, job: Job, slot: Slot) -> str | list[str]:
    """Reality data of the iTwin: models A and B come from one pool, and are never the same piece."""
    stem, side = re.fullmatch(r"(.+?)(_[ab])?", slot.name).groups("")  # pyright: ignore[reportOptionalMemberAccess]
    if slot.json_type.startswith("array"):
        return [guid(job.itwin_id, stem, piece) for piece in rng.sample(range(POOL), rng.randint(2, 4))]
    piece = int(POOL * rng.random() ** 2) * 2 + (side == "_b")
    return guid(job.itwin_id, stem, piece)


def _linked(rng: Random, job: Job, slot: Slot, months: Sequence[Producers]) -> Link | None:
    source = rng.choice(slot.sources) if slot.sources else None
    if source is None:
        return None
    made = _ended_before(job, source, months)
    for _ in range(min(4, len(made))):
        producer = made[rng.randrange(len(made))]
        fitting = sorted(source.outputs & outputs_of(producer))
        if fitting:
            return Link(producer, fitting[0] if slot.name != PREDICTION else rng.choice(fitting))
    return None


def _ended_before(job: Job, source: Source, months: Sequence[Producers]) -> Sequence[Job]:
    for producers in months:
        jobs = producers(job.itwin_id, source.job_type)
        end = bisect_left(jobs, job.created, key=lambda other: other.ended)
        if end:
            return jobs[max(0, end - RECENT) : end]
    return ()


def _options(rng: Random, job: Job) -> dict[str, Value] | None:
    if not job.kind.options or rng.random() < 0.12:
        return None
    version = trained_detector(job)[1]
    return {
        slot.name: option_value(rng, slot, version) for slot in job.kind.options if rng.random() < 0.6 or slot.required
    }
