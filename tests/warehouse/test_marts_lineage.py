"""retry_chains, reference_lineage, deliverable_units and detector_league against plain Python, compared whole."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import pytest

from tests.warehouse.mart_ledger import ledger, rows
from tests.warehouse.mart_worlds import AS_OF, HOUR, Row, assert_same, grouped, job
from warehouse.marts.lineage import LINEAGE_MARTS

RETRY_CHAINS, REFERENCE_LINEAGE, DELIVERABLE_UNITS, DETECTOR_LEAGUE = LINEAGE_MARTS
SEEDS = range(8)
START = datetime(2024, 2, 28, 22, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LOST = ("failed", "cancelled")
REFERENCES = (
    *((f"data-{number}", "reality_data", None, None) for number in range(9)),
    ("bkt:a/b:c", "bucket_path", None, None),
    ("bkt:d", "bucket_path", None, None),
    ("@bentley/cracks/1.0", "detector", "@bentley/cracks", "1.0"),
    ("@bentley/cracks", "detector", "@bentley/cracks", None),
    ("rails/2.1", "detector", "rails", "2.1"),
    ("7f0c-guid", "detector", None, None),
    ("just text", None, None, None),
)


def reference(owner: Row, direction: str, role: str, value: tuple[Any, ...], ordinal: int = 1) -> Row:
    """A row of `job_references`; `value` is the text, its kind, and the detector's name and version."""
    text, kind, name, version = value
    return {
        "job_id": owner["job_id"],
        "type": owner["type"],
        "direction": direction,
        "role": role,
        "api_field": role,
        "ordinal": ordinal,
        "reference": text,
        "kind": kind,
        "detector_name": name,
        "detector_version": version,
    }


def world(seed: int, count: int = 70) -> tuple[list[Row], list[Row]]:
    """Jobs and references with retries, cycles, diamonds, self references, lists and shared detectors."""
    rng = random.Random(seed)
    recipes = [_inputs(rng) for _ in range(8)]
    jobs = [_job(rng, f"job-{number:03}") for number in range(count)]
    references: list[Row] = []
    for owner in jobs:
        inputs = rng.choice((*recipes, _inputs(rng)))
        for ordinal, (role, value) in enumerate(rng.sample(inputs, len(inputs)), 1):
            references.append(reference(owner, "input", role, value, ordinal))
        for ordinal in range(rng.choice((0, 1, 1, 2))):
            role = rng.choice(("objects2d", "detector", "report"))
            references.append(reference(owner, "output", role, rng.choice(REFERENCES), ordinal + 1))
    return jobs, references


def _inputs(rng: random.Random) -> list[tuple[str, tuple[Any, ...]]]:
    roles = ("photos", "prediction", "photo_object_detector", "detector_name", "segmentations3d")
    inputs = [(rng.choice(roles), rng.choice(REFERENCES)) for _ in range(rng.choice((0, 1, 2, 2, 3)))]
    return inputs + inputs[: rng.choice((0, 0, 1))]


def _job(rng: random.Random, job_id: str) -> Row:
    outcome = rng.choices(("success", "failed", "cancelled", "open"), (40, 35, 15, 10))[0]
    units = rng.choice((None, 0.0, round(rng.uniform(0, 30), 3)))
    return job(
        job_id,
        START + rng.randrange(0, 6000) * MINUTE,
        outcome=outcome,
        wait=rng.choice((None, MINUTE, HOUR)) if outcome != "success" else MINUTE,
        run=None if outcome == "open" else rng.choice((timedelta(0), 10 * MINUTE, timedelta(microseconds=10**9 + 1))),
        itwin_id=rng.choice(("itwin-1", "itwin-2")),
        user_id=rng.choice(("user-1", None)),
        type=rng.choice(("Objects2D", "EvalO2D", "TrainingS3D", None)),
        units=units,
        units_source=None if units is None else rng.choice(("estimatedUnits", "processingUnits")),
        vanished_at=rng.choice((None, None, AS_OF)),
    )


def total(jobs: Iterable[Row], source: str) -> float | None:
    known = [row["units"] for row in jobs if row.get("units") is not None and row["units_source"] == source]
    return round(sum(known), 6) if known else None


def priced(jobs: Iterable[Row]) -> int:
    return sum(row.get("units") is not None for row in jobs)


# retry_chains


def expected_chains(jobs: Sequence[Row], references: Sequence[Row]) -> list[Row]:
    inputs: dict[str, set[tuple[str, str]]] = {}
    for row in references:
        if row["direction"] == "input":
            inputs.setdefault(row["job_id"], set()).add((row["role"], row["reference"]))
    tried = [row for row in jobs if row["job_id"] in inputs]
    same_work = grouped(tried, lambda row: (row["itwin_id"], row["type"], frozenset(inputs[row["job_id"]])))
    chains = [chain for members in same_work.values() for chain in split(members)]
    return [chain_row(chain) for chain in chains if len(chain) > 1]


def split(jobs: Sequence[Row]) -> Iterator[list[Row]]:
    chain: list[Row] = []
    for row in sorted(jobs, key=lambda row: (row["created_at"], row["job_id"])):
        before = chain[-1] if chain else None
        if before and not (
            before["outcome"] in LOST and before["ended_at"] and before["ended_at"] <= row["created_at"]
        ):
            yield chain
            chain = []
        chain.append(row)
    yield chain


def chain_row(chain: Sequence[Row]) -> Row:
    first, last = chain[0], chain[-1]
    solved = last["ended_at"] if last["outcome"] == "success" else None
    finished = [row for row in chain if row["outcome"] != "open"]
    wasted = [row for row in chain if row["outcome"] in LOST]
    return {
        "chain_id": first["job_id"],
        "itwin_id": first["itwin_id"],
        "type": first["type"],
        "user_id": first["user_id"],
        "first_job_id": first["job_id"],
        "last_job_id": last["job_id"],
        "attempts": len(chain),
        "result": {"success": "solved", "open": "open"}.get(last["outcome"], "given_up"),
        "first_created_at": first["created_at"],
        "solved_at": solved,
        "elapsed_seconds": solved and (solved - first["created_at"]) / timedelta(seconds=1),
        "finished_attempts": len(finished),
        "finished_with_units": priced(finished),
        "units_coverage": priced(finished) / len(finished),
        "estimated_units": total(chain, "estimatedUnits"),
        "processing_units": total(chain, "processingUnits"),
        "wasted_attempts": len(wasted),
        "wasted_with_units": priced(wasted),
        "wasted_estimated_units": total(wasted, "estimatedUnits"),
        "wasted_processing_units": total(wasted, "processingUnits"),
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_retry_chains_are_those_of_plain_python(seed: int) -> None:
    jobs, references = world(seed, 150)
    con = ledger({"jobs": jobs, "job_references": references}, AS_OF)
    expected = expected_chains(jobs, references)
    assert_same(rows(con, RETRY_CHAINS), expected, RETRY_CHAINS.table.key)
    assert {row["result"] for row in expected} >= {"solved", "given_up"}


def test_a_job_created_before_the_earlier_attempt_ended_begins_a_chain_of_its_own() -> None:
    photos = ("data-1", "reality_data", None, None)
    attempts = [
        job("a", START, outcome="failed", wait=MINUTE, run=HOUR, units=1.5, units_source="estimatedUnits"),
        job("b", START + 10 * MINUTE, outcome="failed", wait=MINUTE, run=MINUTE),
        job("c", START + 12 * MINUTE, wait=MINUTE, run=MINUTE, units=2.0, units_source="estimatedUnits"),
        job("d", START + 3 * HOUR, wait=MINUTE, run=MINUTE),
    ]
    references = [reference(row, "input", "photos", photos) for row in attempts]
    (found,) = rows(ledger({"jobs": attempts, "job_references": references}, None), RETRY_CHAINS)
    assert found == chain_row(attempts[1:3])
    assert (found["first_job_id"], found["last_job_id"], found["result"]) == ("b", "c", "solved")


# reference_lineage


def expected_lineage(jobs: Sequence[Row], references: Sequence[Row]) -> list[Row]:
    by_id = {row["job_id"]: row for row in jobs}
    outputs = grouped((row for row in references if row["direction"] == "output"), lambda row: row["reference"])
    found: dict[tuple[Any, ...], Row] = {}
    for used in references:
        if used["direction"] != "input" or used["kind"] is None:
            continue
        reader, made = by_id[used["job_id"]], outputs.get(used["reference"], ())
        producers = [by_id[row["job_id"]] for row in made]
        if used["kind"] == "bucket_path":
            producers = [row for row in producers if row["itwin_id"] and row["itwin_id"] == reader["itwin_id"]]
        producer = newest_before(reader, producers)
        if producer:
            row = {
                "producer_job_id": producer["job_id"],
                "reference": used["reference"],
                "consumer_job_id": reader["job_id"],
                "producer_role": min(row["role"] for row in made if row["job_id"] == producer["job_id"]),
                "consumer_role": used["role"],
                "producer_type": producer["type"],
                "consumer_type": reader["type"],
                "kind": used["kind"],
            }
            found[tuple(row[name] for name in REFERENCE_LINEAGE.table.key)] = row
    return list(found.values())


def newest_before(reader: Row, producers: Iterable[Row]) -> Row | None:
    """The producer that ended last by the time the reader was created, else the one created last before it."""
    before = [row for row in producers if created(row) < created(reader)]
    ended = [row for row in before if row["ended_at"] and row["ended_at"] <= reader["created_at"]]
    if ended:
        return max(ended, key=lambda row: (max(row["ended_at"], row["created_at"]), *created(row)))
    return max(before, key=created, default=None)


def created(row: Row) -> tuple[datetime, str]:
    return row["created_at"], row["job_id"]


@pytest.mark.parametrize("seed", SEEDS)
def test_reference_lineage_is_that_of_plain_python(seed: int) -> None:
    jobs, references = world(seed)
    con = ledger({"jobs": jobs, "job_references": references}, AS_OF)
    expected = expected_lineage(jobs, references)
    assert len(expected) > 20
    assert_same(rows(con, REFERENCE_LINEAGE), expected, REFERENCE_LINEAGE.table.key)


def lineage_of(*jobs: Row, paths: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    """The producer that each reader of a bucket path takes; `paths` are job, 'input' or 'output', and path."""
    by_id = {row["job_id"]: row for row in jobs}
    references = [
        reference(by_id[name], direction, "path", (path, "bucket_path", None, None)) for name, direction, path in paths
    ]
    found = rows(ledger({"jobs": jobs, "job_references": references}, None), REFERENCE_LINEAGE)
    return {row["consumer_job_id"]: row["producer_job_id"] for row in found}


def test_a_reader_used_what_had_been_made_by_then_and_else_what_was_about_to_be() -> None:
    jobs = [
        job("first", START, wait=MINUTE, run=5 * MINUTE),
        job("early", START + MINUTE),
        job("slow", START + 2 * MINUTE, wait=MINUTE, run=HOUR),
        job("late", START + 10 * MINUTE),
        job("after", START + 2 * HOUR),
    ]
    paths = [(name, "output", "bkt:a") for name in ("first", "slow")]
    paths += [(name, "input", "bkt:a") for name in ("early", "late", "after")]
    assert lineage_of(*jobs, paths=paths) == {"early": "first", "late": "first", "after": "slow"}


def test_nothing_is_read_that_is_made_later() -> None:
    jobs = [job("reader", START, wait=MINUTE, run=HOUR), job("writer", START + MINUTE, wait=MINUTE, run=MINUTE)]
    assert lineage_of(*jobs, paths=[("reader", "input", "bkt:a"), ("writer", "output", "bkt:a")]) == {}


def test_two_jobs_that_take_what_the_other_makes_are_in_no_cycle() -> None:
    jobs = [job("one", START, wait=MINUTE, run=HOUR), job("two", START + MINUTE, wait=MINUTE, run=HOUR)]
    paths = [
        ("one", "output", "bkt:a"),
        ("one", "input", "bkt:b"),
        ("two", "output", "bkt:b"),
        ("two", "input", "bkt:a"),
    ]
    assert lineage_of(*jobs, paths=paths) == {"two": "one"}


@pytest.mark.parametrize("times", [1_000, 20_000])
def test_a_path_that_is_written_and_read_again_and_again_gives_each_reader_one_producer(times: int) -> None:
    writers = [job(f"w{number:05}", START + number * HOUR, wait=MINUTE, run=MINUTE) for number in range(times)]
    readers = [job(f"r{number:05}", START + number * HOUR + 9 * MINUTE) for number in range(times)]
    latest = ("bkt:site/latest", "bucket_path", None, None)
    references = [
        *(reference(row, "output", "report", latest) for row in writers),
        *(reference(row, "input", "preset", latest) for row in readers),
    ]
    con = ledger({"jobs": [*writers, *readers], "job_references": references}, None, marts=[REFERENCE_LINEAGE])
    pairs = con.execute("SELECT consumer_job_id, producer_job_id FROM reference_lineage ORDER BY ALL").fetchall()
    assert pairs == [(reader["job_id"], writer["job_id"]) for reader, writer in zip(readers, writers, strict=True)]
    upstream = con.execute(f"SELECT upstream_jobs, count(*) FROM ({DELIVERABLE_UNITS.sql}) GROUP BY ALL ORDER BY ALL")
    assert upstream.fetchall() == [(0, times), (1, times)]


def test_a_bucket_path_links_jobs_of_one_itwin_alone() -> None:
    path = ("bkt:report.json", "bucket_path", None, None)
    maker = job("maker", START)
    users = [job("near", START), job("far", START, itwin_id="itwin-2")]
    references = [reference(maker, "output", "report", path), *(reference(u, "input", "preset", path) for u in users)]
    found = rows(ledger({"jobs": [maker, *users], "job_references": references}, None), REFERENCE_LINEAGE)
    assert [(row["producer_job_id"], row["consumer_job_id"]) for row in found] == [("maker", "near")]


# deliverable_units


def expected_deliverables(jobs: Sequence[Row], lineage: Iterable[Row]) -> list[Row]:
    before: dict[str, set[str]] = {}
    for row in lineage:
        before.setdefault(row["consumer_job_id"], set()).add(row["producer_job_id"])
    by_id = {row["job_id"]: row for row in jobs}
    return [deliverable_row(row, distances(row["job_id"], before), by_id) for row in jobs]


def distances(job_id: str, before: Mapping[str, set[str]]) -> dict[str, int]:
    """Steps to each job upstream by the shortest way."""
    found: dict[str, int] = {}
    front, step = before.get(job_id, set()), 1
    while front:
        found |= dict.fromkeys(front, step)
        front = {after for name in front for after in before.get(name, ())} - found.keys()
        step += 1
    return found


def deliverable_row(row: Row, reached: Mapping[str, int], by_id: Mapping[str, Row]) -> Row:
    upstream = [by_id[name] for name in reached]
    return {
        "job_id": row["job_id"],
        "itwin_id": row["itwin_id"],
        "type": row["type"],
        "created_at": row["created_at"],
        "estimated_units": total([row], "estimatedUnits"),
        "processing_units": total([row], "processingUnits"),
        "upstream_jobs": len(upstream),
        "upstream_with_units": priced(upstream),
        "units_coverage": priced(upstream) / len(upstream) if upstream else None,
        "upstream_estimated_units": total(upstream, "estimatedUnits"),
        "upstream_processing_units": total(upstream, "processingUnits"),
        "total_estimated_units": total([row, *upstream], "estimatedUnits"),
        "total_processing_units": total([row, *upstream], "processingUnits"),
        "depth": max(reached.values(), default=0),
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_deliverable_units_are_those_of_plain_python(seed: int) -> None:
    jobs, references = world(seed)
    con = ledger({"jobs": jobs, "job_references": references}, AS_OF, marts=[REFERENCE_LINEAGE])
    expected = expected_deliverables(jobs, expected_lineage(jobs, references))
    assert_same(rows(con, DELIVERABLE_UNITS), expected, DELIVERABLE_UNITS.table.key)


def small_world(rng: random.Random, name: str) -> tuple[list[Row], list[Row]]:
    """A few jobs that take each other's outputs at random: chains, diamonds, cycles of names, paths written again.

    Few times, so that many are equal; jobs that are open, ended at once, or before they were created.
    """
    size, references = rng.choice((1, 2, 3, 4, 5, 7)), []
    jobs = [_job_of_small_world(rng, f"{name}-{number}") for number in range(size)]
    kind, names = rng.choice(("reality_data", "bucket_path")), rng.choice((1, 2, size, size))
    values = [(f"{name}/{number}", kind, None, None) for number in range(names)]
    for number, owner in enumerate(jobs):
        for ordinal in range(rng.choice((1, 1, 1, 2))):
            made = rng.choice((values[number % names], rng.choice(values)))
            references.append(reference(owner, "output", rng.choice(("made", "also")), made, ordinal))
        for ordinal, used in enumerate(rng.choices(values, k=rng.choice((0, 1, 2, 3)))):
            references.append(reference(owner, "input", rng.choice(("used", "seen")), used, ordinal))
    if rng.random() < 0.3:
        jobs, references = _tried_again(rng, jobs, references)
    return jobs, references


def _tried_again(rng: random.Random, jobs: list[Row], references: list[Row]) -> tuple[list[Row], list[Row]]:
    """The world with a job more, that does again what one of its jobs did."""
    first = rng.choice(jobs)
    again = _job_of_small_world(rng, f"{first['job_id']}-again")
    same = [row | {"job_id": again["job_id"]} for row in references if row["job_id"] == first["job_id"]]
    return [*jobs, again], [*references, *same]


def _job_of_small_world(rng: random.Random, job_id: str) -> Row:
    units = rng.choice((None, 0.0, 1.25, 3.5))
    return job(
        job_id,
        START + rng.randrange(6) * MINUTE,
        outcome=rng.choice(("success", "failed", "open")),
        wait=timedelta(0),
        run=rng.choice((None, timedelta(0), MINUTE, 2 * MINUTE, 4 * MINUTE, -MINUTE)),
        itwin_id=rng.choice(("itwin-1", "itwin-1", "itwin-1", "itwin-2", None)),
        units=units,
        units_source=None if units is None else rng.choice(("estimatedUnits", "processingUnits")),
    )


@pytest.mark.proof
def test_lineage_and_what_it_cost_are_those_of_plain_python_in_10_000_random_worlds() -> None:
    rng = random.Random(20)
    worlds = [small_world(rng, f"{number:05}") for number in range(10_000)]
    jobs = [row for members, _ in worlds for row in members]
    references = [row for _, members in worlds for row in members]
    con = ledger({"jobs": jobs, "job_references": references}, AS_OF, marts=[REFERENCE_LINEAGE])
    lineage = expected_lineage(jobs, references)
    assert_same(rows(con, REFERENCE_LINEAGE), lineage, REFERENCE_LINEAGE.table.key)
    expected = expected_deliverables(jobs, lineage)
    assert_same(rows(con, DELIVERABLE_UNITS), expected, DELIVERABLE_UNITS.table.key)
    assert {row["depth"] for row in expected} >= {0, 1, 2, 3, 4}
    assert len(lineage) <= sum(row["direction"] == "input" for row in references)


@pytest.mark.parametrize("shape", ["a long chain", "a long cycle", "all work on one reference", "a dense order"])
def test_deliverable_units_end_on_shapes_that_nobody_should_make(shape: str) -> None:
    rng = random.Random(5)
    jobs = [_job_of_small_world(rng, f"{number:03}") | {"created_at": START} for number in range(80)]
    last = len(jobs) - 1
    edges = {
        "a long chain": [(number, number - 1) for number in range(1, last + 1)],
        "a long cycle": [(number, number - 1) for number in range(1, last + 1)] + [(0, last)],
        "all work on one reference": [(number, 0) for number in range(last + 1)],
        "a dense order": [(user, made) for user in range(last + 1) for made in range(user)],
    }[shape]
    values = [(f"data-{number}", "reality_data", None, None) for number in range(last + 1)]
    makers = [0] * (last + 1) if shape == "all work on one reference" else range(last + 1)
    references = [reference(row, "output", "made", values[made]) for row, made in zip(jobs, makers, strict=True)]
    references += [
        reference(jobs[user], "input", "used", values[made], ordinal) for ordinal, (user, made) in enumerate(edges)
    ]
    con = ledger({"jobs": jobs, "job_references": references}, AS_OF, marts=[REFERENCE_LINEAGE])
    expected = expected_deliverables(jobs, expected_lineage(jobs, references))
    assert_same(rows(con, DELIVERABLE_UNITS), expected, DELIVERABLE_UNITS.table.key)


# detector_league


def expected_league(jobs: Sequence[Row], references: Sequence[Row]) -> list[Row]:
    by_id = {row["job_id"]: row for row in jobs}
    used = [
        row
        for row in references
        if row["direction"] == "input" and row["kind"] == "detector" and row["role"] != "detector_name"
    ]
    groups = grouped(used, lambda row: (row["detector_name"] or row["reference"], row["detector_version"]))
    lineage = expected_lineage(jobs, references)
    result = []
    for (name, version), members in groups.items():
        users = {row["job_id"]: by_id[row["job_id"]] for row in members}
        taught = [
            by_id[row["job_id"]]
            for row in references
            if row["direction"] == "output"
            and row["role"] == "detector"
            and row["reference"] in {member["reference"] for member in members}
        ]
        evaluations = [
            row
            for row in lineage
            if row["producer_job_id"] in users
            and row["consumer_role"] == "prediction"
            and (row["consumer_type"] or "").startswith("Eval")
        ]
        teacher = max(taught, key=lambda row: (row["created_at"], row["job_id"]), default=None)
        result.append(
            {"detector_name": name, "detector_version": version}
            | dict.fromkeys(("name", "labels", "latest_version", "latest_when_last_used", "is_still_latest"))
            | {"jobs_on_latest": None}
            | uses_row(list(users.values()))
            | {
                "evaluated_jobs": len({row["producer_job_id"] for row in evaluations}),
                "evaluation_jobs": len({row["consumer_job_id"] for row in evaluations}),
                "trained_by_job_id": teacher and teacher["job_id"],
            }
        )
    return result


def uses_row(users: Sequence[Row]) -> Row:
    by_outcome = grouped(users, lambda row: row["outcome"])
    good, finished = by_outcome.get("success", []), [row for row in users if row["outcome"] != "open"]
    runs = [row["run_seconds"] for row in good if row["run_seconds"] is not None]

    def usual(source: str) -> float | None:
        known = [row["units"] for row in good if row["units"] is not None and row["units_source"] == source]
        return median(known) if known else None

    return {
        "jobs": len(users),
        "finished": len(finished),
        "succeeded": len(good),
        "failed": len(by_outcome.get("failed", [])),
        "cancelled": len(by_outcome.get("cancelled", [])),
        "failure_share": len(by_outcome.get("failed", [])) / len(finished) if finished else None,
        "succeeded_with_run_seconds": len(runs),
        "run_seconds_p50": median(runs) if runs else None,
        "succeeded_with_units": priced(good),
        "estimated_units_p50": usual("estimatedUnits"),
        "processing_units_p50": usual("processingUnits"),
        "first_used_at": min(row["created_at"] for row in users),
        "last_used_at": max(row["created_at"] for row in users),
        "months_in_use": len({(row["created_at"].year, row["created_at"].month) for row in users}),
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_the_detector_league_is_that_of_plain_python(seed: int) -> None:
    jobs, references = world(seed, 120)
    con = ledger({"jobs": jobs, "job_references": references}, AS_OF, marts=[REFERENCE_LINEAGE])
    assert_same(rows(con, DETECTOR_LEAGUE), expected_league(jobs, references), DETECTOR_LEAGUE.table.key)


def test_a_training_does_not_use_the_detector_that_it_makes() -> None:
    rails = ("rails/2.1", "detector", "rails", "2.1")
    training = job("training", START, type="TrainingS3D")
    user = job("user", START, type="Segmentation3D", wait=MINUTE, run=HOUR)
    references = [
        reference(training, "input", "detector_name", ("rails", "detector", "rails", None)),
        reference(training, "output", "detector", rails),
        reference(user, "input", "point_cloud_segmentation_detector", rails),
    ]
    con = ledger({"jobs": [training, user], "job_references": references}, None, marts=[REFERENCE_LINEAGE])
    (found,) = rows(con, DETECTOR_LEAGUE)
    assert (found["detector_name"], found["jobs"], found["trained_by_job_id"]) == ("rails", 1, "training")


@pytest.mark.parametrize("mart", LINEAGE_MARTS, ids=lambda mart: mart.name)
def test_an_empty_ledger_has_no_lineage(mart: Any) -> None:
    assert rows(ledger({}, None, marts=[REFERENCE_LINEAGE]), mart) == []
