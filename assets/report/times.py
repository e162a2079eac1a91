"""Figures of time: how long jobs wait and run, when they come, and which are still open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from assets.report import charts, words
from assets.report.figures import ALL_ITWINS, ALL_TIME, Column, Figure, Key, Section, extremes, told, unlike
from assets.report.questions import Answer

QUANTILES: Final = (
    Key("50 % within", charts.MUTED, "dot"),
    Key("90 % within", charts.MUTED, "tick"),
    Key("95 % within", charts.MUTED, "ring"),
)


def times(answers: Mapping[str, Answer]) -> Section:
    """How long jobs wait and run."""
    by_type = answers["times_by_type"]
    return Section(
        "times",
        "How long jobs wait and run",
        "Jobs that still wait or run count as what they are: they last at least so long (Kaplan-Meier). Percentiles of "
        "finished jobs alone would be too short.",
        [
            _by_type(by_type, "queue", "Waiting, by type", charts.WAITING, "still_waiting"),
            _by_type(by_type, "run", "Running, by type", charts.RUNNING, "still_running"),
            _by_month(answers["times_by_month"]),
        ],
    )


def load(answers: Mapping[str, Answer]) -> Section:
    """When jobs come, and when they wait."""
    return Section(
        "load",
        "When jobs come",
        "By UTC hour and weekday, over the eight weeks before the newest walk. A job that waits for half an hour "
        "counts as half a waiting job in that hour.",
        [
            _load(answers["load"], "created", "Jobs that come", "Jobs an hour"),
            _load(answers["load"], "waiting", "Jobs that wait", "Jobs that wait"),
        ],
    )


def open_jobs(answers: Mapping[str, Answer]) -> Section:
    """What is open, and what is stuck."""
    jobs = answers["open_jobs"]
    known = [{**row, "label": words.short(row["job"], 24)} for row in jobs.rows if row["times_p95"] is not None]
    rows = unlike(known, "label")
    figure = Figure(
        "open-jobs",
        "Open jobs by how unusual their age is",
        "The 25 most unusual ones.",
        told("Bars of how many times as long as usual jobs have been open", rows, "label", "times_p95", words.times),
        jobs,
        [
            Column("job", "Job"),
            Column("itwin", "iTwin"),
            Column("type", "Type"),
            Column("state", "State"),
            Column("in_state_since", "Since", words.instant),
            Column("age_seconds", "For", words.duration),
            Column("usual_seconds_p95", "Usual (95 %)", words.duration),
            Column("times_p95", "Times usual", words.times),
        ],
        charts.open_jobs(rows) if rows else None,
        [Key("open", charts.OPEN), Key("stuck", charts.BAD), Key("where stuck begins", charts.INK, "dashes")],
        "No job is open, or none of a type whose usual time is known.",
        is_wide=True,
    )
    return Section(
        "open",
        "What is open, and what is stuck",
        "A job is stuck when it has been waiting, or running, for more than three times as long as 95 % of the "
        "finished jobs of its type did.",
        [figure],
    )


def _by_type(by_type: Answer, phase: str, title: str, colour: str, still: str) -> Figure:
    median = f"{phase}_seconds_km_p50"
    rows = [row for row in by_type.rows if row[median] is not None]
    return Figure(
        f"{phase}-by-type",
        title,
        f"{ALL_TIME} Within the times shown, so many of the jobs came through.",
        told("Ranges from the median to the 95th percentile, by type. Medians", rows, "type", median, words.duration),
        by_type,
        [
            Column("type", "Type"),
            Column("finished", "Finished jobs", words.count),
            Column(still, still.replace("_", " ").capitalize(), words.count),
            Column(median, "50 % within", words.duration),
            Column(f"{phase}_seconds_km_p90", "90 % within", words.duration),
            Column(f"{phase}_seconds_km_p95", "95 % within", words.duration),
        ],
        charts.times_by_type(rows, phase, colour) if rows else None,
        QUANTILES,
    )


def _by_month(by_month: Answer) -> Figure:
    what = "Lines of the median and the 95th percentile, by month. Median run time"
    return Figure(
        "times-by-month",
        "Waiting and running, by month",
        f"{ALL_ITWINS} All types together, by month of creation.",
        extremes(what, by_month.rows, "run_seconds_km_p50", words.duration),
        by_month,
        [
            Column("month", "Month", words.month),
            Column("finished", "Finished jobs", words.count),
            Column("queue_seconds_km_p50", "Waiting, 50 %", words.duration),
            Column("queue_seconds_km_p95", "Waiting, 95 %", words.duration),
            Column("run_seconds_km_p50", "Running, 50 %", words.duration),
            Column("run_seconds_km_p95", "Running, 95 %", words.duration),
        ],
        charts.times_by_month(by_month.rows) if by_month.rows else None,
        [
            Key("waiting", charts.WAITING),
            Key("running", charts.RUNNING),
            Key("50 % within", charts.MUTED, "line"),
            Key("95 % within", charts.MUTED, "dashes"),
        ],
        is_wide=True,
    )


def _load(hours: Answer, value: str, title: str, what: str) -> Figure:
    busiest = max(hours.rows, key=lambda row: (row[value], -row["weekday"], -row["hour_of_day"]))
    when = f"{words.weekday(busiest['weekday'])} {words.hour(busiest['hour_of_day'])}"
    most = words.number(busiest[value])
    said = f"Busiest: {when}, {most} jobs." if busiest[value] else "None in eight weeks."
    shades = [Key("", shade) for shade in charts.SHADES[1:-1]]
    return Figure(
        f"load-{value}",
        title,
        f"{ALL_ITWINS} Mean of eight weeks. {said}",
        f"Weekdays by hours, shaded by {what.lower()}. {said}",
        hours,
        [
            Column("weekday", "Weekday", words.weekday),
            Column("hour_of_day", "Hour", words.hour),
            Column(value, what, words.number),
        ],
        charts.load(hours.rows, value, what),
        [Key("0", charts.SHADES[0]), *shades, Key(most, charts.SHADES[-1])],
    )
