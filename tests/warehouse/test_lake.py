"""The lake: the old file or the new one, never a part, whatever happens to who writes it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from warehouse.declaration import Column, Table
from warehouse.engine import connection
from warehouse.lake import ATTEMPTS, CLOCK_TICK_SECONDS, Lake, copy_to, footer, quote, read_table

COUNTS: Final = Table(
    name="counts",
    group="core",
    meaning="Counts.",
    grain="id",
    key=("id",),
    columns=(Column("id", "VARCHAR", "Id"), Column("count", "BIGINT", "Count")),
)
SUMS: Final = Table("sums", "core", "Sums.", "id", ("id",), COUNTS.columns)
TOTALS: Final = Table("totals", "marts", "Totals.", "id", ("id",), COUNTS.columns, monthly=False)


def rows(count: int, size: int = 3) -> pa.Table:
    return pa.table({"count": pa.array([count] * size, pa.int64()), "id": [str(place) for place in range(size)]})


def put(lake: Lake, count: int, month: str = "2025-08", size: int = 3) -> Path:
    with lake.exclusive(month) as staging:
        staging.write(COUNTS, month, rows(count, size), {"revision": str(count)})
        staging.commit()
    return lake.path(COUNTS, month)


def files_in(lake: Lake) -> list[Path]:
    return sorted(path for path in lake.data.rglob("*") if path.is_file() and path.suffix not in (".lock", ".json"))


def counts_in(path: Path) -> list[int]:
    return pq.ParquetFile(path).read()["count"].to_pylist()


def columns_in(path: Path) -> dict[str, pa.DataType]:
    return {column.name: column.type for column in pq.read_schema(path)}


def test_making_a_lake_creates_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "data")
    assert lake.months(COUNTS) == []
    assert lake.files(TOTALS) == []
    assert lake.metadata(COUNTS, "2025-08") == {}
    assert not lake.data.exists()


def test_a_table_s_file_lies_where_the_design_says(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.path(COUNTS, "2025-08") == tmp_path / "lake/counts/created_month=2025-08/counts.parquet"
    assert lake.path(TOTALS) == tmp_path / "lake/totals/totals.parquet"


@pytest.mark.parametrize(("table", "month"), [(COUNTS, None), (TOTALS, "2025-08")])
def test_a_month_is_named_for_monthly_tables_and_for_no_others(table: Table, month: str | None, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"{table.name} is (not )?monthly"):
        Lake(tmp_path).path(table, month)


def test_what_is_staged_is_not_in_the_lake_before_it_is_committed(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    before = put(lake, 1)
    with lake.exclusive("2025-08") as staging:
        staging.write(COUNTS, "2025-08", rows(2))
        staging.write(SUMS, "2025-08", rows(2))
        assert counts_in(before) == [1, 1, 1]
        assert lake.months(SUMS) == []
        with duckdb.connect() as con:
            assert con.execute(f"SELECT count(*) FROM {quote(lake.glob(COUNTS))}").fetchall() == [(3,)]
        staging.commit()
    assert counts_in(before) == [2, 2, 2]
    assert lake.months(SUMS) == ["2025-08"]


def test_what_is_staged_and_not_committed_is_forgotten(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    place = put(lake, 1)
    with lake.exclusive("2025-08") as staging:
        staging.write(COUNTS, "2025-08", rows(2))
    assert files_in(lake) == [place]
    assert counts_in(place) == [1, 1, 1]


def test_an_error_on_the_way_changes_no_file(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    place = put(lake, 1)

    def write_half() -> None:
        with lake.exclusive("2025-08") as staging:
            staging.write(COUNTS, "2025-08", rows(2))
            staging.write(SUMS, "2025-08", pa.table({"id": ["a"]}))

    with pytest.raises(KeyError, match="count"):
        write_half()
    assert files_in(lake) == [place]
    assert counts_in(place) == [1, 1, 1]


def test_what_a_killed_writer_left_is_no_table_and_is_swept_by_the_next_holder_of_its_lock(tmp_path: Path) -> None:
    lake, place = Lake(tmp_path), put(Lake(tmp_path), 1)
    other = put(lake, 1, "2025-09")
    left = [lake.data / "staged" / f"{month}.{'0' * 32}" / "0-counts.parquet" for month in ("2025-08", "2025-09")]
    older = [place.with_name(".counts.parquet.0123.tmp"), other.with_name(".counts.parquet.0123.tmp")]
    for file in (*left, *older):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"half a fi")
    assert lake.files(COUNTS) == [place, other]
    put(lake, 3)
    assert files_in(lake) == sorted([place, other, left[1], older[1]])
    put(lake, 3, "2025-09")
    assert files_in(lake) == [place, other]


def test_a_lock_taken_again_inside_itself_keeps_what_was_staged_outside(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with lake.exclusive("2025-08") as outer:
        outer.write(COUNTS, "2025-08", rows(1))
        with lake.exclusive("2025-08") as inner:
            inner.write(SUMS, "2025-08", rows(2))
            inner.commit()
        outer.commit()
    assert [counts_in(lake.path(table, "2025-08")) for table in (COUNTS, SUMS)] == [[1, 1, 1], [2, 2, 2]]


MONTHLY_MART: Final = Table("by_month", "marts", "By month.", "id", ("id",), COUNTS.columns)
PLAIN: Final = Table("plain", "quality", "Plain.", "id", ("id",), COUNTS.columns, monthly=False)
COVERED: Final = [
    ("2025-08", COUNTS, "2025-08", True),
    ("2025-08", COUNTS, "2025-09", False),
    ("2025-08", MONTHLY_MART, "2025-08", False),
    ("2025-08", PLAIN, None, False),
    ("marts", MONTHLY_MART, "2025-08", True),
    ("marts", TOTALS, None, True),
    ("marts", COUNTS, "2025-08", False),
    ("marts", PLAIN, None, False),
    ("plain", PLAIN, None, True),
    ("plain", TOTALS, None, False),
]


@pytest.mark.parametrize(("lock", "table", "month", "covered"), COVERED)
def test_a_file_is_staged_under_the_lock_that_covers_it_and_under_no_other(
    lock: str, table: Table, month: str | None, covered: bool, tmp_path: Path
) -> None:
    with Lake(tmp_path).exclusive(lock) as staging:
        if covered:
            assert not staging.reserve(table, month).exists()
        else:
            with pytest.raises(ValueError, match=f"'{lock}' does not cover {table.name}"):
                staging.reserve(table, month)


def test_columns_lie_in_the_declared_order_and_types(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert columns_in(put(lake, 1)) == {"id": pa.string(), "count": pa.int64()}
    with connection() as con, lake.exclusive("2025-09") as staging:
        select = "(SELECT 7::INTEGER AS count, id::INTEGER AS id FROM range(5) AS r(id))"
        assert copy_to(con, COUNTS, select, staging.reserve(COUNTS, "2025-09")) == 5
        staging.commit()
    assert columns_in(lake.path(COUNTS, "2025-09")) == {"id": pa.string(), "count": pa.int64()}


def test_rows_lie_in_the_order_of_the_key(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with connection() as con, lake.exclusive("marts") as staging:
        copy_to(con, TOTALS, "(SELECT 9 - r AS id, r AS count FROM range(10) AS t(r))", staging.reserve(TOTALS))
        staging.commit()
    assert pq.ParquetFile(lake.path(TOTALS)).read()["id"].to_pylist() == [str(place) for place in range(10)]


def test_metadata_comes_back_as_it_was_written_by_either_writer(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    put(lake, 4)
    assert lake.metadata(COUNTS, "2025-08") == {"revision": "4"}
    told = {"made_from": "it's 'quoted' – ünï", "empty": ""}
    with connection() as con, lake.exclusive("marts") as staging:
        copy_to(con, TOTALS, "(SELECT 'a' AS id, 1 AS count)", staging.reserve(TOTALS), told)
        staging.commit()
    assert lake.metadata(TOTALS) == told
    assert footer({"a": "b"}) == {"jobledger.a": "b"}


def test_months_are_those_with_a_file_in_order(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for month in ("2025-11", "2024-12", "2025-02"):
        put(lake, 1, month)
    for name in ("created_month=2025-13", "created_month=2025-03", "created_month=old", "2025-04"):
        (lake.root / "counts" / name).mkdir()
    (lake.root / "counts" / "created_month=old" / "counts.parquet").touch()
    assert lake.months(COUNTS) == ["2024-12", "2025-02", "2025-11"]
    assert [path.parent.name[-7:] for path in lake.files(COUNTS)] == ["2024-12", "2025-02", "2025-11"]


def test_a_table_without_files_reads_as_no_rows_with_its_columns(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with duckdb.connect() as con:
        for source in (lake.source(COUNTS), lake.source(COUNTS, "2025-08"), lake.source(TOTALS)):
            described = con.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
            assert [row[:2] for row in described] == [("id", "VARCHAR"), ("count", "BIGINT")]
            assert con.execute(f"SELECT * FROM {source}").fetchall() == []


def test_a_month_s_source_is_its_file_and_the_whole_table_s_are_all(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "it's here")
    put(lake, 1, "2025-08")
    put(lake, 2, "2025-09")
    with duckdb.connect() as con:
        assert con.execute(f"SELECT sum(count) FROM {lake.source(COUNTS, '2025-09')}").fetchall() == [(6,)]
        assert con.execute(f"SELECT sum(count) FROM {lake.source(COUNTS)}").fetchall() == [(9,)]


def failing_reader(lake: Lake, replaced: int, error: type[duckdb.Error]) -> tuple[list[int], Callable[[], int]]:
    """Work that fails as long as somebody replaces a file meanwhile, which is so many times; and its calls."""
    calls: list[int] = []

    def work() -> int:
        calls.append(len(calls))
        if len(calls) <= replaced:
            put(lake, len(calls))
        if len(calls) <= max(replaced, 1):
            raise error("Page was smaller than expected")
        return len(calls)

    return calls, work


def test_what_fails_because_a_file_was_replaced_is_done_again(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    _, work = failing_reader(lake, 3, duckdb.IOException)
    assert lake.undisturbed(work) == 4


@pytest.mark.parametrize(
    ("replaced", "error", "calls"),
    [(0, duckdb.IOException, 1), (3, duckdb.BinderException, 1), (99, duckdb.IOException, ATTEMPTS)],
)
def test_what_fails_for_another_reason_or_for_ever_is_raised(
    replaced: int, error: type[duckdb.Error], calls: int, tmp_path: Path
) -> None:
    lake = Lake(tmp_path)
    put(lake, 0)
    time.sleep(2 * CLOCK_TICK_SECONDS)
    done, work = failing_reader(lake, replaced, error)
    with pytest.raises(error):
        lake.undisturbed(work)
    assert len(done) == calls


OLDER: Final = Table("counts", "core", "Counts.", "id", ("id",), (Column("id", "VARCHAR", "Id"),))
NEWER: Final = Table(
    name="counts",
    group="core",
    meaning="Counts.",
    grain="id",
    key=("id",),
    columns=(
        Column("added", "VARCHAR[]", "Added"),
        Column("count", "DOUBLE", "Count, which was a whole number"),
        Column("id", "VARCHAR", "Id"),
    ),
)


def put_as(table: Table, month: str, lake: Lake) -> None:
    columns = {"id": [month], "count": [7], "added": [["x", None]]}
    with lake.exclusive(month) as staging:
        staging.write(table, month, pa.table({name: columns[name] for name in table.column_names}))
        staging.commit()


@pytest.mark.parametrize("ages", [[OLDER, COUNTS, NEWER], [NEWER, COUNTS, OLDER], [OLDER], [COUNTS], [NEWER]])
def test_files_of_different_ages_are_read_together_as_they_are_declared_now(ages: list[Table], tmp_path: Path) -> None:
    lake, months = Lake(tmp_path), {"2025-08": ages[0], "2025-09": ages[-1], "2025-10": ages[len(ages) // 2]}
    for month, table in months.items():
        put_as(table, month, lake)
    expected = [
        (["x", None] if table is NEWER else None, None if table is OLDER else 7.0, month)
        for month, table in months.items()
    ]
    sources = (lake.source(NEWER), lake.source_of_months(NEWER, months), read_table(NEWER, quote(lake.glob(NEWER))))
    with connection() as con:
        for source in sources:
            described = con.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
            assert [row[:2] for row in described] == [("added", "VARCHAR[]"), ("count", "DOUBLE"), ("id", "VARCHAR")]
            assert con.execute(f"SELECT * FROM {source} ORDER BY id").fetchall() == expected
        assert con.execute(f"SELECT * FROM {lake.source(NEWER, '2025-08')}").fetchall() == expected[:1]
        assert con.execute(f"SELECT id FROM {lake.source(NEWER)} WHERE count > 6 ORDER BY id").fetchall() == [
            row[2:] for row in expected if row[1]
        ]


def test_a_reader_of_a_file_that_is_replaced_sees_the_old_rows_or_the_new_ones(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    place = put(lake, 0, size=20_000)
    seen: list[list[int]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(counts_in(place))

    reader = threading.Thread(target=read)
    reader.start()
    for count in range(1, 25):
        put(lake, count, size=20_000)
    done.set()
    reader.join()
    assert seen
    assert {len(counts) for counts in seen} == {20_000}
    assert {len(set(counts)) for counts in seen} == {1}


def test_a_reader_that_opened_the_old_file_reads_it_to_its_end(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with pq.ParquetFile(put(lake, 1)) as opened:
        put(lake, 2)
        assert opened.read()["count"].to_pylist() == [1, 1, 1]


def test_files_are_committed_in_the_order_in_which_they_were_staged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    replaced: list[str] = []
    tables = [COUNTS, SUMS, Table("averages", "core", "Averages.", "id", ("id",), COUNTS.columns)]
    with lake.exclusive("2025-08") as staging:
        for table in tables:
            staging.write(table, "2025-08", rows(1))
        monkeypatch.setattr("warehouse.journal.replace", lambda staged, place: replaced.append(place.stem))
        staging.commit()
    assert replaced == ["counts", "sums", "averages"]
