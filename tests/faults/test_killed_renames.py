"""A process that is killed at a rename, whichever it is: the next run gives what an undisturbed one gives.

All renames of the product go through `warehouse.files.replace` (a test of that module finds any other), so they are
counted, and a process killed, there.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pytest

from assets.api.auth import FixedToken
from assets.api.budget import Budget
from assets.api.client import Client
from assets.flatten import flatten_month
from assets.marts import make_marts
from assets.plan import Plan
from assets.sync import sync_month
from pipelines.sandbox import READY_TOKEN, FixedClock, Sandbox, ScriptedWorld
from tests.docs_ledger import FixedApi
from tests.faults.world import ITWINS, KNOWN, MONTH, job
from warehouse.catalog import door, publish
from warehouse.contract import Contract
from warehouse.dictionary import write_dictionary
from warehouse.engine import arrow, connection
from warehouse.lake import Lake
from warehouse.marts.all import MARTS
from warehouse.tables import WALKS, ledger_tables

FIRST: Final = datetime(2025, 12, 10, 15, tzinfo=UTC)
SECOND: Final = FIRST + timedelta(1)
WALKED: Final = ["itwin_id", "created_from", "created_to", "finished_at", "complete"]
OWN_TYPE: Final[Contract] = replace(KNOWN, fields=KNOWN.fields_of("Objects2D"))
"""A contract of one job type: the same renames, a file for one type instead of thirteen."""

FEW_MARTS: Final = tuple(mart for mart in MARTS if mart.name in ("units_by_month", "open_jobs"))
TABLES: Final = (*ledger_tables(OWN_TYPE), *(mart.table for mart in FEW_MARTS))


def run_once(url: str, data: Path, now: datetime) -> None:
    """All that a run does to the files of a ledger."""
    lake, by_name = Lake(data), {table.name: table for table in TABLES}
    with Client(url, FixedToken(READY_TOKEN), Budget(1_000_000), backoff_seconds=0) as client:
        sync_month(lake, FixedApi(client, FixedClock(now)), MONTH, OWN_TYPE, Plan(itwin_ids=ITWINS[:1]), f"{now}")
    flatten_month(lake, MONTH, OWN_TYPE)
    write_dictionary(lake, by_name, OWN_TYPE)
    make_marts(lake, FEW_MARTS, by_name)
    publish(lake, TABLES, "views")


def run_and_do(before_rename: Callable[[int], None], url: str, data: Path, now: datetime) -> None:
    """A run in which something is done before each rename of the product, with the rename's number."""
    rename, numbers = os.replace, count()

    def counted(*args: Any, **kwargs: Any) -> None:
        if sys._getframe(1).f_globals["__name__"] == "warehouse.files":
            before_rename(next(numbers))
        rename(*args, **kwargs)

    with patch("os.replace", counted):
        run_once(url, data, now)


def run_killed(rename: int, url: str, data: str, now: datetime) -> None:
    """A run that is killed before its rename of this number."""
    run_and_do(lambda number: os.kill(os.getpid(), signal.SIGKILL) if number == rename else None, url, Path(data), now)


@dataclass(frozen=True)
class Scene:
    """A ledger, the API that changed since, what an undisturbed run makes of both, and how many renames that takes."""

    ledger: Path
    url: str
    undisturbed: dict[str, Any]
    renames: int

    def judge(self, data: Path) -> None:
        """The next run on what a killed one left gives what the undisturbed one gave, and leaves nothing over."""
        run_once(self.url, data, SECOND)
        assert contents(data) == self.undisturbed
        assert orphans(data) == []
        left = [path for name in ("staged", "journal", "scratch") for path in (data / name).glob("*")]
        assert [*left, *data.rglob("*.tmp")] == []


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Generator[Scene]:
    """Beside the ledger lies, by its number, what a process killed before each rename of the undisturbed run leaves."""
    folder = tmp_path_factory.mktemp("scene")
    ledger, undisturbed, numbers = folder / "ledger", folder / "undisturbed", list[int]()
    world = ScriptedWorld(job("a"), job("b", state="Active"), job("c"))
    with Sandbox(world, clock=FixedClock(FIRST)) as sandbox:
        run_once(sandbox.url, ledger, FIRST)
        change(world)

        def keep(number: int) -> None:
            shutil.copytree(undisturbed, folder / str(number))
            numbers.append(number)

        shutil.copytree(ledger, undisturbed)
        run_and_do(keep, sandbox.url, undisturbed, SECOND)
        yield Scene(ledger, sandbox.url, contents(undisturbed), len(numbers))


def change(world: ScriptedWorld) -> None:
    """A job ends in failure, one is new, one vanishes, one cannot be read: every raw table gets rows."""
    world.put(job("b", state="Failed"))
    world.put(job("d", state="Queued"))
    world.put(b'{"id": "e", "executionInfo": {"createdDateTime": "never"}}')
    world.remove("c")


def contents(data: Path) -> dict[str, Any]:
    """The rows of every table. A killed run may have walked before; walks are told by what they saw, each once."""
    found: dict[str, Any] = {}
    with connection(door(data), read_only=True) as con:
        for table in TABLES:
            wanted = WALKED if table == WALKS else [name for name in table.column_names if name != "walk_id"]
            select = f"SELECT DISTINCT {', '.join(wanted)} FROM {table.name} ORDER BY ALL"
            found[table.name] = arrow(con, select).to_pylist()
    return found


def orphans(data: Path) -> list[str]:
    """Versions that name a walk that has no row."""
    seen = "SELECT job_id FROM observations WHERE walk_id IS NOT NULL"
    with connection(door(data), read_only=True) as con:
        return arrow(con, f"{seen} AND walk_id NOT IN (SELECT walk_id FROM walks)")["job_id"].to_pylist()


@pytest.mark.proof
def test_whichever_rename_a_process_is_killed_at_the_next_run_gives_the_same(scene: Scene) -> None:
    for rename in range(scene.renames):
        scene.judge(scene.ledger.with_name(str(rename)))
    assert scene.renames == 17


@pytest.mark.proof
def test_a_process_that_is_killed_in_earnest_leaves_no_more_than_that(scene: Scene, tmp_path: Path) -> None:
    in_earnest(scene, tmp_path, [3])


@pytest.mark.soak
def test_a_process_is_killed_in_earnest_at_every_rename(scene: Scene, tmp_path: Path) -> None:
    in_earnest(scene, tmp_path, range(scene.renames))


def in_earnest(scene: Scene, folder: Path, renames: Iterable[int]) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    for rename in renames:
        data = folder / str(rename)
        shutil.copytree(scene.ledger, data)
        process = processes.Process(target=run_killed, args=(rename, scene.url, str(data), SECOND))
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        scene.judge(data)
