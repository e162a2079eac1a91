"""Detectors as things of their own: versions, what a new one changed, what was trained for nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from scipy.stats import binomtest, ttest_ind

from tests.warehouse.mart_ledger import ledger, rows
from tests.warehouse.mart_worlds import AS_OF, Row, job
from warehouse.marts.detectors import DETECTOR_MARTS
from warehouse.marts.lineage import LINEAGE_MARTS

VERSIONS_EFFECT, NEVER_USED = DETECTOR_MARTS
_, REFERENCE_LINEAGE, _, DETECTOR_LEAGUE = LINEAGE_MARTS
START = datetime(2025, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def use(owner: Row, name: str | None, version: str | None, direction: str = "input") -> Row:
    """A row of `job_references` for a detector; without a name it is a GUID."""
    reference = "7f0c-guid" if name is None else f"{name}/{version}" if version else name
    return {
        "job_id": owner["job_id"],
        "type": owner["type"],
        "direction": direction,
        "role": "detector" if direction == "output" else "point_cloud_segmentation_detector",
        "api_field": "detector",
        "ordinal": 1,
        "kind": "detector",
        "reference": reference,
        "detector_name": name,
        "detector_version": version,
    }


def version(name: str, number: str, made: datetime | None, status: str = "Ready", **other: Any) -> Row:
    return {"detector_name": name, "version": number, "created_at": made, "status": status, **other}


def test_a_job_without_a_version_used_the_one_that_was_ready_last_when_it_was_created() -> None:
    jobs = [job(str(day), START + day * DAY, wait=timedelta(0), run=DAY) for day in (1, 5, 15, 25)]
    tables = {
        "jobs": jobs,
        "job_references": [use(row, "rail", None) for row in jobs],
        "detectors": [{"detector_name": "rail", "name": "Rails", "latest_version": "3.0"}],
        "detector_versions": [
            version("rail", "1.0", START + 3 * DAY, labels=["rail"]),
            version("rail", "2.0", START + 10 * DAY),
            version("rail", "2.5", START + 11 * DAY, "AwaitingData"),
            version("rail", "3.0", START + 30 * DAY, labels=["rail", "sleeper"]),
        ],
    }
    (league,) = rows(ledger(tables, AS_OF, marts=[REFERENCE_LINEAGE]), DETECTOR_LEAGUE)
    told = {name: league[name] for name in DETECTOR_LEAGUE.table.column_names[:9]}
    assert told == {
        "detector_name": "rail",
        "detector_version": None,
        "name": "Rails",
        "labels": ["rail", "sleeper"],
        "latest_version": "3.0",
        "latest_when_last_used": "2.0",
        "is_still_latest": False,
        "jobs_on_latest": 3,
        "jobs": 4,
    }
    (effect,) = rows(ledger(tables, AS_OF), VERSIONS_EFFECT)
    shown = ("version", "version_before", "name", "jobs", "jobs_before", "too_thin", "first_used_at")
    assert [effect[name] for name in shown] == ["2.0", "1.0", "Rails", 2, 1, True, START + 15 * DAY]


def test_a_named_version_that_is_no_longer_the_latest_is_told_apart() -> None:
    jobs = [job(str(day), START + day * DAY, wait=timedelta(0), run=DAY) for day in (1, 15)]
    versions = [version("rail", "1.0", START), version("rail", "2.0", START + 10 * DAY)]
    tables = {
        "jobs": jobs,
        "job_references": [use(row, "rail", "1.0") for row in jobs],
        "detectors": [{"detector_name": "rail", "latest_version": "2.0"}],
        "detector_versions": versions,
    }
    (league,) = rows(ledger(tables, AS_OF, marts=[REFERENCE_LINEAGE]), DETECTOR_LEAGUE)
    shown = ("detector_version", "jobs_on_latest", "latest_when_last_used", "is_still_latest")
    assert [league[name] for name in shown] == ["1.0", 1, "2.0", True]


def measured(name: str, count: int, seconds: Sequence[int], failed: int) -> list[Row]:
    """Jobs of which the first ones failed and the others took so many seconds, and half as many units."""
    made = []
    for number in range(count):
        run = timedelta(seconds=seconds[number % len(seconds)])
        outcome = "failed" if number < failed else "success"
        row = job(f"{name}-{number:02}", START + number * DAY, outcome=outcome, wait=timedelta(0), run=run)
        made.append(row | {"units": run.total_seconds() / 2, "units_source": "estimatedUnits"})
    return made


def test_what_moved_with_a_version_is_told_with_its_intervals() -> None:
    before, after = measured("a", 40, (100, 120, 150), 4), measured("b", 30, (200, 260), 9)
    references = [use(row, "rail", "1.0") for row in before] + [use(row, "rail", "1.1") for row in after]
    (found,) = rows(ledger({"jobs": before + after, "job_references": references}, AS_OF), VERSIONS_EFFECT)
    logs, logs_before = (
        [math.log(row["run_seconds"]) for row in side if row["outcome"] == "success"] for side in (after, before)
    )
    welch = ttest_ind(logs, logs_before, equal_var=False).confidence_interval(0.95)
    difference = sum(logs) / len(logs) - sum(logs_before) / len(logs_before)
    for measure in ("run_seconds", "estimated_units"):
        assert found[f"{measure}_ratio"] == pytest.approx(math.exp(difference), abs=1e-6)
        assert found[f"{measure}_ratio_low"] == pytest.approx(math.exp(welch.low), abs=1e-5)
        assert found[f"{measure}_ratio_high"] == pytest.approx(math.exp(welch.high), abs=1e-5)
        assert (found[f"with_{measure}"], found[f"with_{measure}_before"]) == (21, 36)
    wilson, wilson_before = (binomtest(hits, n).proportion_ci(0.95, "wilson") for hits, n in ((9, 30), (4, 40)))
    low = 0.2 - math.hypot(0.3 - wilson.low, wilson_before.high - 0.1)
    high = 0.2 + math.hypot(wilson.high - 0.3, 0.1 - wilson_before.low)
    assert (found["failure_share"], found["failure_share_before"]) == (0.3, 0.1)
    assert found["failure_change_low"] == pytest.approx(low, abs=1e-6)
    assert found["failure_change_high"] == pytest.approx(high, abs=1e-6)
    assert (found["too_thin"], found["processing_units_ratio"], found["processing_units_ratio_low"]) == (
        False,
        None,
        None,
    )


def test_where_nothing_ended_or_differs_there_is_no_interval() -> None:
    before = measured("a", 6, (100,), 0)
    after = [job(f"b-{number}", START + 50 * DAY, outcome="open") for number in range(6)]
    references = [use(row, "rail", "1.0") for row in before] + [use(row, "rail", "1.1") for row in after]
    (found,) = rows(ledger({"jobs": before + after, "job_references": references}, AS_OF), VERSIONS_EFFECT)
    empty = ("failure_share", "failure_change_low", "failure_change_high", "run_seconds_ratio", "run_seconds_ratio_low")
    assert [found[name] for name in empty] == [None] * 5
    assert found["failure_share_before"] == 0


def test_a_detector_that_was_trained_and_never_used_is_listed_with_what_it_cost() -> None:
    rail, crack, again, guid, failed = (
        job(name, START + day * DAY, type="TrainingS3D", wait=timedelta(0), run=DAY, outcome=outcome)
        for day, (name, outcome) in enumerate(
            [("rail", "success"), ("crack", "success"), ("again", "success"), ("guid", "success"), ("failed", "failed")]
        )
    )
    again |= {"units": 7.5, "units_source": "estimatedUnits"}
    user, other = (job(name, START + 9 * DAY, wait=timedelta(0), outcome="open") for name in ("user", "other"))
    tables = {
        "jobs": [rail, crack, again, guid, failed, user, other],
        "job_references": [
            use(rail, "rail", "1.0", "output"),
            use(crack, "crack", "2.0", "output"),
            use(again, "crack", "2.0", "output"),
            use(guid, None, None, "output"),
            use(failed, "pole", "1.0", "output"),
            use(user, "rail", None),
            use(other, None, None),
        ],
        "detectors": [{"detector_name": "crack", "name": "Cracks"}],
    }
    assert rows(ledger(tables, AS_OF), NEVER_USED) == [
        {
            "reference": "crack/2.0",
            "detector_name": "crack",
            "detector_version": "2.0",
            "name": "Cracks",
            "trained_by_job_id": "again",
            "type": "TrainingS3D",
            "itwin_id": "itwin-1",
            "user_id": "user-1",
            "trained_at": START + 3 * DAY,
            "trainings": 2,
            "estimated_units": 7.5,
            "processing_units": None,
        }
    ]


@pytest.mark.parametrize("mart", DETECTOR_MARTS, ids=lambda mart: mart.name)
def test_an_empty_ledger_has_no_detectors(mart: Any) -> None:
    assert rows(ledger({}, None), mart) == []
