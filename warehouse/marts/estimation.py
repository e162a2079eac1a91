"""The marts about the next job: what jobs like it took, and how far that was to be trusted of the jobs before."""

from __future__ import annotations

from typing import Final

from warehouse.declaration import Column, Table
from warehouse.marts import Mart


def _quantiles(measure: str, unit: str, of_them: str) -> tuple[Column, ...]:
    return tuple(Column(f"{measure}_p{p}", "DOUBLE", f"{p} % {of_them}; null without any", unit) for p in (10, 50, 90))


MEASURES: Final = {"run_seconds": "s", "estimated_units": "units", "processing_units": "units"}
"""What is estimated, each with its unit."""

SIZES: Final = {"gb": "GB", "km2": "km2"}
"""What a measure is divided by, each with its unit."""


def _rates(measure: str, unit: str, per: str) -> tuple[Column, ...]:
    size, name = SIZES[per], f"{measure}_per_{per}"
    return (
        Column(
            f"with_{name}",
            "BIGINT",
            f"Finished like jobs that tell it and whose inputs have a known size in {size}",
            "jobs",
        ),
        *_quantiles(name, f"{unit}/{size}", f"of those took at most so much for each {size}"),
        Column(
            f"{name}_explained",
            "DOUBLE",
            f"Share of the variance of the logarithm of {measure} that goes away when it is divided by the {size}: "
            "below 0 where jobs differ more then, and dividing does not help; null where they do not differ",
            "share",
        ),
    )


ESTIMATES: Final = Table(
    name="estimates",
    group="marts",
    monthly=False,
    meaning="What the next job of a type will take in an iTwin, told by like jobs: the newest 200 of the type there, "
    "whatever their outcome, or, where fewer than 20 of these have finished, the newest 200 of the type anywhere. "
    "Between p10 and p90 lie four of five like jobs, not what is possible at most; estimates_backtest tells how often "
    "that held the next job. Quantiles are values that occurred. Those of the run time count open jobs as censored at "
    "as_of, by Kaplan-Meier, as in duration_stats. Estimates and consumption stand apart. Sizes are those of "
    "reality_data: GB of all inputs together, not known where one of them is a scene of photos, and km2 of the "
    "largest. Leaves out units of open jobs, runs of jobs that never started, and jobs without a type or an iTwin.",
    grain="type and iTwin, and for each type 'all' iTwins",
    key=("type", "itwin_id"),
    columns=(
        Column("type", "VARCHAR", "Kind of the jobs"),
        Column("itwin_id", "VARCHAR", "iTwin in which the next job is; 'all' for any"),
        Column("own_finished", "BIGINT", "Finished ones of the newest 200 jobs of the type in this iTwin", "jobs"),
        Column("conditions", "VARCHAR", "What like jobs share with the next one: 'type, iTwin', or 'type' alone"),
        Column("jobs", "BIGINT", "Like jobs, 200 at most, open and vanished ones included", "jobs"),
        Column("finished", "BIGINT", "Those of them in a terminal state", "jobs"),
        Column("enough", "BOOLEAN", "Whether 20 or more have finished: fewer tell little"),
        Column("failed_share", "DOUBLE", "Failed of finished, 0 to 1; null where none has finished", "share"),
        Column("with_run_seconds", "BIGINT", "Like jobs whose run has ended", "jobs"),
        Column("run_censored", "BIGINT", "Like jobs that run, or ran when they vanished: censored", "jobs"),
        *_quantiles("run_seconds", "s", "of the like jobs run at most so long, by Kaplan-Meier"),
        Column("with_estimated_units", "BIGINT", "Finished like jobs that have estimatedUnits", "jobs"),
        *_quantiles("estimated_units", "units", "of those have at most so many estimatedUnits"),
        Column("with_processing_units", "BIGINT", "Finished like jobs that have processingUnits", "jobs"),
        *_quantiles("processing_units", "units", "of those have at most so many processingUnits"),
        *(column for measure, unit in MEASURES.items() for per in SIZES for column in _rates(measure, unit, per)),
        Column("first_created_at", "TIMESTAMPTZ", "Creation of the oldest like job"),
        Column("last_created_at", "TIMESTAMPTZ", "Creation of the newest like job"),
    ),
)

ESTIMATES_BACKTEST: Final = Table(
    name="estimates_backtest",
    group="marts",
    monthly=False,
    meaning="How often p10 to p90, as they would have been told when a job was created, held what it then took: of the "
    "newest 1,000 finished jobs of each type. Each is estimated by the jobs that had ended before its creation, and by "
    "nothing later: of them the 200 that ended last, of its type and iTwin or, where fewer than 20 had, of its type. "
    "Four of five is what p10 to p90 promise; more where many jobs took the same. Jobs that were open then are left "
    "out (estimates counts them as censored). Units are taken as they are known today. Leaves out jobs without a "
    "type, an iTwin or an end.",
    grain="type, also as 'all', and measure",
    key=("type", "measure"),
    columns=(
        Column("type", "VARCHAR", "Kind of the jobs; 'all' for all that were tested"),
        Column("measure", "VARCHAR", "'run_seconds', 'estimated_units' or 'processing_units'"),
        Column("estimated", "BIGINT", "Tested jobs before which 20 or more like ones had ended", "jobs"),
        Column("of_itwin", "BIGINT", "Those of them that jobs of their own iTwin told of", "jobs"),
        Column("too_few_known", "BIGINT", "Tested jobs before which fewer like ones had ended: not estimated", "jobs"),
        Column("below_p10", "BIGINT", "Estimated jobs that took less than p10", "jobs"),
        Column("above_p90", "BIGINT", "Estimated jobs that took more than p90", "jobs"),
        Column("held", "BIGINT", "Estimated jobs that took p10 to p90, both included", "jobs"),
        Column("held_share", "DOUBLE", "held of estimated, 0 to 1; null where none is estimated", "share"),
        Column("held_share_low", "DOUBLE", "Lower end of its 95 % interval (Wilson), as if jobs were independent"),
        Column("held_share_high", "DOUBLE", "Upper end of its 95 % interval, likewise"),
    ),
)

ESTIMATION_MARTS: Final = (
    Mart(
        ESTIMATES,
        reads=("jobs", "job_references", "reality_data"),
        timely=True,
        may_hold=True,
        steps=("like_jobs", "lengths", "kaplan_meier", "figures", "sizes", "rates"),
    ),
    Mart(ESTIMATES_BACKTEST, reads=("jobs",), timely=False, steps=("values", "moments", "places", "tested")),
)
