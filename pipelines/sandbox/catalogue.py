"""What the sandbox makes of the contract: for each job type how often it runs, how long, and which slots it fills.

Nothing here names a job type or lists fields: a type or field added to the contract appears in the world by itself.
Slots are canonical, so the same job can be rendered in any edition.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from random import Random
from typing import Final

from warehouse.contract import Contract, Field

PREDICTION: Final = "prediction"
"""The input that makes a type an evaluation: it evaluates what an earlier job found."""

DETECTOR: Final = "detector"
"""The output that makes a type a training; also the kind of reference that an input may hold."""

WEIGHTS: Final = {"detection": 1.0, "evaluation": 0.35, "training": 0.12}
RUN_MINUTES: Final = {"detection": 22.0, "evaluation": 4.0, "training": 170.0}
UNITS_PER_HOUR: Final = {"detection": 5.0, "evaluation": 5.0, "training": 1.7}
"""A training goes over the same data again and again: it costs less for its time."""


@dataclass(frozen=True)
class Source:
    """Jobs of this type may have made what a slot takes, in one of these outputs."""

    job_type: str
    outputs: frozenset[str]


@dataclass(frozen=True)
class Slot:
    """A canonical field of one part of a type; `needs` are the canonical fields that must stand beside it."""

    name: str
    json_type: str
    required: bool
    pattern: str | None
    holds: str | None
    needs: frozenset[str]
    editions: frozenset[str]
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A job type as the world uses it; run time in seconds (median), units for an hour of a run of that length."""

    job_type: str
    family: str
    weight: float
    run_seconds: float
    units_per_hour: float
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    options: tuple[Slot, ...]
    editions: tuple[str, ...]


def kinds_of(contract: Contract) -> tuple[Kind, ...]:
    """All job types of the contract, of every edition."""
    return tuple(_kind(contract, job_type) for job_type in contract.job_types)


def _kind(contract: Contract, job_type: str) -> Kind:
    family = _family(contract, job_type)
    taste = Random(hashlib.md5(job_type.encode(), usedforsecurity=False).digest())
    return Kind(
        job_type=job_type,
        family=family,
        weight=WEIGHTS[family] * taste.uniform(0.6, 1.4),
        run_seconds=60 * RUN_MINUTES[family] * taste.uniform(0.5, 2.0),
        units_per_hour=UNITS_PER_HOUR[family] * taste.uniform(0.3, 1.8),
        inputs=_slots(contract, job_type, "inputs"),
        outputs=_slots(contract, job_type, "outputs"),
        options=_slots(contract, job_type, "options"),
        editions=tuple(edition for edition in contract.editions if contract.fields_of(job_type, edition=edition)),
    )


def _family(contract: Contract, job_type: str) -> str:
    if any(row.name == DETECTOR for row in contract.fields_of(job_type, "outputs")):
        return "training"
    evaluates = any(row.name == PREDICTION for row in contract.fields_of(job_type, "inputs"))
    return "evaluation" if evaluates else "detection"


def _slots(contract: Contract, job_type: str, part: str) -> tuple[Slot, ...]:
    by_name: dict[str, list[Field]] = {}
    for row in contract.fields_of(job_type, part):
        by_name.setdefault(row.name, []).append(row)
    return tuple(_slot(contract, rows) for rows in by_name.values())


def _slot(contract: Contract, rows: list[Field]) -> Slot:
    first = rows[0]
    return Slot(
        name=first.name,
        json_type=first.json_type,
        required=any(row.required for row in rows),
        pattern=first.pattern,
        holds=first.holds,
        needs=frozenset(name for row in rows for name in _needed(contract, row)),
        editions=frozenset(edition for row in rows for edition in row.editions),
        sources=_sources(contract, first) if first.part == "inputs" else (),
    )


def _needed(contract: Contract, row: Field) -> set[str]:
    """The canonical names of the field that a row needs beside it."""
    siblings = contract.fields_of(row.job_type, row.part)
    return {
        other.name for other in siblings if other.api_field == row.needs and set(other.editions) & set(row.editions)
    }


def _sources(contract: Contract, row: Field) -> tuple[Source, ...]:
    if row.holds == DETECTOR:
        makers = _makers(contract, {DETECTOR}, "training")
        return tuple(source for source in makers if _abbreviates(source.job_type, row.job_type))
    if row.name != PREDICTION:
        return _makers(contract, {row.name}, "detection")
    comparable = {other.name for other in contract.fields_of(row.job_type, "outputs")}
    makers = _makers(contract, comparable, "detection")
    return tuple(source for source in makers if _abbreviates(row.job_type, source.job_type)) or makers


def _makers(contract: Contract, outputs: set[str], family: str) -> tuple[Source, ...]:
    made = {
        job_type: frozenset(row.name for row in contract.fields_of(job_type, "outputs") if row.name in outputs)
        for job_type in contract.job_types
        if _family(contract, job_type) == family
    }
    return tuple(Source(job_type, names) for job_type, names in made.items() if names)


def _abbreviates(short: str, long: str) -> bool:
    """Whether a type's name after its first word shortens another's: `EvalSOrtho` does `SegmentationOrthophoto`."""
    letters = iter(long)
    return all(letter in letters for letter in re.sub(r"^[A-Z][a-z]+", "", short))
