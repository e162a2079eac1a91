"""A folder that a newer release wrote is refused in words, before anything is touched; an older one is taken over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.warehouse.test_lake import COUNTS, put
from warehouse.lake import Lake
from warehouse.release import FORMAT, NewerLedger


def files(data: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}


def test_whoever_writes_first_says_which_release_made_the_folder(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with lake.exclusive("2025-08"):
        said = json.loads((tmp_path / "ledger.json").read_text())
    assert (said["format"], set(said)) == (FORMAT, {"format", "release"})


def test_a_folder_of_the_first_release_is_taken_over(tmp_path: Path) -> None:
    place = put(Lake(tmp_path), 1)
    (tmp_path / "ledger.json").unlink()
    put(Lake(tmp_path), 2)
    assert json.loads((tmp_path / "ledger.json").read_text())["format"] == FORMAT
    assert Lake(tmp_path).files(COUNTS) == [place]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('{"format": 3, "release": "9.9.9"}', r"was written by jobledger 9\.9\.9 \(format 3\)"),
        ("{", "does not say which release wrote the folder"),
        ('{"format": "many"}', "does not say which release wrote the folder"),
        ("[]", "does not say which release wrote the folder"),
    ],
)
def test_a_folder_of_a_newer_release_is_refused_and_nothing_in_it_is_touched(
    said: str, words: str, tmp_path: Path
) -> None:
    lake = Lake(tmp_path)
    put(lake, 1)
    (tmp_path / "ledger.json").write_text(said)
    before = files(tmp_path)
    with pytest.raises(NewerLedger, match=rf"{words}.*Nothing was touched\. Upgrade jobledger"):
        Lake(tmp_path)
    with pytest.raises(NewerLedger), lake.exclusive("2025-09"):
        pytest.fail("the lock was given")
    assert files(tmp_path) == before
