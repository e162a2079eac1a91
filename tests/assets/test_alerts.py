"""What is wrong: each kind of occurrence on a ledger made by hand, and what makes it end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.alert_state import TITLES, Occurrence
from assets.alerts import STALE_AFTER, occurrences
from assets.failing_runs import FailedRun
from assets.plan import Plan
from assets.unit_budget import read_unit_budget
from tests.warehouse.alert_ledger import put
from warehouse.contract import contract
from warehouse.declaration import Table
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.name_tables import ITWINS, NAME_DRIFT, NAME_WALKS
from warehouse.tables import CONTRACT_DRIFT, JOBS, WALKS
from warehouse.verdicts import Found, keep

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
NORTH, SOUTH = "11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"
MONTH = "2026-03"
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
MARTS: Mapping[str, Table] = {table.name: table for table in all_tables(contract())}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A ledger whose iTwins are walked whole, ten minutes ago; one of them has a name."""
    lake = Lake(tmp_path)
    put(lake, ITWINS, [{"itwin_id": NORTH, "name": "Bridge North"}])
    put(lake, WALKS, [walk("a", NORTH), walk("b", SOUTH)], MONTH)
    return lake


def walk(walk_id: str, itwin: str | None, minutes_ago: float = 10, **more: Any) -> dict[str, Any]:
    ended = NOW - timedelta(minutes=minutes_ago)
    times = {"created_from": FIRST, "started_at": ended, "finished_at": ended}
    return {"walk_id": walk_id, "run_id": f"run-{walk_id}", "itwin_id": itwin, "complete": True, **times, **more}


def found(
    lake: Lake,
    failing: Sequence[FailedRun] = (),
    budget: str = "",
    itwins: Sequence[str] = (NORTH, SOUTH),
    every: bool = False,
) -> list[Occurrence]:
    return occurrences(lake, failing, read_unit_budget(budget), Plan(tuple(itwins), every), NOW)


def test_a_ledger_that_is_well_has_nothing_to_tell(lake: Lake) -> None:
    assert found(lake, budget="1") == []


def test_a_folder_without_a_ledger_has_nothing_to_tell(tmp_path: Path) -> None:
    assert found(Lake(tmp_path / "none"), budget="1") == []


def test_a_failed_run_is_told_with_its_months_its_reason_and_its_id(lake: Lake) -> None:
    run = FailedRun("sync", ("2026-02", "2026-03"), "run-1", NOW, "2026-03: No space\nis left", ("2026-03",))
    assert found(lake, [run]) == [
        Occurrence(
            "failed_run",
            "sync 2026-02 2026-03",
            "sync of 2026-02 to 2026-03",
            "2026-03: No space is left",
            "The reason says what to do; what had landed is kept. The next run of these months goes on.",
            NOW,
            "run-1",
        )
    ]


def test_a_check_is_told_by_month_as_long_as_it_is_red(lake: Lake) -> None:
    put(lake, JOBS, [{"job_id": "a"}], MONTH)
    keep(lake, "units_are_not_negative", {"2026-02": Found("x", 0, []), MONTH: Found("x", 3, [])}, ["2026-02", MONTH])
    keep(lake, "job_ids_are_unique", {"all": Found("x", 1, [])}, ["all"])
    told = [(row.kind, row.key, row.title, row.text) for row in found(lake)]
    assert told == [
        (
            "failed_check",
            "job_ids_are_unique all",
            "job_ids_are_unique, all months",
            "A job has one row. 1 row contradicts it.",
        ),
        (
            "failed_check",
            "units_are_not_negative 2026-03",
            "units_are_not_negative, 2026-03",
            "No job has less than 0 units. 3 rows contradict it.",
        ),
    ]


@pytest.mark.parametrize("check", ["walks_are_complete", "types_states_and_fields_are_known", "times_are_plausible"])
def test_what_is_a_kind_of_its_own_is_not_told_as_a_check_too(lake: Lake, check: str) -> None:
    keep(lake, check, {MONTH: Found("x", 3, [])}, [MONTH])
    assert found(lake) == []


def test_an_incomplete_walk_is_told_with_the_itwin_s_name_until_a_newer_one_is_complete(lake: Lake) -> None:
    broken = walk("c", NORTH, 5, complete=False, error="page 3: 500")
    put(lake, WALKS, [walk("a", NORTH), broken, walk("b", SOUTH)], MONTH)
    assert found(lake) == [
        Occurrence(
            "incomplete_walk",
            f"2026-03 {NORTH}",
            "2026-03, iTwin Bridge North",
            "page 3: 500",
            "The next sync of the month walks it again. If it lasts, the reason says what to do.",
            NOW - timedelta(minutes=5),
            "run-c",
        )
    ]
    put(lake, WALKS, [broken, walk("d", NORTH, 1), walk("b", SOUTH)], MONTH)
    assert found(lake) == []


def test_an_itwin_that_is_no_longer_asked_for_is_not_told_and_one_without_a_name_by_its_id(lake: Lake) -> None:
    put(lake, WALKS, [walk("a", NORTH), walk("b", SOUTH, complete=False, error="refused")], MONTH)
    assert [row.title for row in found(lake)] == [f"2026-03, iTwin {SOUTH}"]
    assert found(lake, itwins=[NORTH]) == []


def test_where_all_itwins_are_walked_those_of_the_newest_list_are_told_and_else_one_that_is_left_out(
    lake: Lake,
) -> None:
    listed = {"walk_id": "l", "kind": "itwin_list", "started_at": NOW, "finished_at": NOW, "listed": [NORTH]}
    put(lake, NAME_WALKS, [listed])
    bad = [walk("a", NORTH, complete=False), walk("b", SOUTH, complete=False), walk("c", None, complete=False)]
    put(lake, WALKS, [*bad, walk("d", "x")], MONTH)
    assert [row.key for row in found(lake, itwins=[], every=True)] == [f"2026-03 {NORTH}"]
    assert [row.key for row in found(lake, itwins=[SOUTH])] == ["every_itwin_is_walked all", f"2026-03 {SOUTH}"]


def test_the_caller_s_own_jobs_are_told_of_as_such(lake: Lake) -> None:
    put(lake, WALKS, [walk("a", None, complete=False), walk("b", SOUTH)], MONTH)
    told = [(row.key, row.title, row.text) for row in found(lake, itwins=[])]
    assert told == [
        ("2026-03 own jobs", "2026-03, the caller's own jobs", "The walk did not come to its proven end."),
    ]


def test_a_stuck_job_is_told_by_its_name_with_what_is_usual(lake: Lake) -> None:
    since = NOW - timedelta(hours=31)
    row = {"type": "Objects2D", "state": "Active", "phase": "run", "itwin_id": NORTH, "in_state_since": since}
    ages = {"age_seconds": 31 * 3600.0, "usual_seconds_p95": 5400.0}
    jobs = [{"job_id": "job-1", "name": "deck, east"}, {"job_id": "job-2"}, {"job_id": "job-3"}]
    stuck = [
        {"job_id": "job-1", "is_stuck": True, "times_p95": 20.0},
        {"job_id": "job-2", "is_stuck": True, "times_p95": 9.0},
        {"job_id": "job-3", "is_stuck": False, "times_p95": 1.0},
        {"job_id": "job-4", "is_stuck": None},
    ]
    put(lake, JOBS, jobs, MONTH)
    put(lake, MARTS["open_jobs"], [row | ages | more for more in stuck])
    told = found(lake)
    assert [row.key for row in told] == ["job-1", "job-2"]
    assert told[0] == Occurrence(
        "stuck_job",
        "job-1",
        "Objects2D 'deck, east' (job-1), iTwin Bridge North",
        "Active for 31 h; 95 % of the finished jobs of the type were running 90 min at most.",
        "Look at the job on the platform; if it hangs, cancel it there and submit it again.",
        since,
    )


def test_drift_is_told_once_for_all_months_and_editions_that_of_names_too_and_without_its_example(lake: Lake) -> None:
    row = {"type": "Objects2D", "path": "$.newField", "kind": "unknown_field", "example": "secret?"}
    put(lake, CONTRACT_DRIFT, [row | {"edition": "2025-08", "jobs": 2}, row | {"edition": None, "jobs": 1}], "2026-02")
    put(lake, CONTRACT_DRIFT, [row | {"edition": "2025-08", "jobs": 1_000}], MONTH)
    put(lake, NAME_DRIFT, [{"type": "itwin", "path": "$.class", "kind": "unknown_field", "jobs": 1}])
    told = [(row.kind, row.key, row.title, row.text) for row in found(lake)]
    kept = "What differs from the contract is kept as it was sent."
    assert told == [
        (
            "drift",
            "unknown_field Objects2D $.newField",
            "unknown_field: Objects2D, $.newField",
            f"1,003 records show it. {kept}",
        ),
        ("drift", "unknown_field itwin $.class", "unknown_field: itwin, $.class", f"1 record shows it. {kept}"),
    ]


@pytest.mark.parametrize(("hours", "stale"), [(25.9, False), (26.1, True)])
def test_a_ledger_without_a_complete_walk_for_26_hours_is_stale(lake: Lake, hours: float, stale: bool) -> None:
    late = walk("z", SOUTH, 1, complete=False, error="down")
    put(lake, WALKS, [walk("a", NORTH, hours * 60), late], MONTH)
    told = [row for row in found(lake, itwins=[NORTH]) if row.kind == "stale_ledger"]
    assert [row.since for row in told] == ([NOW - timedelta(hours=hours) + STALE_AFTER] if stale else [])
    assert all("The newest complete walk ended 2026-03-09 09:54 UTC" in row.text for row in told)


def test_a_ledger_that_never_had_a_complete_walk_gets_stale_too(lake: Lake) -> None:
    put(lake, WALKS, [walk("a", NORTH, 27 * 60, complete=False), walk("b", NORTH, 1, complete=False)], MONTH)
    assert [row.text for row in found(lake, itwins=[SOUTH])] == [
        "No walk was complete yet; the ledger counts as stale after 26 h."
    ]


def forecast(itwin: str, expected: float, **more: Any) -> dict[str, Any]:
    """A forecast of the 10th: 40 units are known, 5 are open, and the rest comes in the 22 days from then on."""
    row = {"kind": "forecast", "month": MONTH, "itwin_id": itwin, "day": 10, "units_source": "estimatedUnits"}
    units = {"units_so_far": 40.0, "open_units": 5.0, "remaining_units": expected - 45}
    return row | units | {"expected_units": expected, "low_units": expected - 10, "high_units": expected + 10} | more


def spent(day: datetime, units: float, itwin: str = NORTH, **more: Any) -> dict[str, Any]:
    return {
        "created_day": day,
        "known_day": day,
        "itwin_id": itwin,
        "type": "Objects2D",
        "units": units,
        "units_source": "estimatedUnits",
        **more,
    }


def budget_told(lake: Lake, budget: str, *rows: Mapping[str, Any]) -> list[Occurrence]:
    put(lake, MARTS["unit_forecast"], rows)
    return found(lake, budget=budget)


def test_a_forecast_above_the_budget_says_on_which_day_it_is_crossed(lake: Lake) -> None:
    # 45 units by now and 3 a day from the 10th on: 99 at the end of the 27th, 102 at that of the 28th
    week = [FIRST + timedelta(days=day) for day in range(7)]
    put(lake, MARTS["units_by_day"], [spent(day, 40 / 7) for day in week], MONTH)
    assert budget_told(lake, "100", forecast("all", 111.0), forecast(NORTH, 111.0)) == [
        Occurrence(
            "forecast_above_budget",
            "2026-03 all",
            "2026-03, all iTwins",
            "111 units are expected (80 %: 101 to 121), of which 40 are spent; the budget is 100. "
            "You cross it on the 28th.",
            "units_by_month says what was spent on what; raise JOBLEDGER_UNIT_BUDGET if that is what it should cost.",
            NOW,
        )
    ]


def test_the_day_follows_the_weekdays_on_which_units_were_spent(lake: Lake) -> None:
    mondays = [datetime(2026, 2, day, tzinfo=UTC) for day in (2, 9, 16, 23)]
    put(lake, MARTS["units_by_day"], [spent(day, 9.0) for day in mondays], "2026-02")
    put(lake, MARTS["units_by_day"], [spent(FIRST, 40.0, known_day=datetime(2026, 3, 9, tzinfo=UTC))], MONTH)
    # the first of March was a Sunday: Mondays cost 36 and Sundays 40 in eight weeks; 3 of each are to come
    told = budget_told(lake, "80", forecast("all", 45.0 + 76))
    assert "You cross it on the 22nd." in told[0].text  # 45, then 13.3 on the 15th, 12 on the 16th, 13.3 on the 22nd


def test_a_budget_that_is_spent_was_crossed_on_the_day_on_which_that_was_known(lake: Lake) -> None:
    known = [datetime(2026, 3, day, tzinfo=UTC) for day in (2, 3, 9)]
    rows = [spent(FIRST, units, known_day=day) for units, day in zip((10.0, 20.0, 10.0), known, strict=True)]
    other = spent(FIRST, 500.0, units_source="processingUnits")
    put(lake, MARTS["units_by_day"], [*rows, other], MONTH)
    told = budget_told(lake, "25", forecast("all", 111.0))
    assert told[0].text.endswith("of which 40 are spent; the budget is 25. You crossed it on the 3rd.")


def test_an_itwin_has_a_budget_of_its_own_by_name_or_id(lake: Lake) -> None:
    rows = [forecast("all", 900.0), forecast(NORTH, 111.0), forecast(SOUTH, 111.0)]
    told = budget_told(lake, f"bridge north=100, {SOUTH}=110", *rows)
    assert [(row.key, row.title) for row in told] == [
        (f"2026-03 {NORTH}", "2026-03, iTwin Bridge North"),
        (f"2026-03 {SOUTH}", f"2026-03, iTwin {SOUTH}"),
    ]


@pytest.mark.parametrize(("expected", "begins"), [(94.0, None), (97.0, False), (101.0, True)])
def test_a_forecast_just_below_the_budget_keeps_an_alert_and_begins_none(
    lake: Lake, expected: float, begins: bool | None
) -> None:
    told = budget_told(lake, "100", forecast("all", expected))
    assert [row.begins for row in told] == ([] if begins is None else [begins])


def test_a_forecast_without_an_interval_or_a_total_is_told_as_far_as_it_goes(lake: Lake) -> None:
    young = forecast(NORTH, 111.0, low_units=None, high_units=None)
    told = budget_told(lake, f"5, {NORTH}=100", forecast("all", 50.0, expected_units=None), young)
    assert [row.text.split(";")[0] for row in told] == ["111 units are expected, of which 40 are spent"]


def test_the_most_pressing_kind_comes_first(lake: Lake) -> None:
    put(lake, WALKS, [walk("a", NORTH, 60 * 60), walk("b", SOUTH, 1, complete=False)], MONTH)
    put(lake, CONTRACT_DRIFT, [{"type": "X", "path": "$", "kind": "unknown_type", "jobs": 1}], MONTH)
    put(lake, MARTS["open_jobs"], [{"job_id": "a", "is_stuck": True, "phase": "queue", "age_seconds": 1.0}])
    put(lake, MARTS["unit_forecast"], [forecast("all", 111.0)])
    keep(lake, "clocks_agree", {MONTH: Found("x", 1, [])}, [MONTH])
    run = FailedRun("prune", (), "run-1", NOW, "full", ())
    assert [row.kind for row in found(lake, [run], "100")] == list(TITLES)
