"""The drawings of the report, by Altair. Colours are CSS variables of the page, so that they follow its light and dark.

Rows carry, beside their numbers, the texts that stand under the pointer: fields that begin with `tip_`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

import altair as alt

from assets.report import words

Row = Mapping[str, Any]

INK, MUTED, LINE, PAPER = "var(--ink)", "var(--muted)", "var(--line)", "var(--paper)"
WAITING, RUNNING = "var(--c2)", "var(--c1)"
GOOD, BAD, ENDED_EARLY, OPEN = "var(--c3)", "var(--bad)", "var(--warn)", "var(--c6)"
OTHER, SOFT = "var(--other)", "var(--soft)"
SERIES: Final = tuple(f"var(--c{place})" for place in range(1, 7))
SHADES: Final = tuple(f"var(--h{place})" for place in range(6))

STUCK_BEYOND: Final = 3
CLOCK_LABEL: Final = (
    "datum.value < 60 ? datum.value + ' s' : datum.value < 3600 ? datum.value / 60 + ' min' : "
    "datum.value < 86400 ? datum.value / 3600 + ' h' : datum.value / 86400 + ' d'"
)
PLAIN_LABEL: Final = "'' + datum.value"
CLOCK_TICKS: Final = (1, 3, 10, 30, 60, 180, 600, 1800, 3600, 10800, 21600, 43200, 86400, 259200, 604800, 2592000)
LINES_LABEL: Final = "split(datum.label, '\\n')"
HALF_A_LINE: Final[Any] = {"condition": {"test": "indexof(datum.value, '\\n') > 0", "value": -7}, "value": 0}
"""Vega puts the first line of a name beside its bar: this puts the middle of two there."""

MONTH_LABEL: Final = (
    "[monthAbbrevFormat(toNumber(slice(datum.value, 5)) - 1), "
    "slice(datum.value, 5) == '01' || datum.index == 0 ? slice(datum.value, 0, 4) : '']"
)
CONFIG: Final = {
    "aria": False,
    "background": None,
    "font": "Arial, 'Liberation Sans', sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": LINE,
        "domainColor": LINE,
        "tickColor": LINE,
        "labelPadding": 6,
        "titlePadding": 8,
        "labelLimit": 150,
    },
    "axisBand": {"grid": False, "ticks": False},
    "axisX": {"tickCount": 5},
    "axisY": {"tickCount": 5, "domain": False, "ticks": False},
    "bar": {"cornerRadiusEnd": 2},
    "text": {"color": INK, "fontSize": 12},
    "tick": {"thickness": 2},
}


def units_by_month(rows: Sequence[Row], forecast: Row | None, budget: float | None) -> alt.LayerChart:
    """Stacked columns, with what the present month will have cost, and the budget as a line."""
    shown = [
        dict(
            row, tip_month=words.month(row["month"]), tip_units=words.number(row["units"]), tip_jobs=f"{row['jobs']:,}"
        )
        for row in rows
    ]
    names = list(dict.fromkeys(row["itwin"] for row in sorted(rows, key=lambda row: int(row["place"]))))
    colours = [OTHER if name.startswith("Other iTwins") else SERIES[place % 6] for place, name in enumerate(names)]
    bars = (
        _chart(shown)
        .mark_bar()
        .encode(
            x=_months(),
            y=alt.Y("units:Q", title="Units", stack="zero"),
            color=alt.Color("itwin:N", scale=alt.Scale(domain=names, range=colours), legend=None),
            order=alt.Order("place:Q"),
            tooltip=_tips(tip_month="Month", itwin="iTwin", tip_units="Units", tip_jobs="Jobs"),
        )
    )
    layers: list[Any] = [bars]
    if forecast and forecast["expected_units"] is not None:
        layers += _expected([forecast], alt.X("month:O"), "y")
    if budget is not None:
        layers.append(_budget_line(budget))
    return _layer(layers, 260)


def coverage(rows: Sequence[Row], bars: int) -> alt.Chart:
    """For each month the share of the finished jobs whose units are known; as high as so many bars beside it."""
    shown = [
        dict(
            row,
            tip_month=words.month(row["month"]),
            tip_share=words.share(row["units_coverage"]),
            tip_of=f"{row['with_units']:,} of {row['finished']:,}",
        )
        for row in rows
    ]
    return _sized(
        _chart(shown)
        .mark_line(point=alt.OverlayMarkDef(color=GOOD, size=45, filled=True), color=GOOD, strokeWidth=2)
        .encode(
            x=_months(),
            y=alt.Y(
                "units_coverage:Q",
                title="Jobs with units",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".0%", tickCount=3),
            ),
            tooltip=_tips(tip_month="Month", tip_share="With units", tip_of="Finished jobs"),
        ),
        max(150, _bars(bars, 30)),
    )


def forecast_by_itwin(rows: Sequence[Row], budgets: Mapping[str, float]) -> alt.LayerChart:
    """Bars of what is known and what is still expected, with the interval, and a mark at each budget."""
    parts = [
        {
            "itwin": row["itwin"],
            "part": part,
            "place": place,
            "units": units,
            "tip_units": words.number(units),
        }
        for row in rows
        for place, (part, units) in enumerate(
            (
                ("So far", row["units_so_far"]),
                ("Still expected", (row["open_units"] or 0) + (row["remaining_units"] or 0)),
            )
        )
    ]
    order = [row["itwin"] for row in rows]
    bars = (
        _chart(parts)
        .mark_bar(height={"band": 0.62})
        .encode(
            x=alt.X("units:Q", title="Units", stack="zero"),
            y=_names("itwin", order),
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=["So far", "Still expected"], range=[SERIES[0], SOFT]),
                legend=None,
            ),
            order=alt.Order("place:Q"),
            tooltip=_tips(itwin="iTwin", part="Part", tip_units="Units"),
        )
    )
    layers = [bars, *_expected([row for row in rows if row["low_units"] is not None], _names("itwin", order), "x")]
    marked = [
        {
            "itwin": row["itwin"],
            "budget": budgets[row["itwin_id"]],
            "tip_budget": words.number(budgets[row["itwin_id"]]),
        }
        for row in rows
        if row["itwin_id"] in budgets
    ]
    if marked:
        layers.append(
            _chart(marked)
            .mark_tick(color=BAD, thickness=3, height={"band": 0.9})
            .encode(x="budget:Q", y=_names("itwin", order), tooltip=_tips(itwin="iTwin", tip_budget="Budget, units"))
        )
    return _layer(layers, _bars(len(rows), 30))


def times_by_type(rows: Sequence[Row], phase: str, colour: str) -> alt.LayerChart:
    """From the median to the 95th percentile of each type, on a logarithmic scale; jobs still open are censored."""
    fields = {quantile: f"{phase}_seconds_km_{quantile}" for quantile in ("p50", "p90", "p95")}
    still = "still_waiting" if phase == "queue" else "still_running"
    shown = [
        {
            "type": row["type"],
            **{quantile: max(row[field], 1) if row[field] is not None else None for quantile, field in fields.items()},
            **{f"tip_{quantile}": words.duration(row[field]) for quantile, field in fields.items()},
            "tip_jobs": f"{row['finished']:,} finished, {row[still]:,} {still.replace('_', ' ')}",
        }
        for row in rows
        if row[fields["p50"]] is not None
    ]
    tips = _tips(type="Type", tip_p50="50 % within", tip_p90="90 % within", tip_p95="95 % within", tip_jobs="Jobs")
    y = _names("type", [row["type"] for row in shown])
    x = _clock("p50", [row[quantile] for row in shown for quantile in ("p50", "p95")])
    base = _chart(shown)
    return _layer(
        [
            base.mark_rule(color=colour, strokeWidth=6, opacity=0.35, strokeCap="round").encode(
                x=x, x2="p95:Q", y=y, tooltip=tips
            ),
            base.mark_point(color=colour, filled=True, size=90, opacity=1).encode(x=x, y=y, tooltip=tips),
            base.mark_tick(color=colour, height=12).encode(x="p90:Q", y=y, tooltip=tips),
            base.mark_point(color=colour, fill=PAPER, size=80, strokeWidth=2, opacity=1).encode(
                x="p95:Q", y=y, tooltip=tips
            ),
        ],
        _bars(len(shown), 26),
    )


def times_by_month(rows: Sequence[Row]) -> alt.Chart:
    """Lines of the median (whole) and the 95th percentile (dashed), on a logarithmic scale."""
    shown = [
        {
            "month": row["month"],
            "phase": phase,
            "quantile": quantile,
            "line": f"{phase} {quantile}",
            "seconds": max(value, 1),
            "tip_month": words.month(row["month"]),
            "tip_seconds": words.duration(value),
            "tip_what": f"{words_of} within",
        }
        for row in rows
        for phase, field in (("waiting", "queue"), ("running", "run"))
        for quantile, words_of in (("p50", "50 %"), ("p95", "95 %"))
        if (value := row[f"{field}_seconds_km_{quantile}"]) is not None
    ]
    return _sized(
        _chart(shown)
        .mark_line(point=alt.OverlayMarkDef(filled=True, size=40), strokeWidth=2)
        .encode(
            x=_months(),
            y=alt.Y(
                "seconds:Q",
                title="Time",
                scale=_log([row["seconds"] for row in shown]),
                axis=_clock_axis(),
            ),
            color=alt.Color(
                "phase:N", scale=alt.Scale(domain=["waiting", "running"], range=[WAITING, RUNNING]), legend=None
            ),
            strokeDash=alt.StrokeDash(
                "quantile:N", scale=alt.Scale(domain=["p50", "p95"], range=[[1, 0], [5, 4]]), legend=None
            ),
            detail="line:N",
            tooltip=_tips(tip_month="Month", phase="Jobs", tip_what="Share", tip_seconds="Time"),
        ),
        240,
    )


def load(rows: Sequence[Row], field: str, what: str) -> alt.Chart:
    """Weekdays by hours, in six shades from none to the most."""
    shown = [
        {
            "weekday": words.weekday(row["weekday"])[:3],
            "hour": row["hour_of_day"],
            "value": row[field],
            "tip_when": f"{words.weekday(row['weekday'])} {words.hour(row['hour_of_day'])}",
            "tip_value": words.number(row[field]),
        }
        for row in rows
    ]
    most = max((row["value"] for row in shown), default=0) or 1
    return _sized(
        _chart(shown)
        .mark_rect(stroke=PAPER, strokeWidth=1.5)
        .encode(
            x=alt.X(
                "hour:O",
                title="Hour of the day",
                axis=alt.Axis(
                    values=list(range(0, 24, 3)), labelAngle=0, labelExpr="(datum.value < 10 ? '0' : '') + datum.value"
                ),
            ),
            y=alt.Y("weekday:O", title=None, sort=[day[:3] for day in words.WEEKDAYS]),
            color=alt.Color(
                "value:Q", scale=alt.Scale(type="quantize", domain=[0, most], range=list(SHADES)), legend=None
            ),
            tooltip=_tips(tip_when="When", tip_value=what),
        ),
        _bars(7, 24),
    )


def bars(rows: Sequence[Row], name: str, value: str, title: str, colour: str, tips: Mapping[str, str]) -> alt.Chart:
    """Bars of one colour, in the order of the rows."""
    return _sized(
        _chart(rows)
        .mark_bar(color=colour, height={"band": 0.65})
        .encode(x=alt.X(f"{value}:Q", title=title), y=_names(name, [row[name] for row in rows]), tooltip=_tips(**tips)),
        _bars(len(rows)),
    )


def stacked_columns(rows: Sequence[Row], parts: Mapping[str, tuple[str, str]], title: str) -> alt.Chart:
    """Columns by month of the fields named in `parts`, each with its name and colour."""
    shown = [
        {
            "month": row["month"],
            "part": name,
            "place": place,
            "value": row[field],
            "tip_month": words.month(row["month"]),
            "tip_value": words.number(row[field]),
        }
        for row in rows
        for place, (field, (name, _)) in enumerate(parts.items())
    ]
    ticks = min(5, max(1, int(max(sum(row[field] or 0 for field in parts) for row in rows))))  # counts have no halves
    return _sized(
        _chart(shown)
        .mark_bar()
        .encode(
            x=_months(),
            y=alt.Y("value:Q", title=title, stack="zero", axis=alt.Axis(tickCount=ticks)),
            color=_parts(parts),
            order=alt.Order("place:Q"),
            tooltip=_tips(tip_month="Month", part="Part", tip_value=title),
        ),
        200,
    )


def stacked_bars(rows: Sequence[Row], name: str, parts: Mapping[str, tuple[str, str]], title: str) -> alt.Chart:
    """Bars, one for each row, of the fields named in `parts`, each with its name and colour."""
    shown = [
        {
            name: row[name],
            "part": part,
            "place": place,
            "value": row[field] or 0,
            "tip_value": words.number(row[field] or 0),
            "tip_more": row.get("tip_more", ""),
        }
        for row in rows
        for place, (field, (part, _)) in enumerate(parts.items())
    ]
    return _sized(
        _chart(shown)
        .mark_bar(height={"band": 0.65})
        .encode(
            x=alt.X("value:Q", title=title, stack="zero"),
            y=_names(name, [row[name] for row in rows]),
            color=_parts(parts),
            order=alt.Order("place:Q"),
            tooltip=_tips(**{name: "Which", "part": "Part", "tip_value": title, "tip_more": "More"}),
        ),
        _bars(len(rows), _step(rows, name)),
    )


def open_jobs(rows: Sequence[Row]) -> alt.LayerChart:
    """How many times the usual longest time a job has been in its state; a line where stuck begins."""
    shown = [
        dict(row, tip_times=words.times(row["times_p95"]), tip_age=words.duration(row["age_seconds"])) for row in rows
    ]
    bar = (
        _chart(shown)
        .mark_bar(height={"band": 0.6})
        .encode(
            x=alt.X("times_p95:Q", title="Times as long as 95 % of the type", axis=alt.Axis(labelExpr=PLAIN_LABEL)),
            y=_names("label", [row["label"] for row in shown]),
            color=alt.condition("datum.is_stuck", alt.value(BAD), alt.value(OPEN)),
            tooltip=_tips(
                label="Job",
                itwin="iTwin",
                type="Type",
                state="State",
                tip_age="In this state for",
                tip_times="Times p95",
            ),
        )
    )
    line = _chart([{"stuck": STUCK_BEYOND}]).mark_rule(color=INK, strokeDash=[4, 4]).encode(x="stuck:Q")
    return _layer([bar, line], _bars(len(rows)))


def ratios(rows: Sequence[Row]) -> alt.LayerChart:
    """A point and its interval for each row, beside a line at 1, on a logarithmic scale."""
    y = _names("label", [row["label"] for row in rows], limit=230)
    tips = _tips(label="Option", tip_ratio="Run time", tip_interval="95 % interval", tip_jobs="Jobs")
    ends = [row[f"run_seconds_ratio_{end}"] for row in rows for end in ("low", "high")]
    x = alt.X(
        "run_seconds_ratio_low:Q",
        title="Times the other jobs' run time",
        scale=_log([*ends, 0.9, 1.1]),
        axis=alt.Axis(
            values=[0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10], labelExpr=PLAIN_LABEL, labelOverlap=True
        ),
    )
    colour = alt.condition("datum.shows", alt.value(RUNNING), alt.value(OTHER))
    base = _chart(rows)
    return _layer(
        [
            _chart([{"same": 1}]).mark_rule(color=MUTED).encode(x=alt.X("same:Q")),
            base.mark_rule(strokeWidth=3).encode(x=x, x2="run_seconds_ratio_high:Q", y=y, color=colour, tooltip=tips),
            base.mark_point(filled=True, size=90, opacity=1).encode(
                x="run_seconds_ratio:Q", y=y, color=colour, tooltip=tips
            ),
        ],
        _bars(len(rows), _step(rows, "label")),
    )


def changes(rows: Sequence[Row]) -> alt.Chart:
    """Bars to the right for more units than the week before, to the left for fewer."""
    return _sized(
        _chart(rows)
        .mark_bar(height={"band": 0.62})
        .encode(
            x=alt.X("change:Q", title="Change in units"),
            y=_names("label", [row["label"] for row in rows], limit=210),
            color=alt.condition("datum.change > 0", alt.value(WAITING), alt.value(RUNNING)),
            tooltip=_tips(label="Part", tip_change="Change, units", tip_units="Units", tip_jobs="Jobs"),
        ),
        _bars(len(rows), _step(rows, "label")),
    )


def lineage(nodes: Sequence[Row], edges: Sequence[tuple[Row, Row]]) -> alt.LayerChart:
    """A line for each job, a step to the right for each step upstream; edges lead from a job to what it used."""
    deepest = max(int(node["step"]) for node in nodes)
    x = alt.X("step:Q", scale=alt.Scale(domain=[0, deepest], range=[12, 12 + 18 * deepest], nice=False), axis=None)
    y = alt.Y("row:Q", scale=alt.Scale(domain=[-0.6, len(nodes) - 0.4], reverse=True, nice=False), axis=None)
    corners = [
        {"edge": place, "corner": corner, "step": step, "row": row}
        for place, (consumer, producer) in enumerate(edges)
        for corner, (step, row) in enumerate(
            (
                (consumer["step"], consumer["row"]),
                (consumer["step"], producer["row"]),
                (producer["step"], producer["row"]),
            )
        )
    ]
    layers: list[Any] = []
    if corners:
        line = _chart(corners).mark_line(color=MUTED, strokeWidth=1.5, opacity=0.6)
        layers.append(line.encode(x=x, y=y, detail="edge:N", order=alt.Order("corner:Q")))
    tips = _tips(job="Job", type="Type", state="State", tip_units="Units")
    dots = (
        _chart(nodes)
        .mark_circle(size=130, opacity=1)
        .encode(x=x, y=y, color=alt.condition("datum.step == 0", alt.value(WAITING), alt.value(RUNNING)), tooltip=tips)
    )
    labels = (
        _chart(nodes)
        .mark_text(align="left", dx=12, limit=290, lineBreak="\n")
        .encode(x=x, y=y, text="label:N", tooltip=tips)
    )
    return _layer([*layers, dots, labels], 36 * len(nodes) + 12)


def spec(chart: alt.Chart | alt.LayerChart) -> dict[str, Any]:
    """Return the Vega-Lite specification of a chart that is as wide as what holds it."""
    made = chart.to_dict(validate=False)
    made.pop("$schema", None)
    datasets: dict[str, Any] = made.pop("datasets", {})
    _put_in(made, datasets)
    made["config"] = CONFIG
    made["autosize"] = {"type": "fit-x", "contains": "padding"}
    return made


def _put_in(part: Any, datasets: Mapping[str, Any]) -> None:
    """Let each layer hold its own rows: Altair's names for them change with the version."""
    if isinstance(part, dict):
        found = cast("dict[str, Any]", part)
        data = found.get("data")
        if isinstance(data, dict) and "name" in data:
            found["data"] = {"values": datasets[str(cast("dict[str, Any]", data)["name"])]}
        found.pop("name", None) if "mark" in found else None
        for inner in found.values():
            _put_in(inner, datasets)
    elif isinstance(part, list):
        for inner in cast("list[Any]", part):
            _put_in(inner, datasets)


def _chart(rows: Iterable[Row]) -> Any:
    return alt.Chart(alt.Data(values=[_plain(row) for row in rows]))


def _plain(row: Row) -> dict[str, Any]:
    """A row as JSON has it: instants stay out, for the texts under the pointer say them."""
    return {name: value for name, value in row.items() if value is None or isinstance(value, str | int | float | bool)}


def _bars(count: int, step: int = 28) -> int:
    """The height of so many bars."""
    return max(count, 1) * step


def _step(rows: Sequence[Row], name: str) -> int:
    """The height of a bar, by the lines of the names beside it."""
    return 36 if any("\n" in row[name] for row in rows) else 28


def _sized(chart: Any, height: int) -> Any:
    return chart.properties(width="container", height=height)


def _layer(layers: Sequence[Any], height: int) -> Any:
    return _sized(alt.layer(*layers), height)


def _tips(**titles: str) -> list[Any]:
    """What stands under the pointer: fields with their titles."""
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in titles.items()]


def _months() -> Any:
    return alt.X("month:O", title=None, axis=alt.Axis(labelExpr=MONTH_LABEL, labelAngle=0, labelOverlap=True))


def _names(field: str, order: Sequence[Any], limit: int = 150) -> Any:
    """The names of bars, of one line or two; a drawing on a phone cuts lines, and not what follows them."""
    axis = alt.Axis(labelLimit=limit, labelExpr=LINES_LABEL, labelOffset=HALF_A_LINE, domain=False)
    return alt.Y(f"{field}:N", title=None, sort=list(order), axis=axis)


def _clock(field: str, values: Iterable[Any]) -> Any:
    return alt.X(f"{field}:Q", title=None, scale=_log(values), axis=_clock_axis())


def _log(values: Iterable[Any]) -> Any:
    """A logarithmic scale from a little below the least of some values to a little above the greatest.

    Vega would let it begin and end with powers of ten, which leaves most of the drawing empty.
    """
    known = [float(value) for value in values if value is not None]
    domain = [min(known) / 1.2, max(known) * 1.2] if known else [60, 3600]
    return alt.Scale(type="log", domain=domain, nice=False)


def _clock_axis() -> Any:
    return alt.Axis(values=list(CLOCK_TICKS), labelExpr=CLOCK_LABEL, labelOverlap="greedy", labelSeparation=8)


def _parts(parts: Mapping[str, tuple[str, str]]) -> Any:
    names, colours = [name for name, _ in parts.values()], [colour for _, colour in parts.values()]
    return alt.Color("part:N", scale=alt.Scale(domain=names, range=colours), legend=None)


def _expected(rows: Sequence[Row], where: Any, along: str) -> list[Any]:
    """Marks at what is expected, with the 80 % interval where there is one; along the axis of units."""
    shown = [
        {
            **{name: row[name] for name in ("month", "itwin", "expected_units", "low_units", "high_units")},
            "tip_month": words.month(row["month"]),
            "tip_expected": words.number(row["expected_units"]),
            "tip_interval": f"{words.number(row['low_units'])} to {words.number(row['high_units'])}",
        }
        for row in rows
    ]
    across = "y" if along == "x" else "x"
    tips = _tips(tip_month="Month", itwin="iTwin", tip_expected="Expected units", tip_interval="80 % interval")
    units = alt.Y("low_units:Q") if along == "y" else alt.X("low_units:Q")
    rule = {across: where, along: units, f"{along}2": "high_units:Q", "tooltip": tips}
    point = {across: where, along: "expected_units:Q", "tooltip": tips}
    base = _chart(shown)
    return [
        base.mark_rule(color=INK, strokeWidth=2).encode(**rule),
        base.mark_point(color=INK, fill=PAPER, size=70, strokeWidth=2, opacity=1).encode(**point),
    ]


def _budget_line(budget: float) -> Any:
    shown = [{"budget": budget, "tip_budget": words.number(budget)}]
    line = _chart(shown).mark_rule(color=BAD, strokeDash=[6, 4], strokeWidth=2)
    return line.encode(y="budget:Q", tooltip=_tips(tip_budget="Budget, units a month"))
