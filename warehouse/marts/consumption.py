"""The marts about units: what was consumed, and when what was told of it changed."""

from __future__ import annotations

from typing import Final

from warehouse.declaration import Column, Table
from warehouse.marts import Mart


def _units(name: str, of_which: str) -> tuple[Column, ...]:
    """The two kinds of units, which are never added."""
    return (
        Column(f"{name}estimated_units", "DOUBLE", f"Sum of estimatedUnits{of_which}", "units"),
        Column(f"{name}processing_units", "DOUBLE", f"Sum of processingUnits{of_which}", "units"),
    )


UNITS_BY_MONTH: Final = Table(
    name="units_by_month",
    group="marts",
    meaning="What jobs consumed, each job once with its newest value, by the month of creation; open and vanished jobs "
    "too. A restatement replaces the value before it. Jobs without a value add nothing: the coverage says how many of "
    "the finished ones have one. Estimates and consumption stand apart. Groups do not overlap: summed over any of "
    "them, the totals are those of all jobs. Leaves out nothing.",
    grain="month of creation, iTwin, type and user",
    key=("month", "itwin_id", "type", "user_id"),
    columns=(
        Column("month", "VARCHAR", "Month of creation in UTC, YYYY-MM"),
        Column("itwin_id", "VARCHAR", "iTwin that the jobs belong to"),
        Column("type", "VARCHAR", "Kind of the jobs"),
        Column("user_id", "VARCHAR", "Identity that created the jobs"),
        Column("jobs", "BIGINT", "Jobs, open and vanished ones included", "jobs"),
        Column("finished", "BIGINT", "Jobs in a terminal state, vanished ones included", "jobs"),
        Column("with_units", "BIGINT", "Finished jobs with units of either kind; 0 units are a value", "jobs"),
        Column("units_coverage", "DOUBLE", "with_units over finished, 0 to 1; null without finished jobs"),
        *_units("", ""),
        *_units("failed_", " of failed jobs, part of the total"),
        *_units("cancelled_", " of cancelled jobs, part of the total"),
        *_units("open_", " of open jobs (vanished while open too), part of the total"),
        Column("with_run", "BIGINT", "Finished jobs whose run is known", "jobs"),
        Column(
            "run_coverage", "DOUBLE", "with_run over the finished jobs but those that ended without a start, 0 to 1"
        ),
        Column("run_hours", "DOUBLE", "Run time of finished jobs", "h"),
        *(
            Column(
                f"{kind}_units_per_run_hour",
                "DOUBLE",
                "Of the finished jobs that have both units of this kind and a run, over the hours of the same jobs",
                "units/h",
            )
            for kind in ("estimated", "processing")
        ),
    ),
)

UNIT_CHANGES: Final = Table(
    name="unit_changes",
    group="marts",
    meaning="Each time the units of a job were seen to change: to appear, be restated, go away, or move to the other "
    "field (processingUnits goes before estimatedUnits). Leaves out what a job's first version told, values that "
    "are no JSON numbers, and changes between two observations that were undone before the second.",
    grain="version of a job with other units, or units in the other field, than the version before",
    key=("job_id", "changed_at"),
    columns=(
        Column("job_id", "VARCHAR", "Id of the job"),
        Column("itwin_id", "VARCHAR", "iTwin that the job belongs to"),
        Column("type", "VARCHAR", "Kind of the job"),
        Column("from_units", "DOUBLE", "Units that the version before told; null where none", "units"),
        Column("to_units", "DOUBLE", "Units that this version tells; null where none", "units"),
        Column("from_field", "VARCHAR", "Field that told them: 'estimatedUnits' or 'processingUnits'; null where none"),
        Column("to_field", "VARCHAR", "Field that tells them now; null where none"),
        Column("changed_at", "TIMESTAMPTZ", "When the new value was first seen, not when it was made"),
        Column("ended_at", "TIMESTAMPTZ", "When the job ended, as known by now; null while open"),
        Column(
            "seconds_after_end", "DOUBLE", "changed_at minus ended_at, below 0 before the end; null while open", "s"
        ),
    ),
)

CONSUMPTION_MARTS: Final = (
    Mart(UNITS_BY_MONTH, reads=("jobs",), timely=False),
    Mart(UNIT_CHANGES, reads=("jobs", "observations"), timely=False),
)
