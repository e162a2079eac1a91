"""What `jobledger estimate` prints: the figures, what they rest on, and what each step of dropping conditions says."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from pipelines.console import console
from pipelines.rows import grid
from warehouse import query
from warehouse.errors import WrongUsage
from warehouse.estimate import ENOUGH, BySize, Estimate, LikeJobs, Quantiles
from warehouse.marts.estimation import SIZES


def tell(
    data: Path,
    job_type: str,
    itwin: str | None,
    detector: str | None,
    options: Sequence[str],
    inputs: Sequence[str] = (),
    *,
    as_json: bool,
    at: datetime | None = None,
) -> None:
    """Print the estimate of a job that is created at a time (default: now)."""
    found = query.estimate(
        job_type, itwin=itwin, detector=detector, options=_pairs(options), inputs=inputs, at=at, data=data
    )
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        _show(found)
        if inputs:
            _show_by_size(found)


def _pairs(options: Sequence[str]) -> dict[str, str]:
    """The options by name. Raise WrongUsage for one that is no NAME=VALUE, or that is given twice."""
    pairs: dict[str, str] = {}
    for option in options:
        name, sign, value = option.partition("=")
        if not (name and sign):
            raise WrongUsage(f"--option {option!r}: write it NAME=VALUE.")
        if name in pairs:
            raise WrongUsage(f"--option {name} is given twice: a job has it once.")
        pairs[name] = value
    return pairs


def _show(found: Estimate) -> None:
    page, answer = console(sys.stdout), found.answer
    page.print(f"The next {found.type} job, told by {_named(answer)}")
    page.print(grid(_records(("", "p10", "p50", "p90", "jobs that tell"), _figures(found))))
    page.print()
    for line in _rests_on(found):
        page.print(line)
    if len(found.tried) > 1:
        page.print()
        tried = ("", "jobs", "finished", "failed", "estimated units p50", "consumed units p50", "run s p50")
        page.print(grid(_records(tried, list(_lines(found))), "What each step of dropping a condition says"))


def _show_by_size(found: Estimate) -> None:
    """By the size of the inputs: the figures that this makes better, and of the others why they are not shown."""
    page = console(sys.stdout)
    page.print()
    if not found.by_size:
        page.print("The size of these inputs, or of those of like jobs, is not known: nothing can be told by it.")
        return
    names = ("by size", "p10", "p50", "p90", "jobs that tell", "of the spread, it explains")
    shown = [
        (f"{each.measure} of {each.size:g} {SIZES[each.per]}", *_row("", each.total)[1:], f"{each.explained:.0%}")
        for each in found.by_size
        if each.helps
    ]
    if shown:
        page.print(grid(_records(names, shown)))
    for each in found.by_size:
        if not each.helps:
            page.print(f"{each.measure} by {SIZES[each.per]}: {_why_not(each)}")


def _why_not(by_size: BySize) -> str:
    if by_size.rate.jobs < ENOUGH:
        return f"only {by_size.rate.jobs} like jobs have inputs of known size."
    return "explains nothing of the spread; what stands above is better."


def _rests_on(found: Estimate) -> Iterator[str]:
    answer = found.answer
    if answer.failed_share is not None:
        yield f"{answer.failed_share:.1%} of the {answer.finished} that finished failed."
    yield (
        f"They were created from {answer.first_created_at:%Y-%m-%d} to {answer.last_created_at:%Y-%m-%d}. "
        f"{answer.run_censored} of them had not ended their run and count as censored."
    )
    if found.dropped:
        yield f"Dropped in this order, until {ENOUGH} like jobs had finished: {'; '.join(found.dropped)}."
    if not answer.enough:
        yield f"Fewer than {ENOUGH} like jobs have finished: these figures tell little."


def _figures(found: Estimate) -> list[tuple[Any, ...]]:
    answer, wait = found.answer, found.wait
    when = f"created about {wait.utc_hour:02}:00 UTC" if wait.at_this_time else "at any time of day"
    measures = {
        "units, as estimated": answer.estimated_units,
        "units, as consumed": answer.processing_units,
        "run, in seconds": answer.run_seconds,
        f"wait, in seconds ({when})": wait.seconds,
    }
    return [_row(name, measure) for name, measure in measures.items() if measure.jobs]


def _row(name: str, measure: Quantiles) -> tuple[Any, ...]:
    return name, measure.p10, measure.p50, measure.p90, measure.jobs


def _lines(found: Estimate) -> Iterator[tuple[Any, ...]]:
    """A line for each step: what all conditions say, and what is left when they are dropped one by one."""
    all_words = found.tried[0].conditions
    for place, like in enumerate(found.tried):
        words = f"without {all_words[-place]}" if place else "all conditions"
        failed = None if like.failed_share is None else f"{like.failed_share:.1%}"
        medians = (like.estimated_units.p50, like.processing_units.p50, like.run_seconds.p50)
        yield words, like.jobs, like.finished, failed, *medians


def _named(like: LikeJobs) -> str:
    conditions = " with " + ", ".join(like.conditions) if like.conditions else " of the type"
    return f"the newest {like.jobs} jobs{conditions}"


def _records(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> query.Records:
    """The first column is text, the others are numbers."""
    return query.Records(names, [place > 0 for place in range(len(names))], rows)
