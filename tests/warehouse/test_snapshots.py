"""Whole publishes in a folder and in a bucket: pushed, listed, pulled, kept for their days, and nothing else."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.buckets import KEEP, NUMBERS, numbers_of, objects, push_numbers, write_numbers
from warehouse.contract import contract
from warehouse.errors import JobledgerError, WrongUsage
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.query import rows
from warehouse.snapshots import pull as pulling
from warehouse.snapshots.pull import pull
from warehouse.snapshots.push import Pushed, push
from warehouse.snapshots.snapshot import HEAD, existing_head, read_entry, read_snapshot, read_time, shown
from warehouse.snapshots.store import Store, StoreFailed

LEDGER = Path(__file__).parents[1] / "fixtures" / "ledger-0.1.0"
TABLES = all_tables(contract())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "data")


def push_at(lake: Lake, url: str, number: int, at: datetime, keep: timedelta = KEEP) -> Pushed:
    """Publish a number as if the store's clock stood at `at`."""
    write_numbers(lake, number)
    return push(lake, NUMBERS, url, contract="contract", keep=keep, clock=lambda: at)


def named(store: Store) -> set[str]:
    """The paths of all kept snapshots and of the files that they name."""
    history = existing_head(store).history
    tables = [table for entry in history for table in read_entry(store, entry).tables.values()]
    return {entry.path for entry in history} | {file.path for table in tables for file in table.files}


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.parquet")}


def test_a_pulled_ledger_is_the_pushed_one_byte_for_byte(tmp_path: Path, url: str) -> None:
    shutil.copytree(LEDGER, tmp_path / "data")
    push(Lake(tmp_path / "data"), TABLES, url, contract="contract", keep=KEEP)
    pull(Store(url), tmp_path / "new", TABLES, "views")
    assert files_of(tmp_path / "new" / "lake") == files_of(LEDGER / "lake")
    asked = "select count(*), sum(units) from named.jobs"
    assert rows(asked, tmp_path / "new").to_pylist() == [{"count_star()": 22, "sum(units)": 36.8438}]


def test_only_what_is_new_travels(lake: Lake, url: str) -> None:
    assert push_numbers(lake, url, 1).new_files == 3
    again = push_numbers(lake, url, 1)
    assert (again.is_new, again.new_files, again.snapshots) == (False, 0, 1)
    assert push_numbers(lake, url, 2).new_files == 3
    assert push_numbers(lake, url, 1).new_files == 0  # what an older snapshot names is still there


def test_a_snapshot_says_what_the_tables_are(lake: Lake, url: str) -> None:
    push_numbers(lake, url, 1)
    table = existing_head(Store(url)).tables["monthly_numbers"]
    assert [(column.name, column.type) for column in table.columns] == [("number", "BIGINT")]
    assert [(file.month, file.rows) for file in table.files] == [("2026-01", 1), ("2026-02", 1)]
    assert [file.path for file in table.files] == [
        f"tables/monthly_numbers/{file.month}-{file.sha256}.parquet" for file in table.files
    ]


def test_any_kept_time_can_be_read(lake: Lake, url: str) -> None:
    times = [push_numbers(lake, url, number).newest.at for number in (1, 2, 3)]
    store = Store(url)
    of_times = [numbers_of(store, read_snapshot(store, at)) for at in times]
    assert of_times == [[1, 1, 1], [2, 2, 2], [3, 3, 3]]
    assert numbers_of(store, read_snapshot(store, times[1] - timedelta(microseconds=1))) == [1, 1, 1]
    assert numbers_of(store, read_snapshot(store)) == [3, 3, 3]
    with pytest.raises(WrongUsage, match=f"The oldest snapshot that is kept .* is of {shown(times[0])}"):
        read_snapshot(store, times[0] - timedelta(seconds=1))


def test_a_snapshot_is_kept_for_its_days_after_it_was_replaced_and_not_longer(lake: Lake, url: str) -> None:
    now, store = push_numbers(lake, url, 1).newest.at, None
    day = partial(timedelta)
    push_at(lake, url, 2, now + day(days=40))
    store = Store(url)
    assert [numbers_of(store, read_entry(store, entry)) for entry in existing_head(store).history] == [[1] * 3, [2] * 3]
    push_at(lake, url, 3, now + day(days=69))
    assert len(existing_head(store).history) == 3
    third = push_at(lake, url, 4, now + day(days=71))
    assert [numbers_of(store, read_entry(store, entry)) for entry in existing_head(store).history] == [
        [2] * 3,
        [3] * 3,
        [4] * 3,
    ]
    assert third.removed == 4  # three files of tables, and the snapshot's own
    assert objects(store).keys() == named(store)


def test_what_a_dead_push_left_is_taken_up_while_it_is_young_and_removed_when_it_is_old(
    lake: Lake, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = push_numbers(lake, url, 1).newest.at
    before = objects(Store(url))
    with monkeypatch.context() as patched:
        patched.setattr(Store, "swap", _die)
        for number in (2, 3):
            with pytest.raises(KeyboardInterrupt):
                push_numbers(lake, url, number)
    store = Store(url)
    assert numbers_of(store, read_snapshot(store)) == [1, 1, 1]
    assert len(objects(store)) == len(before) + 8
    assert push_numbers(lake, url, 3).new_files == 0
    late = push_at(lake, url, 2, at + KEEP + timedelta(hours=1))
    assert late.new_files == 3  # those that the dead push left are too old to be relied on
    assert late.removed > 0
    assert objects(store).keys() == named(store)
    assert numbers_of(store, read_snapshot(store)) == [2, 2, 2]


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_push_that_dies_at_any_step_changes_nothing_and_the_next_one_heals(
    lake: Lake, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_numbers(lake, url, 0)
    store, done, number = Store(url), False, 0
    while not done:
        number += 1
        with monkeypatch.context() as patched:
            steps = _die_at(patched, number)
            try:
                push_numbers(lake, url, number)
                done = True
            except KeyboardInterrupt:
                assert numbers_of(store, read_snapshot(store)) == [0, 0, 0]
    assert steps == ["put"] * 5 + ["swap"]  # the clock, three files, the snapshot, and the commit
    assert numbers_of(store, read_snapshot(store)) == [number] * 3
    assert list((lake.data / "scratch").iterdir()) == []


def _die_at(patched: pytest.MonkeyPatch, step: int) -> list[str]:
    """Let the process die before the n-th thing that it puts; return those that it did."""
    done: list[str] = []

    def dying(name: str, real: Callable[..., None]) -> Callable[..., None]:
        def put(*arguments: object) -> None:
            if len(done) + 1 == step:
                raise KeyboardInterrupt
            if name == "swap" or not (done and done[-1] == "swap"):
                done.append(name)
            real(*arguments)

        return put

    for name in ("put", "swap"):
        patched.setattr(Store, name, dying(name, getattr(Store, name)))
    return done


def test_the_later_of_two_publishes_is_the_newest_whoever_comes_first(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = Lake(tmp_path / "slow"), Lake(tmp_path / "quick")
    push_numbers(quick, url, 1)
    real = Store.swap

    def overtaken(store: Store, *arguments: object) -> None:
        monkeypatch.setattr(Store, "swap", real)
        time.sleep(1.1)  # S3 tells times in whole seconds, and of the same second neither is the later one
        push_numbers(quick, url, 3)
        real(store, *arguments)  # pyright: ignore

    monkeypatch.setattr(Store, "swap", overtaken)
    done = push_numbers(slow, url, 2)
    store = Store(url)
    history = existing_head(store).history
    assert [numbers_of(store, read_entry(store, entry)) for entry in history] == [[1] * 3, [2] * 3, [3] * 3]
    assert numbers_of(store, read_snapshot(store)) == [3, 3, 3]
    assert done.newest == history[-1]


def test_a_swap_whose_answer_was_lost_is_not_made_twice(lake: Lake, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    push_numbers(lake, url, 1)
    real = Store.swap

    def lost(store: Store, *arguments: object) -> None:
        real(store, *arguments)  # pyright: ignore
        real(store, *arguments)  # pyright: ignore

    monkeypatch.setattr(Store, "swap", lost)
    assert push_numbers(lake, url, 2).snapshots == 2


def test_files_that_are_replaced_while_they_are_linked_are_linked_again(
    lake: Lake, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_numbers(lake, 1)
    real, calls = os.link, []

    def replaced(source: Path, target: Path) -> None:
        real(source, target)
        calls.append(target)
        if len(calls) == 2:
            write_numbers(lake, 2)

    monkeypatch.setattr(os, "link", replaced)
    push(lake, NUMBERS, url, contract="contract", keep=KEEP)
    store = Store(url)
    assert numbers_of(store, read_snapshot(store)) == [2, 2, 2]
    assert len(calls) == 6


def test_a_pull_mixes_with_nothing(lake: Lake, tmp_path: Path, url: str) -> None:
    push_numbers(lake, url, 1)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "notes.txt").write_text("mine")
    with pytest.raises(WrongUsage, match=r"new is not empty \(notes.txt is there\)"):
        pull(Store(url), tmp_path / "new", NUMBERS, "views")
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["notes.txt"]


def test_a_pull_that_died_is_taken_up(lake: Lake, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    push_numbers(lake, url, 1)
    real, fetched = Store.fetch, list[str]()

    def dying(store: Store, path: str, place: Path) -> str:
        if len(fetched) == 1:
            raise KeyboardInterrupt
        fetched.append(path)
        return real(store, path, place)

    with monkeypatch.context() as patched:
        patched.setattr("warehouse.snapshots.pull.FETCHES_AT_ONCE", 1)
        patched.setattr(Store, "fetch", dying)
        with pytest.raises(KeyboardInterrupt):
            pull(Store(url), tmp_path / "new", NUMBERS, "views")
    assert not (tmp_path / "new" / "lake").exists()
    pull(Store(url), tmp_path / "new", NUMBERS, "views")
    assert files_of(tmp_path / "new" / "lake") == files_of(lake.root)


@pytest.mark.parametrize("step", ["put", "replace"])
def test_a_pull_that_died_before_the_lake_was_there_is_taken_up(
    lake: Lake, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    push_numbers(lake, url, 1)

    def dying(real: Callable[[Path, Path], None], staged: Path, place: Path) -> None:
        if place.name in ("ledger.json", "lake"):
            raise KeyboardInterrupt
        real(staged, place)

    with monkeypatch.context() as patched:
        real: Callable[[Path, Path], None] = getattr(pulling, step)
        patched.setattr(pulling, step, partial(dying, real))
        with pytest.raises(KeyboardInterrupt):
            pull(Store(url), tmp_path / "new", NUMBERS, "views")
    assert not (tmp_path / "new" / "lake").exists()
    pull(Store(url), tmp_path / "new", NUMBERS, "views")
    assert files_of(tmp_path / "new" / "lake") == files_of(lake.root)
    assert rows("select number from numbers", tmp_path / "new").to_pylist() == [{"number": 1}]


def test_a_pull_that_died_before_the_door_was_there_says_what_makes_it(
    lake: Lake, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_numbers(lake, url, 1)
    with monkeypatch.context() as patched:
        patched.setattr(pulling, "publish", _die)
        with pytest.raises(KeyboardInterrupt):
            pull(Store(url), tmp_path / "new", NUMBERS, "views")
    with pytest.raises(JobledgerError) as told:
        rows("select number from numbers", tmp_path / "new")
    assert str(told.value) == (
        f"The tables are there, but {tmp_path}/new/history.duckdb, which shows them, is not: a pull or a first sync "
        "died before it made that file, or is still at work. `jobledger marts` makes it."
    )


def test_a_file_that_is_not_what_was_pushed_is_not_taken(lake: Lake, tmp_path: Path, url: str) -> None:
    push_numbers(lake, url, 1)
    store = Store(url)
    path = existing_head(store).tables["numbers"].files[0].path
    store.put(path, b"something else")
    with pytest.raises(StoreFailed, match="is not what was pushed"):
        pull(store, tmp_path / "new", NUMBERS, "views")
    assert not (tmp_path / "new" / "lake").exists()


def test_a_snapshot_cannot_lead_a_pull_out_of_its_folder(lake: Lake, tmp_path: Path, url: str) -> None:
    push_numbers(lake, url, 1)
    store = Store(url)
    found = store.read(HEAD)
    assert found is not None
    store.put(HEAD, found[0].replace(b'"month":"2026-01"', b'"month":"../../../2026-01"'))
    with pytest.raises(StoreFailed, match="that is no table of a ledger"):
        pull(store, tmp_path / "new", NUMBERS, "views")


@pytest.mark.parametrize("text", [b"{}", b"not JSON", b'{"format":2}'])
def test_what_is_no_snapshot_is_refused_in_a_sentence(lake: Lake, url: str, text: bytes) -> None:
    push_numbers(lake, url, 1)
    Store(url).put(HEAD, text)
    with pytest.raises(StoreFailed, match=r"snapshot.json is no snapshot that this release can read"):
        push_numbers(lake, url, 2)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-10-31", datetime(2026, 10, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2026-10-31T12:30", datetime(2026, 10, 31, 12, 30, tzinfo=UTC)),
        ("2026-10-31T12:30:00.5Z", datetime(2026, 10, 31, 12, 30, 0, 500000, tzinfo=UTC)),
        ("2026-10-31T12:30+02:00", datetime(2026, 10, 31, 10, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_utc_and_a_day_is_its_end(text: str, time: datetime) -> None:
    assert read_time(text) == time


def test_a_time_as_it_is_shown_can_be_read() -> None:
    for moment in (datetime(2026, 10, 31, 12, tzinfo=UTC), datetime(2026, 10, 31, 12, 0, 0, 1, tzinfo=UTC)):
        assert read_time(shown(moment)) == moment


def test_no_time_is_told_in_a_sentence() -> None:
    with pytest.raises(WrongUsage, match="'yesterday' is no time; write it like"):
        read_time("yesterday")
