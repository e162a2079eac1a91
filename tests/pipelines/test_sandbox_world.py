from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from statistics import median
from typing import Any

import pytest

from pipelines.sandbox import World
from pipelines.sandbox.instants import HOUR, parse_timestamp, to_micros
from tests.pipelines.sandbox_client import NOW
from warehouse.contract import contract, typed_table

EDITIONS = contract().editions
PARTS = ("inputs", "outputs", "options")


@cache
def small(edition: str = EDITIONS[0]) -> World:
    return World(jobs_per_month=500, months=2, itwins=4, users=12, edition=edition)


@cache
def jobs(edition: str = EDITIONS[0]) -> dict[str, dict[str, Any]]:
    return {job["id"]: job for job in small(edition).jobs_at(NOW)}


def execution(job: dict[str, Any], key: str) -> Any:
    return job["executionInfo"].get(key)


def values_of(job: dict[str, Any], part: str) -> Iterator[tuple[Any, Any]]:
    """Pairs of (contract field, value) in a part of a job; the field is None where the contract lacks it."""

    def matching(key: str, edition: str) -> Any:
        rows = contract().fields_of(job["type"], part, edition)
        return next((row for row in rows if row.api_field == key), None)

    for key, value in job["specifications"].get(part, {}).items():
        yield matching(key, job["edition"]), value


def test_the_same_seed_and_clock_give_the_same_bytes() -> None:
    one, other = (World(seed=3, jobs_per_month=60, months=2) for _ in range(2))
    assert json.dumps(one.jobs_at(NOW)) == json.dumps(other.jobs_at(NOW))


def test_another_seed_gives_other_jobs() -> None:
    one, other = (World(seed=seed, jobs_per_month=60, months=2) for seed in (1, 2))
    assert not {job["id"] for job in one.jobs_at(NOW)} & {job["id"] for job in other.jobs_at(NOW)}


def test_a_settled_month_is_the_same_from_any_later_clock() -> None:
    later = datetime(2026, 1, 20, tzinfo=UTC)
    world = World(jobs_per_month=100, months=3)
    november = [
        [job for job in world.jobs_at(clock) if execution(job, "createdDateTime").startswith("2025-11")]
        for clock in (later, later + timedelta(hours=1))
    ]
    assert november[0] == november[1]
    assert {job["state"] for job in november[0]} == {"Success", "Failed", "Cancelled"}


def test_the_world_shows_its_months_up_to_the_clock() -> None:
    world = World(months=14)
    assert world.months_at(NOW)[0] == "2024-11"
    assert world.months_at(NOW)[-1] == "2025-12"
    assert len(world.months_at(NOW)) == 14


def test_no_job_is_seen_before_its_creation() -> None:
    assert max(parse_timestamp(execution(job, "createdDateTime")) for job in jobs().values()) <= to_micros(NOW)


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_type_state_field_and_value_is_of_the_edition(edition: str) -> None:
    types: dict[str, Any] = {
        "string": str,
        "number": (int, float),
        "integer": int,
        "boolean": bool,
        "array<string>": list,
    }
    states = {state.name for state in contract().states_of(edition)}
    for job in jobs(edition).values():
        assert job["state"] in states
        for part in PARTS:
            for row, value in values_of({**job, "edition": edition}, part):
                assert row is not None, (job["type"], part)
                assert isinstance(value, types[row.json_type]), row
                assert not row.pattern or re.search(row.pattern, str(value)), row
    assert {job["type"] for job in jobs(edition).values()} == set(contract().job_types_of(edition))


@pytest.mark.parametrize("edition", EDITIONS)
def test_required_fields_and_companions_are_always_there(edition: str) -> None:
    for job in jobs(edition).values():
        for part in PARTS:
            present = job["specifications"].get(part, {})
            rows = contract().fields_of(job["type"], part, edition)
            missing = {row.api_field for row in rows if row.required} - set(present)
            lonely = {row.needs for row in rows if row.needs and row.api_field in present} - set(present)
            assert (missing, lonely) == (set(), set()), job
        assert job["specifications"]["outputs"]


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_field_of_the_edition_is_used_by_some_job(edition: str) -> None:
    used = {
        (job["type"], part, key)
        for job in World(jobs_per_month=2500, months=1, edition=edition).jobs_at(NOW)
        for part in PARTS
        for key in job["specifications"].get(part, {})
    }
    rows = [row for row in contract().fields if edition in row.editions]
    assert {(row.job_type, row.part, row.api_field) for row in rows} - used == set()


def test_a_job_is_the_same_job_in_every_edition() -> None:
    def essence(job: dict[str, Any]) -> tuple[Any, ...]:
        created = parse_timestamp(execution(job, "createdDateTime"))
        return job["type"], job["iTwinId"], job["userId"], job.get("name"), created

    oldest, newest = jobs(EDITIONS[0]), jobs(EDITIONS[-1])
    shared = set(oldest) & set(newest)
    assert len(shared) > 0.9 * len(oldest)
    assert {key: essence(oldest[key]) for key in shared} == {key: essence(newest[key]) for key in shared}


def test_canonical_values_agree_across_editions() -> None:
    def canonical(edition: str) -> dict[tuple[str, str], Any]:
        found: dict[tuple[str, str], Any] = {}
        for key, job in jobs(edition).items():
            for row, value in values_of({**job, "edition": edition}, "options"):
                found[key, row.column] = value
        return found

    oldest, newest = canonical(EDITIONS[0]), canonical(EDITIONS[-1])
    shared = set(oldest) & set(newest)
    assert len(shared) > 100
    assert {key: oldest[key] for key in shared} == {key: newest[key] for key in shared}


def test_timestamps_have_the_form_of_their_edition() -> None:
    oldest, newest = (
        Counter(bool(re.fullmatch(form.pattern, execution(job, "createdDateTime"))) for job in jobs(edition).values())
        for form, edition in zip(contract().timestamp_forms, (EDITIONS[0], EDITIONS[-1]), strict=True)
    )
    assert oldest[True] > 0.7 * oldest.total()
    assert newest[True] > 0.85 * newest.total()


@pytest.mark.parametrize("edition", EDITIONS)
def test_units_stand_where_the_edition_has_them(edition: str) -> None:
    paths = [row.path.split(".")[1] for row in contract().envelope if "Units" in row.path and edition in row.editions]
    keys = {key for job in jobs(edition).values() for key in job["executionInfo"] if key.endswith("Units")}
    assert keys == set(paths)


def test_units_are_zero_whole_fractional_missing_and_null() -> None:
    kinds: Counter[str] = Counter()
    for job in jobs().values():
        value = job["executionInfo"].get("estimatedUnits", "missing")
        kinds["zero" if value == 0 else type(value).__name__] += 1
    assert set(kinds) == {"zero", "int", "float", "str", "NoneType"}


def test_a_job_goes_from_queued_over_active_to_its_end_and_tells_times_only_when_they_are_known() -> None:
    job = next(job for job in small().month("2025-11").jobs if job.outcome == "success" and len(job.units) == 1)
    assert job.started is not None
    seen = [json.loads(job.body(instant)) for instant in (job.created, job.started, job.ended)]
    known = [[bool(execution(body, key)) for key in ("startedDateTime", "endedDateTime")] for body in seen]
    assert [body["state"] for body in seen] == ["Queued", "Active", "Success"]
    assert known == [[False, False], [True, False], [True, True]]


def test_units_can_be_restated_after_the_end() -> None:
    job = next(job for job in small().month("2025-11").jobs if len(job.units) == 2)
    told = [json.loads(job.body(instant))["executionInfo"]["estimatedUnits"] for instant, _ in job.units]
    assert told == [value for _, value in job.units]
    assert told[0] != told[1]


@pytest.mark.parametrize(
    ("edition", "outcome", "word"),
    [
        ("2025-08", "cancelled", "Terminating"),
        ("2026-07", "cancelled", "TerminatingOnCancel"),
        ("2026-07", "failed", "TerminatingOnFailure"),
    ],
)
def test_a_job_that_does_not_succeed_terminates_in_its_editions_words(edition: str, outcome: str, word: str) -> None:
    found = [job for job in small(edition).month("2025-11").jobs if job.outcome == outcome and job.terminating]
    assert {job.state_at(job.ended - 1) for job in found} == {word}


def test_some_cancelled_jobs_never_started() -> None:
    cancelled = [job for job in jobs().values() if job["state"] == "Cancelled"]
    assert Counter(bool(execution(job, "startedDateTime")) for job in cancelled).keys() == {True, False}


def test_links_lead_to_successful_jobs_of_the_same_itwin_that_ended_before() -> None:
    made = {value: job for job in jobs().values() for value in job["specifications"]["outputs"].values()}
    links = [
        (job, made[value])
        for job in jobs().values()
        for value in job["specifications"]["inputs"].values()
        if value in made
    ]
    assert len(links) > 100
    for consumer, producer in links:
        assert producer["state"] == "Success"
        assert producer["iTwinId"] == consumer["iTwinId"]
        ended, created = execution(producer, "endedDateTime"), execution(consumer, "createdDateTime")
        assert parse_timestamp(ended) < parse_timestamp(created)


def test_a_retry_asks_for_the_same_as_the_failed_job() -> None:
    months = [small().month(month) for month in small().months_at(NOW)]
    retries = [job for month in months for job in month.jobs if job.asked is not job]
    assert len(retries) >= 10
    for again in retries:
        first, second = (json.loads(job.body(job.ended))["specifications"] for job in (again.asked, again))
        assert first["inputs"] == second["inputs"]
        assert first["outputs"].keys() == second["outputs"].keys()
        assert first["outputs"] != second["outputs"]
        assert (again.user_id, again.type) == (again.asked.user_id, again.asked.type)


def test_few_jobs_are_created_at_the_weekend_and_most_in_office_hours() -> None:
    created = [datetime.fromisoformat(execution(job, "createdDateTime")) for job in jobs().values()]
    assert sum(instant.weekday() >= 5 for instant in created) < 0.1 * len(created)
    assert sum(7 <= instant.hour < 18 for instant in created) > 0.6 * len(created)


def test_a_month_has_jobs_as_it_has_working_days() -> None:
    world = World(jobs_per_month=400)
    months = ("2026-02", "2025-11", "2025-09", "2025-12")
    working_days = (20 + 8 * 0.08, 20 + 10 * 0.08, 22 + 8 * 0.08, 23 + 8 * 0.08)
    assert [len(world.month(month).all_jobs) for month in months] == [
        round(400 * days / working_days[0]) for days in working_days
    ]


def test_units_grow_less_than_the_time_that_a_job_hangs() -> None:
    found: dict[str, list[float]] = {"usual": [], "hanging": []}
    for job in World().month("2025-11").jobs:
        hours = 0 if job.started is None else (job.ended - job.started) / HOUR
        rate = job.units[0][1] / hours if hours and job.units else 0
        if rate > 0 and job.outcome == "success" and job.units[0][1] > 2:
            long = hours > 20 * job.kind.run_seconds / 3600
            found["hanging" if long else "usual"].append(rate / job.kind.units_per_hour)
    assert 0.6 < median(found["usual"]) < 1.1
    assert len(found["hanging"]) > 2
    assert max(found["hanging"]) < 0.3


def test_names_keep_to_the_contract_or_are_missing_or_null() -> None:
    pattern = next(row.pattern for row in contract().envelope if row.path == "name") or ""
    names = [job.get("name", "missing") for job in jobs().values()]
    assert all(name is None or re.fullmatch(pattern, name) for name in names)
    assert {None, "missing"} <= set(names)
    assert any(name and not name.isascii() for name in names)


def test_a_type_added_to_the_contract_appears_by_itself() -> None:
    rows = [row for row in contract().fields if typed_table(row.job_type) == "objects2d_jobs"]
    wider = contract().with_fields(*(replace(row, job_type="Poles2D") for row in rows))
    world = World(contract=wider, jobs_per_month=300, months=1)
    assert "Poles2D" in {job["type"] for job in world.jobs_at(NOW)}


def told(edition: str, part: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of (job, message) of the errors or warnings of all jobs."""
    world = World(jobs_per_month=1200, months=3, itwins=4, users=12, edition=edition)
    for month in world.months_at(NOW)[:2]:
        for job in world.month(month).jobs:
            for message in json.loads(job.messages(job.ended))[part]:
                yield json.loads(job.body(job.ended)), message


def test_failed_jobs_tell_why_once_they_have_ended() -> None:
    failed = [job for job in small().month("2025-11").jobs if job.outcome == "failed"]
    assert failed
    for job in failed:
        assert json.loads(job.messages(job.ended - 1)) == {"errors": [], "warnings": []}
        codes = [error["code"] for error in json.loads(job.messages(job.ended))["errors"]]
        assert len(codes) == len(set(codes)) in (1, 2)
    others = (job for job in small().month("2025-11").jobs if job.outcome != "failed")
    assert all(json.loads(job.messages(job.ended))["errors"] == [] for job in others)


def test_messages_of_the_same_seed_and_clock_are_the_same_bytes() -> None:
    one, other = (World(seed=3, jobs_per_month=200, months=1).month("2025-11").jobs for _ in range(2))
    assert [job.messages(job.ended) for job in one] == [job.messages(job.ended) for job in other]


@pytest.mark.parametrize("part", ["errors", "warnings"])
@pytest.mark.parametrize("edition", EDITIONS)
def test_the_parameters_of_a_message_fit_its_template_and_its_job(edition: str, part: str) -> None:
    for job, message in told(edition, part):
        wanted = [f"%{number}" for number in range(1, len(message["params"]) + 1)]
        assert re.findall(r"%\d", message["message"]) == wanted
        assert all(isinstance(param, str) and param for param in message["params"])
        inputs = json.dumps(job["specifications"]["inputs"])
        named = [param for param in message["params"] if re.fullmatch(r"[0-9a-f]{8}-.{27}|@?[\w-]+/[\w./-]+", param)]
        assert message["code"] == "InternalError" or all(f'"{param}"' in inputs for param in named), message


def test_numbers_in_messages_make_sense() -> None:
    for _, error in told(EDITIONS[0], "errors"):
        if error["code"] == "NoOrientation":
            without, photos = map(int, error["params"])
            assert 0 < without <= photos
        if error["code"] == "NotEnoughSamples":
            label, samples, needed = error["params"]
            assert label.isalpha()
            assert int(samples) < int(needed)


@pytest.mark.parametrize("edition", EDITIONS)
def test_a_failure_stands_only_where_it_can_happen(edition: str) -> None:
    found: dict[str, set[str]] = {}
    for job, message in (pair for part in ("errors", "warnings") for pair in told(edition, part)):
        found.setdefault(message["code"], set()).add(job["type"])
    shown = set(contract().job_types_of(edition))
    evaluations = {name for name in shown if name.startswith("Eval")}
    trainings = {name for name in shown if name.startswith("Training")}
    of_photos = {"Objects2D", "Segmentation2D"}
    with_detectors = of_photos | {"Segmentation3D", "SegmentationOrthophoto"}
    only = {
        "DetectorIncompatible": with_detectors,
        "NoOrientation": of_photos,
        "ModelsApart": {"ChangeDetection"},
        "FootprintOutside": {"ClearanceCalculation"} & shown,
        "LabelsDiffer": evaluations,
        "NotEnoughSamples": trainings,
        "PhotosSkipped": of_photos,
        "EmptyResult": shown - evaluations - trainings,
        "ClassImbalance": trainings,
        "FewReferences": evaluations,
    }
    assert {code: types for code, types in found.items() if not types <= only.get(code, shown)} == {}
    assert {code for code, types in only.items() if types - trainings} <= set(found), "trainings are too few to ask"
    assert set(found) - set(only) == {"InvalidInputData", "OutOfMemory", "InternalError"}


def test_jobs_of_one_type_fail_for_one_reason_more_than_for_others() -> None:
    codes = Counter(error["code"] for job, error in told(EDITIONS[0], "errors") if job["type"] == "ChangeDetection")
    assert codes.most_common(1)[0][1] > 0.4 * codes.total()


def test_an_unknown_edition_is_refused() -> None:
    with pytest.raises(ValueError, match="edition '1999-01' is none of 2025-08"):
        World(edition="1999-01")


def test_the_default_world_is_ready_within_two_seconds() -> None:
    started = time.process_time()
    world = World()
    count = sum(len(world.month(month).jobs) for month in world.months_at(NOW))
    assert time.process_time() - started < 2
    assert 18_000 < count < 20_400
