"""The mart that compares jobs by how they were set up: what each option's value goes along with."""

from __future__ import annotations

from typing import Final

from warehouse.declaration import Column, Table
from warehouse.marts import Mart

OPTION_IMPACT: Final = Table(
    name="option_impact",
    group="marts",
    monthly=False,
    meaning="What goes along with the value of an option, over the jobs that succeeded: their median run seconds "
    "and units, with an interval that holds the true median with 95 % or a little more, and how their run seconds "
    "compare with those of the type's other jobs of the same detector, with a 95 % interval, however differently "
    "detectors and sides spread. Numbers stand in quartiles of all values of the type and option. In a list each "
    "element is a value, and a job counts once for each. It shows what goes together, not what causes it: an interval "
    "that holds 1 shows nothing. Leaves out jobs that did not succeed or have no type; intervals of fewer than 20 "
    "values; ratios with fewer than 20 jobs on either side, and in ratios jobs of no length and detectors with fewer "
    "than 5 jobs on either side, whose spread is not known.",
    grain="job type, option and value",
    key=("type", "option", "value_kind", "value_label"),
    columns=(
        Column("type", "VARCHAR", "Kind of the jobs"),
        Column("option", "VARCHAR", "Canonical name of the option"),
        Column("value_kind", "VARCHAR", "'number', 'boolean' or 'text'"),
        Column(
            "value_label", "VARCHAR", "The value; of numbers the quartile with its lowest and highest: q1 [0.1, 0.5]"
        ),
        Column("jobs", "BIGINT", "Jobs with the value that succeeded", "jobs"),
        Column("with_run_seconds", "BIGINT", "Those of them whose run time is known", "jobs"),
        Column("run_seconds_p50", "DOUBLE", "Median of their run seconds", "s"),
        Column("run_seconds_low", "DOUBLE", "Lower end of its interval of 95 % or more; null of fewer than 20", "s"),
        Column("run_seconds_high", "DOUBLE", "Upper end of its interval of 95 % or more; null of fewer than 20", "s"),
        Column(
            "compared_jobs",
            "BIGINT",
            "Jobs with the value that the ratio counts: those of detectors with 5 or more jobs on either side",
            "jobs",
        ),
        Column(
            "other_jobs", "BIGINT", "Jobs of the same type and detectors without the value, likewise succeeded", "jobs"
        ),
        Column(
            "run_seconds_ratio",
            "DOUBLE",
            "Geometric mean of the run seconds over that of the other jobs of the same detector, weighted by the "
            "jobs with the value: 2 is twice as long; null where too_thin. Jobs of no length are left out",
            "ratio",
        ),
        Column(
            "run_seconds_ratio_low",
            "DOUBLE",
            "Lower end of its 95 % interval, as if jobs were independent: of twenty values without an effect one lies "
            "off 1 by chance. Null where too_thin, or where all jobs of each side run equally long",
            "ratio",
        ),
        Column("run_seconds_ratio_high", "DOUBLE", "Upper end of its 95 % interval, likewise", "ratio"),
        Column("too_thin", "BOOLEAN", "Fewer than 20 compared or other jobs: too few to compare"),
        Column("with_estimated_units", "BIGINT", "Jobs with the value that have estimated units", "jobs"),
        Column("estimated_units_p50", "DOUBLE", "Median of their estimated units", "units"),
        Column(
            "estimated_units_low", "DOUBLE", "Lower end of its interval of 95 % or more; null of fewer than 20", "units"
        ),
        Column(
            "estimated_units_high",
            "DOUBLE",
            "Upper end of its interval of 95 % or more; null of fewer than 20",
            "units",
        ),
        Column("with_processing_units", "BIGINT", "Jobs with the value that have processing units", "jobs"),
        Column("processing_units_p50", "DOUBLE", "Median of their processing units", "units"),
        Column(
            "processing_units_low",
            "DOUBLE",
            "Lower end of its interval of 95 % or more; null of fewer than 20",
            "units",
        ),
        Column(
            "processing_units_high",
            "DOUBLE",
            "Upper end of its interval of 95 % or more; null of fewer than 20",
            "units",
        ),
    ),
)

OPTION_MARTS: Final = (Mart(OPTION_IMPACT, reads=("jobs", "job_references", "job_options"), timely=False),)
