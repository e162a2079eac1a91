"""What somebody should be told of: what is wrong with the ledger, its runs, its jobs and its budget right now.

Nothing here remembers what was told, or tells it: see `alert_state`. Names stand where they are known, else ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import duckdb

from assets.alert_state import TITLES, Occurrence
from assets.checks import CORE_CHECKS, RAW_CHECKS, Check, verify_every_itwin_is_walked
from assets.failing_runs import FailedRun
from assets.plan import Plan
from assets.unit_budget import UnitBudget
from warehouse.contract import contract
from warehouse.engine import connection, quote, run
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.name_tables import NAME_DRIFT, NAME_WALKS
from warehouse.sql import statement
from warehouse.verdicts import kept

STALE_AFTER: Final = timedelta(hours=26)
"""A ledger whose newest complete walk is older than that is stale: a daily sync may be two hours late."""

STILL_ABOVE: Final = 0.95
"""A forecast that has exceeded the budget counts as back within it at this share: it moves with every sync."""

LONGEST_REASON: Final = 400
"""Characters of a reason that are shown."""

ALL_MONTHS: Final = "all"
"""What stands in place of the month in the key of a check that is about all of them."""

READ: Final = (
    "walks",
    "open_jobs",
    "jobs",
    "itwins",
    NAME_WALKS.name,
    "contract_drift",
    NAME_DRIFT.name,
    "unit_forecast",
    "units_by_day",
)
"""The tables that the statements of `warehouse/sql/alerts` read."""

TOLD_BY_OTHER_KINDS: Final = ("walks_are_complete", "contract_drift")
"""A check, and the table of some, whose findings are kinds of their own."""

NOT_ASKED_AGAIN: Final = "The next sync of the month walks it again. If it lasts, the reason says what to do."


def occurrences(
    lake: Lake, failing: Sequence[FailedRun], budget: UnitBudget, plan: Plan, now: datetime
) -> list[Occurrence]:
    """Return all that is wrong now, the most pressing kind first. `plan` says which iTwins are walked."""
    found = [*map(_failed_run, failing), *_failed_checks(lake, now)]
    if lake.root.exists():
        found += lake.undisturbed(partial(_of_tables, lake, budget, plan, now))
    return sorted(found, key=lambda row: list(TITLES).index(row.kind))


def _of_tables(lake: Lake, budget: UnitBudget, plan: Plan, now: datetime) -> list[Occurrence]:
    tables = {table.name: table for table in all_tables(contract())} | {NAME_DRIFT.name: NAME_DRIFT}
    with connection() as con:
        lake.view(con, *(tables[name] for name in READ))
        run(con, f"CREATE TEMP VIEW asked_for AS SELECT * FROM (VALUES {_asked_for(con, plan)}) AS asked(itwin_id)")
        return [
            *(() if plan.every_itwin else _itwins_left_out(lake, plan, now)),
            *_stale(con, now),
            *map(_incomplete_walk, _rows(con, "incomplete_walks")),
            *_above_budget(con, budget, now),
            *map(_stuck_job, _rows(con, "stuck_jobs")),
            *(_drift(row, now) for row in _rows(con, "drift")),
        ]


def _asked_for(con: duckdb.DuckDBPyConnection, plan: Plan) -> str:
    """The iTwins that walks ask for, as SQL; null stands for the caller's own jobs."""
    lists = run(con, statement("asking/itwin_lists")) if plan.every_itwin else []
    scopes = lists[0][1] if lists else plan.scopes
    return ", ".join("(NULL)" if itwin_id is None else f"({quote(itwin_id)})" for itwin_id in scopes or (None,))


def _itwins_left_out(lake: Lake, plan: Plan, now: datetime) -> Iterator[Occurrence]:
    verdict = verify_every_itwin_is_walked(lake, plan.itwin_ids)
    if not verdict.holds:
        yield _failed_check(verdict.check, ALL_MONTHS, verdict.offending, now)


def _rows(con: duckdb.DuckDBPyConnection, name: str) -> list[dict[str, Any]]:
    """The rows of a statement of `warehouse/sql/alerts`, by column."""
    text = statement(f"alerts/{name}")
    columns = [row[0] for row in run(con, f"DESCRIBE {text}")]
    return [dict(zip(columns, row, strict=True)) for row in run(con, text)]


def _failed_run(row: FailedRun) -> Occurrence:
    months = f" of {_span(row.months)}" if row.months else ""
    return Occurrence(
        "failed_run",
        f"{row.job} {' '.join(row.months)}",
        f"{row.job}{months}",
        shortened(row.reason),
        "The reason says what to do; what had landed is kept. The next run of these months goes on.",
        row.ended_at,
        row.run_id,
    )


def _failed_checks(lake: Lake, now: datetime) -> Iterator[Occurrence]:
    """One for each check and month that is red, but for those that are kinds of their own."""
    for check in (*RAW_CHECKS, *CORE_CHECKS):
        if check.name not in TOLD_BY_OTHER_KINDS and check.table not in TOLD_BY_OTHER_KINDS:
            for month, found in sorted(kept(lake, check.name).items()):
                if found.offending:
                    yield _failed_check(check, month, found.offending, now)


def _failed_check(check: Check, month: str, offending: int, now: datetime) -> Occurrence:
    rows = f"{offending:,} {'row contradicts' if offending == 1 else 'rows contradict'} it"
    return Occurrence(
        "failed_check",
        f"{check.name} {month}",
        f"{check.name}, {'all months' if month == ALL_MONTHS else month}",
        f"{check.meaning} {rows}.",
        f"The check of {check.table} in the UI shows the rows."
        + (" It blocks: `jobledger replay` rebuilds all tables." if check.weight == "blocking" else ""),
        now,
    )


def _stale(con: duckdb.DuckDBPyConnection, now: datetime) -> Iterator[Occurrence]:
    walk = _rows(con, "newest_walk")[0]
    fresh_at = walk["complete_at"] or walk["first_at"]
    if fresh_at is not None and now - fresh_at > STALE_AFTER:
        newest = (
            f"The newest complete walk ended {_at(fresh_at)}" if walk["complete_at"] else "No walk was complete yet"
        )
        yield Occurrence(
            "stale_ledger",
            "stale",
            "No news from the API",
            f"{newest}; the ledger counts as stale after {_hours(STALE_AFTER.total_seconds())}.",
            "Check that the schedules are on and the daemon runs, or run `jobledger sync`.",
            fresh_at + STALE_AFTER,
        )


def _incomplete_walk(row: Mapping[str, Any]) -> Occurrence:
    return Occurrence(
        "incomplete_walk",
        f"{row['month']} {row['itwin_id'] or 'own jobs'}",
        f"{row['month']}, {_itwin(row)}",
        shortened(row["error"] or "The walk did not come to its proven end."),
        NOT_ASKED_AGAIN,
        row["walked_at"],
        row["run_id"],
    )


def _stuck_job(row: Mapping[str, Any]) -> Occurrence:
    doing = "running" if row["phase"] == "run" else "waiting"
    usual = _hours(row["usual_seconds_p95"])
    return Occurrence(
        "stuck_job",
        row["job_id"],
        f"{row['type']} {_called(row['job_name'], row['job_id'])}, {_itwin(row)}",
        f"{row['state']} for {_hours(row['age_seconds'])}; 95 % of the finished jobs of the type were {doing} {usual} "
        "at most.",
        "Look at the job on the platform; if it hangs, cancel it there and submit it again.",
        row["in_state_since"],
    )


def _drift(row: Mapping[str, Any], now: datetime) -> Occurrence:
    jobs = f"{row['jobs']:,} {'record shows' if row['jobs'] == 1 else 'records show'} it"
    return Occurrence(
        "drift",
        f"{row['kind']} {row['type']} {row['path']}",
        f"{row['kind']}: {row['type']}, {row['path']}",
        f"{jobs}. What differs from the contract is kept as it was sent.",
        "The table contract_drift names jobs that show it; docs/contract.md says how to teach the ledger a field.",
        now,
    )


def _above_budget(con: duckdb.DuckDBPyConnection, budget: UnitBudget, now: datetime) -> Iterator[Occurrence]:
    rows = [(row, budget.of(row["itwin_id"], row["itwin_name"])) for row in (_rows(con, "forecasts") if budget else [])]
    above = [(row, units) for row, units in rows if units is not None and row["expected_units"] > STILL_ABOVE * units]
    if above:
        values = ", ".join(f"({quote(row['itwin_id'])}, {units!r}::DOUBLE)" for row, units in above)
        run(con, f"CREATE TEMP VIEW over_budget AS SELECT * FROM (VALUES {values}) AS over_budget(itwin_id, budget)")
        days = {row["itwin_id"]: row["crossed_on"] for row in _rows(con, "crossings")}
        for row, units in above:
            yield _forecast(row, units, days.get(row["itwin_id"]), now)


def _forecast(row: Mapping[str, Any], budget: float, crossed_on: Any, now: datetime) -> Occurrence:
    who = "all iTwins" if row["itwin_id"] == "all" else _itwin(row)
    span = "" if row["low_units"] is None else f" (80 %: {row['low_units']:,.0f} to {row['high_units']:,.0f})"
    crossed = row["units_so_far"] > budget
    when = (
        "" if crossed_on is None else f" You {'crossed' if crossed else 'cross'} it on the {_ordinal(crossed_on.day)}."
    )
    return Occurrence(
        "forecast_above_budget",
        f"{row['month']} {row['itwin_id']}",
        f"{row['month']}, {who}",
        f"{row['expected_units']:,.0f} units are expected{span}, of which {row['units_so_far']:,.0f} are spent; "
        f"the budget is {budget:,.0f}.{when}",
        "units_by_month says what was spent on what; raise JOBLEDGER_UNIT_BUDGET if that is what it should cost.",
        now,
        begins=crossed or row["expected_units"] > budget,
    )


def shortened(text: str) -> str:
    """Return a text on one line, cut where it is too long for a message."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 3]}..."


def _itwin(row: Mapping[str, Any]) -> str:
    return "the caller's own jobs" if row["itwin_id"] is None else f"iTwin {row['itwin_name'] or row['itwin_id']}"


def _called(name: str | None, job_id: str) -> str:
    return f"'{name}' ({job_id})" if name else job_id


def _span(months: Sequence[str]) -> str:
    return months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}"


def _at(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _hours(seconds: float | None) -> str:
    if seconds is None:
        return "an unknown time"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.0f} h"


def _ordinal(day: int) -> str:
    ending = "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"
