"""Several processes on one month, and processes that are killed: the ledger is right, and readers see whole tables."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from assets.plan import Plan
from pipelines.sandbox import Faults, ScriptedWorld
from tests.faults.world import ITWINS, MONTH, Ledger, client, job, rows, stage, until
from tests.faults.writer import BUSY, work
from warehouse.declaration import Table
from warehouse.lake import Lake
from warehouse.tables import JOBS, OBSERVATIONS, WALKS

KILLS = 8


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Processes that start at once, as their imports are done beforehand."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.writer"])
    return context


@contextmanager
def writing(context: ForkServerContext, *args: Any) -> Generator[Any]:
    """A process that works on a ledger; it is not left behind."""
    process = context.Process(target=work, args=args)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


def newest(lake: Lake) -> dict[str, Any]:
    """The newest version of each job in the ledger."""
    return {row["job_id"]: row["body"] and msgspec.json.decode(row["body"]) for row in rows(lake, OBSERVATIONS)}


@pytest.mark.proof
def test_two_processes_on_one_month_both_end_well(tmp_path: Path, processes: ForkServerContext) -> None:
    jobs = [job(f"job-{number}", ITWINS[number % 2]) for number in range(10)]
    with stage() as (playing, sandbox):
        playing.play(ScriptedWorld(*jobs), Faults(1, 1, ["slow"], slow_seconds=0.05))
        arguments = (sandbox.url, str(tmp_path), 30.0)
        with writing(processes, *arguments) as one, writing(processes, *arguments) as other:
            for process in (one, other):
                process.join(30)
            assert (one.exitcode, other.exitcode) == (0, 0)
    lake = Lake(tmp_path)
    assert newest(lake) == {one["id"]: one for one in jobs}
    assert len(rows(lake, OBSERVATIONS)) == len(rows(lake, JOBS)) == 10
    walks = [(row["complete"], row["new_jobs"], row["unchanged_jobs"]) for row in rows(lake, WALKS)]
    assert Counter(walks) == {(True, 5, 0): 2, (True, 0, 5): 2}


def test_the_one_that_does_not_wait_says_that_the_month_is_busy(tmp_path: Path, processes: ForkServerContext) -> None:
    with stage() as (playing, sandbox):
        playing.play(ScriptedWorld(job("a")), Faults(1, 1, ["slow"], slow_seconds=1.5))
        with writing(processes, sandbox.url, str(tmp_path), 0) as first:
            until(lambda: list((tmp_path / "scratch").glob(f"{MONTH}/*.parquet")))
            with writing(processes, sandbox.url, str(tmp_path), 0) as second:
                second.join(30)
                assert second.exitcode == BUSY
            first.join(30)
            assert first.exitcode == 0
    assert newest(Lake(tmp_path)) == {"a": job("a")}


class Reader(threading.Thread):
    """Reads all that a glob finds, again and again, and notes what is not a whole table.

    It opens each file once. What opens a path twice, for its footer and for its pages, may meet two files there and
    fails: docs/decisions/0008 has what that means.
    """

    def __init__(self, lake: Lake) -> None:
        super().__init__()
        self.lake = lake
        self.reads = 0
        self.faults: list[str] = []
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.is_set():
            for table in (OBSERVATIONS, JOBS, WALKS):
                for path in self.lake.root.glob(f"{table.name}/*/*.parquet"):
                    self.look_at(path, table)
            time.sleep(0.005)

    def look_at(self, path: Path, table: Table) -> None:
        self.reads += 1
        try:
            found = pq.ParquetFile(path).read(columns=list(table.key)).to_pylist()
        except Exception as error:  # noqa: BLE001 - whatever a reader meets is a fault
            self.faults.append(f"{path}: {error!r}")
            return
        keys = [tuple(row.values()) for row in found]
        if len(keys) != len(set(keys)) or not keys:
            self.faults.append(f"{path}: {len(keys)} rows, {len(set(keys))} keys")


@contextmanager
def reading(lake: Lake) -> Generator[Reader]:
    reader = Reader(lake)
    reader.start()
    try:
        yield reader
    finally:
        reader.stop.set()
        reader.join()


def change(world: ScriptedWorld, jobs: dict[str, Any], round: int) -> None:
    """A new job, and a new version of another one."""
    added = job(f"new-{round}", ITWINS[round % 2])
    renamed = {**jobs["job-0"], "name": f"Name {round}"}
    for one in (added, renamed):
        jobs[one["id"]] = one
        world.put(one)


@pytest.mark.proof
def test_killed_processes_leave_a_ledger_that_readers_read_and_the_next_sync_completes(
    tmp_path: Path, processes: ForkServerContext
) -> None:
    jobs = {f"job-{number}": job(f"job-{number}", ITWINS[number % 2]) for number in range(10)}
    world, rng, lake = ScriptedWorld(*jobs.values()), Random(7), Lake(tmp_path)
    with stage(world) as (_, sandbox), reading(lake) as reader:
        for round in range(KILLS):
            with writing(processes, sandbox.url, str(tmp_path), 0, 1000):
                until(lambda: (tmp_path / "scratch" / MONTH).exists())
                time.sleep(rng.uniform(0, 0.6))
            change(world, jobs, round)
        with client(sandbox) as api:
            last = Ledger(lake, api, Plan(itwin_ids=ITWINS[:2]))
            landed = last.sync()
            last.flatten()
        until(lambda seen=reader.reads: reader.reads > seen + 3)
    assert all(walk.complete for walk in landed.walks)
    assert (reader.faults, reader.reads > 20) == ([], True)
    assert newest(lake) == jobs
    assert [row["job_id"] for row in rows(lake, JOBS)] == sorted(jobs)
    versions = Counter((row["job_id"], row["body"]) for row in rows(lake, OBSERVATIONS))
    assert max(versions.values()) == 1
    assert left_over(tmp_path) == []


def left_over(data: Path) -> list[Path]:
    """What killed processes left and the next one should have cleared away."""
    return [*(data / "scratch").rglob("*.parquet"), *(data / "lake").rglob("*.tmp")]
