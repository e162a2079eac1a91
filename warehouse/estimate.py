"""What the next job will take, told by the jobs that are like it: `warehouse.query.estimate` is the way in.

Like jobs share conditions with the next one. Where fewer than ENOUGH of them have finished, conditions are dropped one
by one, always in the same order, until there are as many: see docs/decisions/0024. The figures are made by the steps of
the mart `estimates`, so that the two agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from warehouse.contract import contract
from warehouse.errors import JobledgerError, WrongUsage
from warehouse.marts.estimation import ESTIMATION_MARTS
from warehouse.sql import statement

ENOUGH: Final = 20
"""Finished like jobs, below which a condition is dropped."""

Rows: TypeAlias = list[dict[str, Any]]
Ask: TypeAlias = Callable[[Sequence[tuple[str, Mapping[str, Any]]]], list[Rows]]
"""Execute queries with their parameters on one state of the ledger, and return their rows by column."""


class NoLikeJobs(JobledgerError):
    """The ledger has no job of the type that is to be estimated."""


@dataclass(frozen=True)
class Quantiles:
    """What 10, 50 and 90 % of the jobs that tell did not exceed; None where nothing tells."""

    jobs: int
    p10: float | None
    p50: float | None
    p90: float | None


@dataclass(frozen=True)
class LikeJobs:
    """What the newest 200 jobs took that meet some conditions, whatever their outcome.

    `run_seconds` counts `run_censored` further jobs that run still, or ran when they vanished. Estimated and consumed
    units are never added up.
    """

    conditions: tuple[str, ...]
    jobs: int
    finished: int
    failed_share: float | None
    run_seconds: Quantiles
    run_censored: int
    estimated_units: Quantiles
    processing_units: Quantiles
    first_created_at: datetime | None
    last_created_at: datetime | None

    @property
    def enough(self) -> bool:
        return self.finished >= ENOUGH


@dataclass(frozen=True)
class Wait:
    """How long jobs of the type wait before they run: at this time of day, an hour more or less, or at any."""

    at_this_time: bool
    utc_hour: int
    seconds: Quantiles


@dataclass(frozen=True)
class BySize:
    """What the job takes if it takes as much for each GB, or km2, as the like jobs of `answer` did.

    `explained` is the share of the variance of the measure's logarithm that goes away when it is divided by the size:
    below 0, dividing makes the like jobs differ more, and `Estimate.answer` is the better one.
    """

    measure: str
    per: str
    size: float
    explained: float | None
    rate: Quantiles
    total: Quantiles

    @property
    def helps(self) -> bool:
        return self.rate.jobs >= ENOUGH and (self.explained or 0) > 0


@dataclass(frozen=True)
class Estimate:
    """What the next job will take: `answer`, and what it rests on.

    `tried` has what jobs took that meet all conditions, all but the last, and so on, up to any job of the type.
    `dropped` are the conditions that `answer` does without, in the order in which they were dropped. `by_size` is empty
    where the size of the inputs is not known, or that of no like job's.
    """

    type: str
    as_of: datetime | None
    answer: LikeJobs
    dropped: tuple[str, ...]
    tried: tuple[LikeJobs, ...]
    wait: Wait
    by_size: tuple[BySize, ...]


@dataclass(frozen=True)
class Condition:
    """What like jobs have in common with the next one: in words, and as SQL over a row of `jobs`."""

    words: str
    sql: str
    params: Mapping[str, Any]


def make_estimate(
    ask: Ask,
    job_type: str,
    *,
    itwin: str | None,
    detector: str | None,
    options: Mapping[str, str],
    inputs: Sequence[str],
    at: datetime,
) -> Estimate:
    """Return the estimate of a job; raise WrongUsage for what the ledger does not know, NoLikeJobs without any job."""
    of_type = {"type": job_type}
    ids = sorted({each.lower() for each in inputs})
    types, itwins, detectors, known_options, sizes = ask(
        [
            (statement("estimate/types"), {}),
            (statement("estimate/itwins"), {}),
            (statement("estimate/detectors"), of_type),
            (statement("estimate/options"), of_type),
            (statement("estimate/sizes"), {"inputs": ids}),
        ]
    )
    _check_type(types, job_type)
    conditions = [
        *(_detector_conditions(detectors, detector) if detector else ()),
        *(_itwin_conditions(itwins, itwin) if itwin else ()),
        *_option_conditions(known_options, options),
    ]
    params = {name: value for condition in conditions for name, value in condition.params.items()}
    like, rates, waits, (clock,) = ask(
        [
            (_like_jobs_sql(conditions, "figures"), of_type | params),
            (_like_jobs_sql(conditions, "rates"), of_type | params),
            (_waits_sql(), of_type | {"hour": at.hour}),
            (f"WITH {_as_of_cte()} SELECT as_of FROM clock", {}),
        ]
    )
    if not like:
        raise NoLikeJobs(f"No {job_type} job in an iTwin is known yet: there is nothing to estimate from.")
    figures = {row["estimate"]: row for row in like}
    tried = tuple(_like_jobs(conditions[:rung], figures.get(rung)) for rung in range(len(conditions), -1, -1))
    answer = next((found for found in tried if found.enough), tried[-1])
    dropped = tuple(condition.words for condition in reversed(conditions[len(answer.conditions) :]))
    by_size = tuple(
        _by_size(row, size)
        for row in rates
        if row["estimate"] == len(answer.conditions) and (size := _size(sizes, ids, row["per"])) is not None
    )
    return Estimate(job_type, clock["as_of"], answer, dropped, tried, _wait(waits, at.hour), by_size)


def _check_type(types: Rows, asked: str) -> None:
    known = {row["type"] for row in types}
    if asked not in known and asked in contract().job_types:
        raise NoLikeJobs(f"No {asked} job is known yet: there is nothing to estimate from.")
    if asked not in known:
        raise WrongUsage(f"No type {asked!r} is known. There are: {_listed({*known, *contract().job_types})}.")


def _itwin_conditions(itwins: Rows, asked: str) -> list[Condition]:
    names = {row["id"]: row["name"] for row in itwins}
    itwin = _found(f"iTwin {asked!r}", asked, names)
    return [Condition(f"iTwin {names[itwin] or itwin}", "itwin_id = $itwin", {"itwin": itwin})]


def _detector_conditions(detectors: Rows, asked: str) -> list[Condition]:
    """The detector, and its version where one is asked for: it is dropped first."""
    names = {row["id"]: row["name"] for row in detectors}
    versions = {f"{row['id']}/{row['version']}": row for row in detectors if row["version"] is not None}
    names_of_versions = {key: row["name"] and f"{row['name']}/{row['version']}" for key, row in versions.items()}
    found = _found(f"detector {asked!r}", asked, names | names_of_versions)
    if found in names:
        return [_detector_condition(found, names[found])]
    detector, version = versions[found]["id"], versions[found]["version"]
    return [_detector_condition(detector, names[detector]), _version_condition(detector, version)]


def _found(what: str, asked: str, names: Mapping[str, str | None]) -> str:
    """Return the id that is asked for, by itself or by its name, of ids with names; raise WrongUsage if none is."""
    for spelling in (asked, asked.lower()):
        if spelling in names:
            return spelling
    found = [each for each, name in names.items() if name == asked]
    if len(found) > 1:
        raise WrongUsage(f"{len(found)} are called so: {what}. Give the id of one: {_listed(found)}.")
    if not found:
        known = [f"{name} ({each})" if name else each for each, name in names.items()]
        raise WrongUsage(f"No job with {what} is known. There are: {_listed(known)}.")
    return found[0]


_OF_DETECTOR: Final = (
    "job_id IN (SELECT job_id FROM job_references WHERE direction = 'input' AND kind = 'detector' "
    "AND role <> 'detector_name' AND coalesce(detector_name, reference) = $detector"
)


def _detector_condition(detector: str, name: str | None) -> Condition:
    return Condition(f"detector {name or detector}", f"{_OF_DETECTOR})", {"detector": detector})


def _version_condition(detector: str, version: str) -> Condition:
    sql = f"{_OF_DETECTOR} AND detector_version = $version)"
    return Condition(f"version {version}", sql, {"detector": detector, "version": version})


def _option_conditions(known_options: Rows, options: Mapping[str, str]) -> list[Condition]:
    known = {row["option"]: row for row in known_options}
    for name in options:
        if name not in known:
            raise WrongUsage(f"No job of the type with an option {name!r} is known. There are: {_listed(known)}.")
    return [
        _option_condition(known[name], value, f"option{place}") for place, (name, value) in enumerate(options.items())
    ]


def _option_condition(option: Mapping[str, Any], value: str, param: str) -> Condition:
    """Jobs with the value; of a number those in the same quarter of all values, as `option_impact` cuts them."""
    name = option["option"]
    if option["edges"] is not None:
        words, match, params = _quarter(option, value, param)
    elif value in option["texts"]:
        words, match, params = f"{name}={value}", f"value = ${param}", {param: value}
    else:
        raise WrongUsage(f"No value {value!r} of option {name!r} is known. There are: {_listed(option['texts'])}.")
    sql = f"job_id IN (SELECT job_id FROM job_options WHERE type = $type AND option = ${param}name AND {match})"
    return Condition(words, sql, {**params, f"{param}name": name})


def _quarter(option: Mapping[str, Any], value: str, param: str) -> tuple[str, str, dict[str, Any]]:
    number = _number(value)
    if number is None:
        raise WrongUsage(f"Option {option['option']!r} is a number; {value!r} is none.")
    ends = [float("-inf"), *option["edges"], float("inf")]
    place = next(place for place in range(1, 5) if number <= ends[place] or place == 4)
    low, high = ends[place - 1], ends[place]
    span = [f"above {low:g}"] * (place > 1) + [f"up to {high:g}"] * (place < 4)
    words = f"{option['option']}={value} (q{place}: {', '.join(span)})"
    return words, f"number > ${param}low AND number <= ${param}high", {f"{param}low": low, f"{param}high": high}


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _as_of_cte() -> str:
    return f"mended_walks AS ({statement('raw/mended_walks')}), clock AS ({statement('estimate/as_of')})"


def _like_jobs_sql(conditions: Sequence[Condition], last_step: str) -> str:
    """The statement of a step of `estimates` for each rung. A job of level n meets the first n conditions."""
    failed = "".join(f" WHEN NOT coalesce({each.sql}, false) THEN {place}" for place, each in enumerate(conditions))
    level = f"CASE{failed} ELSE {len(conditions)} END" if failed else "0"
    steps = ", ".join(f"estimates_{name} AS ({_step(name)})" for name in ("lengths", "kaplan_meier", "sizes"))
    return (
        f"WITH {_as_of_cte()}, levels AS (SELECT job_id, {level} AS level FROM jobs WHERE type = $type), "
        f"estimates_like_jobs AS MATERIALIZED ({statement('estimate/like_jobs')}), {steps} "
        f"SELECT * FROM ({_step(last_step)}) ORDER BY ALL"
    )


def _waits_sql() -> str:
    return (
        f"WITH {_as_of_cte()}, estimates_lengths AS MATERIALIZED ({statement('estimate/wait_lengths')}), "
        f"estimates_kaplan_meier AS ({_step('kaplan_meier')}) {statement('estimate/waits')}"
    )


def _step(name: str) -> str:
    """The text of a step of the mart `estimates`."""
    return ESTIMATION_MARTS[0].step_sql[f"estimates_{name}"]


def _like_jobs(conditions: Sequence[Condition], row: Mapping[str, Any] | None) -> LikeJobs:
    """What a rung's row says; without a row, that no job meets the conditions."""
    found = row or {}
    return LikeJobs(
        conditions=tuple(condition.words for condition in conditions),
        jobs=found.get("jobs", 0),
        finished=found.get("finished", 0),
        failed_share=found.get("failed_share"),
        run_seconds=_quantiles(found, "run_seconds"),
        run_censored=found.get("run_censored", 0),
        estimated_units=_quantiles(found, "estimated_units"),
        processing_units=_quantiles(found, "processing_units"),
        first_created_at=found.get("first_created_at"),
        last_created_at=found.get("last_created_at"),
    )


def _quantiles(row: Mapping[str, Any], measure: str) -> Quantiles:
    return Quantiles(row.get(f"with_{measure}", 0), *(row.get(f"{measure}_p{p}") for p in (10, 50, 90)))


def _wait(waits: Sequence[Mapping[str, Any]], hour: int) -> Wait:
    by_curve = {row["curve"]: Quantiles(row["jobs"], row["p10"], row["p50"], row["p90"]) for row in waits}
    nothing = Quantiles(0, None, None, None)
    here = by_curve.get("hour", nothing)
    if here.jobs >= ENOUGH:
        return Wait(True, hour, here)
    return Wait(False, hour, by_curve.get("any", nothing))


def _size(sizes: Rows, ids: Sequence[str], per: str) -> float | None:
    """How much the inputs are, as `estimates_sizes` adds them up; None where that is not known."""
    known = [row[per] for row in sizes if row[per] is not None]
    if per == "km2":
        return max(known, default=None)
    return sum(known) if known and len(known) == len(ids) else None


def _by_size(row: Mapping[str, Any], size: float) -> BySize:
    rate = Quantiles(row["jobs"], row["p10"], row["p50"], row["p90"])
    total = Quantiles(row["jobs"], *(row[f"p{p}"] * size for p in (10, 50, 90)))
    return BySize(row["measure"], row["per"], size, row["explained"], rate, total)


def _listed(names: Any, most: int = 30) -> str:
    found = sorted(map(str, names))
    return (", ".join(found[:most]) or "none") + (f" and {len(found) - most} more" if len(found) > most else "")
