"""What the UI shows of rows: names from the API are text in it, and a chart is a picture of what the mart holds."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.preview import BARS, CELL, ROWS, chart, markdown_table, preview
from warehouse.lake import MARTS_LOCK, Lake
from warehouse.marts import Mart
from warehouse.marts.all import MARTS
from warehouse.marts.charts import CHARTS

BY_NAME = {mart.name: mart for mart in MARTS}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("![](https://example.com/x.png)", "\\!\\[\\](https://example.com/x.png)"),
        ("<img src=x> & `a` _b_ *c* ~d~", "\\<img src=x\\> \\& \\`a\\` \\_b\\_ \\*c\\* \\~d\\~"),
        ("a|b\nc\x1b", "a\\|b�c�"),
        (None, ""),
        (1234567.891, "1,234,567.89"),
    ],
)
def test_a_value_is_text_whatever_it_holds(value: object, shown: str) -> None:
    assert markdown_table(["v"], [[value]], 40).splitlines() == ["| v |", "| --- |", f"| {shown} |"]


def test_a_preview_has_a_few_rows_and_no_long_value(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"job_id": [f"job {n}" for n in range(100)], "body": ["x" * 1000] * 100}), file)
    lines = preview(file).splitlines()
    assert lines[0] == "| job\\_id | body |"
    assert len(lines) == 2 + ROWS
    assert lines[2] == f"| job 0 | {'x' * (CELL - 1)}… |"


def test_a_preview_of_no_rows_has_the_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([], pa.string())}), tmp_path / "a.parquet")
    assert preview(tmp_path / "a.parquet").splitlines() == ["| a |", "| --- |"]


def kept(data: Path, mart: Mart, rows: list[dict[str, object]]) -> Lake:
    lake = Lake(data)
    with lake.exclusive(MARTS_LOCK) as staging:
        month = "2026-01" if mart.table.monthly else None
        staging.write(mart.table, month, pa.Table.from_pylist(rows, schema=mart.table.arrow_schema))
        staging.commit()
    return lake


def drawn(text: str) -> ET.Element:
    """The SVG of a chart."""
    found = re.search(r"base64,([^)]*)\)$", text)
    assert found
    return ET.fromstring(base64.b64decode(found[1]).decode())


def test_a_chart_has_a_bar_for_each_kind_of_units_of_each_month(tmp_path: Path) -> None:
    rows = [
        {"month": month, "itwin_id": "t", "type": kind, "user_id": "u", "estimated_units": units}
        for month, kind, units in (("2026-01", "A", 10.0), ("2026-01", "B", 30.0), ("2026-02", "A", 20.0))
    ]
    shown = chart(kept(tmp_path, BY_NAME["units_by_month"], rows), BY_NAME["units_by_month"])
    assert shown is not None
    bars = {title.text for title in drawn(shown).iter("{http://www.w3.org/2000/svg}title")}
    assert {"2026-01: 40", "2026-02: 20"} <= bars
    assert shown.startswith("![Units by month of creation")


def test_a_name_that_looks_like_markup_is_text_in_a_chart(tmp_path: Path) -> None:
    mart = BY_NAME["failure_reasons"]
    rows: list[dict[str, object]] = [
        {"code": f"<script>{n}</script>", "type": "A", "detector_name": "d", "detector_version": "1", "jobs": n}
        for n in range(BARS + 5)
    ]
    shown = chart(kept(tmp_path, mart, rows), mart)
    assert shown is not None
    assert {element.tag.rpartition("}")[2] for element in drawn(shown).iter()} == {
        "svg",
        "text",
        "path",
        "rect",
        "title",
    }


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_reads_columns_that_its_mart_has(name: str, tmp_path: Path) -> None:
    assert chart(kept(tmp_path, BY_NAME[name], []), BY_NAME[name]) is None
