"""A Delta log per table over the files of the snapshots: the same rows, in time, with other pushes, and no copy."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from tests.buckets import KEEP, MONTHLY, NUMBERS, WHOLE, objects, push_numbers, write_numbers
from warehouse.declaration import Column, Table
from warehouse.lake import Lake
from warehouse.snapshots import delta
from warehouse.snapshots.push import push
from warehouse.snapshots.snapshot import existing_head
from warehouse.snapshots.store import Store


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "data")


def numbers(url: str, table: Table, version: int | None = None) -> list[int]:
    found = DeltaTable(f"{url}/tables/{table.name}", version=version)
    return pa.table(found.to_pyarrow_table()).column("number").to_pylist()


def test_each_publish_is_a_version_of_each_table(lake: Lake, url: str) -> None:
    for number in (1, 2, 3):
        push_numbers(lake, url, number)
    assert [numbers(url, MONTHLY, version) for version in range(3)] == [[1, 1], [2, 2], [3, 3]]
    assert [numbers(url, WHOLE, version) for version in range(3)] == [[1], [2], [3]]
    newest = DeltaTable(f"{url}/tables/numbers")
    assert newest.history(1)[0]["jobledger.snapshot"] == existing_head(Store(url)).history[-1].path
    assert newest.protocol().min_reader_version == 1


def test_nothing_is_copied(lake: Lake, url: str) -> None:
    push_numbers(lake, url, 1)
    head = existing_head(Store(url))
    named = {file.path for table in head.tables.values() for file in table.files} | {head.history[-1].path}
    assert objects(Store(url)).keys() == named


def test_nothing_new_is_no_version(lake: Lake, url: str) -> None:
    push_numbers(lake, url, 1)
    push_numbers(lake, url, 1)
    assert DeltaTable(f"{url}/tables/numbers").version() == 0


def test_a_push_that_died_before_the_logs_is_made_good_by_the_next_one(
    lake: Lake, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_numbers(lake, url, 1)
    with monkeypatch.context() as patched:
        patched.setattr("warehouse.snapshots.push.follow", _die)
        with pytest.raises(KeyboardInterrupt):
            push_numbers(lake, url, 2)
    assert numbers(url, WHOLE) == [1]
    assert not push_numbers(lake, url, 2).is_new
    assert numbers(url, WHOLE) == [2]


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_push_that_is_overtaken_leaves_the_log_at_the_newest_publish(
    lake: Lake, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_numbers(lake, url, 1)
    real, other = delta._is_committed, Lake(tmp_path / "other")  # pyright: ignore

    def overtaken(*arguments: object) -> bool:
        monkeypatch.setattr(delta, "_is_committed", real)
        push_numbers(other, url, 3)
        return real(*arguments)  # pyright: ignore

    monkeypatch.setattr(delta, "_is_committed", overtaken)
    assert push_numbers(lake, url, 2).notes == ()
    assert (numbers(url, WHOLE), numbers(url, MONTHLY)) == ([3], [3, 3])


def test_a_column_that_comes_later_is_null_in_the_files_before(lake: Lake, url: str) -> None:
    push_numbers(lake, url, 1)
    more = Column("more", "VARCHAR[]", "More")
    wider = Table("monthly_numbers", "core", "Numbers.", "number", ("number",), (*MONTHLY.columns, more))
    with lake.exclusive("2026-02") as staging:
        staging.write(wider, "2026-02", pa.table({"number": [2], "more": [["a"]]}))
        staging.commit()
    assert push(lake, (wider, WHOLE), url, contract="contract", keep=KEEP).notes == ()
    rows = DeltaTable(f"{url}/tables/monthly_numbers").to_pyarrow_table().to_pylist()
    assert sorted(rows, key=str) == [{"number": 1, "more": None}, {"number": 2, "more": ["a"]}]


def test_a_column_of_another_type_is_told_and_the_snapshot_stands(lake: Lake, url: str) -> None:
    push_numbers(lake, url, 1)
    other = Table(
        "numbers", "names", "Numbers.", "number", ("number",), (Column("number", "VARCHAR", ""),), monthly=False
    )
    with lake.exclusive("names") as staging:
        staging.write(other, None, pa.table({"number": ["two"]}))
        staging.commit()
    done = push(lake, (MONTHLY, other), url, contract="contract", keep=KEEP)
    assert (done.is_new, len(done.notes)) == (True, 1)
    assert "number has another type in its Delta log" in done.notes[0]


def test_without_the_package_a_push_says_so_and_is_done(lake: Lake, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    write_numbers(lake, 1)
    done = push(lake, NUMBERS, url, contract="contract", keep=KEEP)
    assert (done.is_new, "pip install 'jobledger[push]'" in done.notes[0]) == (True, True)
