"""The schema `named`: names beside the ids, for whatever table is declared with an id."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from warehouse.catalog import Publish, publish
from warehouse.declaration import Column, Table
from warehouse.engine import connection, run
from warehouse.lake import Lake, quote
from warehouse.name_tables import DETECTORS, ITWINS, REALITY_DATA, USERS
from warehouse.query import sql

MART = Table(
    name="a_new_mart",
    group="core",
    meaning="A table that nobody knew when the schema was written.",
    grain="row",
    key=("place",),
    monthly=False,
    columns=(
        Column("place", "BIGINT", "Place"),
        *(Column(name, "VARCHAR", "An id") for name in ("itwin_id", "user_id", "reference", "detector_name")),
    ),
)
TABLES = (MART, ITWINS, REALITY_DATA, DETECTORS, USERS)


def put(lake: Lake, table: Table, *rows: dict[str, object]) -> None:
    with lake.exclusive("a test") as staging:
        staging.write(table, None, pa.Table.from_pylist(list(rows), schema=table.arrow_schema))
        staging.commit()


@pytest.mark.parametrize("how", ["views", "tables"])
def test_a_new_table_has_the_names_beside_its_ids_and_null_where_none_is_known(how: Publish, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    put(lake, ITWINS, {"itwin_id": "i1", "name": "Brücke"}, {"itwin_id": "i2", "name": "Brücke"})
    put(
        lake, REALITY_DATA, {"reality_data_id": "r", "name": "Scan"}, {"reality_data_id": "own", "name": "Own detector"}
    )
    put(lake, DETECTORS, {"detector_name": "@b/c", "name": "Cracks"})
    row = {"place": 1, "itwin_id": "i1", "user_id": "u", "reference": "r", "detector_name": None}
    put(
        lake,
        MART,
        row,
        {**row, "place": 2, "itwin_id": "i2", "reference": "@b/c/1.0", "detector_name": "@b/c"},
        {**row, "place": 3, "itwin_id": "unknown", "reference": "own", "detector_name": "own"},
    )
    publish(lake, TABLES, how)
    frame = sql("select * from named.a_new_mart order by place", data=tmp_path)
    assert list(frame.columns) == [
        "place", "itwin_id", "itwin_name", "user_id", "user_name", "reference", "reference_name", "detector_name",
        "detector_display_name",
    ]  # fmt: skip
    names = frame[["itwin_id", "itwin_name", "user_name", "reference_name", "detector_display_name"]]
    assert names.astype(object).where(names.notna(), None).to_numpy().tolist() == [
        ["i1", "Brücke", None, "Scan", None],
        ["i2", "Brücke", None, "Cracks", "Cracks"],
        ["unknown", None, None, "Own detector", "Own detector"],
    ]


@pytest.mark.parametrize("how", ["views", "tables"])
def test_names_are_there_whatever_the_file_is_called(how: Publish, tmp_path: Path) -> None:
    put(Lake(tmp_path), ITWINS, {"itwin_id": "i1", "name": "Brücke"})
    put(Lake(tmp_path), MART, {"place": 1, "itwin_id": "i1"})
    moved = publish(Lake(tmp_path), TABLES, how).rename(tmp_path / "elsewhere.duckdb")
    with connection() as con:
        run(con, f"ATTACH {quote(str(moved))} AS theirs (READ_ONLY)")
        assert run(con, "SELECT itwin_name FROM theirs.named.a_new_mart") == [("Brücke",)]


def test_a_table_without_such_an_id_is_not_in_it(tmp_path: Path) -> None:
    publish(Lake(tmp_path), (replace(MART, columns=MART.columns[:1]), *TABLES[1:]), "views")
    assert sql("select view_name from duckdb_views() where schema_name = 'named'", data=tmp_path).empty
