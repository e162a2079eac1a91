"""units_by_month and unit_changes against plain Python, whole tables at a time."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.warehouse.mart_ledger import ledger, rows
from tests.warehouse.mart_worlds import (
    AS_OF,
    HOUR,
    Row,
    assert_same,
    grouped,
    job,
    month_of,
    random_jobs,
    world,
)
from warehouse.marts.consumption import CONSUMPTION_MARTS

UNITS_BY_MONTH, UNIT_CHANGES = CONSUMPTION_MARTS
SEEDS = range(6)
FIELDS = {"estimated_units": "estimatedUnits", "processing_units": "processingUnits"}


# units_by_month


def expected_units(jobs: Sequence[Row]) -> list[Row]:
    key = UNITS_BY_MONTH.table.key
    groups = grouped(jobs, lambda row: (month_of(row["created_at"]), row["itwin_id"], row["type"], row["user_id"]))
    return [dict(zip(key, name, strict=True)) | units_of(members) for name, members in groups.items()]


def units_of(jobs: Sequence[Row]) -> Row:
    finished = [row for row in jobs if row["outcome"] != "open"]
    priced = [row for row in finished if row.get("units") is not None]
    ran = [row for row in finished if row["run_seconds"] is not None]
    should_run = [row for row in finished if row["started_at"] or not row["ended_at"]]
    result: Row = {
        "jobs": len(jobs),
        "finished": len(finished),
        "with_units": len(priced),
        "units_coverage": share(priced, finished),
    }
    for name, outcome in (("", None), ("failed_", "failed"), ("cancelled_", "cancelled"), ("open_", "open")):
        of_outcome = [row for row in jobs if outcome in (None, row["outcome"])]
        result |= {f"{name}{kind}": total(of_outcome, field) for kind, field in FIELDS.items()}
    result |= {"with_run": len(ran), "run_coverage": share(ran, should_run), "run_hours": hours(ran)}
    for kind, field in FIELDS.items():
        both = [row for row in ran if row["units_source"] == field]
        result[f"{kind}_per_run_hour"] = round(exact(both, field) / hours(both), 6) if hours(both) else None
    return result


def exact(jobs: Sequence[Row], field: str) -> float:
    return math.fsum(row["units"] for row in jobs if row["units_source"] == field)


def total(jobs: Sequence[Row], field: str) -> float:
    return round(exact(jobs, field), 6)


def hours(jobs: Sequence[Row]) -> float:
    return sum(round(row["run_seconds"] * 1e6) for row in jobs) / 3.6e9


def share(some: Sequence[Row], of: Sequence[Row]) -> float | None:
    return len(some) / len(of) if of else None


@pytest.mark.parametrize("seed", SEEDS)
def test_units_by_month_are_those_of_plain_python(seed: int) -> None:
    jobs = world(seed)
    found = rows(ledger({"jobs": jobs}, AS_OF), UNITS_BY_MONTH)
    assert_same(found, expected_units(jobs), UNITS_BY_MONTH.table.key)


@pytest.mark.parametrize("key", UNITS_BY_MONTH.table.key)
def test_units_over_any_grouping_sum_to_the_total_of_all_jobs(key: str) -> None:
    jobs = world(11)
    found = rows(ledger({"jobs": jobs}, AS_OF), UNITS_BY_MONTH)
    of_group: Callable[[Row], Any] = (
        (lambda row: month_of(row["created_at"])) if key == "month" else lambda row: row[key]
    )
    for value, members in grouped(jobs, of_group).items():
        units = math.fsum(row["units"] for row in members if row.get("units") is not None)
        in_mart = math.fsum(row["estimated_units"] + row["processing_units"] for row in found if row[key] == value)
        assert in_mart == pytest.approx(units, abs=1e-4)
        assert sum(row["jobs"] for row in found if row[key] == value) == len(members)


def test_vanished_and_open_jobs_count_and_a_restatement_counts_with_its_last_value() -> None:
    made = [
        job(
            "gone", AS_OF - 9 * HOUR, wait=HOUR, run=HOUR, units=1.0, units_source="processingUnits", vanished_at=AS_OF
        ),
        job("open", AS_OF - 9 * HOUR, wait=HOUR, outcome="open", units=2.0, units_source="processingUnits"),
        job("restated", AS_OF - 9 * HOUR, wait=HOUR, run=HOUR, units=4.0, units_source="processingUnits", versions=2),
    ]
    versions = [version("restated", minute, {"processingUnits": units}) for minute, units in ((0, 16.0), (9, 4.0))]
    con = ledger({"jobs": made, "observations": versions}, AS_OF)
    (found,) = rows(con, UNITS_BY_MONTH)
    (change,) = rows(con, UNIT_CHANGES)
    assert (found["processing_units"], found["open_processing_units"], found["units_coverage"]) == (7.0, 2.0, 1.0)
    assert (change["from_units"], change["to_units"]) == (16.0, 4.0)


def test_a_ledger_without_jobs_has_no_units_and_no_changes() -> None:
    con = ledger({}, None)
    assert [rows(con, mart) for mart in CONSUMPTION_MARTS] == [[], []]


# unit_changes


def version(job_id: str, minute: int, units: Row | None, http_status: int = 200) -> Row:
    """An observation `minute` minutes before or after AS_OF, with these keys in its executionInfo."""
    body = {"id": job_id, "executionInfo": units, "specifications": {"options": {"processingUnits": 99}}}
    return {
        "job_id": job_id,
        "observed_at": AS_OF + timedelta(minutes=minute),
        "http_status": http_status,
        "body": json.dumps(body) if http_status == 200 else None,
    }


def random_versions(rng: random.Random, jobs: Sequence[Row]) -> list[Row]:
    """Up to five versions of each job, out of order; sets `versions` of the jobs to what it made."""
    infos: tuple[Row | None, ...] = (
        None,
        {},
        {"estimatedUnits": 1.5},
        {"processingUnits": 1.5},
        {"estimatedUnits": 1.5, "processingUnits": 2},
        {"processingUnits": 0},
        {"processingUnits": "1.5"},
        {"processingUnits": None, "estimatedUnits": 3.25e2},
        {"processingUnits": True},
        {"note": 'says "estimatedUnits": 7'},
    )
    made: list[Row] = []
    for row in jobs:
        row["versions"] = rng.randrange(1, 6)
        made += [version(row["job_id"], minute, rng.choice(infos)) for minute in range(row["versions"])]
        if rng.random() < 0.2:
            made.append(version(row["job_id"], 2_000, None, http_status=404))
    rng.shuffle(made)
    return made


def told(observation: Row) -> tuple[float | None, str | None]:
    info = json.loads(observation["body"])["executionInfo"] or {}
    for field in ("processingUnits", "estimatedUnits"):
        if isinstance(info.get(field), int | float) and not isinstance(info[field], bool):
            return float(info[field]), field
    return None, None


def expected_changes(jobs: Sequence[Row], observations: Sequence[Row]) -> list[Row]:
    seen = sorted((row for row in observations if row["http_status"] == 200), key=lambda row: row["observed_at"])
    by_job = grouped(seen, lambda row: row["job_id"])
    return [
        {
            **{name: row[name] for name in ("job_id", "itwin_id", "type")},
            "from_units": told(before)[0],
            "to_units": told(after)[0],
            "from_field": told(before)[1],
            "to_field": told(after)[1],
            "changed_at": after["observed_at"],
            "ended_at": row["ended_at"],
            "seconds_after_end": row["ended_at"] and (after["observed_at"] - row["ended_at"]).total_seconds(),
        }
        for row in jobs
        for before, after in pairwise(by_job[row["job_id"]])
        if told(before) != told(after)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_unit_changes_are_those_of_plain_python(seed: int) -> None:
    jobs = random_jobs(seed, 60)
    observations = random_versions(random.Random(seed), jobs)
    found = rows(ledger({"jobs": jobs, "observations": observations}, AS_OF), UNIT_CHANGES)
    assert len(found) > 30
    assert_same(found, expected_changes(jobs, observations), UNIT_CHANGES.table.key)


def test_the_changes_of_a_job_lead_from_its_first_value_to_its_last() -> None:
    jobs = random_jobs(3, 60)
    observations = random_versions(random.Random(3), jobs)
    found = rows(ledger({"jobs": jobs, "observations": observations}, AS_OF), UNIT_CHANGES)
    for changes in grouped(found, lambda row: row["job_id"]).values():
        assert all(before["to_units"] == after["from_units"] for before, after in pairwise(changes))
        newest = max(
            (row for row in observations if row["job_id"] == changes[0]["job_id"] and row["http_status"] == 200),
            key=lambda row: row["observed_at"],
        )
        assert (changes[-1]["to_units"], changes[-1]["to_field"]) == told(newest)


def test_a_number_too_large_to_be_one_is_no_value() -> None:
    first, second = version("a", 0, {"processingUnits": 5}), version("a", 1, {"processingUnits": 6})
    second["body"] = second["body"].replace("6", "1e999", 1)
    jobs = [job("a", AS_OF - HOUR, wait=HOUR, run=HOUR, versions=2)]
    (found,) = rows(ledger({"jobs": jobs, "observations": [first, second]}, AS_OF), UNIT_CHANGES)
    assert (found["from_units"], found["to_units"], found["to_field"]) == (5.0, None, None)
