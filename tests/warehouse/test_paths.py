"""Any path that a file system takes works, or is refused by name before anything is made."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa
import pytest

from tests.warehouse.test_lake import COUNTS, SUMS, counts_in, rows
from warehouse.catalog import door, export, publish
from warehouse.engine import connection, run
from warehouse.errors import WrongUsage
from warehouse.lake import Lake
from warehouse.paths import sqlite_folder

MONTH: Final = "2025-08"
ODD: Final = [
    "a blank",
    "it's",
    'a "quote"',
    "a%41",
    "a=b",
    "a#b",
    "a[1]",
    "[!a]",
    "a[b",
    "a*b",
    "**",
    "data:2025",
    "s3:",
    "file:",
    "ünï-日本-e\u0301",
    "~x",
    "~",
    "created_month=2025-01",
    "${HOME}",
    "a;b&c|d",
    "a{b,c}",
    "-x",
    ".hidden",
]
REFUSED: Final = {"?": "a?b", "\\\\": "a\\b", "\\n": "a\nb", "\\t": "a\tb", "\\x7f": "a\x7f", "\\udcff": "a\udcff"}


def put(lake: Lake, count: int) -> None:
    with lake.exclusive(MONTH) as staging:
        for table in (COUNTS, SUMS):
            staging.write(table, MONTH, rows(count))
        staging.commit()


def in_the_door(file: Path) -> list[tuple[int]]:
    with connection(file, read_only=True) as con:
        return run(con, "SELECT DISTINCT count FROM counts ORDER BY 1")


@pytest.mark.parametrize("name", ODD)
def test_a_ledger_works_in_a_folder_of_an_odd_name_and_sees_its_own_files_alone(name: str, tmp_path: Path) -> None:
    for other in ("a1", "a", "aXb", "b", "[!b]"):
        put(Lake(tmp_path / other), 7)
    lake = Lake(tmp_path / name)
    put(lake, 1)
    put(lake, 2)
    with connection() as con:
        for source in (lake.source(COUNTS), lake.source(COUNTS, MONTH), lake.source_of_months(COUNTS, [MONTH])):
            assert run(con, f"SELECT DISTINCT count FROM {source}") == [(2,)]
    publish(lake, [COUNTS], "views")
    assert in_the_door(door(lake.data)) == [(2,)]
    export(lake, [COUNTS], tmp_path / f"{name}.duckdb")
    assert in_the_door(tmp_path / f"{name}.duckdb") == [(2,)]
    assert (lake.data, lake.files(COUNTS)) == (tmp_path / name, [lake.path(COUNTS, MONTH)])


@pytest.mark.parametrize("name", ["data:2025", "~", "..", "a/../b"])
def test_a_relative_folder_is_what_the_file_system_takes_it_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    lake = Lake(Path(name))
    put(lake, 1)
    publish(lake, [COUNTS], "views")
    monkeypatch.chdir("/")
    assert in_the_door(door(lake.data)) == [(1,)]
    assert lake.data == (tmp_path / "here" / name).resolve()


@pytest.mark.parametrize(("character", "name"), REFUSED.items())
def test_what_no_spelling_helps_with_is_refused_by_name_and_nothing_is_made(
    character: str, name: str, tmp_path: Path
) -> None:
    with pytest.raises(WrongUsage) as raised:
        Lake(tmp_path / name)
    with pytest.raises(WrongUsage):
        export(Lake(tmp_path / "data"), [COUNTS], tmp_path / name)
    with pytest.raises(WrongUsage), connection(tmp_path / name):
        pytest.fail("it was opened")
    assert f"holds '{character}', which DuckDB" in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a%41", "a[1]", "a*b"])
def test_what_dagster_reads_otherwise_is_no_folder_for_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match=r"holds '.*', which Dagster"):
        sqlite_folder(tmp_path / name)


@pytest.mark.parametrize("name", ["a%", "100%!", "a b", "it's", "a#b", "a=b", "data:2025", "ünï", "a@b"])
def test_what_dagster_reads_as_it_is_is_a_folder_for_it(name: str, tmp_path: Path) -> None:
    assert sqlite_folder(tmp_path / name) == tmp_path / name


def test_a_door_of_a_folder_that_was_moved_is_mended_by_the_next_publish(tmp_path: Path) -> None:
    put(Lake(tmp_path / "before"), 1)
    publish(Lake(tmp_path / "before"), [COUNTS], "views")
    lake = Lake((tmp_path / "before").rename(tmp_path / "after"))
    publish(lake, [COUNTS], "views")
    assert in_the_door(door(lake.data)) == [(1,)]
    assert counts_in(lake.path(COUNTS, MONTH)) == [1, 1, 1]


def test_arrow_reads_and_writes_where_it_could_see_an_address(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "s3:" / "created_month=2020-01")
    with lake.exclusive(MONTH) as staging:
        staging.write(COUNTS, MONTH, pa.table({"id": ["a"], "count": [1]}), {"revision": "1"})
        staging.commit()
    assert (lake.metadata(COUNTS, MONTH), lake.row_count(COUNTS)) == ({"revision": "1"}, 1)
