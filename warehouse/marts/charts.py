"""The small charts that Dagster's UI shows of marts, each a SELECT of a label and one number, or two, for each bar.

A mart without a chart here is one whose rows have no number that belongs on an axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Chart:
    """What a chart shows, the unit of its numbers, and the SELECT over the mart, whose rows are the bars in order."""

    title: str
    unit: str
    sql: str


def _both_units(title: str, label: str, prefix: str, mart: str) -> Chart:
    """Both kinds of units by label; they are never added."""
    kinds = ", ".join(f"sum({prefix}{kind}_units) AS {kind}" for kind in ("estimated", "processing"))
    return Chart(title, "units", f"SELECT {label} AS label, {kinds} FROM {mart} GROUP BY 1 ORDER BY 1")


def _most(title: str, unit: str, label: str, number: str, mart: str) -> Chart:
    """The twelve labels with the most."""
    select = f"SELECT {label} AS label, {number} AS number FROM {mart} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 12"
    return Chart(title, unit, select)


CHARTS: Final = {
    "duration_stats": Chart(
        "Median run time by month",
        "s",
        "SELECT month, run_seconds_p50 FROM duration_stats WHERE type = 'all' AND month <> 'all' ORDER BY 1",
    ),
    "hourly_load": Chart(
        "Jobs created by hour of the day, UTC",
        "jobs",
        "SELECT strftime(hour, '%H:00') AS label, sum(created) AS created FROM hourly_load GROUP BY 1 ORDER BY 1",
    ),
    "open_jobs": _most("Open jobs by type", "jobs", "type", "count(*)", "open_jobs"),
    "units_by_month": _both_units("Units by month of creation", "month", "", "units_by_month"),
    "unit_changes": Chart(
        "Changes of units by month in which they were seen",
        "changes",
        "SELECT strftime(changed_at, '%Y-%m') AS label, count(*) AS changes FROM unit_changes GROUP BY 1 ORDER BY 1",
    ),
    "failure_costs": Chart(
        "Failed jobs of the finished ones by month",
        "share",
        "SELECT month, failed_share FROM failure_costs WHERE type = 'all' AND month <> 'all' ORDER BY 1",
    ),
    "failure_reasons": _most("Failed jobs by error code", "jobs", "code", "sum(jobs)", "failure_reasons"),
    "retry_chains": _most("Wasted attempts by type", "jobs", "type", "sum(wasted_attempts)", "retry_chains"),
    "reference_lineage": _most(
        "Uses of what jobs made, by the maker's type", "uses", "producer_type", "count(*)", "reference_lineage"
    ),
    "deliverable_units": _both_units("Units of jobs by type, without those before", "type", "", "deliverable_units"),
    "detector_league": _most("Jobs by detector", "jobs", "detector_name", "sum(jobs)", "detector_league"),
    "units_by_day": Chart(
        "Units by month of creation",
        "units",
        "SELECT strftime(created_day, '%Y-%m') AS label, "
        "sum(units) FILTER (WHERE units_source = 'estimatedUnits') AS estimated, "
        "sum(units) FILTER (WHERE units_source = 'processingUnits') AS processing FROM units_by_day "
        "GROUP BY 1 ORDER BY 1",
    ),
    "estimates_backtest": Chart(
        "Jobs that p10 to p90 held, by type, of their run time",
        "share",
        "SELECT type, held_share FROM estimates_backtest WHERE measure = 'run_seconds' ORDER BY 1",
    ),
}
"""By the mart's name, its chart."""
