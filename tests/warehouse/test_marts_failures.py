"""failure_costs and failure_reasons against plain Python, whole tables at a time."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import datetime

import pytest

from tests.warehouse.mart_ledger import ledger, rows
from tests.warehouse.mart_worlds import AS_OF, HOUR, ZERO, Row, assert_same, job, month_and_type_groups, world
from warehouse.marts.failures import FAILURE_MARTS

FAILURE_COSTS, FAILURE_REASONS = FAILURE_MARTS
SEEDS = range(6)


def total(jobs: Sequence[Row], field: str) -> float:
    return round(math.fsum(row["units"] for row in jobs if row["units_source"] == field), 6)


def share(some: int, of: int) -> float | None:
    return some / of if of else None


# failure_costs


def expected_costs(jobs: Sequence[Row]) -> list[Row]:
    return [
        {"month": month, "type": type_} | costs_of(members)
        for (month, type_), members in month_and_type_groups(jobs).items()
    ]


def costs_of(jobs: Sequence[Row]) -> Row:
    count = {outcome: sum(row["outcome"] == outcome for row in jobs) for outcome in ("open", "failed", "cancelled")}
    finished = len(jobs) - count["open"]
    lost = [row for row in jobs if row["outcome"] in ("failed", "cancelled")]
    ran = [row for row in lost if row["run_seconds"] is not None]
    priced = sum(row.get("units") is not None for row in lost)
    return {
        "jobs": len(jobs),
        "finished": finished,
        "failed": count["failed"],
        "cancelled": count["cancelled"],
        "failed_share": share(count["failed"], finished),
        "cancelled_share": share(count["cancelled"], finished),
        "with_run": len(ran),
        "run_coverage": share(len(ran), sum(bool(row["started_at"] or not row["ended_at"]) for row in lost)),
        "run_hours_lost": sum(round(row["run_seconds"] * 1e6) for row in ran) / 3.6e9,
        "with_units": priced,
        "units_coverage": share(priced, len(lost)),
        "estimated_units_lost": total(lost, "estimatedUnits"),
        "processing_units_lost": total(lost, "processingUnits"),
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_failure_costs_are_those_of_plain_python(seed: int) -> None:
    jobs = world(seed)
    found = rows(ledger({"jobs": jobs}, AS_OF), FAILURE_COSTS)
    assert_same(found, expected_costs(jobs), FAILURE_COSTS.table.key)


def test_a_month_of_successes_lost_nothing_and_a_month_of_open_jobs_has_no_shares() -> None:
    created = datetime(2024, 2, 29, tzinfo=AS_OF.tzinfo)
    done = job("a", created, wait=ZERO, run=HOUR, units=3.0, units_source="processingUnits")
    runs = job("b", AS_OF - HOUR, wait=ZERO, outcome="open", units=None, units_source=None)
    found = {row["month"]: row for row in rows(ledger({"jobs": [done, runs]}, AS_OF), FAILURE_COSTS)}
    assert (found["2024-02"]["failed_share"], found["2024-02"]["processing_units_lost"]) == (0.0, 0.0)
    assert (found["2025-04"]["failed_share"], found["2025-04"]["units_coverage"]) == (None, None)


def test_a_ledger_without_jobs_has_no_costs_and_no_reasons() -> None:
    con = ledger({}, None)
    assert [rows(con, mart) for mart in FAILURE_MARTS] == [[], []]


# failure_reasons


def random_messages(rng: random.Random, jobs: Sequence[Row]) -> list[Row]:
    """Errors and warnings for all kinds of jobs; codes repeat within a job, some are null, some jobs have none."""
    made: list[Row] = []
    for row in jobs:
        for severity in ("error", "warning"):
            for ordinal in range(1, rng.choice((1, 1, 2, 4))):
                code = rng.choice(("InvalidInput", "OutOfMemory", "Timeout", None))
                message = rng.choice((f"{row['job_id']} {ordinal}", None))
                made.append(
                    {
                        "job_id": row["job_id"],
                        "severity": severity,
                        "ordinal": ordinal,
                        "code": code,
                        "message": message,
                    }
                )
    rng.shuffle(made)
    return made


def random_references(rng: random.Random, jobs: Sequence[Row]) -> list[Row]:
    """Inputs and outputs; some jobs with two detectors, the same one twice, or one without a version."""
    made: list[Row] = []
    for row in jobs:
        made += [
            {
                "job_id": row["job_id"],
                "direction": rng.choice(("input", "input", "output")),
                "kind": rng.choice(("detector", "detector", "reality_data")),
                "ordinal": ordinal,
                "detector_name": rng.choice(("@bentley/cracks", "rail")),
                "detector_version": rng.choice(("1.0", None)),
            }
            for ordinal in range(1, rng.choice((1, 2, 2, 3)))
        ]
    return made


def expected_reasons(jobs: Sequence[Row], messages: Sequence[Row], references: Sequence[Row]) -> list[Row]:
    groups: dict[tuple[str | None, ...], list[tuple[Row, str | None]]] = {}
    for row in jobs:
        if row["outcome"] == "failed":
            for code, message in first_errors(row, messages).items():
                for name, number in detectors_of(row, references):
                    groups.setdefault((code, row["type"], name, number), []).append((row, message))
    return [
        dict(zip(FAILURE_REASONS.table.key, name, strict=True)) | reason_of(members) for name, members in groups.items()
    ]


def first_errors(row: Row, messages: Sequence[Row]) -> dict[str | None, str | None]:
    of_job = [said for said in messages if said["job_id"] == row["job_id"] and said["severity"] == "error"]
    firsts: dict[str | None, str | None] = {}
    for said in sorted(of_job, key=lambda said: said["ordinal"]):
        firsts.setdefault(said["code"], said["message"])
    return firsts or {None: None}


def detectors_of(row: Row, references: Sequence[Row]) -> set[tuple[str | None, str | None]]:
    found = {
        (reference["detector_name"], reference["detector_version"])
        for reference in references
        if reference["job_id"] == row["job_id"] and (reference["direction"], reference["kind"]) == ("input", "detector")
    }
    return found or {(None, None)}


def reason_of(members: Sequence[tuple[Row, str | None]]) -> Row:
    jobs = [row for row, _ in members]
    priced = sum(row.get("units") is not None for row in jobs)
    last = max(map(seen_at, jobs))
    example, message = min(
        ((row, message) for row, message in members if seen_at(row) == last), key=lambda pair: pair[0]["job_id"]
    )
    return {
        "jobs": len(jobs),
        "first_seen_at": min(map(seen_at, jobs)),
        "last_seen_at": last,
        "with_units": priced,
        "units_coverage": priced / len(jobs),
        "estimated_units_lost": total(jobs, "estimatedUnits"),
        "processing_units_lost": total(jobs, "processingUnits"),
        "example_message": message,
        "example_job_id": example["job_id"],
    }


def seen_at(row: Row) -> datetime:
    return row["ended_at"] or row["created_at"]


@pytest.mark.parametrize("seed", SEEDS)
def test_failure_reasons_are_those_of_plain_python(seed: int) -> None:
    rng = random.Random(seed)
    jobs = world(seed)
    messages, references = random_messages(rng, jobs), random_references(rng, jobs)
    con = ledger({"jobs": jobs, "job_messages": messages, "job_references": references}, AS_OF)
    assert_same(rows(con, FAILURE_REASONS), expected_reasons(jobs, messages, references), FAILURE_REASONS.table.key)


def test_failed_jobs_without_an_error_stand_under_no_code() -> None:
    failed = job("a", AS_OF - HOUR, wait=ZERO, run=ZERO, outcome="failed")
    warning = {"job_id": "a", "severity": "warning", "ordinal": 1, "code": "Blurry", "message": "Photos are blurry"}
    (found,) = rows(ledger({"jobs": [failed], "job_messages": [warning]}, AS_OF), FAILURE_REASONS)
    assert (found["code"], found["jobs"], found["example_message"], found["example_job_id"]) == (None, 1, None, "a")
