"""What docs/spark.md shows runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs_ledger import ROOT
from warehouse.query import sql

pytestmark = pytest.mark.spark

PAGE = (ROOT / "docs" / "spark.md").read_text(encoding="utf-8")
SECTIONS = {text.split("\n", 1)[0]: text for text in PAGE.split("\n## ")[1:]}


def _code(section: str, language: str) -> str:
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", SECTIONS[section], re.DOTALL))


@pytest.fixture
def beside_the_ledger(docs_ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in which the ledger is called `data`."""
    (tmp_path / "data").symlink_to(docs_ledger)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("beside_the_ledger")
def test_the_examples_in_python_show_what_duckdb_says(
    spark: Any, docs_ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(_code("PySpark", "python"), {"spark": spark})
    shown = re.findall(r"^\|(\w+)\s*\|(\d+)\s*\|([\d.]+)\s*\|$", capsys.readouterr().out, re.MULTILINE)
    expected = sql(
        "SELECT type, count(*), round(sum(units), 1) FROM jobs GROUP BY type ORDER BY type", data=docs_ledger
    )
    assert [(kind, int(jobs), float(units)) for kind, jobs, units in shown] == list(
        expected.itertuples(index=False, name=None)
    )


def test_the_example_of_spark_sql_shows_what_duckdb_says(beside_the_ledger: Path, docs_ledger: Path) -> None:
    script = _code("spark-sql", "sh").replace("python -m", f"{sys.executable} -m")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(
        ["sh", "-e", "-c", script], cwd=beside_the_ledger, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = sql(
        "SELECT month, run_seconds_p50 FROM duration_stats WHERE type = 'all' ORDER BY month", data=docs_ledger
    )
    shown = re.findall(r"^(all|\d{4}-\d\d)\t(\S+)$", done.stdout, re.MULTILINE)
    assert [(month, float(seconds)) for month, seconds in shown] == list(expected.itertuples(index=False, name=None))
