"""The runs that failed and were not made good since: a pure function of the runs that ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace


class FailedRun(Struct, frozen=True):
    """A run that failed. `left` are those of its months that no later run has brought through."""

    job: str
    months: tuple[str, ...]
    run_id: str
    ended_at: datetime
    reason: str
    left: tuple[str, ...]
    whole: bool = True


class EndedRun(Struct, frozen=True):
    """A run that ended. `whole`: it was asked for everything that the job makes. `reason` is why it failed, if so."""

    job: str
    months: tuple[str, ...]
    run_id: str
    ended_at: datetime
    whole: bool = True
    reason: str | None = None


def failing_runs(before: Sequence[FailedRun], ended: Iterable[EndedRun]) -> list[FailedRun]:
    """Return the runs that failed and were not made good since, in the order in which they ended.

    Of each job and its months it is the newest. A failure is made good by whole runs that come through all its months;
    where it was of a part of the job, or is of no months, by one of the same job.
    """
    failing = {(row.job, row.months): row for row in before}
    for done in sorted(ended, key=lambda row: row.ended_at):
        if done.reason is not None:
            row = FailedRun(done.job, done.months, done.run_id, done.ended_at, done.reason, done.months, done.whole)
            failing[done.job, done.months] = row
        else:
            left = [_without(row, done) for row in failing.values()]
            failing = {(row.job, row.months): row for row in left if row is not None}
    return sorted(failing.values(), key=lambda row: (row.ended_at, row.run_id))


def _without(row: FailedRun, done: EndedRun) -> FailedRun | None:
    """The failure with what a run left of it; None where that is nothing."""
    same_job = row.job == done.job and (done.whole or not row.whole)
    if not (same_job or (done.whole and row.months and done.months)):
        return row
    left = tuple(month for month in row.left if month not in done.months)
    return replace(row, left=left) if left else None
