"""docs/analysis.ipynb, cell by cell, on the ledger of the docs."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import altair as alt
import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "analysis.ipynb"
CELLS: list[str] = [
    "".join(cell["source"])
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    if cell["cell_type"] == "code"
]


def shown(cell: str, names: dict[str, Any]) -> object:
    """Execute a cell as a notebook does, and return the value of its last line, if that is an expression."""
    body = ast.parse(cell).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), str(NOTEBOOK), "exec"), names)
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names)


def test_the_notebook_leads_from_queries_to_three_charts(
    docs_ledger: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOBLEDGER_DATA", str(docs_ledger))
    names: dict[str, Any] = {}
    charts = [found for found in (shown(cell, names) for cell in CELLS) if found is not None]
    assert len(charts) == 3
    for chart in charts:
        assert isinstance(chart, alt.TopLevelMixin)
        assert any(chart.to_dict()["datasets"].values())
    told = capsys.readouterr().out
    assert "The wait is shortest at " in told
    assert " cost most: " in told
    assert " times as long (" in told


def test_the_notebook_keeps_no_answers_that_could_go_stale() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(cell.get("outputs", []) == [] for cell in cells)
