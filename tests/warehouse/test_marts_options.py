"""option_impact against plain Python, compared whole, and what its figures promise."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from statistics import fmean, median, variance
from typing import Any

import pytest
from scipy.stats import t as student_t

from tests.warehouse.mart_ledger import ledger, rows
from tests.warehouse.mart_worlds import AS_OF, Row, assert_same, grouped, job
from warehouse.marts.options import OPTION_MARTS

(OPTION_IMPACT,) = OPTION_MARTS
START = datetime(2024, 2, 29, 12, tzinfo=UTC)
MEASURES = {"estimated_units": "estimatedUnits", "processing_units": "processingUnits"}
World = dict[str, list[Row]]


def option(owner: Row, name: str, value: Any, ordinal: int = 1, api_field: str | None = None) -> Row:
    """A row of `job_options`."""
    boolean = value if isinstance(value, bool) else None
    number = float(value) if isinstance(value, int | float) and boolean is None else None
    text = str(value).lower() if boolean is not None else None if value is None else str(value)
    return {
        "job_id": owner["job_id"],
        "type": owner["type"],
        "option": name,
        "api_field": api_field or name,
        "ordinal": ordinal,
        "value": text,
        "number": number,
        "boolean": boolean,
    }


def world(seed: int, count: int) -> World:
    """Jobs of two types and a few detectors; options left out, in lists, in two editions' names, of mixed kinds."""
    rng = random.Random(seed)
    jobs = [_job(rng, f"job-{number:04}") for number in range(count)]
    references, options = [], []
    for row in jobs:
        for name in rng.sample(("crack/1.0", "crack/2.0", "rail"), rng.choice((0, 1, 1, 1, 2))):
            role = rng.choice(("photo_object_detector",) * 5 + ("detector_name",))
            references.append({"job_id": row["job_id"], "direction": "input", "role": role, "kind": "detector"})
            references[-1]["reference"] = name
        if rng.random() < 0.8:
            options.append(option(row, "threshold", round(rng.choice((rng.random(), 0.5)), 3)))
        if rng.random() < 0.7:
            api_field = rng.choice(("removeSmallLines", "removeSmallComponents"))
            options.append(option(row, "remove_small_lines", rng.random() < 0.5, api_field=api_field))
        options.append(option(row, "srs", rng.choice(("EPSG:4326", "EPSG:3857", "q1", "true", None))))
        features = rng.choices(("edge", "normal", 3, 4, True), k=rng.choice((0, 2, 3)))
        options += [option(row, "features", value, ordinal) for ordinal, value in enumerate(features, 1)]
    return {"jobs": jobs, "job_references": references, "job_options": options}


def _job(rng: random.Random, job_id: str) -> Row:
    units = rng.choice((None, 0.0, round(rng.lognormvariate(2, 1), 3)))
    outcome = rng.choices(("success", "failed", "open"), (8, 1, 1))[0]
    return job(
        job_id,
        START,
        outcome=outcome,
        wait=timedelta(seconds=1),
        run=rng.choice((None, timedelta(0), *[timedelta(microseconds=int(rng.lognormvariate(20, 1)))] * 8)),
        type=rng.choice(("Objects2D", "Objects2D", "Segmentation3D", None)),
        units=units,
        units_source=None if units is None else rng.choice(tuple(MEASURES.values())),
    )


def quantile(values: Sequence[float], share: float) -> float:
    """Between two neighbours in proportion, as percentile_cont does."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


def labels(options: Sequence[Row]) -> dict[tuple[str, str, str, str], set[str]]:
    """The jobs with each value: (type, option, kind, label) to job ids."""
    found: dict[tuple[str, str, str, str], set[str]] = {}
    for (job_type, name), members in grouped(options, lambda row: (row["type"], row["option"])).items():
        numbers = [row["number"] for row in members if row["number"] is not None]
        edges = [quantile(numbers, share) for share in (0.25, 0.5, 0.75)] if numbers else []
        parts = grouped(numbers, lambda number: sum(number > edge for edge in edges))  # noqa: B023
        for row in members:
            if row["number"] is not None:
                part = sum(row["number"] > edge for edge in edges)
                label = f"q{part + 1} [{min(parts[part])}, {max(parts[part])}]"
                key = (job_type, name, "number", label)
            elif row["value"] is not None:
                key = (job_type, name, "text" if row["boolean"] is None else "boolean", row["value"])
            else:
                continue
            if job_type is not None:
                found.setdefault(key, set()).add(row["job_id"])
    return found


def interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    size, ordered = len(values), sorted(values)
    if size < 20:
        return None, None
    rank = math.floor((size + 1 - 1.96 * math.sqrt(size)) / 2)
    return ordered[rank - 1], ordered[-rank]


def measured(name: str, values: Sequence[float]) -> Row:
    low, high = interval(values)
    return {f"{name}_p50": median(values) if values else None, f"{name}_low": low, f"{name}_high": high}


def compared(jobs: Sequence[Row], peers: Sequence[Row], detectors: dict[str, str]) -> Row:
    """The comparison of the jobs with a value with their type's other jobs, detector by detector."""
    others_of: dict[str | None, list[float]] = {}
    logs_of: dict[str | None, list[float]] = {}
    chosen = {row["job_id"] for row in jobs}
    for row in jobs:
        detector = detectors.get(row["job_id"])
        others = [
            math.log(other["run_seconds"])
            for other in peers
            if other["job_id"] not in chosen and other["run_seconds"] and detectors.get(other["job_id"]) == detector
        ]
        if row["run_seconds"]:
            logs_of.setdefault(detector, []).append(math.log(row["run_seconds"]))
            others_of[detector] = others
    too_small = [name for name, logs in logs_of.items() if min(len(logs), len(others_of[name])) < 5]
    for name in too_small:
        del logs_of[name], others_of[name]
    count, other_count = (sum(map(len, side.values())) for side in (logs_of, others_of))
    thin = count < 20 or other_count < 20
    ratio, low, high = (None, None, None) if thin else ratio_interval(logs_of, others_of)
    return {
        "compared_jobs": count,
        "other_jobs": other_count,
        "run_seconds_ratio": ratio,
        "run_seconds_ratio_low": low,
        "run_seconds_ratio_high": high,
        "too_thin": thin,
    }


def ratio_interval(
    logs_of: dict[str | None, list[float]], others_of: dict[str | None, list[float]]
) -> tuple[float, float, float]:
    """The ratio of two sides, stratum by stratum weighted by the first, and its interval by Welch and Satterthwaite."""
    count = sum(map(len, logs_of.values()))
    weights = {name: len(logs) / count for name, logs in logs_of.items()}
    difference = sum(weight * (fmean(logs_of[name]) - fmean(others_of[name])) for name, weight in weights.items())
    means = [
        (weight**2 * variance(side[name]) / len(side[name]), len(side[name]) - 1)
        for name, weight in weights.items()
        for side in (logs_of, others_of)
    ]
    of_difference = sum(of_mean for of_mean, _ in means)
    freedom = of_difference**2 / sum(of_mean**2 / own for of_mean, own in means)
    margin = student_t.ppf(0.975, freedom) * math.sqrt(of_difference)
    ends = (difference, difference - margin, difference + margin)
    ratio, low, high = (round(math.exp(end), 6) for end in ends)
    return ratio, low, high


def expected_impact(tables: World) -> list[Row]:
    good = {row["job_id"]: row for row in tables["jobs"] if row["outcome"] == "success"}
    detectors: dict[str, str] = {}
    for row in tables["job_references"]:
        if row["role"] != "detector_name":
            detectors[row["job_id"]] = min(row["reference"], detectors.get(row["job_id"], row["reference"]))
    by_type = grouped(good.values(), lambda row: row["type"])
    result = []
    for key, ids in labels(tables["job_options"]).items():
        jobs = [good[name] for name in ids if name in good]
        runs = [row["run_seconds"] for row in jobs if row["run_seconds"] is not None]
        row = dict(zip(OPTION_IMPACT.table.key, key, strict=True)) | {"jobs": len(jobs), "with_run_seconds": len(runs)}
        row |= measured("run_seconds", runs) | compared(jobs, by_type.get(key[0], []), detectors)
        for name, source in MEASURES.items():
            known = [row["units"] for row in jobs if row["units_source"] == source]
            row |= {f"with_{name}": len(known)} | measured(name, known)
        if jobs:
            result.append(row)
    return result


@pytest.mark.parametrize(("seed", "count"), [(1, 12), (2, 60), (3, 250), (4, 600)])
def test_option_impact_is_that_of_plain_python(seed: int, count: int) -> None:
    tables = world(seed, count)
    expected = expected_impact(tables)
    assert_same(rows(ledger(tables, AS_OF), OPTION_IMPACT), expected, OPTION_IMPACT.table.key)
    assert any(row["too_thin"] for row in expected)
    assert any(not row["too_thin"] for row in expected) == (count > 60)


def test_the_ratio_compares_within_a_detector_so_that_a_slow_one_does_not_count_against_the_value() -> None:
    jobs, references, options = [], [], []
    for number in range(400):
        slow, doubled = number % 4 == 0, number % 8 in (0, 1, 5)
        seconds = (100 if slow else 1) * (2 if doubled else 1) * (1 + number % 7 / 1000)
        row = job(f"{number:03}", START, wait=timedelta(0), run=timedelta(seconds=seconds))
        detector = "slow/1.0" if slow else "quick/1.0"
        jobs.append(row)
        references.append({"job_id": row["job_id"], "direction": "input", "role": "photo_object_detector"})
        references[-1] |= {"kind": "detector", "reference": detector}
        options.append(option(row, "fine", doubled))
    tables = {"jobs": jobs, "job_references": references, "job_options": options}
    found = {row["value_label"]: row["run_seconds_ratio"] for row in rows(ledger(tables, None), OPTION_IMPACT)}
    assert found == {"true": pytest.approx(2, rel=0.02), "false": pytest.approx(0.5, rel=0.02)}


def test_an_interval_of_a_median_holds_the_truth_nineteen_times_of_twenty() -> None:
    rng = random.Random(9)
    jobs, options = [], []
    for number in range(300 * 40):
        run = timedelta(seconds=math.exp(rng.gauss(5, 1)))
        jobs.append(job(f"{number:05}", START, wait=timedelta(0), run=run))
        options.append(option(jobs[-1], f"world-{number % 300}", "same"))
    found = rows(ledger({"jobs": jobs, "job_options": options}, None), OPTION_IMPACT)
    held = sum(row["run_seconds_low"] <= math.exp(5) <= row["run_seconds_high"] for row in found)
    assert len(found) == 300
    assert 0.93 <= held / 300 <= 0.995


def test_a_detector_with_fewer_than_five_jobs_on_a_side_is_not_compared() -> None:
    jobs, references, options = [], [], []
    for detector, (ours, others) in {"a": (20, 20), "b": (4, 40), "c": (40, 4), "d": (5, 5)}.items():
        for number in range(ours + others):
            run = timedelta(seconds=60 + number % 7)
            jobs.append(job(f"{detector}-{number:02}", START, wait=timedelta(0), run=run))
            references.append({"job_id": jobs[-1]["job_id"], "direction": "input", "role": "photo_object_detector"})
            references[-1] |= {"kind": "detector", "reference": detector}
            options.append(option(jobs[-1], "fine", number < ours))
    tables = {"jobs": jobs, "job_references": references, "job_options": options}
    found = rows(ledger(tables, None), OPTION_IMPACT)
    assert [(row["value_label"], row["jobs"], row["compared_jobs"], row["other_jobs"]) for row in found] == [
        ("false", 69, 25, 25),
        ("true", 69, 25, 25),
    ]


def test_detectors_of_a_job_or_two_are_too_thin_to_compare() -> None:
    jobs, references, options = [], [], []
    for number in range(50):
        run = timedelta(seconds=60 + number)
        jobs.append(job(f"{number:02}", START, wait=timedelta(0), run=run))
        references.append({"job_id": jobs[-1]["job_id"], "direction": "input", "role": "photo_object_detector"})
        references[-1] |= {"kind": "detector", "reference": f"trained-{number // 2}"}
        options.append(option(jobs[-1], "fine", number % 2 == 0))
    tables = {"jobs": jobs, "job_references": references, "job_options": options}
    for row in rows(ledger(tables, None), OPTION_IMPACT):
        assert (row["compared_jobs"], row["too_thin"]) == (0, True)
        assert [row[f"run_seconds_ratio{end}"] for end in ("", "_low", "_high")] == [None, None, None]


def test_an_empty_ledger_has_no_options() -> None:
    assert rows(ledger({}, None), OPTION_IMPACT) == []
