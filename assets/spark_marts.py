"""The marts' SQL executed by Spark, for `assets.marts`: the same texts, each part a view of its own.

Spark has no macros and no temporary tables: a text is read as `warehouse.dialect` writes it, and what several parts
read is made once (`localCheckpoint`), as DuckDB makes it. The rows go to Parquet files in scratch, which DuckDB sorts
into the mart's file. All workers see the data folder under the same path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from assets.marts import Inputs
from warehouse.declaration import Table
from warehouse.dialect import spark_statement
from warehouse.marts import Mart
from warehouse.raw import IDS, RAW_TABLES
from warehouse.spark import LOCAL, Frame, Session, frame, literal
from warehouse.sql import statement
from warehouse.tables import OBSERVATIONS, WALKS

SETTINGS: Final = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.variant.allowDuplicateKeys": "true",
    "spark.sql.cteRecursionLevelLimit": "100000",
    "spark.sql.cteRecursionRowLimit": "-1",
    # Spark would look for what follows from what in each part of a text, longer than it takes to execute it.
    "spark.sql.constraintPropagation.enabled": "false",
}
"""What a session is set to, so that it takes the texts in the sense in which DuckDB does."""


class SparkEngine:
    """Executes marts in a session of Spark, whose settings and views it changes: it gets one of its own."""

    def __init__(self, spark: Session, tables: Mapping[str, Table]) -> None:
        self.spark = spark
        self.tables = tables
        for name, value in SETTINGS.items():
            spark.conf.set(name, value)
        spark.udf.register("number_text", _number_text(), "string")

    def write(self, mart: Mart, inputs: Inputs, folder: Path) -> None:
        """Write a mart's rows as Parquet files into a folder that is not there yet."""
        self._view_inputs(inputs)
        for name, step in mart.step_sql.items():
            self._rows(step).localCheckpoint().createOrReplaceTempView(name)
        self._rows(mart.sql).write.parquet(LOCAL + str(folder))

    def _view_inputs(self, inputs: Inputs) -> None:
        """Let the session see what a mart reads. CTEs may have taken the names of tables: all are made again."""
        for name, files in inputs.files.items():
            rows = frame(self.spark, self.tables[name], LOCAL, [str(file).removeprefix("/") for file in files])
            rows.createOrReplaceTempView(name)
            if name in RAW_TABLES:
                self.spark.sql(_spelled(self.tables[name])).createOrReplaceTempView(name)
        if inputs.is_clock_wrong:
            for name in ("mended_walks", OBSERVATIONS.name, WALKS.name):
                self._rows(statement(f"raw/{name}")).createOrReplaceTempView(name)
        self.spark.sql(f"SELECT {_time(inputs.as_of)} AS as_of").createOrReplaceTempView("clock")

    def _rows(self, sql: str) -> Frame:
        """The rows of a text, in a session that has its sources and, from then on, its parts as views."""
        text = spark_statement(sql)
        for cte in text.ctes:
            rows = self.spark.sql(cte.select)
            if cte.readers > 1 or cte.is_recursive:
                rows = rows.localCheckpoint()
            rows.createOrReplaceTempView(cte.name)
        return self.spark.sql(text.select)


def _spelled(table: Table) -> str:
    """A SELECT of a raw table with its ids in one spelling."""
    columns = (f"spelled({name}) AS {name}" if name in IDS else name for name in table.column_names)
    return spark_statement(f"SELECT {', '.join(columns)} FROM {table.name}").select


def _time(at: datetime | None) -> str:
    return f"CAST({literal(at.isoformat()) if at else 'NULL'} AS TIMESTAMP)"


def _number_text() -> Callable[[float | None], str | None]:
    """A number as text: DuckDB writes it as Python does."""

    def number_text(x: float | None) -> str | None:
        return None if x is None else repr(x)

    return number_text  # one within a function travels to workers that need not have this package
