"""What the UI shows of rows, as Markdown: the offending rows of a check, a table's first rows, a mart's chart.

Names come from the API, so nothing in a cell is Markdown: a name may neither draw, nor link, nor load an image. A chart
is an SVG inside the Markdown, which asks for nothing and runs no script.
"""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import pyarrow.parquet as pq

from warehouse.engine import arrow, connection
from warehouse.lake import Lake
from warehouse.marts import Mart
from warehouse.marts.charts import CHARTS

ROWS: Final = 5
CELL: Final = 40
"""Characters of a value that a preview shows."""

BARS: Final = 24
"""Bars that a chart has at most: the last ones."""

_MARKUP: Final = frozenset("\\`*_[]<>&|~!#$@")
_COLORS: Final = ("#4f6bed", "#e08a3c")
_WIDTH, _HEIGHT, _BASE, _LABEL = 560, 190, 140, 14
_TEXT: Final = "#7a8290"
"""A grey that is read on white and on black alike."""


def markdown_table(names: Sequence[str], rows: Iterable[Sequence[Any]], width: int) -> str:
    """Return rows as a table in Markdown, of each value at most `width` characters."""
    lines = [[_cell(name, width) for name in names], ["---" for _ in names]]
    lines += [[_cell(value, width) for value in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def preview(file: Path) -> str:
    """Return the first rows of a table's file as a table in Markdown."""
    with pq.ParquetFile(file) as parquet:
        rows = next(parquet.iter_batches(batch_size=ROWS), None)
        names = parquet.schema_arrow.names
    return markdown_table(names, () if rows is None else (row.values() for row in rows.to_pylist()), CELL)


def chart(lake: Lake, mart: Mart) -> str | None:
    """Return a mart's chart as an image in Markdown; None where it declares none, or has no rows for it."""
    declared = CHARTS.get(mart.name)
    if declared is None:
        return None
    with connection() as con:
        lake.view(con, mart.table)
        found = arrow(con, declared.sql)
    series = [name for name in found.column_names[1:] if found[name].null_count < len(found)]
    labels, rows = found.column(0).to_pylist()[-BARS:], found.select(series).to_pylist()[-BARS:]
    if not series:
        return None
    title = f"{declared.title} [{declared.unit}]"
    bars = [(str(label), [float(row[name] or 0) for name in series]) for label, row in zip(labels, rows, strict=True)]
    svg = _svg(title, series if found.num_columns > 2 else [""], bars)
    return f"![{_escaped(title)}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _svg(title: str, series: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Bars for each row, a colour for each series, the largest value beside the axis."""
    top = max((value for _, values in rows for value in values), default=0.0)
    step = (_WIDTH - 60) / max(len(rows), 6)
    wide = step * 0.8 / len(series)
    parts = [_text(0, 12, title, weight="bold")]
    parts += [_text(_WIDTH - 80 * (len(series) - n), 12, name, color=_COLORS[n]) for n, name in enumerate(series)]
    parts += [_text(0, 34, f"{top:,.4g}"), _text(0, _BASE, "0")]
    parts.append(f'<path d="M56 30V{_BASE}H{_WIDTH}" fill="none" stroke="{_TEXT}"/>')
    for place, (label, values) in enumerate(rows):
        left = 60 + place * step
        for n, value in enumerate(values):
            tall = max(value, 0.0) / top * (_BASE - 30) if top else 0.0
            parts.append(
                f'<rect x="{left + n * wide:.1f}" y="{_BASE - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}" '
                f'fill="{_COLORS[n]}"><title>{escape(f"{label}: {value:,.6g}")}</title></rect>'
            )
        parts.append(_text(left + step * 0.4, _BASE + 12, label[:_LABEL], turned=True))
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>'


def _text(x: float, y: float, text: str, *, color: str = _TEXT, weight: str = "normal", turned: bool = False) -> str:
    how = f' transform="rotate(-35 {x:.1f} {y})" text-anchor="end"' if turned else ""
    font = f'font-family="sans-serif" font-size="11" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y}" fill="{color}" {font}{how}>{escape(text)}</text>'


def _cell(value: Any, width: int) -> str:
    text = _shown(value)
    return _escaped(text if len(text) <= width else f"{text[: width - 1]}…")


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float) and abs(value) >= 0.01:
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return str(value)


def _escaped(text: str) -> str:
    """A text as Markdown shows it: nothing in it is markup, and it begins no line."""
    plain = ("\ufffd" if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text)
    return "".join(f"\\{sign}" if sign in _MARKUP else sign for sign in plain)
