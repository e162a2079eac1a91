"""`jobledger marts` with DuckDB, and what it says where Spark is wanted and not there. Spark itself: tests/spark."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipelines.exits import Exit
from pipelines.spark import NO_JAVA, NO_PYSPARK, session
from tests.pipelines.command import run_command
from tests.warehouse.made_ledgers import made_ledger
from tests.warehouse.mart_worlds import AS_OF, edge_jobs
from warehouse.errors import WrongUsage
from warehouse.marts.all import MARTS
from warehouse.query import rows


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_ledger(tmp_path_factory.mktemp("marts") / "data", {"jobs": edge_jobs()}, AS_OF)


@pytest.mark.proof
def test_marts_are_made_once_and_told(data: Path) -> None:
    first, second = (run_command(["marts"], {"JOBLEDGER_DATA": str(data)}, data.parent) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "failure_costs made in " in first.stderr
    assert second.stderr == ""
    assert told(first.stdout) == dict.fromkeys((mart.name for mart in MARTS), "made")
    assert told(second.stdout) == dict.fromkeys((mart.name for mart in MARTS), "left as it was")
    assert rows("select jobs from failure_costs where month = 'all' and type = 'all'", data).to_pylist() == [
        {"jobs": len(edge_jobs())}
    ]


def test_the_door_of_a_pull_that_died_is_made_by_the_command_that_is_named(data: Path) -> None:
    env, door = {"JOBLEDGER_DATA": str(data)}, data / "history.duckdb"
    run_command(["marts"], env, data.parent)
    door.unlink()
    lost = [run_command(command, env, data.parent) for command in (["status"], ["sql", "select 1"])]
    assert [done.returncode for done in lost] == [Exit.FAILED, Exit.FAILED]
    assert all("`jobledger marts` makes it." in done.stderr for done in lost)
    mended = run_command(["marts"], env, data.parent)
    assert set(told(mended.stdout).values()) == {"left as it was"}
    assert run_command(["sql", "select count(*) from jobs"], env, data.parent).returncode == Exit.DONE


def told(printed: str) -> dict[str, str]:
    """What is printed of each mart."""
    return dict(re.findall(r"^ (\w+) +│ +\d+ │ (.+?) *$", printed, re.MULTILINE))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--master", "local[2]"], "give --engine spark as well"),
        (["--engine", "polars"], "'polars' is not one of 'duckdb', 'spark'"),
    ],
)
def test_wrong_usage_is_told(data: Path, arguments: list[str], sentence: str) -> None:
    done = run_command(["marts", *arguments], {"JOBLEDGER_DATA": str(data)}, data.parent)
    assert (done.returncode, done.stdout) == (Exit.WRONG_USAGE, "")
    assert sentence in done.stderr


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_a_folder_without_a_ledger_is_told(tmp_path: Path, engine: str) -> None:
    done = run_command(["marts", "--engine", engine], {"JOBLEDGER_DATA": str(tmp_path / "none")}, tmp_path)
    assert done.returncode == Exit.WRONG_USAGE
    assert "There is no ledger in" in done.stderr


def test_without_pyspark_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(WrongUsage) as error, session():
        pass
    assert str(error.value) == NO_PYSPARK


def test_without_java_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    builder = SimpleNamespace(appName=lambda _: None)
    monkeypatch.setitem(sys.modules, "pyspark.sql", SimpleNamespace(SparkSession=SimpleNamespace(builder=builder)))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WrongUsage) as error, session("local[1]"):
        pass
    assert str(error.value) == NO_JAVA
