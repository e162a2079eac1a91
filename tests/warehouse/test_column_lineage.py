"""The declared lineage of columns: complete where there is one, of columns that are there, and silent about marts."""

from __future__ import annotations

from warehouse.column_lineage import column_lineage
from warehouse.contract import contract
from warehouse.marts.all import all_tables
from warehouse.tables import JOBS

TABLES = {table.name: table for table in all_tables(contract())}


def test_every_source_is_a_column_of_a_raw_table() -> None:
    for table in TABLES.values():
        for column, sources in column_lineage(table).items():
            assert column in table.column_names
            for source, name in sources:
                assert TABLES[source].group == "raw"
                assert name in TABLES[source].column_names


def test_a_table_has_the_lineage_of_all_its_columns_or_of_none() -> None:
    told = {name: set(column_lineage(table)) for name, table in TABLES.items()}
    assert {name for name, columns in told.items() if columns and columns != set(TABLES[name].column_names)} == set()
    without = {table.group for table in TABLES.values() if not told[table.name]}
    assert without == {"raw", "core", "quality", "marts"}


def test_a_typed_column_comes_from_the_body_and_a_duration_from_what_it_is_measured_by() -> None:
    typed = column_lineage(TABLES["objects2d_jobs"])
    assert typed.pop("job_id") == (("observations", "job_id"),)
    assert set(typed.values()) == {(("observations", "body"),)}
    of_jobs = column_lineage(JOBS)
    assert of_jobs["created_month"] == (("observations", "created_at"),)
    assert ("observations", "body") in of_jobs["run_seconds"]
    assert column_lineage(TABLES["reality_data"])["itwin_id"] == (("name_observations", "itwin_id"),)
