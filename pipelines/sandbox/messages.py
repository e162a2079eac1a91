"""What a job has to say: the only place where the reason of a failure is told."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, Final

import msgspec

from pipelines.sandbox.skeleton import Job


@dataclass(frozen=True)
class Notice:
    """A message template; `families` are the families of job types that it may come from."""

    code: str
    title: str
    message: str
    families: tuple[str, ...]


_ALL: Final = ("detection", "evaluation", "training")
ERRORS: Final = (
    Notice("InvalidInputData", "Input cannot be read", "Reality data %1 has no readable %2.", _ALL),
    Notice("DetectorIncompatible", "Detector does not fit", "Detector %1 cannot be used for %2.", ("detection",)),
    Notice("NoOrientation", "Photos without orientation", "%1 of %2 photos have no orientation.", ("detection",)),
    Notice("LabelsDiffer", "Labels differ", "Label %1 of the prediction is not in reference %2.", ("evaluation",)),
    Notice("NotEnoughSamples", "Too few samples", "Class %1 has %2 samples, too few to train on.", ("training",)),
    Notice("OutOfMemory", "Out of memory", "The job needed more than %1 GB.", _ALL),
    Notice("InternalError", "Internal error", "An unexpected error happened. Reference: %1.", _ALL),
)
WARNINGS: Final = (
    Notice("PhotosSkipped", "Photos skipped", "%1 photos were skipped: %2.", ("detection",)),
    Notice("EmptyResult", "Nothing found", "Nothing was found in %1.", _ALL),
    Notice("ClassImbalance", "Unbalanced classes", "Class %1 has %2 times the samples of the others.", ("training",)),
)


def messages_of(job: Job, now: int) -> bytes:
    """The `messages` object as JSON: a failed job has errors once it ended, some jobs have warnings."""
    rng = Random(job.seed ^ 2)
    errors = [_told(rng, job, ERRORS) for _ in range(1 + (rng.random() < 0.15))]
    warnings = [_told(rng, job, WARNINGS)] if rng.random() < 0.1 else []
    known = {
        "errors": errors if job.outcome == "failed" and now >= job.ended else [],
        "warnings": warnings if job.started is not None and now >= job.started else [],
    }
    return msgspec.json.encode(known)


def _told(rng: Random, job: Job, notices: tuple[Notice, ...]) -> dict[str, Any]:
    # Jobs of one type mostly fail for one reason, so the choice leans to one end of the list, which end by the type.
    fitting = [notice for notice in notices if job.kind.family in notice.families]
    notice = fitting[int(len(fitting) * rng.random() ** 2) - len(job.kind.job_type) % len(fitting)]
    params = [rng.choice((job.itwin_id, "photo-0042", "crack")), str(rng.randint(2, 480))]
    return {
        "code": notice.code,
        "title": notice.title,
        "message": notice.message,
        "params": params[: notice.message.count("%")],
    }
