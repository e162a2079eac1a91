"""The journal: what one step puts in place is there as a whole, whenever its process was killed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Final

import pytest

from tests.warehouse.test_lake import COUNTS, SUMS, counts_in, files_in, rows
from warehouse.journal import UnreadableJournal
from warehouse.lake import Lake

MONTH: Final = "2025-08"
STAGED: Final = f"staged/{MONTH}.{'0' * 32}/0-counts.parquet"
PLACE: Final = f"lake/counts/created_month={MONTH}/counts.parquet"


def write_both(lake: Lake, count: int) -> None:
    with lake.exclusive(MONTH) as staging:
        for table in (COUNTS, SUMS):
            staging.write(table, MONTH, rows(count))
        staging.commit()


def contents(lake: Lake) -> list[list[int]]:
    return [counts_in(lake.path(table, MONTH)) for table in (COUNTS, SUMS)]


def killed_at(rename: int, data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of a writer that was killed before its rename number `rename`, as the disk has it."""
    copy = data.with_name(f"{data.name}-{rename}")
    renames = 0

    def replace(staged: Path, place: Path) -> None:
        nonlocal renames
        if renames == rename:
            shutil.copytree(data, copy)
        renames += 1
        os.replace(staged, place)

    with monkeypatch.context() as patched:
        patched.setattr("warehouse.files.replace", replace)  # that of the journal itself
        patched.setattr("warehouse.journal.replace", replace)
        write_both(Lake(data), 2)
    assert renames == 3
    return copy


@pytest.mark.parametrize(("rename", "seen", "found"), [(0, [1, 1], 1), (1, [1, 1], 2), (2, [2, 1], 2)])
def test_a_commit_that_was_cut_off_is_undone_or_finished_by_the_next_holder_of_its_lock(
    rename: int, seen: list[int], found: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_both(Lake(tmp_path / "data"), 1)
    lake = Lake(killed_at(rename, tmp_path / "data", monkeypatch))
    assert contents(lake) == [[count] * 3 for count in seen]
    with lake.exclusive("2025-09"):
        assert contents(lake) == [[count] * 3 for count in seen]
    with lake.exclusive(MONTH):
        assert contents(lake) == [[found] * 3] * 2
    assert files_in(lake) == [lake.path(COUNTS, MONTH), lake.path(SUMS, MONTH)]


def test_a_moved_data_folder_is_rolled_forward_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_both(Lake(tmp_path / "data"), 1)
    moved = killed_at(1, tmp_path / "data", monkeypatch).rename(tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "data")
    with Lake(moved).exclusive(MONTH):
        assert contents(Lake(moved)) == [[2] * 3] * 2
    assert not (tmp_path / "data").exists()


def test_an_error_after_the_commit_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(tmp_path)
    write_both(lake, 1)

    def refuse(staged: Path, place: Path) -> None:
        raise PermissionError(13, "Permission denied", str(place))

    with monkeypatch.context() as patched:
        patched.setattr("warehouse.journal.replace", refuse)
        with pytest.raises(PermissionError):
            write_both(lake, 2)
    assert contents(lake) == [[1] * 3] * 2
    with lake.exclusive(MONTH):
        assert contents(lake) == [[2] * 3] * 2


def test_a_step_of_one_file_needs_no_journal(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with lake.exclusive(MONTH) as staging:
        staging.write(COUNTS, MONTH, rows(1))
        staging.commit()
    assert not (tmp_path / "journal").exists()


def journal(**changes: Any) -> str:
    return json.dumps({"format": 1, "lock": MONTH, "moves": [[STAGED, PLACE]], **changes})


OUTSIDE: Final = [
    (STAGED, "../counts.parquet"),
    (STAGED, "/etc/passwd"),
    (STAGED, "lake/../../counts.parquet"),
    (STAGED, "lake/../lake/../lake.parquet"),
    (STAGED, "lake/counts/created_month=2025-08/sums.parquet"),
    (STAGED, "lake/counts/created_month=2025-09/counts.parquet"),
    (STAGED, "lake/counts/counts.parquet"),
    (STAGED, "history.duckdb"),
    ("../outside.parquet", PLACE),
    ("staged/../outside.parquet", PLACE),
    (f"staged/2025-09.{'0' * 32}/0-counts.parquet", PLACE),
    (PLACE, PLACE),
]
UNREADABLE: Final = {
    "torn": journal()[:40],
    "empty": "",
    "not an object": "[]",
    "without moves": '{"format": 1, "lock": "2025-08"}',
    "of a newer format": journal(format=2),
    "of another lock": journal(lock="2025-09"),
    "of odd moves": journal(moves=[["one"]]),
    **{f"{staged} to {place}": journal(moves=[[staged, place]]) for staged, place in OUTSIDE},
    "right but for its last move": journal(moves=[[STAGED, PLACE], [STAGED, "../counts.parquet"]]),
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_torn_or_foreign_journal_is_refused_in_words_and_nothing_of_it_is_done(text: str, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "data")
    write_both(lake, 1)
    for file in (tmp_path / "outside.parquet", lake.data / STAGED, lake.data / "journal" / f"{MONTH}.json"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(UnreadableJournal) as raised, lake.exclusive(MONTH):
        pytest.fail("the lock was given")
    assert str(lake.data / "journal" / f"{MONTH}.json") in str(raised.value)
    assert "Nothing of it was done" in str(raised.value)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
