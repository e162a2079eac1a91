"""The marts that look ahead: the units of the current month, how far to trust the figure, and what it is made from."""

from __future__ import annotations

from typing import Final

from warehouse.declaration import Column, Table
from warehouse.marts import Mart

UNITS_BY_DAY: Final = Table(
    name="units_by_day",
    group="marts",
    meaning="What the jobs created on a day tell of their units, by the day from whose end on it was known: what "
    "unit_forecast is made from. Every job counts once with its newest units, vanished ones too. Estimates and "
    "consumption stand apart. Groups do not overlap. Leaves out nothing.",
    grain="day of creation, iTwin, type, day of knowledge and kind of units",
    key=("created_day", "itwin_id", "type", "known_day", "units_source"),
    columns=(
        Column("created_day", "TIMESTAMPTZ", "Start of the UTC day on which the jobs were created"),
        Column("itwin_id", "VARCHAR", "iTwin that the jobs belong to"),
        Column("type", "VARCHAR", "Kind of the jobs"),
        Column(
            "known_day",
            "TIMESTAMPTZ",
            "Start of the UTC day on which they ended; that of creation where the end is not known, or where they are "
            "open and show units already; null for other open jobs",
        ),
        Column("units_source", "VARCHAR", "'estimatedUnits' or 'processingUnits'; null where they tell no units"),
        Column("jobs", "BIGINT", "Jobs", "jobs"),
        Column("finished", "BIGINT", "Those of them in a terminal state", "jobs"),
        Column("with_units", "BIGINT", "Those of all of them that tell units", "jobs"),
        Column("finished_with_units", "BIGINT", "Those of the finished ones that tell units", "jobs"),
        Column(
            "units", "DOUBLE", "Sum of their units, each as a whole number of billionths; null without any", "units"
        ),
        Column("finished_units", "DOUBLE", "The same of the finished ones", "units"),
        Column("finished_squares", "DOUBLE", "Sum of the squares of the finished ones' units", "units^2"),
    ),
)

UNIT_FORECAST: Final = Table(
    name="unit_forecast",
    group="marts",
    monthly=False,
    meaning="The units that the current month will have cost, from what is known so far, the open jobs and the "
    "weekdays of the last eight weeks; and in 'backtest' rows what the same method would have said at the end of day "
    "7, 14 and 21 of up to 24 months that are over. A job counts in the month of its creation. Counts one kind of "
    "units alone: the one that most jobs with units carry of those created in the eight weeks before as_of. A backtest "
    "takes units as they are known today, of the jobs that had ended by its day. Leaves out jobs created after the day "
    "of as_of, iTwins without jobs in those weeks, and backtests of the ledger's first two months (the month before "
    "them is not whole). No rows before a complete walk, nor where no job has units. The interval holds 80 % of the "
    "months whose days are like those of the eight weeks before. Where whole months differ by a fifth, it holds half "
    "of them until backtests have widened it, and then two thirds early in the month and 85 % late.",
    grain="kind, month of creation, iTwin (or 'all') and day up to which jobs are counted",
    key=("kind", "month", "itwin_id", "day"),
    columns=(
        Column("kind", "VARCHAR", "'forecast': the month of as_of; 'backtest': a month that is over"),
        Column("month", "VARCHAR", "Month of creation (UTC), as YYYY-MM"),
        Column("itwin_id", "VARCHAR", "iTwin, or 'all' for all together"),
        Column("day", "BIGINT", "Day of the month up to which jobs are counted; in a forecast that of as_of, not over"),
        Column("units_source", "VARCHAR", "The kind of units: 'estimatedUnits' or 'processingUnits'"),
        Column("jobs", "BIGINT", "Jobs created in the month by then", "jobs"),
        Column("finished", "BIGINT", "Those of them that had ended by then, and so should have units", "jobs"),
        Column("with_units", "BIGINT", "Those of them that have units of this kind", "jobs"),
        Column("units_so_far", "DOUBLE", "Units of the month's jobs that were known by then", "units"),
        Column("open_jobs", "BIGINT", "Jobs of the month that were open then and show no units", "jobs"),
        Column(
            "open_units",
            "DOUBLE",
            "What these should cost: for each the mean of the jobs of its type that ended in the eight weeks before, "
            "those without units counted as 0",
            "units",
        ),
        Column(
            "remaining_units",
            "DOUBLE",
            "What the days that are left should cost (of a day that is not over, the part that is left): for each the "
            "mean of its weekday over the eight weeks before; null with under 7 days of history",
            "units",
        ),
        Column("expected_units", "DOUBLE", "The month's total as expected: the sum of the three", "units"),
        Column(
            "low_units",
            "DOUBLE",
            "Lower end of the 80 % interval, by Student's t from how days and jobs differ, or, where six or more "
            "backtests of months before missed by more, as wide as held 80 % of them; null with under 14 days of "
            "history",
            "units",
        ),
        Column("high_units", "DOUBLE", "Upper end of the 80 % interval; null where low_units is", "units"),
        Column("last_month_units", "DOUBLE", "Total of the month before as known then: a naive forecast", "units"),
        Column("run_rate_units", "DOUBLE", "units_so_far stretched to the whole month: a naive forecast", "units"),
        Column("actual_finished", "BIGINT", "Jobs of the month that ended; null in a forecast", "jobs"),
        Column("actual_with_units", "BIGINT", "Those of them with units of this kind; null in a forecast", "jobs"),
        Column("actual_units", "DOUBLE", "Units of the whole month as known at as_of; null in a forecast", "units"),
        Column("error_units", "DOUBLE", "expected_units minus actual_units", "units"),
        Column("error_share", "DOUBLE", "error_units of actual_units; null where these are 0", "share"),
        Column("last_month_error_units", "DOUBLE", "last_month_units minus actual_units", "units"),
        Column("run_rate_error_units", "DOUBLE", "run_rate_units minus actual_units", "units"),
        Column("in_interval", "BOOLEAN", "Whether actual_units lies within the interval"),
    ),
)

FORECAST_MARTS: Final = (
    Mart(UNITS_BY_DAY, reads=("jobs",), timely=False),
    Mart(
        UNIT_FORECAST,
        reads=("units_by_day",),
        timely=True,
        steps=("days", "cuts", "itwin_days", "to_come", "months"),
        interpolated=("low_units", "high_units"),
    ),
)
