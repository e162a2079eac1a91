"""duration_stats, hourly_load and open_jobs against plain Python, whole tables at a time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.warehouse.mart_ledger import ledger, rows
from tests.warehouse.mart_worlds import (
    AS_OF,
    HOUR,
    ZERO,
    Row,
    assert_same,
    edge_jobs,
    hour_of,
    job,
    microseconds,
    month_and_type_groups,
    world,
)
from warehouse.marts.durations import DURATION_MARTS

DURATION_STATS, HOURLY_LOAD, OPEN_JOBS = DURATION_MARTS
SEEDS = range(6)


# duration_stats


def percentile(values: Sequence[int], p: Fraction) -> float | None:
    """Interpolated between neighbours; microseconds in, seconds out."""
    if not values:
        return None
    ordered = sorted(values)
    at = (len(ordered) - 1) * p
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return float((ordered[low] + (ordered[high] - ordered[low]) * (at - low)) / 1_000_000)


def kaplan_meier(spans: Sequence[tuple[int, bool]], p: Fraction) -> float | None:
    """The textbook's product over distinct times of events, in exact fractions."""
    survival = Fraction(1)
    for time in sorted({length for length, is_censored in spans if not is_censored}):
        at_risk = sum(1 for length, _ in spans if length >= time)
        events = sum(1 for length, is_censored in spans if length == time and not is_censored)
        survival *= 1 - Fraction(events, at_risk)
        if survival <= 1 - p:
            return time / 1e6
    return None


def open_until(row: Row, as_of: datetime | None) -> datetime | None:
    return (row.get("vanished_at") or as_of) if row["outcome"] == "open" else None


def queue_span(row: Row, as_of: datetime | None) -> tuple[int, bool] | None:
    end = row["started_at"] or row["ended_at"]
    if end is not None:
        return microseconds(end - row["created_at"]), False
    until = open_until(row, as_of)
    return None if until is None else (max(0, microseconds(until - row["created_at"])), True)


def run_span(row: Row, as_of: datetime | None) -> tuple[int, bool] | None:
    if row["started_at"] is None:
        return None
    if row["ended_at"] is not None:
        return microseconds(row["ended_at"] - row["started_at"]), False
    until = open_until(row, as_of)
    return None if until is None else (max(0, microseconds(until - row["started_at"])), True)


def expected_stats(jobs: Sequence[Row], as_of: datetime | None) -> list[Row]:
    return [
        {"month": month, "type": type_} | stats_of(members, as_of)
        for (month, type_), members in month_and_type_groups(jobs).items()
    ]


def stats_of(jobs: Sequence[Row], as_of: datetime | None) -> Row:
    finished = [row for row in jobs if row["outcome"] != "open"]
    unfinished = [row for row in jobs if row["outcome"] == "open"]
    result: Row = {
        "jobs": len(jobs),
        "finished": len(finished),
        "open": sum(row.get("vanished_at") is None for row in unfinished),
        "vanished_open": sum(row.get("vanished_at") is not None for row in unfinished),
    }
    spans = {"queue": queue_span, "run": run_span}
    for kind, span in spans.items():
        known = [found[0] for row in finished if (found := span(row, as_of)) is not None]
        result[f"with_{kind}"] = len(known)
        for p in (50, 90, 95, 99):
            result[f"{kind}_seconds_p{p}"] = percentile(known, Fraction(p, 100))
    for kind, span in spans.items():
        all_spans = [found for row in jobs if (found := span(row, as_of)) is not None]
        result[f"{kind}_censored"] = sum(is_censored for _, is_censored in all_spans)
        for p in (50, 90, 95):
            result[f"{kind}_seconds_km_p{p}"] = kaplan_meier(all_spans, Fraction(p, 100))
    factors = [row["total_seconds"] / row["run_seconds"] for row in finished if (row["run_seconds"] or 0) > 0]
    result["expansion_jobs"] = len(factors)
    result["mean_expansion_factor"] = rounded(sum(factors) / len(factors)) if factors else None
    return result


def rounded(positive: float) -> float:
    """To six digits as SQL rounds: half a digit up, not to the even one."""
    return math.floor(positive * 1e6 + 0.5) / 1e6


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("as_of", [AS_OF, None], ids=["walked", "no complete walk"])
def test_duration_stats_are_those_of_plain_python(seed: int, as_of: datetime | None) -> None:
    jobs = world(seed)
    found = rows(ledger({"jobs": jobs}, as_of), DURATION_STATS)
    assert_same(found, expected_stats(jobs, as_of), ("month", "type"))


SPANS = st.one_of(
    st.none(), st.sampled_from([ZERO, timedelta(seconds=1), HOUR, timedelta(days=400)]), st.timedeltas(ZERO, HOUR)
)


@st.composite
def small_ledgers(draw: st.DrawFn) -> list[Row]:
    """A few jobs of one or two types: many ties, and curves that end in censored jobs."""
    made: list[Row] = []
    for number in range(draw(st.integers(0, 9))):
        outcome = draw(st.sampled_from(["success", "failed", "cancelled", "open"]))
        created = draw(st.sampled_from([datetime(2024, 2, 29, 23, 30, tzinfo=UTC), AS_OF - 2 * HOUR, hour_of(AS_OF)]))
        run = None if outcome == "open" else draw(SPANS)
        row = job(str(number), created, outcome=outcome, wait=draw(SPANS), run=run, type=draw(st.sampled_from("AB")))
        made.append(row)
    return made


@pytest.mark.proof
@settings(max_examples=20, deadline=None)
@given(small_ledgers())
def test_duration_stats_and_hourly_load_hold_on_any_small_ledger(jobs: list[Row]) -> None:
    con = ledger({"jobs": jobs}, AS_OF)
    assert_same(rows(con, DURATION_STATS), expected_stats(jobs, AS_OF), ("month", "type"))
    assert_same(rows(con, HOURLY_LOAD), expected_load(jobs, AS_OF), ("hour", "type"))


def test_a_curve_that_meets_the_quantile_exactly_gives_that_time() -> None:
    jobs = [job(str(n), AS_OF - 9 * HOUR, wait=ZERO, run=timedelta(seconds=n)) for n in range(1, 11)]
    total = next(
        row for row in rows(ledger({"jobs": jobs}, AS_OF), DURATION_STATS) if row["month"] == row["type"] == "all"
    )
    assert [total[f"run_seconds_km_p{p}"] for p in (50, 90, 95)] == [5.0, 9.0, 10.0]


def test_without_censored_jobs_the_curve_meets_each_quantile_at_the_length_at_which_enough_have_ended() -> None:
    """As many jobs of a type as 1 to 200, of 1 to as many seconds."""
    sizes = range(1, 201)
    jobs = [
        job(f"{size}-{seconds}", AS_OF - 9 * HOUR, wait=ZERO, run=timedelta(seconds=seconds), type=f"T{size}")
        for size in sizes
        for seconds in range(1, size + 1)
    ]
    found = {row["type"]: row for row in rows(ledger({"jobs": jobs}, AS_OF), DURATION_STATS) if row["month"] == "all"}
    for size in sizes:
        quantiles = [found[f"T{size}"][f"run_seconds_km_p{p}"] for p in (50, 90, 95)]
        assert quantiles == [float(math.ceil(Fraction(p, 100) * size)) for p in (50, 90, 95)]


def test_a_lifted_curve_that_meets_the_quantile_but_for_rounding_gives_that_time() -> None:
    """Three of nine are censored at once: the third of the six that end is the median, though the product rounds."""
    done = [job(f"done-{n}", AS_OF - 9 * HOUR, wait=ZERO, run=timedelta(seconds=n)) for n in range(1, 7)]
    just_started = [job(f"runs-{n}", AS_OF - HOUR, wait=HOUR, outcome="open") for n in range(3)]
    found = rows(ledger({"jobs": done + just_started}, AS_OF), DURATION_STATS)
    assert next(row["run_seconds_km_p50"] for row in found if row["month"] == row["type"] == "all") == 3.0


def test_a_curve_whose_longest_jobs_still_run_does_not_get_to_the_high_quantiles() -> None:
    done = [job(f"done-{n}", AS_OF - 9 * HOUR, wait=ZERO, run=timedelta(seconds=n)) for n in range(1, 9)]
    runs = [job(f"runs-{n}", AS_OF - 9 * HOUR, wait=ZERO, outcome="open") for n in range(2)]
    total = next(
        row
        for row in rows(ledger({"jobs": done + runs}, AS_OF), DURATION_STATS)
        if row["month"] == row["type"] == "all"
    )
    assert [total[f"run_seconds_km_p{p}"] for p in (50, 90, 95)] == [5.0, None, None]
    assert (total["run_censored"], total["run_seconds_p99"]) == (2, pytest.approx(7.93))


def test_a_month_without_jobs_has_no_row_and_a_ledger_without_jobs_no_rows() -> None:
    months = {row["month"] for row in rows(ledger({"jobs": edge_jobs()}, AS_OF), DURATION_STATS)}
    assert months == {"2024-01", "2024-02", "2025-03", "2025-04", "all"}
    empty = ledger({}, AS_OF)
    assert [rows(empty, mart) for mart in DURATION_MARTS] == [[], [], []]


# hourly_load


def expected_load(jobs: Sequence[Row], as_of: datetime | None) -> list[Row]:
    """Walks every job through every hour that it touches."""
    counts: dict[str, Counter[Any]] = {name: Counter() for name in HOURLY_LOAD.table.column_names[2:]}
    for row in jobs:
        for name in ("created", "started", "ended"):
            if row[f"{name}_at"] is not None:
                counts[name][hour_of(row[f"{name}_at"]), row["type"]] += 1
        until = row["ended_at"] or open_until(row, as_of)
        for name, begin, end in (
            ("queued", row["created_at"], row["started_at"] or until),
            ("running", row["started_at"], until),
        ):
            if begin is None or end is None:
                continue
            hour = hour_of(begin)
            while max(hour, begin) < end:
                part = min(end, hour + HOUR) - max(begin, hour)
                counts[f"{name}_seconds"][hour, row["type"]] += microseconds(part)
                counts[f"{name}_at_start"][hour, row["type"]] += begin <= hour
                hour += HOUR
    cells = {cell for counter in counts.values() for cell, count in counter.items() if count}
    return [
        {"hour": cell[0], "type": cell[1]}
        | {name: counter[cell] / 1e6 if name.endswith("seconds") else counter[cell] for name, counter in counts.items()}
        for cell in cells
    ]


@pytest.mark.parametrize("seed", SEEDS[:3])
@pytest.mark.parametrize("as_of", [AS_OF, None], ids=["walked", "no complete walk"])
def test_hourly_load_is_that_of_plain_python(seed: int, as_of: datetime | None) -> None:
    jobs = world(seed)
    assert_same(rows(ledger({"jobs": jobs}, as_of), HOURLY_LOAD), expected_load(jobs, as_of), ("hour", "type"))


def test_the_hours_of_finished_jobs_sum_to_their_durations_to_the_microsecond() -> None:
    jobs = [row for row in world(9) if row["outcome"] != "open" and (row["run_seconds"] or 0) >= 0 and row["ended_at"]]
    found = rows(ledger({"jobs": jobs}, AS_OF), HOURLY_LOAD)
    for hours, seconds in (("queued_seconds", "queue_seconds"), ("running_seconds", "run_seconds")):
        in_hours = sum(round(row[hours] * 1e6) for row in found)
        assert in_hours == sum(round((row[seconds] or 0) * 1e6) for row in jobs)


def test_a_job_of_400_days_fills_9601_hours_and_ends_where_it_ends() -> None:
    begin = datetime(2024, 1, 31, 12, 30, tzinfo=UTC)
    found = rows(ledger({"jobs": [job("long", begin, wait=ZERO, run=timedelta(days=400))]}, AS_OF), HOURLY_LOAD)
    assert len(found) == 9_601
    assert {row["running_seconds"] for row in found[1:-1]} == {3600.0}
    assert (found[0]["running_seconds"], found[0]["running_at_start"]) == (1800.0, 0)
    assert (found[-1]["running_seconds"], found[-1]["running_at_start"], found[-1]["ended"]) == (1800.0, 1, 1)


def test_a_job_that_ends_at_midnight_has_nothing_in_the_next_day_but_its_end() -> None:
    midnight = datetime(2024, 3, 1, tzinfo=UTC)
    found = rows(ledger({"jobs": [job("a", midnight - HOUR, wait=ZERO, run=HOUR)]}, AS_OF), HOURLY_LOAD)
    assert [(row["hour"], row["running_seconds"], row["running_at_start"], row["ended"]) for row in found] == [
        (midnight - HOUR, 3600.0, 1, 0),
        (midnight, 0.0, 0, 1),
    ]


# open_jobs


def walks_of(seed: int) -> list[Row]:
    """Walks of two iTwins and of two identities' own jobs; not all complete, none of iTwin 2 behind February."""
    made: list[Row] = []
    for number in range(24):
        month = 1 + (number + seed) % 4
        itwin = (None, "itwin-1", "itwin-2")[number % 3]
        made.append(
            {
                "walk_id": f"walk-{number}",
                "itwin_id": itwin,
                "identity": None if itwin else ("identity-1", "identity-2", None)[number % 5 % 3],
                "created_from": datetime(2025, month, 1, tzinfo=UTC),
                "created_to": datetime(2025, month + 1, 1, tzinfo=UTC),
                "finished_at": AS_OF - number * HOUR,
                "complete": number % 4 != 1 and not (itwin == "itwin-2" and month > 2),
            }
        )
    return made


def states_of(jobs: Sequence[Row]) -> list[Row]:
    made: list[Row] = []
    for number, row in enumerate(jobs):
        made.append({"job_id": row["job_id"], "state": "Queued", "first_seen_at": row["created_at"]})
        if row["state"] != "Queued" and number % 7:
            seen = row["created_at"] + timedelta(minutes=20)
            made.append({"job_id": row["job_id"], "state": row["state"], "first_seen_at": seen})
    return made


def expected_open(tables: dict[str, list[Row]], as_of: datetime | None) -> list[Row]:
    return [
        open_row(row, tables, as_of)
        for row in tables["jobs"]
        if row["outcome"] == "open" and row.get("vanished_at") is None
    ]


def open_row(row: Row, tables: dict[str, list[Row]], as_of: datetime | None) -> Row:
    phase = "run" if row["started_at"] or row["state"] == "Active" else "queue"
    span = run_span if phase == "run" else queue_span
    peers = [peer for peer in tables["jobs"] if peer["outcome"] != "open" and peer["type"] == row["type"]]
    usual = [found[0] for peer in peers if (found := span(peer, None)) is not None]
    since = best_known_begin(row, tables["job_states"])
    age = None if as_of is None else max(ZERO, as_of - since).total_seconds()
    p95 = percentile(usual, Fraction(95, 100))
    return {
        **{name: row[name] for name in ("job_id", "itwin_id", "type", "state")},
        "phase": phase,
        **{name: row[name] for name in ("created_at", "started_at")},
        "in_state_since": since,
        "age_seconds": age,
        "usual_jobs": len(usual),
        "usual_seconds_p50": percentile(usual, Fraction(1, 2)),
        "usual_seconds_p95": p95,
        "times_p95": age / p95 if age is not None and p95 else None,
        "is_stuck": age > 3 * p95 if age is not None and p95 is not None and len(usual) >= 20 else None,
        "last_seen_at": max([row["changed_at"], *covering_walks(row, tables)]),
    }


def best_known_begin(row: Row, states: Sequence[Row]) -> datetime:
    if row["state"] == "Queued":
        return row["created_at"]
    if row["state"] == "Active" and row["started_at"]:
        return row["started_at"]
    seen = [state["first_seen_at"] for state in states if state["job_id"] == row["job_id"]]
    return max(seen, default=row["changed_at"])


def covering_walks(row: Row, tables: dict[str, list[Row]]) -> list[datetime]:
    own_walks = {walk["walk_id"]: walk["identity"] for walk in tables["walks"] if walk["itwin_id"] is None}
    listed_by = {
        own_walks.get(seen["walk_id"])
        for seen in tables["observations"]
        if seen["job_id"] == row["job_id"] and seen["source"] == "list"
    }
    return [
        walk["finished_at"]
        for walk in tables["walks"]
        if walk["complete"]
        and walk["created_from"] <= row["created_at"] < walk["created_to"]
        and (walk["itwin_id"] == row["itwin_id"] or walk["identity"] in listed_by - {None})
    ]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("as_of", [AS_OF, None], ids=["walked", "no complete walk"])
def test_open_jobs_are_those_of_plain_python(seed: int, as_of: datetime | None) -> None:
    jobs = world(seed)
    for number, row in enumerate(jobs):
        if row["outcome"] == "open" and number % 5 == 0:
            row["state"] = ("Active", "TerminatingOnCancel", "Paused")[number % 3]
    walks = walks_of(seed) if as_of else [walk | {"complete": False} for walk in walks_of(seed)]
    seen = [
        {
            "job_id": row["job_id"],
            "walk_id": f"walk-{number % 24}",
            "observed_at": AS_OF,
            "http_status": 200,
            "source": "get" if number % 11 == 0 else "list",
        }
        for number, row in enumerate(jobs)
    ]
    tables = {"jobs": jobs, "job_states": states_of(jobs), "walks": walks, "observations": seen}
    assert_same(rows(ledger(tables, as_of), OPEN_JOBS), expected_open(tables, as_of), ("job_id",))


def test_a_job_is_stuck_beyond_three_times_what_is_usual_if_twenty_jobs_tell() -> None:
    done = [job(f"done-{n:02}", AS_OF - 90 * HOUR, wait=ZERO, run=HOUR) for n in range(20)]
    open_ones = [
        job("a-usual", AS_OF - 3 * HOUR, wait=ZERO, outcome="open"),
        job("b-stuck", AS_OF - 3 * HOUR - timedelta(microseconds=1), wait=ZERO, outcome="open"),
    ]
    judged = [row["is_stuck"] for row in rows(ledger({"jobs": done + open_ones}, AS_OF), OPEN_JOBS)]
    too_few = [row["is_stuck"] for row in rows(ledger({"jobs": done[1:] + open_ones}, AS_OF), OPEN_JOBS)]
    assert (judged, too_few) == ([False, True], [None, None])
