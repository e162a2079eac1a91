"""Figures of how jobs end: why they fail, how detectors do, and which options go along with longer runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from assets.report import charts, words
from assets.report.figures import ALL_TIME, Column, Figure, Key, Section, extremes, told, unlike
from assets.report.questions import Answer, Row

LOST: Final = {"failed_units": ("failed", charts.BAD), "cancelled_units": ("cancelled", charts.ENDED_EARLY)}
ENDS: Final = {
    "succeeded": ("succeeded", charts.GOOD),
    "failed": ("failed", charts.BAD),
    "cancelled": ("cancelled", charts.ENDED_EARLY),
    "open": ("open", charts.OPEN),
}
REASON_COLUMNS: Final = (
    Column("reason", "Reason"),
    Column("jobs", "Failed jobs", words.count),
    Column("units", "Units", words.number),
    Column("run_hours", "Run time", words.hours),
    Column("most_often_type", "Most often"),
    Column("last_seen_at", "Last seen", words.instant),
    Column("newest_message", "Newest message"),
)
REASON_TIPS: Final = {
    "reason": "Reason",
    "tip_jobs": "Failed jobs",
    "tip_units": "Units",
    "tip_hours": "Run time",
    "most_often_type": "Most often",
}
NO_FAILURE: Final = "No job failed."


def failures(answers: Mapping[str, Answer]) -> Section:
    """Why jobs fail, and what that costs."""
    reasons = answers["failures"]
    rows = [
        {
            **row,
            "tip_jobs": words.count(row["jobs"]),
            "tip_units": words.number(row["units"]),
            "tip_hours": words.hours(row["run_hours"]),
        }
        for row in reasons.rows
    ]
    return Section(
        "failures",
        "Why jobs fail, and what that costs",
        "Reasons are the API's error codes. A job with several of them counts under each, so the rows do not add up to "
        "all failed jobs.",
        [
            _reasons(
                reasons, rows, "jobs", "Failed jobs", "Failed jobs by reason", "The twelve most frequent reasons."
            ),
            _reasons(reasons, rows, "units", "Units", "What they had cost", "Units of the same failed jobs."),
            _lost(answers["months"]),
        ],
    )


def detectors(answers: Mapping[str, Answer]) -> Section:
    """Detectors and their versions."""
    league = answers["detectors"]
    rows = [
        {
            **row,
            "label": _detector(row),
            "tip_more": f"{words.share(row['failure_share'])} failed, p50 {words.duration(row['run_seconds_p50'])}",
        }
        for row in league.rows
    ]
    figure = Figure(
        "detectors",
        "Jobs by detector and version",
        f"{ALL_TIME} The fifteen detectors of most jobs; those without a version were named without one.",
        told("Bars of jobs by detector, by how they ended", rows, "label", "jobs", words.count),
        league,
        [
            Column("detector", "Detector"),
            Column("detector_version", "Version"),
            Column("jobs", "Jobs", words.count),
            Column("failure_share", "Failed", words.share),
            Column("run_seconds_p50", "Run, median", words.duration),
            Column("units_p50", "Units, median", words.number),
            Column("last_used_at", "Last used", words.instant),
        ],
        charts.stacked_bars(unlike(rows, "label"), "label", ENDS, "Jobs") if rows else None,
        [Key(*part) for part in ENDS.values()],
        "No job used a detector.",
        is_wide=True,
    )
    return Section(
        "detectors",
        "Detectors and their versions",
        "How the jobs ended that took a detector as an input. Medians are of those that succeeded.",
        [figure],
    )


def options(answers: Mapping[str, Answer]) -> Section:
    """Options that matter."""
    answer = answers["options"]
    rows = [_option(row) for row in answer.rows]
    figure = Figure(
        "options",
        "Run time by option",
        f"{ALL_TIME} An interval that holds 1 shows nothing; of twenty without effect one lies off by chance.",
        told("Points and intervals of the run time against other jobs", rows, "label", "tip_ratio"),
        answer,
        [
            Column("type", "Type"),
            Column("option", "Option"),
            Column("value_label", "Value"),
            Column("compared_jobs", "Jobs", words.count),
            Column("other_jobs", "Others", words.count),
            Column("run_seconds_ratio", "Run time", words.times),
            Column("run_seconds_ratio_low", "Low (95 %)", words.times),
            Column("run_seconds_ratio_high", "High (95 %)", words.times),
        ],
        charts.ratios(unlike(rows, "label")) if rows else None,
        [Key("shows a difference", charts.RUNNING), Key("holds 1", charts.OTHER)],
        "No option has jobs enough to compare: it takes twenty with a value, and twenty without.",
        is_wide=True,
    )
    return Section(
        "options",
        "Options that matter",
        "How long succeeded jobs with a value ran, beside the type's other jobs of the same detectors. It shows what "
        "goes together, not what causes it.",
        [figure],
    )


def _reasons(reasons: Answer, rows: list[Row], value: str, axis: str, title: str, note: str) -> Figure:
    return Figure(
        f"failures-{value}",
        title,
        note,
        told(f"Bars by reason, {axis.lower()}", rows, "reason", f"tip_{value}"),
        reasons,
        REASON_COLUMNS if value == "jobs" else REASON_COLUMNS[:4],
        charts.bars(rows, "reason", value, axis, charts.BAD, REASON_TIPS) if rows else None,
        empty=NO_FAILURE,
    )


def _lost(months: Answer) -> Figure:
    return Figure(
        "failures-by-month",
        "Units of failed and cancelled jobs, by month",
        "By month of creation; part of the units above.",
        extremes("Stacked columns of units by month. Those of failed jobs", months.rows, "failed_units"),
        months,
        [
            Column("month", "Month", words.month),
            Column("failed", "Failed", words.count),
            Column("failed_units", "Units", words.number),
            Column("cancelled", "Cancelled", words.count),
            Column("cancelled_units", "Units", words.number),
            Column("run_hours_lost", "Run time lost", words.hours),
        ],
        charts.stacked_columns(months.rows, LOST, "Units") if months.rows else None,
        [Key(*part) for part in LOST.values()],
        is_wide=True,
    )


def _detector(row: Row) -> str:
    """The name and version of a detector; the first signs of an id that has no name."""
    name = str(row["detector"])
    shown = f"{name[:8]}…" if len(name) == 36 and name == row["detector_name"] else words.short(name)
    return f"{shown}\n{words.short(row['detector_version'])}" if row["detector_version"] else shown


def _option(row: Row) -> Row:
    low, high = row["run_seconds_ratio_low"], row["run_seconds_ratio_high"]
    return {
        **row,
        "label": f"{row['type']}:\n{words.short(row['option'].replace('_', ' ') + ' ' + row['value_label'], 38)}",
        "shows": low > 1 or high < 1,
        "tip_ratio": words.times(row["run_seconds_ratio"]),
        "tip_interval": f"{words.number(low)} to {words.number(high)}",
        "tip_jobs": f"{row['compared_jobs']:,}, beside {row['other_jobs']:,} others",
    }
