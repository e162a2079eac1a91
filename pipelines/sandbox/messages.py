"""What a job has to say: the only place where the reason of a failure is told.

A message fits its job: what it names is among the job's own inputs, and a job that lacks such an input cannot have it.
Nothing here names a job type, so a type added to the contract says what its inputs and its family allow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import msgspec

from pipelines.sandbox.catalogue import DETECTOR
from pipelines.sandbox.skeleton import Job, guid
from warehouse.contract import Field

LABELS: Final = ("crack", "corrosion", "insulator", "pole", "rail", "sign", "tree", "vehicle")
FEWEST_SAMPLES: Final = 20


@dataclass(frozen=True)
class Case:
    """A job and its inputs as the edition writes them."""

    job: Job
    inputs: Sequence[tuple[Field, Any]]

    def input(self, name: str) -> str:
        """The input of a canonical name; empty when the job has none."""
        return next((str(value) for row, value in self.inputs if row.name == name), "")

    def has(self, *names: str) -> bool:
        return all(map(self.input, names))

    def holding(self, kind: str) -> list[tuple[str, str]]:
        """The API's field and the value of each input that holds references of a kind."""
        return [
            (row.api_field, one)
            for row, value in self.inputs
            if row.holds == kind
            for one in (value if isinstance(value, list) else (value,))
        ]


@dataclass(frozen=True)
class Notice:
    """A message template, whom it may concern, and what stands for its `%1`, `%2` ..."""

    code: str
    title: str
    message: str
    fits: Callable[[Case], bool]
    params: Callable[[Random, Case], tuple[object, ...]]


def _of(*families: str) -> Callable[[Case], bool]:
    return lambda case: case.job.kind.family in families


def _unreadable(rng: Random, case: Case) -> tuple[object, ...]:
    field, reference = rng.choice(case.holding("reality_data"))
    return reference, field


def _detector(rng: Random, case: Case) -> tuple[object, ...]:
    return rng.choice(case.holding(DETECTOR))[1], case.job.type


def _unoriented(rng: Random, _: Case) -> tuple[object, ...]:
    photos = rng.randint(40, 2400)
    return rng.randint(1 + photos // 5, photos), photos


ERRORS: Final = (
    Notice(
        "NoOrientation",
        "Photos without orientation",
        "%1 of %2 photos have no orientation.",
        lambda case: case.has("photos"),
        _unoriented,
    ),
    Notice(
        "ModelsApart",
        "Models do not overlap",
        "Models %1 and %2 have no area in common.",
        lambda case: case.has("model3d_a", "model3d_b"),
        lambda _, case: (case.input("model3d_a"), case.input("model3d_b")),
    ),
    Notice(
        "FootprintOutside",
        "Footprint outside of the model",
        "Footprint %1 lies outside of model %2.",
        lambda case: case.has("clearance_footprint", "model3d"),
        lambda _, case: (case.input("clearance_footprint"), case.input("model3d")),
    ),
    Notice(
        "LabelsDiffer",
        "Labels differ",
        "Label %1 of prediction %2 is not in reference %3.",
        lambda case: case.has("prediction", "reference"),
        lambda rng, case: (rng.choice(LABELS), case.input("prediction"), case.input("reference")),
    ),
    Notice(
        "NotEnoughSamples",
        "Too few samples",
        "Class %1 has %2 samples; a training needs %3.",
        _of("training"),
        lambda rng, _: (rng.choice(LABELS), rng.randint(1, FEWEST_SAMPLES - 1), FEWEST_SAMPLES),
    ),
    Notice(
        "DetectorIncompatible",
        "Detector does not fit",
        "Detector %1 cannot be used for %2.",
        lambda case: case.job.kind.family == "detection" and bool(case.holding(DETECTOR)),
        _detector,
    ),
    Notice(
        "InvalidInputData",
        "Input cannot be read",
        "Reality data %1 of input %2 cannot be read.",
        lambda case: bool(case.holding("reality_data")),
        _unreadable,
    ),
    Notice(
        "OutOfMemory",
        "Out of memory",
        "The job needed more than %1 GB.",
        lambda _: True,
        lambda rng, _: (rng.choice((32, 64, 128)),),
    ),
    Notice(
        "InternalError",
        "Internal error",
        "An unexpected error happened. Reference: %1.",
        lambda _: True,
        lambda _, case: (guid(case.job.id, "error"),),
    ),
)
WARNINGS: Final = (
    Notice(
        "PhotosSkipped",
        "Photos skipped",
        "%1 photos were skipped: %2.",
        lambda case: case.has("photos"),
        lambda rng, _: (rng.randint(2, 40), rng.choice(("blurred", "too dark", "without a position"))),
    ),
    Notice(
        "ClassImbalance",
        "Unbalanced classes",
        "Class %1 has %2 times the samples of the others.",
        _of("training"),
        lambda rng, _: (rng.choice(LABELS), rng.randint(5, 60)),
    ),
    Notice(
        "FewReferences",
        "Few reference objects",
        "Label %1 stands %2 times in reference %3: its figures say little.",
        lambda case: case.has("reference"),
        lambda rng, case: (rng.choice(LABELS), rng.randint(2, 9), case.input("reference")),
    ),
    Notice(
        "EmptyResult",
        "Nothing found",
        "Nothing was found in %1.",
        lambda case: case.job.kind.family == "detection" and case.job.outcome == "success" and _searched(case) != "",
        lambda _, case: (_searched(case),),
    ),
)
"""What the fewest jobs can have stands first, and is drawn most: jobs of one type mostly fail for one reason."""


def messages_of(job: Job, inputs: Sequence[tuple[Field, Any]], now: int) -> bytes:
    """The `messages` object as JSON: once a job ended, it has errors if it failed, and now and then a warning."""
    rng, case = Random(job.seed ^ 2), Case(job, inputs)
    errors = _told(rng, case, ERRORS, 1 + (rng.random() < 0.15))
    warnings = _told(rng, case, WARNINGS, 1) if rng.random() < 0.1 else []
    return msgspec.json.encode(
        {
            "errors": errors if job.outcome == "failed" and now >= job.ended else [],
            "warnings": warnings if job.started is not None and now >= job.ended else [],
        }
    )


def _told(rng: Random, case: Case, notices: Sequence[Notice], count: int) -> list[dict[str, Any]]:
    """Up to `count` different ones of the notices that fit."""
    fitting = [notice for notice in notices if notice.fits(case)]
    told: list[dict[str, Any]] = []
    for _ in range(min(count, len(fitting))):
        notice = fitting.pop(int(len(fitting) * rng.random() ** 2))
        told.append(
            {
                "code": notice.code,
                "title": notice.title,
                "message": notice.message,
                "params": [str(param) for param in notice.params(rng, case)],
            }
        )
    return told


def _searched(case: Case) -> str:
    """The piece of reality data that the job looked through: one that its type requires goes first."""
    looked = [(not row.required, str(value)) for row, value in case.inputs if row.holds == "reality_data"]
    return min(looked, key=lambda one: one[0], default=(True, ""))[1]
