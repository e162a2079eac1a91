"""Figures of what jobs cost: by month, by iTwin, and since last week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from assets.report import charts, words
from assets.report.figures import Column, Figure, Key, Section, extremes, unlike
from assets.report.questions import Answer, Row, Scope
from assets.unit_budget import UnitBudget

FORECAST_BARS: Final = 12
EXPECTED: Final = Key("expected, with the 80 % interval", charts.INK, "ring")
BUDGET: Final = Key("budget", charts.BAD, "line")


def costs(answers: Mapping[str, Answer], about: Scope, budget: UnitBudget) -> Section:
    """What jobs cost, and what the present month will have cost."""
    kind = "consumed" if about.kind == "processingUnits" else "estimated"
    asked = about.itwin_id or "all"
    whole = next((row for row in answers["forecast"].rows if row["itwin_id"] == asked), None)
    return Section(
        "units",
        "What it costs",
        f"Units are {kind} ones, of the jobs created in a month, open and failed ones too. Jobs without units add "
        "nothing: the coverage says how many have some.",
        [
            _units_by_month(answers, about, budget.of(asked, whole["itwin_name"] if whole else None), whole),
            _forecast(answers["forecast"], budget, whole),
            _coverage(answers["months"], len(_drawn(answers["forecast"].rows, budget))),
        ],
    )


def week(answers: Mapping[str, Answer]) -> Section:
    """What changed since last week."""
    parts = answers["week_parts"]
    rows = [
        {
            **row,
            "label": f"{words.short(row['type'] or 'no type')},\n{words.short(row['itwin'], 34)}",
            "tip_change": words.signed(row["change"]),
            "tip_units": f"{words.number(row['units'])}, before {words.number(row['units_before'])}",
            "tip_jobs": f"{row['jobs']:,}, before {row['jobs_before']:,}",
        }
        for row in parts.rows
        if row["change"]
    ]
    largest = f" Largest: {words.one_line(rows[0]['label'])}, {rows[0]['tip_change']} units." if rows else ""
    figure = Figure(
        "week-parts",
        "Where the units changed most",
        "The ten parts with the largest change.",
        f"Bars of the change in units by iTwin and type.{largest}",
        parts,
        [
            Column("type", "Type"),
            Column("itwin", "iTwin"),
            Column("units", "Units", words.number),
            Column("units_before", "Week before", words.number),
            Column("change", "Change", words.signed),
            Column("jobs", "Jobs", words.count),
            Column("jobs_before", "Week before", words.count),
        ],
        charts.changes(unlike(rows, "label")) if rows else None,
        [Key("more", charts.WAITING), Key("fewer", charts.RUNNING)],
        "The last two weeks hold no job with units.",
        is_wide=True,
    )
    return Section(
        "week",
        "What changed since last week",
        "The seven days up to the newest walk beside the seven before, by when jobs were created. Jobs of the last "
        "hours may still be without units.",
        [figure],
    )


def _units_by_month(answers: Mapping[str, Answer], about: Scope, budget: float | None, whole: Row | None) -> Figure:
    by_itwin, months = answers["units_by_itwin"], answers["months"]
    is_shown = whole is not None and about.first <= whole["month"] <= about.last
    places = sorted({(row["place"], row["itwin"]) for row in by_itwin.rows})
    itwins = [Key(name, charts.OTHER if place > 6 else charts.SERIES[place - 1]) for place, name in places]
    total = words.number(sum(row["units"] for row in months.rows))
    note = " The circle is what the present month will have cost." if is_shown else ""
    return Figure(
        "units-by-month",
        "Units by month and iTwin",
        f"{total} units in {len(months.rows)} months.{note}",
        extremes("Stacked columns of units by month of creation and iTwin", months.rows, "units"),
        by_itwin,
        [
            Column("month", "Month", words.month),
            Column("itwin", "iTwin"),
            Column("jobs", "Jobs", words.count),
            Column("units", "Units", words.number),
        ],
        charts.units_by_month(by_itwin.rows, whole if is_shown else None, budget) if by_itwin.rows else None,
        [*itwins, *([EXPECTED] if is_shown else []), *([BUDGET] if budget else [])],
        is_wide=True,
    )


def _forecast(forecast: Answer, budget: UnitBudget, whole: Row | None) -> Figure:
    rows = _with_budgets(forecast.rows, budget)
    drawn = _drawn(forecast.rows, budget)
    budgets = {row["itwin_id"]: row["budget"] for row in drawn if row["budget"]}
    so_far, expected = (words.number(whole[name] if whole else None) for name in ("units_so_far", "expected_units"))
    return Figure(
        "forecast",
        f"What {words.month(whole['month']) if whole else 'the month'} will have cost, by iTwin",
        f"The {FORECAST_BARS} iTwins that are expected to cost most, and those with a budget.",
        f"Bars of units so far and still expected, by iTwin. All: {so_far} so far, {expected} expected.",
        forecast,
        [
            Column("itwin", "iTwin"),
            Column("units_so_far", "Units so far", words.number),
            Column("expected_units", "Expected", words.number),
            Column("low_units", "Low (80 %)", words.number),
            Column("high_units", "High (80 %)", words.number),
            Column("last_month_units", "Month before", words.number),
            *([Column("budget", "Budget", words.number)] if budget else []),
        ],
        charts.forecast_by_itwin(drawn, budgets) if drawn else None,
        [
            Key("so far", charts.SERIES[0]),
            Key("still expected", charts.SOFT),
            EXPECTED,
            *([BUDGET] if budgets else []),
        ],
        "There is no forecast yet: it needs a complete walk and jobs with units.",
        rows=rows,
    )


def _with_budgets(rows: Sequence[Row], budget: UnitBudget) -> list[Row]:
    return [{**row, "budget": budget.of(row["itwin_id"], row["itwin_name"])} for row in rows]


def _drawn(rows: Sequence[Row], budget: UnitBudget) -> list[Row]:
    """The iTwins whose forecast is drawn: the dearest, and those with a budget."""
    known = _with_budgets(rows, budget)
    of_itwins = [row for row in known if row["itwin_id"] != "all" and row["expected_units"] is not None]
    return [row for place, row in enumerate(of_itwins) if place < FORECAST_BARS or row["budget"]][: 2 * FORECAST_BARS]


def _coverage(months: Answer, bars: int) -> Figure:
    return Figure(
        "coverage",
        "Of how many jobs units are known",
        "Of the finished jobs of each month.",
        extremes("Line of the share of finished jobs with units, by month", months.rows, "units_coverage", words.share),
        months,
        [
            Column("month", "Month", words.month),
            Column("jobs", "Jobs", words.count),
            Column("finished", "Finished", words.count),
            Column("with_units", "With units", words.count),
            Column("units_coverage", "Coverage", words.share),
            Column("units", "Units", words.number),
        ],
        charts.coverage(months.rows, bars) if months.rows else None,
    )
