"""The door for SQL: a commented view or table for each table of the lake, whatever is in it, for DuckDB 1.5 and 2.0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from warehouse.catalog import Publish, door, publish
from warehouse.contract import contract
from warehouse.declaration import Table
from warehouse.errors import WrongUsage
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.query import sql
from warehouse.tables import JOBS

TABLES = all_tables(contract())
CREATED = datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)


def keep_job(lake: Lake, month: str, **values: Any) -> None:
    row = {"job_id": f"job of {month}", "created_at": CREATED, **values}
    with lake.exclusive(month) as staging:
        staging.write(JOBS, month, pa.Table.from_pylist([row], schema=JOBS.arrow_schema))
        staging.commit()


@pytest.mark.parametrize("how", ["views", "tables"])
def test_every_table_is_there_with_its_comments_even_in_an_empty_ledger(how: Publish, tmp_path: Path) -> None:
    publish(Lake(tmp_path), TABLES, how)
    with duckdb.connect(str(door(tmp_path)), read_only=True) as con:
        catalog = "duckdb_views() WHERE NOT internal AND schema_name = 'main'" if how == "views" else "duckdb_tables()"
        name = "view_name" if how == "views" else "table_name"
        comments = dict(con.execute(f"SELECT {name}, comment FROM {catalog}").fetchall())
        assert comments == {table.name: table.comment for table in TABLES}
        columns = con.execute(
            "SELECT column_name, data_type, comment FROM duckdb_columns() "
            "WHERE table_name = 'jobs' AND schema_name = 'main' ORDER BY column_index"
        ).fetchall()
    types = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
    assert columns == [
        (
            column.name,
            types.get(column.type, column.type),
            column.meaning + (f" [{column.unit}]" if column.unit else ""),
        )
        for column in JOBS.columns
    ]


def test_a_view_sees_the_months_that_come_later(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    keep_job(lake, "2026-01")
    publish(lake, TABLES, "views")
    keep_job(lake, "2026-02")
    assert sql("select job_id from jobs order by 1", data=tmp_path).job_id.tolist() == [
        "job of 2026-01",
        "job of 2026-02",
    ]


def test_the_door_opens_on_months_that_an_older_release_flattened(tmp_path: Path) -> None:
    lake, older = Lake(tmp_path), replace(JOBS, columns=JOBS.columns[:3])
    keep_job(lake, "2026-02", type="Objects2D")
    with lake.exclusive("2026-01") as staging:
        rows = pa.Table.from_pylist([{"job_id": "job of 2026-01"}], schema=older.arrow_schema)
        staging.write(older, "2026-01", rows)
        staging.commit()
    for how in ("views", "tables"):
        publish(lake, TABLES, how)
        frame = sql("select job_id, type from jobs order by 1", data=tmp_path)
        assert frame.job_id.tolist() == ["job of 2026-01", "job of 2026-02"]
        assert frame.type.isna().tolist() == [True, False]


@pytest.mark.proof
def test_a_door_of_the_same_views_stays_and_any_other_is_built_anew(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    keep_job(lake, "2026-01")
    place = publish(lake, TABLES, "views")

    def is_built_anew(tables: Sequence[Table] = TABLES, how: Publish = "views") -> bool:
        before = place.stat().st_ino
        publish(lake, tables, how)
        count = sql("select count(*) as n from jobs", data=tmp_path).n.tolist()
        return place.stat().st_ino != before and count == [len(lake.months(JOBS))]

    assert not is_built_anew()
    keep_job(lake, "2026-02")
    assert not is_built_anew()
    other = [replace(table, meaning="Something else.") if table is JOBS else table for table in TABLES]
    assert is_built_anew(other)
    assert is_built_anew()
    for content in (b"", b"no DuckDB file", place.read_bytes()[:20_000]):
        place.write_bytes(content)
        assert is_built_anew()
    assert is_built_anew(how="tables")
    assert is_built_anew(how="tables")
    assert is_built_anew()


def test_an_analyst_s_transaction_keeps_the_file_it_was_opened_on(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    keep_job(lake, "2026-01")
    publish(lake, TABLES, "tables")
    with duckdb.connect(str(door(tmp_path))) as con:
        keep_job(lake, "2026-02")
        publish(lake, TABLES, "tables")
        assert con.execute("SELECT count(*) FROM jobs").fetchall() == [(1,)]
    assert sql("select count(*) as n from jobs", data=tmp_path).n.tolist() == [2]


def test_a_failed_build_leaves_the_old_door_and_nothing_beside_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    keep_job(lake, "2026-01")
    before = publish(lake, TABLES, "tables").read_bytes()
    lake.path(JOBS, "2026-01").write_bytes(b"no Parquet")
    with pytest.raises(duckdb.Error):
        publish(lake, TABLES, "tables")
    assert door(tmp_path).read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == ["history.duckdb", "ledger.json"]
    assert list((tmp_path / "staged").iterdir()) == []


def test_a_query_gives_a_frame_with_utc_times_and_takes_parameters(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    keep_job(lake, "2026-01", type="Objects2D", queue_seconds=1.5)
    publish(lake, TABLES, "views")
    frame = sql("select created_at, queue_seconds from jobs where type = $kind", data=tmp_path, kind="Objects2D")
    assert frame.created_at.tolist() == [pd.Timestamp(CREATED)]
    assert str(frame.created_at.dt.tz) == "UTC"
    assert frame.queue_seconds.tolist() == [1.5]


def test_a_query_cannot_write(tmp_path: Path) -> None:
    publish(Lake(tmp_path), TABLES, "tables")
    with pytest.raises(WrongUsage, match="DELETE is no query"):
        sql("delete from jobs", data=tmp_path)


def test_without_a_ledger_a_query_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="Run `jobledger sync` first"):
        sql("select 1", data=tmp_path)
