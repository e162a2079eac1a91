"""estimates and estimates_backtest against plain Python, compared whole, and what their figures promise."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from pipelines.sandbox import World
from pipelines.sandbox.instants import from_micros, to_micros
from tests.warehouse.mart_ledger import ledger, rows
from tests.warehouse.mart_worlds import AS_OF, Row, assert_same, grouped, job, microseconds
from warehouse.marts.estimation import ESTIMATION_MARTS

ESTIMATES, ESTIMATES_BACKTEST = ESTIMATION_MARTS
SANDBOX_NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
START = datetime(2025, 1, 30, tzinfo=UTC)
MEASURES = ("run_seconds", "estimated_units", "processing_units")
SOURCES = {"estimated_units": "estimatedUnits", "processing_units": "processingUnits"}
ENOUGH, NEWEST, TESTED = 20, 200, 1000


def world(seed: int, count: int) -> list[Row]:
    """Jobs of two types in iTwins of very different size; open and vanished ones, ties, and units of both kinds."""
    rng = random.Random(seed)
    return [_job(rng, f"job-{number:04}") for number in range(count)]


def _job(rng: random.Random, job_id: str) -> Row:
    outcome = rng.choices(("success", "failed", "cancelled", "open"), (70, 10, 5, 15))[0]
    units = rng.choice((None, 0.0, 1.0, round(rng.lognormvariate(0, 1), 3)))
    waits = outcome in ("open", "cancelled") and rng.random() < 0.4
    row = job(
        job_id,
        START + timedelta(hours=rng.randrange(24 * 60)),
        outcome=outcome,
        wait=None if waits else timedelta(minutes=rng.choice((0, 1, 30))),
        run=None if outcome == "open" or rng.random() < 0.03 else timedelta(minutes=1 + int(rng.lognormvariate(4, 1))),
        type=rng.choice(("Objects2D", "Objects2D", "Objects2D", "EvalO2D", None)),
        itwin_id=rng.choice(("busy", "busy", "busy", "busy", "quiet", "rare")) if rng.random() < 0.98 else None,
        units=units,
        units_source=None if units is None else rng.choice(tuple(SOURCES.values())),
    )
    if outcome == "open" and rng.random() < 0.2:
        row["vanished_at"] = row["created_at"] + timedelta(hours=5)
    return row


def groups(jobs: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """The newest jobs of each type and iTwin, and of each type ('all')."""
    named = [row for row in jobs if row["type"] and row["itwin_id"]]
    found = grouped(named, lambda row: (row["type"], row["itwin_id"]))
    found |= grouped(named, lambda row: (row["type"], "all"))
    return {name: newest(members) for name, members in found.items()}


def newest(jobs: Sequence[Row]) -> list[Row]:
    return sorted(jobs, key=lambda row: (-row["created_at"].timestamp(), row["job_id"]))[:NEWEST]


def kaplan_meier(jobs: Sequence[Row], share: float) -> float | None:
    """The smallest length at which so many have ended, of runs that ended or go on."""
    ended = [microseconds(row["ended_at"] - row["started_at"]) for row in jobs if row["run_seconds"] is not None]
    so_far = [length for row in jobs if (length := censored_at(row)) is not None]
    left = 1.0
    for length in sorted(set(ended)):
        left *= 1 - ended.count(length) / sum(other >= length for other in ended + so_far)
        if left <= 1 - share + 1e-9:
            return length / 1e6
    return None


def censored_at(row: Row) -> int | None:
    if row["outcome"] != "open" or row["started_at"] is None or row["ended_at"] is not None:
        return None
    return max(0, microseconds((row.get("vanished_at") or AS_OF) - row["started_at"]))


def smallest(values: Sequence[float], share: float) -> float | None:
    """The smallest value that so many do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values) - 1e-9) - 1)] if values else None


def units_of(jobs: Sequence[Row], measure: str) -> list[float]:
    return [row["units"] for row in jobs if row["outcome"] != "open" and row["units_source"] == SOURCES[measure]]


def expected_estimates(jobs: Sequence[Row]) -> list[Row]:
    found = groups(jobs)
    result = []
    for (job_type, itwin), own in found.items():
        own_finished = sum(row["outcome"] != "open" for row in own)
        enough = itwin != "all" and own_finished >= ENOUGH
        held = own if enough else found[job_type, "all"]
        finished = [row for row in held if row["outcome"] != "open"]
        expected = {
            "type": job_type,
            "itwin_id": itwin,
            "own_finished": own_finished,
            "conditions": "type, iTwin" if enough else "type",
            "jobs": len(held),
            "finished": len(finished),
            "enough": len(finished) >= ENOUGH,
            "failed_share": sum(row["outcome"] == "failed" for row in finished) / len(finished) if finished else None,
            "with_run_seconds": sum(row["run_seconds"] is not None for row in held),
            "run_censored": sum(censored_at(row) is not None for row in held),
            **{f"run_seconds_p{p}": kaplan_meier(held, p / 100) for p in (10, 50, 90)},
        }
        for measure in SOURCES:
            values = units_of(held, measure)
            expected |= {f"with_{measure}": len(values)}
            expected |= {f"{measure}_p{p}": smallest(values, p / 100) for p in (10, 50, 90)}
        for measure, per in product(MEASURES, ("gb", "km2")):
            name = f"{measure}_per_{per}"
            expected |= {f"with_{name}": 0} | dict.fromkeys(
                f"{name}_{told}" for told in ("p10", "p50", "p90", "explained")
            )
        expected |= {"first_created_at": min(row["created_at"] for row in held)}
        expected |= {"last_created_at": max(row["created_at"] for row in held)}
        result.append(expected)
    return result


def measured(row: Row, measure: str) -> float | None:
    if measure == "run_seconds":
        return row["run_seconds"]
    return row["units"] if row.get("units_source") == SOURCES[measure] else None


def told(jobs: Sequence[Row], of: Row, measure: str) -> tuple[bool, float | None, float | None, int]:
    """What is told of a job from those that had ended before it was created: of its iTwin?, p10, p90, from how many."""
    known = sorted(
        (row for row in jobs if row["type"] == of["type"] and row["ended_at"] < of["created_at"]),
        key=lambda row: (row["ended_at"], row["job_id"]),
    )
    own = [row for row in known if row["itwin_id"] == of["itwin_id"]]
    values = [measured(row, measure) or 0.0 for row in (own if len(own) >= ENOUGH else known)[-NEWEST:]]
    return len(own) >= ENOUGH, smallest(values, 0.1), smallest(values, 0.9), len(values)


def expected_backtest(jobs: Sequence[Row]) -> list[Row]:
    result = []
    for measure in MEASURES:
        ended = [
            row
            for row in jobs
            if row["type"] and row["itwin_id"] and row["outcome"] != "open" and row["ended_at"]
            if measured(row, measure) is not None
        ]
        tests = []
        for members in grouped(ended, lambda row: row["type"]).values():
            latest = sorted(members, key=lambda row: (-row["created_at"].timestamp(), row["job_id"]))[:TESTED]
            tests += [(row["type"], measured(row, measure), *told(ended, row, measure)) for row in latest]
        names = {None, *(row["type"] for row in ended)} if ended else ()
        result += [
            _totals(name or "all", measure, [test for test in tests if name in (None, test[0])]) for name in names
        ]
    return result


def _totals(name: str, measure: str, tests: Sequence[Any]) -> Row:
    estimated = [test for test in tests if test[5] >= ENOUGH]
    below = sum(actual < low for _, actual, _, low, _, _ in estimated)
    above = sum(actual > high for _, actual, _, _, high, _ in estimated)
    held = len(estimated) - below - above
    interval = binomtest(held, len(estimated)).proportion_ci(0.95, "wilson") if estimated else None
    return {
        "type": name,
        "measure": measure,
        "estimated": len(estimated),
        "of_itwin": sum(test[2] for test in estimated),
        "too_few_known": len(tests) - len(estimated),
        "below_p10": below,
        "above_p90": above,
        "held": held,
        "held_share": held / len(estimated) if estimated else None,
        "held_share_low": round(float(interval.low), 6) if interval else None,
        "held_share_high": round(float(interval.high), 6) if interval else None,
    }


@pytest.mark.parametrize(("seed", "count"), [(1, 12), (2, 90), (3, 700)])
def test_estimates_are_those_of_plain_python(seed: int, count: int) -> None:
    jobs = world(seed, count)
    expected = expected_estimates(jobs)
    assert_same(rows(ledger({"jobs": jobs}, AS_OF), ESTIMATES), expected, ESTIMATES.table.key)
    assert {row["conditions"] for row in expected} == ({"type", "type, iTwin"} if count > 12 else {"type"})


@pytest.mark.parametrize(("seed", "count"), [(1, 12), (2, 90), (3, 700)])
def test_the_backtest_is_that_of_plain_python(seed: int, count: int) -> None:
    jobs = world(seed, count)
    expected = expected_backtest(jobs)
    assert_same(rows(ledger({"jobs": jobs}, AS_OF), ESTIMATES_BACKTEST), expected, ESTIMATES_BACKTEST.table.key)
    assert any(row["of_itwin"] for row in expected) == (count > 12)


def test_the_backtest_takes_the_newest_thousand_jobs_and_two_hundred_before_each() -> None:
    jobs = [
        job(
            f"{number:04}",
            START + timedelta(hours=number),
            wait=timedelta(0),
            run=timedelta(seconds=60 + number // 201),
        )
        for number in range(1500)
    ]
    found = rows(ledger({"jobs": jobs}, AS_OF), ESTIMATES_BACKTEST)
    assert [row["estimated"] for row in found] == [TESTED, TESTED]
    assert_same(found, expected_backtest(jobs), ESTIMATES_BACKTEST.table.key)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.integers(2, 50))
def test_what_a_job_took_changes_no_test_of_a_job_created_before_it_ended(seed: int, share: int) -> None:
    jobs = sorted(world(seed, 120), key=lambda row: row["created_at"])
    now = jobs[-len(jobs) // share]["created_at"]
    changed = [{**row, "units": 1e6} if row["ended_at"] and row["ended_at"] >= now else row for row in jobs]
    assert _tests_before(jobs, now) == _tests_before(changed, now)


def _tests_before(jobs: Sequence[Row], now: datetime) -> list[Any]:
    """What is known of each tested job that was created, and had ended, by then."""
    con = ledger({"jobs": jobs}, AS_OF, [ESTIMATES_BACKTEST])
    return con.execute(
        "SELECT job_id, measure, known, less, not_more FROM estimates_backtest_tested SEMI JOIN "
        "(SELECT job_id FROM jobs WHERE ended_at < ?) USING (job_id) ORDER BY ALL",
        [now],
    ).fetchall()


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_quantiles_are_in_order_and_rest_on_no_fewer_jobs_than_they_say(seed: int) -> None:
    for row in rows(ledger({"jobs": world(seed, 150)}, AS_OF), ESTIMATES):
        for measure in MEASURES:
            told = [row[f"{measure}_p{p}"] for p in (10, 50, 90) if row[f"{measure}_p{p}"] is not None]
            assert told == sorted(told)
            assert len(told) == 3 or measure == "run_seconds" or row[f"with_{measure}"] == 0
        assert row["own_finished"] <= row["jobs"] or row["conditions"] == "type"
        assert row["finished"] >= ENOUGH or (not row["enough"] and row["conditions"] == "type")


def test_jobs_that_run_are_counted_as_censored_so_that_the_longest_do_not_shorten_the_estimate() -> None:
    ended = [
        job(f"e{n:02}", AS_OF - timedelta(days=1), wait=timedelta(0), run=timedelta(seconds=n)) for n in range(1, 21)
    ]
    runs = [job(f"r{n:02}", AS_OF - timedelta(hours=1), outcome="open", wait=timedelta(0)) for n in range(20)]
    (row, _) = rows(ledger({"jobs": [*ended, *runs]}, AS_OF), ESTIMATES)
    assert (row["run_censored"], row["run_seconds_p10"], row["run_seconds_p50"], row["run_seconds_p90"]) == (
        20,
        4,
        20,
        None,
    )


def sized_world(rows_of: Sequence[tuple[str, float | None, float | None, float]]) -> dict[str, list[Row]]:
    """A job for each (role, bytes, km2, units), with one input; it runs as many seconds as it takes units."""
    tables: dict[str, list[Row]] = {"jobs": [], "job_references": [], "reality_data": []}
    for number, (role, size, area, units) in enumerate(rows_of):
        row = job(f"{number:03}", START, wait=timedelta(0), run=timedelta(seconds=units))
        tables["jobs"].append(row | {"units": units, "units_source": "processingUnits"})
        reference = {"job_id": row["job_id"], "direction": "input", "role": role, "kind": "reality_data"}
        tables["job_references"].append(reference | {"api_field": role, "ordinal": 1, "reference": f"data-{number}"})
        data = {"reality_data_id": f"data-{number}", "size_bytes": size, "area_km2": area}
        tables["reality_data"].append(data)
    return tables


def test_what_follows_the_size_is_explained_by_it_and_what_does_not_is_not() -> None:
    """Units are twice the GB; the area goes the other way, so that dividing by it makes jobs differ more."""
    tables = sized_world([("orthophoto", gb * 10**9, 1 / gb, 2.0 * gb) for gb in (1, 2, 4, 8)])
    tables["jobs"].append(job("no-input", START, wait=timedelta(0), run=timedelta(seconds=5)))
    found = next(row for row in rows(ledger(tables, AS_OF), ESTIMATES) if row["itwin_id"] == "all")
    by_gb = {name: found[f"processing_units_per_gb_{name}"] for name in ("p10", "p50", "p90", "explained")}
    assert by_gb == {"p10": 2, "p50": 2, "p90": 2, "explained": 1}
    assert (found["with_processing_units_per_gb"], found["with_run_seconds_per_gb"], found["run_censored"]) == (4, 4, 0)
    assert found["processing_units_per_km2_explained"] == -3
    assert [found[f"processing_units_per_km2_p{p}"] for p in (10, 50, 90)] == [2, 8, 128]
    assert found["with_estimated_units_per_gb"] == 0


def test_a_scene_of_photos_has_no_size_and_inputs_count_once_and_together() -> None:
    tables = sized_world([("photos", 10**9, 3.0, 6.0), ("model_a", 10**9, 2.0, 6.0), ("model_a", None, None, 6.0)])
    again = tables["job_references"][1]
    tables["job_references"] += [again | {"role": "model_b", "reference": "data-3"}, again | {"ordinal": 2}]
    tables["reality_data"].append({"reality_data_id": "data-3", "size_bytes": 2 * 10**9, "area_km2": 1.5})
    found = next(row for row in rows(ledger(tables, AS_OF), ESTIMATES) if row["itwin_id"] == "all")
    assert [found["with_processing_units_per_gb"], found["processing_units_per_gb_p50"]] == [1, 2]
    assert [found[f"processing_units_per_km2_p{p}"] for p in (10, 90)] == [2, 3]
    assert found["processing_units_per_km2_explained"] is None


def jobs_of(world: World) -> Iterator[Row]:
    """The jobs of a sandbox that have ended, without specifications, which take long and tell nothing here."""
    now = to_micros(SANDBOX_NOW)
    for made in (
        made for month in world.months_at(SANDBOX_NOW) for made in world.month(month).jobs if made.ended <= now
    ):
        units = next((value for known, value in reversed(made.units) if known <= now), None)
        started = None if made.started is None else from_micros(made.started)
        created, ended = from_micros(made.created), from_micros(made.ended)
        row = job(made.id, created, outcome=made.outcome, started_at=started, ended_at=ended, type=made.type)
        yield row | {
            "itwin_id": made.itwin_id,
            "units": units,
            "units_source": None if units is None else "estimatedUnits",
        }


def test_on_the_sandbox_p10_to_p90_hold_three_of_four_jobs_and_more_of_each_type() -> None:
    jobs = list(jobs_of(World(seed=1, jobs_per_month=600)))
    found = rows(ledger({"jobs": jobs}, SANDBOX_NOW), ESTIMATES_BACKTEST)
    shares = {(row["type"], row["measure"]): row["held_share"] for row in found if row["estimated"]}
    print({name: round(share, 3) for name, share in shares.items()})
    assert len(shares) == 2 * 13
    assert shares["all", "run_seconds"] == pytest.approx(0.78, abs=0.02)
    assert min(shares.values()) >= 0.75


def test_estimates_that_are_said_to_hold_are_those_of_the_later_time() -> None:
    """An open job that is young may move a quantile; one that has run for longer than all of them may not."""
    said = [_holds([*world(seed, 60), *_open_since(started)], AS_OF) for seed in (1, 2) for started in OPEN_SINCE]
    assert set(said) == {True, False}


OPEN_SINCE = (AS_OF - timedelta(days=900), AS_OF - timedelta(minutes=1), AS_OF + timedelta(hours=2))


def _open_since(started: datetime) -> list[Row]:
    return [job("open", started, outcome="open", wait=timedelta(0), itwin_id="busy")]


def _holds(jobs: Sequence[Row], earlier: datetime) -> bool:
    """Whether the rows of an earlier time are said to hold two days later; where they are, they do."""
    settled = [row for row in jobs if row["job_id"] == "open" or row["outcome"] != "open"]
    later = ledger({"jobs": settled}, earlier + timedelta(days=2))
    before = ledger({"jobs": settled}, earlier, [ESTIMATES])
    later.register("rows_before", before.sql("SELECT * FROM estimates").to_arrow_table())
    later.execute("CREATE TEMP TABLE earlier AS SELECT * FROM rows_before")
    later.execute("CREATE TEMP TABLE earlier_clock AS SELECT ?::TIMESTAMPTZ AS as_of", [earlier])
    assert ESTIMATES.holds_sql
    (holds,) = later.execute(ESTIMATES.holds_sql).fetchall()[0]
    if holds:
        found = rows(later, ESTIMATES)
        assert found == rows(before, ESTIMATES)
    return holds


def test_an_empty_ledger_estimates_nothing() -> None:
    assert [rows(ledger({}, None), mart) for mart in ESTIMATION_MARTS] == [[], []]
