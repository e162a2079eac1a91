"""The marts about what went wrong: what failed and cancelled jobs cost, and why jobs failed."""

from __future__ import annotations

from typing import Final

from warehouse.declaration import Column, Table
from warehouse.marts import Mart

FAILURE_COSTS: Final = Table(
    name="failure_costs",
    group="marts",
    meaning="How many jobs failed or were cancelled, and the run hours and units spent on them (lost); estimates and "
    "consumption stand apart. Vanished jobs count. What has no value adds nothing: the coverages say how many of the "
    "failed and cancelled jobs have one. Rows of month or type 'all' hold all of them, so every job counts in four "
    "rows: do not add rows up. Leaves out what open jobs cost, and successful jobs whose result nobody used.",
    grain="month of creation and type, each also as 'all'",
    key=("month", "type"),
    monthly=False,
    columns=(
        Column("month", "VARCHAR", "Month of creation in UTC, YYYY-MM; 'all' for all months"),
        Column("type", "VARCHAR", "Kind of the job; 'all' for all kinds"),
        Column("jobs", "BIGINT", "Jobs, open and vanished ones included", "jobs"),
        Column("finished", "BIGINT", "Jobs in a terminal state", "jobs"),
        Column("failed", "BIGINT", "Jobs that failed", "jobs"),
        Column("cancelled", "BIGINT", "Jobs that were cancelled, in the queue or while they ran", "jobs"),
        Column("failed_share", "DOUBLE", "failed over finished, 0 to 1; null without finished jobs"),
        Column("cancelled_share", "DOUBLE", "cancelled over finished, 0 to 1; null without finished jobs"),
        Column("with_run", "BIGINT", "Failed and cancelled jobs whose run is known", "jobs"),
        Column(
            "run_coverage",
            "DOUBLE",
            "with_run over the failed and cancelled jobs that should have a run, 0 to 1: all but those that ended "
            "without a start; null without any",
        ),
        Column("run_hours_lost", "DOUBLE", "Run time of failed and cancelled jobs", "h"),
        Column("with_units", "BIGINT", "Failed and cancelled jobs with units of either kind", "jobs"),
        Column("units_coverage", "DOUBLE", "with_units over failed and cancelled, 0 to 1; null without any"),
        Column("estimated_units_lost", "DOUBLE", "Sum of estimatedUnits of failed and cancelled jobs", "units"),
        Column("processing_units_lost", "DOUBLE", "Sum of processingUnits of failed and cancelled jobs", "units"),
    ),
)

FAILURE_REASONS: Final = Table(
    name="failure_reasons",
    group="marts",
    meaning="Why jobs failed, in the API's error codes; jobs without an error message stand under the code null. A job "
    "with several codes or input detectors counts once, with all its units, under each: do not add rows up. A failed "
    "job without units adds nothing to a total: the coverage says how many have some. Leaves out warnings, cancelled "
    "jobs, and whatever was said of other jobs that did not fail.",
    grain="error code, type and detector",
    key=("code", "type", "detector_name", "detector_version"),
    monthly=False,
    columns=(
        Column("code", "VARCHAR", "The API's error code; null for failed jobs without one"),
        Column("type", "VARCHAR", "Kind of the jobs"),
        Column("detector_name", "VARCHAR", "Detector among the jobs' inputs, without its version; null where none"),
        Column("detector_version", "VARCHAR", "The detector's version; null where none is named"),
        Column("jobs", "BIGINT", "Failed jobs, each once", "jobs"),
        Column("first_seen_at", "TIMESTAMPTZ", "When the first of them ended, or was created where no end is known"),
        Column("last_seen_at", "TIMESTAMPTZ", "When the last of them ended, or was created where no end is known"),
        Column("with_units", "BIGINT", "Those with units of either kind", "jobs"),
        Column("units_coverage", "DOUBLE", "with_units over jobs, 0 to 1"),
        Column("estimated_units_lost", "DOUBLE", "Sum of their estimatedUnits", "units"),
        Column("processing_units_lost", "DOUBLE", "Sum of their processingUnits", "units"),
        Column(
            "example_message", "VARCHAR", "The message of example_job_id, its first with this code; null where none"
        ),
        Column("example_job_id", "VARCHAR", "The job seen last; of several at once, the first by id"),
    ),
)

FAILURE_MARTS: Final = (
    Mart(FAILURE_COSTS, reads=("jobs",), timely=False),
    Mart(FAILURE_REASONS, reads=("jobs", "job_messages", "job_references"), timely=False),
)
