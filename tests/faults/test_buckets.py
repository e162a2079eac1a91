"""Publishes in object storage under readers, kills and other pushes, and a random course pulled as it was: `make s3`.

Each proof runs on a bucket and on a folder. The counts are those of the environment, so that CI may take smaller ones.
"""

from __future__ import annotations

import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final

import pytest
from deltalake import DeltaTable

from assets.api.auth import FixedToken
from assets.api.budget import Budget
from assets.api.client import Client
from assets.flatten import flatten_month
from assets.marts import make_marts
from assets.plan import Plan
from assets.sync import sync_month
from pipelines.sandbox import READY_TOKEN, FixedClock, Sandbox, World
from tests.buckets import KEEP, NUMBERS, begun_push, numbers_of, objects, push_numbers
from tests.docs_ledger import FixedApi
from tests.warehouse.test_diff import explained
from tests.warehouse.test_snapshots import files_of, named
from warehouse.contract import contract
from warehouse.dictionary import write_dictionary
from warehouse.lake import Lake
from warehouse.marts.all import MARTS, all_tables
from warehouse.query import rows
from warehouse.snapshots.pull import pull
from warehouse.snapshots.push import push
from warehouse.snapshots.snapshot import existing_head, read_entry, read_snapshot, shown
from warehouse.snapshots.store import Store

pytestmark = pytest.mark.s3


def count(name: str, usual: int) -> int:
    return int(os.environ.get(name, usual))


READERS: Final = count("S3_READERS", 8)
PUSHES: Final = count("S3_PUSHES", 20)
KILLS: Final = count("S3_KILLS", 200)
RACES: Final = count("S3_RACES", 50)
RUNS: Final = count("S3_RUNS", 30)

START: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)


def number_of(store: Store) -> int:
    """The number of the newest publish, in whose files no other one may stand."""
    found = numbers_of(store, read_snapshot(store))
    assert found == [found[0]] * 3
    return found[0]


def test_readers_see_one_whole_publish_always(tmp_path: Path, url: str) -> None:
    lake, ended = Lake(tmp_path / "data"), threading.Event()
    push_numbers(lake, url, 0)

    def read() -> list[int]:
        store, seen = Store(url), list[int]()
        while not ended.is_set():
            seen.append(number_of(store))
        return seen

    with ThreadPoolExecutor(READERS) as pool:
        readers = [pool.submit(read) for _ in range(READERS)]
        for number in range(1, PUSHES + 1):
            push_numbers(lake, url, number)
        ended.set()
        seen = [reader.result() for reader in readers]
    for numbers in seen:
        assert numbers == sorted(numbers)
    assert min(len(numbers) for numbers in seen) > 1
    print(f"{sum(map(len, seen))} whole publishes read by {READERS} readers during {PUSHES} pushes")


def test_killed_pushes_change_nothing_and_leave_nothing_for_longer_than_their_days(tmp_path: Path, url: str) -> None:
    chance, data = random.Random(200), tmp_path / "data"
    push_numbers(Lake(data), url, -1)
    usual = median(_seconds_of_a_push(data, url, number) for number in (-1, 0, -1, 0, -1, 0))
    store, newest, done, published = Store(url), 0, 0, 0
    for number in range(1, KILLS + 1):
        done += _pushed_until(chance.uniform(0, 2 * usual), data, url, number)
        found = number_of(store)
        assert found in (newest, number)
        published += found == number
        newest = found
    assert not push_numbers(Lake(data), url, KILLS + 1).notes
    assert number_of(store) == KILLS + 1
    for entry in existing_head(store).history:
        assert len(set(numbers_of(store, read_entry(store, entry)))) == 1
    left = len(objects(store)) - len(named(store))
    later = store.now() + KEEP + timedelta(days=1)
    push(Lake(data), NUMBERS, url, contract="another", keep=KEEP, clock=lambda: later)
    assert objects(store).keys() == named(store)
    assert number_of(store) == KILLS + 1
    assert list((data / "scratch").iterdir()) == []
    assert {DeltaTable(f"{url}/tables/{table.name}").to_pyarrow_table()["number"][0].as_py() for table in NUMBERS} == {
        KILLS + 1
    }
    print(f"{KILLS} pushes: {published} had published and {done} ended before they were killed; {left} orphans swept")


def _seconds_of_a_push(data: Path, url: str, number: int) -> float:
    process = begun_push(data, url, number)
    began = time.monotonic()
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - began


def _pushed_until(seconds: float, data: Path, url: str, number: int) -> bool:
    """Push in a process of its own and kill that after a time; return whether it had ended before."""
    process = begun_push(data, url, number)
    process.join(seconds)
    ended = process.exitcode is not None
    process.kill()
    process.join()
    return ended


def test_of_two_pushers_at_once_none_is_lost(tmp_path: Path, url: str) -> None:
    lakes, both = [Lake(tmp_path / name) for name in ("one", "two")], threading.Barrier(2)

    def race(place: int) -> list[str]:
        made: list[str] = []
        for number in range(RACES):
            both.wait()
            done = push_numbers(lakes[place], url, 2 * number + place)
            assert done.notes == ()
            made.append(done.newest.path)
        return made

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(race, (0, 1)))
    store = Store(url)
    history = existing_head(store).history
    published = [numbers_of(store, read_entry(store, entry)) for entry in history]
    assert sorted(found[0] for found in published) == list(range(2 * RACES))
    assert all(found == [found[0]] * 3 for found in published)
    assert number_of(store) == published[-1][0]
    assert DeltaTable(f"{url}/tables/numbers").to_pyarrow_table()["number"].to_pylist() == [published[-1][0]]
    print(f"{len(history)} publishes of two pushers in {RACES} races")


def test_a_random_course_is_pulled_byte_for_byte_and_explained(tmp_path: Path, url: str) -> None:
    chance, lake, known = random.Random(30), Lake(tmp_path / "data"), contract()
    tables, world = all_tables(known), World(seed=7, jobs_per_month=60, months=4, itwins=2, users=3)
    times: list[datetime] = []
    states: list[dict[str, bytes]] = []
    clock = FixedClock(START)
    with (
        Sandbox(world, clock=clock) as sandbox,
        Client(sandbox.url, FixedToken(READY_TOKEN), Budget(60_000)) as client,
    ):
        for number in range(RUNS):
            clock.now += timedelta(hours=chance.choice([1, 1, 6, 24, 72]))
            months = world.months_at(clock.now)
            for month in months if number == 0 else chance.sample(months, chance.randrange(1, 3)):
                sync_month(lake, FixedApi(client, clock), month, known, Plan(world.itwins), f"run {number}")
                flatten_month(lake, month, known)
            make_marts(lake, MARTS, {table.name: table for table in tables})
            write_dictionary(lake, {table.name: table for table in tables}, known)
            done = push(lake, tables, url, contract=known.digest, keep=KEEP)
            assert done.notes == ()
            times.append(done.newest.at)
            states.append(files_of(lake.root))
    assert [entry.at for entry in existing_head(Store(url)).history] == sorted(set(times))
    for place in {0, RUNS - 1, *chance.sample(range(RUNS), min(RUNS, 8))}:
        data = tmp_path / f"pulled-{place}"
        pull(Store(url), data, tables, "views", times[place])
        assert files_of(data / "lake") == states[place]
        assert rows("select count(*) as n from named.jobs", data).to_pylist()[0]["n"] > 0
    for first, second in [(0, RUNS - 1), *(sorted(chance.sample(range(RUNS), 2)) for _ in range(5))]:
        explained(*(f"{url}@{shown(times[place])}" for place in (first, second)))
