"""The marts about time: how long jobs wait and run, how many do at once, and which do so unusually long."""

from __future__ import annotations

from typing import Final

from warehouse.declaration import Column, Table
from warehouse.marts import Mart


def _percentiles(kind: str, verb: str) -> tuple[Column, ...]:
    return tuple(
        Column(
            f"{kind}_seconds_p{p}", "DOUBLE", f"{p} % of the finished jobs {verb} at most so long; interpolated", "s"
        )
        for p in (50, 90, 95, 99)
    )


def _km_percentiles(kind: str, verb: str) -> tuple[Column, ...]:
    return tuple(
        Column(
            f"{kind}_seconds_km_p{p}",
            "DOUBLE",
            f"{p} % of all jobs {verb} at most so long, by Kaplan-Meier; null where the curve does not get there",
            "s",
        )
        for p in (50, 90, 95)
    )


DURATION_STATS: Final = Table(
    name="duration_stats",
    group="marts",
    meaning="How long jobs wait and run, from their own times; a cancelled job's wait ended when it left the queue. "
    "Plain percentiles are of finished jobs alone and so too short while long jobs still run; the Kaplan-Meier ones "
    "(_km_) count open jobs as censored at as_of (vanished ones at vanished_at): they lasted at least so long. "
    "Rows of month or type 'all' hold all of them, so every job counts in four rows: do not add rows up, and never "
    "average percentiles. Leaves out durations of jobs in a terminal state without an end, runs of jobs that never "
    "started, and open jobs before there is an as_of.",
    grain="month of creation and type, each also as 'all'",
    key=("month", "type"),
    monthly=False,
    columns=(
        Column("month", "VARCHAR", "Month of creation in UTC, YYYY-MM; 'all' for all months"),
        Column("type", "VARCHAR", "Kind of the job; 'all' for all kinds"),
        Column("jobs", "BIGINT", "Jobs: finished, open and vanished_open", "jobs"),
        Column("finished", "BIGINT", "Jobs in a terminal state, with or without known end; vanished ones too", "jobs"),
        Column("open", "BIGINT", "Jobs that are open and there", "jobs"),
        Column("vanished_open", "BIGINT", "Jobs that vanished while open", "jobs"),
        Column("with_queue", "BIGINT", "Finished jobs whose wait is known: what queue_seconds_p50 ... rest on", "jobs"),
        *_percentiles("queue", "waited"),
        Column("with_run", "BIGINT", "Finished jobs whose run is known: what run_seconds_p50 ... rest on", "jobs"),
        *_percentiles("run", "ran"),
        Column("queue_censored", "BIGINT", "Jobs whose wait had not ended, censored in the _km_ columns", "jobs"),
        *_km_percentiles("queue", "wait"),
        Column("run_censored", "BIGINT", "Jobs whose run had not ended, censored in the _km_ columns", "jobs"),
        *_km_percentiles("run", "run"),
        Column("expansion_jobs", "BIGINT", "Finished jobs that ran for more than no time", "jobs"),
        Column("mean_expansion_factor", "DOUBLE", "Mean of total over run of the expansion_jobs; null without any"),
    ),
)

HOURLY_LOAD: Final = Table(
    name="hourly_load",
    group="marts",
    meaning="How many jobs came, started and ended in each UTC hour, and how many waited and ran. A job waits from its "
    "creation to its start (or to its end, if it never started) and runs from its start to its end; one that is open "
    "does so until as_of, or until vanished_at where it vanished. Each hour holds the part of a wait or run that lies "
    "in it, so the hours of a job sum to its durations, to the microsecond. Ends that are known count as they are, "
    "behind as_of too. Leaves out waits and runs whose end is not known, or that would end before they began; hours "
    "more than a day after as_of and the newest observation, and more than ten years before that observation.",
    grain="UTC hour and type in which something is not zero",
    key=("hour", "type"),
    monthly=False,
    columns=(
        Column("hour", "TIMESTAMPTZ", "Start of the hour; its end is excluded"),
        Column("type", "VARCHAR", "Kind of the job"),
        Column("created", "BIGINT", "Jobs created in the hour", "jobs"),
        Column("started", "BIGINT", "Jobs started in the hour", "jobs"),
        Column("ended", "BIGINT", "Jobs ended in the hour, in whichever way", "jobs"),
        Column("queued_seconds", "DOUBLE", "Time that jobs waited within the hour, summed over jobs", "s"),
        Column("running_seconds", "DOUBLE", "Time that jobs ran within the hour, summed over jobs", "s"),
        Column("queued_at_start", "BIGINT", "Jobs that waited at the start of the hour", "jobs"),
        Column("running_at_start", "BIGINT", "Jobs that ran at the start of the hour", "jobs"),
    ),
)

OPEN_JOBS: Final = Table(
    name="open_jobs",
    group="marts",
    meaning="The jobs that wait or run, how long they have been in their state as of the newest complete walk, and "
    "whether that is unusual: longer than three times what 95 % of the finished jobs of the type spent in the phase, "
    "the queue or the run. Leaves out jobs that vanished. Ages are null before a complete walk.",
    grain="open job that did not vanish",
    key=("job_id",),
    monthly=False,
    columns=(
        Column("job_id", "VARCHAR", "Id of the job"),
        Column("itwin_id", "VARCHAR", "iTwin that the job belongs to"),
        Column("type", "VARCHAR", "Kind of the job"),
        Column("state", "VARCHAR", "Where the job stands, in the API's word"),
        Column("phase", "VARCHAR", "'run' for a job that started or is Active, else 'queue': what is usual is of it"),
        Column("created_at", "TIMESTAMPTZ", "When the job was created"),
        Column("started_at", "TIMESTAMPTZ", "When it started to run; null if not yet"),
        Column(
            "in_state_since",
            "TIMESTAMPTZ",
            "Best known begin of its state: creation for Queued, start for Active, else when the state was first seen",
        ),
        Column("age_seconds", "DOUBLE", "as_of minus in_state_since, not below 0; null before there is an as_of", "s"),
        Column("usual_jobs", "BIGINT", "Finished jobs of the type, of all months, that tell what is usual", "jobs"),
        Column("usual_seconds_p50", "DOUBLE", "Half of them spent at most so long in the phase", "s"),
        Column("usual_seconds_p95", "DOUBLE", "95 % of them spent at most so long in the phase", "s"),
        Column("times_p95", "DOUBLE", "age_seconds over usual_seconds_p95; null where that is 0 or not known"),
        Column(
            "is_stuck",
            "BOOLEAN",
            "Whether its age is beyond 3 times usual_seconds_p95; null where fewer than 20 finished jobs tell",
        ),
        Column(
            "last_seen_at",
            "TIMESTAMPTZ",
            "End of the newest complete walk that covered it (its window holds the job, and it walked the job's iTwin; "
            "or it walked the caller's own jobs, and a walk of the same identity has listed the job), or changed_at "
            "where that is later or there is none",
        ),
    ),
)

DURATION_MARTS: Final = (
    Mart(
        DURATION_STATS,
        reads=("jobs",),
        timely=True,
        may_hold=True,
        steps=("durations", "statistics", "lengths", "kaplan_meier"),
        interpolated=tuple(f"{phase}_seconds_p{p}" for phase in ("queue", "run") for p in (50, 90, 95, 99)),
    ),
    Mart(HOURLY_LOAD, reads=("jobs",), timely=True, may_hold=True),
    Mart(
        OPEN_JOBS,
        reads=("jobs", "job_states", "observations", "walks"),
        timely=True,
        may_hold=True,
        interpolated=("usual_seconds_p50", "usual_seconds_p95", "times_p95"),
    ),
)
