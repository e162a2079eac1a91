"""The views of a Spark session show what the door for SQL shows."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.spark.frames import door_rows, spark_rows
from tests.warehouse.made_ledgers import made_ledger
from tests.warehouse.mart_worlds import AS_OF, job
from warehouse.contract import contract
from warehouse.errors import WrongUsage
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.snapshots.push import push
from warehouse.snapshots.snapshot import shown
from warehouse.spark import frame, view_statements, views
from warehouse.tables import JOBS

pytestmark = pytest.mark.spark

TABLES = {table.name: table for table in all_tables(contract())}


def test_each_view_has_the_rows_of_the_door(spark: Any, docs_ledger: Path) -> None:
    assert views(spark, docs_ledger) == list(TABLES)
    rows = {name: spark_rows(spark, table) for name, table in TABLES.items()}
    expected = {name: door_rows(docs_ledger, table) for name, table in TABLES.items()}
    assert {name for name in TABLES if not rows[name].equals(expected[name])} == set()
    assert sum(table.num_rows > 0 for table in rows.values()) > 35


def test_a_view_has_the_declared_columns_with_their_meanings(spark: Any, docs_ledger: Path) -> None:
    views(spark, docs_ledger)
    found = {row.col_name: (row.data_type, row.comment) for row in spark.sql("DESCRIBE TABLE jobs").collect()}
    types = {"VARCHAR": "string", "BIGINT": "bigint", "DOUBLE": "double", "TIMESTAMPTZ": "timestamp"}
    assert found == {column.name: (types[column.type], column.comment) for column in JOBS.columns}


def test_a_folder_may_have_any_name(spark: Any, tmp_path: Path) -> None:
    data = made_ledger(tmp_path / "a {b,c}*[d] %20 it's =ü", {"jobs": [job("job-1", AS_OF)]}, AS_OF)
    views(spark, str(data))
    assert job_ids(spark) == ["job-1"]
    for statement in view_statements(str(data)):
        spark.sql(statement)
    assert job_ids(spark) == ["job-1"]
    assert spark.sql("SELECT * FROM unit_forecast").collect() == []


def test_a_pushed_ledger_is_shown_as_it_was_published(spark: Any, tmp_path: Path) -> None:
    lake, url = Lake(tmp_path / "data"), (tmp_path / "a store").as_uri()
    times: list[datetime] = []
    for jobs in (["job-1"], ["job-1", "job-2"]):
        made_ledger(lake.data, {"jobs": [job(each, AS_OF) for each in jobs]}, AS_OF)
        times.append(push(lake, tuple(TABLES.values()), url, contract="contract", keep=timedelta(days=30)).newest.at)
    views(spark, url)
    assert job_ids(spark) == ["job-1", "job-2"]
    views(spark, url, at=shown(times[0]))
    assert job_ids(spark) == ["job-1"]


def job_ids(spark: Any) -> list[str]:
    return [row.job_id for row in spark.sql("SELECT job_id FROM jobs ORDER BY job_id").collect()]


def test_a_column_that_an_older_file_lacks_is_null(spark: Any, tmp_path: Path) -> None:
    place = Lake(made_ledger(tmp_path, {"jobs": [job("job-1", AS_OF, units=2.5)]}, AS_OF)).files(JOBS)[0]
    pq.write_table(pq.read_table(place, partitioning=None).drop_columns(["created_month", "units"]), place)
    found = frame(spark, JOBS, f"file:{place.parent}", [place.name]).collect()
    assert [(row.job_id, row.created_month, row.units) for row in found] == [("job-1", None, None)]


def test_a_folder_without_a_ledger_is_told(spark: Any, tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="holds no ledger"):
        views(spark, tmp_path)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"source": "az://container/ledger"}, "Say what Spark calls az://container/ledger"),
        ({"source": "data", "at": "2026-01-01"}, "no other time than now"),
    ],
)
def test_a_place_that_spark_cannot_be_led_to_is_told(spark: Any, asked: dict[str, str], told: str) -> None:
    with pytest.raises(WrongUsage, match=told):
        views(spark, **asked)


def test_the_printed_statements_are_those_of_the_views(docs_ledger: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "warehouse.spark", str(docs_ledger)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "".join(f"{statement};\n" for statement in view_statements(docs_ledger))
    assert done.stdout.count(" TEMPORARY VIEW ") == len(TABLES)
