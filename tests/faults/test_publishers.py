"""Many that publish, export and replay at once, threads and processes: they wait for each other, and all end well."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from assets.replay import replay
from pipelines.sandbox import FixedClock, Sandbox, ScriptedWorld
from tests.faults.test_killed_renames import FEW_MARTS, OWN_TYPE, TABLES, contents, run_once
from tests.faults.world import job
from warehouse.catalog import export, publish
from warehouse.engine import arrow, connection
from warehouse.lake import Lake
from warehouse.query import rows

NOW: Final = datetime(2025, 12, 10, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "data"
    with Sandbox(ScriptedWorld(*(job(str(number)) for number in range(20))), clock=FixedClock(NOW)) as sandbox:
        run_once(sandbox.url, folder, NOW)
    return folder


def publish_views(data: str) -> int:
    publish(Lake(Path(data)), TABLES, "views")
    return asked(data)


def publish_tables(data: str) -> int:
    publish(Lake(Path(data)), TABLES, "tables")
    return asked(data)


def export_to_one_place(data: str) -> int:
    target = Path(data).with_name("exported.duckdb")
    export(Lake(Path(data)), TABLES, target)
    with connection(target, read_only=True) as con:
        return arrow(con, "SELECT count(*) AS n FROM jobs")["n"].to_pylist()[0]


def make_all_again(data: str) -> int:
    by_name = {table.name: table for table in TABLES}
    found = replay(Lake(Path(data)), OWN_TYPE, FEW_MARTS, by_name, tell=lambda _: None)
    assert sum(row.added + row.removed + row.changed for row in found) == 0
    return asked(data)


def asked(data: str) -> int:
    return rows("select count(*) as n from jobs", data)["n"].to_pylist()[0]


WORK: Final[list[Callable[[str], int]]] = [publish_views, publish_tables, export_to_one_place, make_all_again]


@pytest.mark.proof
def test_whoever_publishes_waits_for_the_others(data: Path) -> None:
    before = contents(data)
    with ThreadPoolExecutor(8) as threads, ProcessPoolExecutor(4, mp_context=forks()) as processes:
        work = [((processes, threads, threads)[place % 3], do) for place, do in enumerate(WORK * 3)]
        done = [pool.submit(do, str(data)) for pool, do in work]
        assert [one.result() for one in done] == [20] * 12
    judge(data, before)


@pytest.mark.soak
def test_twenty_processes_that_publish_at_once_wait_for_each_other(data: Path) -> None:
    before = contents(data)
    context = forks()
    together = context.Barrier(20)
    with ProcessPoolExecutor(20, mp_context=context, initializer=together.wait, initargs=(120,)) as processes:
        done = [processes.submit(do, str(data)) for do in WORK * 5]
        assert [one.result() for one in done] == [20] * 20
    judge(data, before)


def forks() -> Any:
    """Processes that have imported all this before they begin."""
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def judge(data: Path, before: dict[str, Any]) -> None:
    """Nothing is lost, and nothing is left over."""
    assert contents(data) == before
    assert [path for path in data.parent.rglob("*") if path.name.startswith(".") or path.suffix == ".tmp"] == []
    assert [path for name in ("staged", "journal", "scratch") for path in (data / name).glob("*")] == []
