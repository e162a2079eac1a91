"""The tables of the ledger as views of a Spark session, each with its declared columns and its very files.

    from warehouse.spark import views
    views(spark, "data")
    spark.sql("SELECT type, count(*) FROM jobs GROUP BY type").show()

`python -m warehouse.spark data` prints the same statements, for `spark-sql -i` and for notebooks without this package.
A view names the files that are there when it is made: make the views again to see months that came later. No module
here imports pyspark; whoever calls brings a session, classic or Connect.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import unquote

from warehouse.contract import contract
from warehouse.declaration import ColumnType, Table
from warehouse.errors import WrongUsage
from warehouse.lake import Lake
from warehouse.marts.all import all_tables

SPARK_TYPES: Final[dict[ColumnType, str]] = {
    "VARCHAR": "STRING",
    "BIGINT": "BIGINT",
    "DOUBLE": "DOUBLE",
    "BOOLEAN": "BOOLEAN",
    "TIMESTAMPTZ": "TIMESTAMP",
    "VARCHAR[]": "ARRAY<STRING>",
}
"""What Spark calls the types of columns."""

LOCAL: Final = "file:"
"""What stands before the path of a file on this machine, whatever Spark takes for its own file system."""

HADOOP_SCHEMES: Final = {"s3": "s3a://", "gs": "gs://", "file": "file:"}
"""How Spark's file systems write the schemes of stores."""

_PATTERN: Final = re.compile(r"[*?\[\]{},\\]")
"""What Hadoop reads into a path."""


class Frame(Protocol):
    """What is used of Spark's data frames, which are of two kinds: classic and Connect."""

    def collect(self) -> list[Any]: ...
    def createOrReplaceTempView(self, name: str) -> None: ...
    def localCheckpoint(self) -> Frame: ...
    def mapInArrow(self, func: Any, schema: str) -> Frame: ...
    @property
    def write(self) -> Any: ...


class Session(Protocol):
    """What is used of Spark's sessions, which are of two kinds: classic and Connect."""

    @property
    def conf(self) -> Any: ...
    @property
    def read(self) -> Any: ...
    @property
    def udf(self) -> Any: ...
    def range(self, start: int, end: int, step: int, numPartitions: int) -> Frame: ...
    def sql(self, sqlQuery: str) -> Frame: ...


def views(spark: Session, source: Lake | Path | str, *, at: str | None = None, root: str | None = None) -> list[str]:
    """Make a temporary view of each table in a session; return their names.

    `source` is a ledger's data folder, or the address of a store that it was pushed to: its newest snapshot, or the
    newest not later than `at`. `root` is what Spark calls that place, where it is not `file:/...`, `s3a://...` or
    `gs://...`: `/Volumes/...`, `abfss://...`. Raise WrongUsage if there is no ledger.
    """
    tables = all_tables(contract())
    place = _place(source, tables, at, root)
    for table in tables:
        frame(spark, table, place.root, place.files[table.name]).createOrReplaceTempView(table.name)
    return [table.name for table in tables]


def frame(spark: Session, table: Table, root: str, files: Sequence[str]) -> Frame:
    """The rows of some files of a table, whatever releases wrote them: a column that a file lacks is null."""
    if not files:
        return spark.sql(_no_rows(table))
    return spark.read.schema(_columns(table)).parquet(*(f"{_escaped(root)}/{_escaped(file)}" for file in files))


def view_statements(source: Lake | Path | str, *, at: str | None = None, root: str | None = None) -> list[str]:
    """Return the same views as statements of SQL, and before them what keeps Spark from warning of each."""
    tables = all_tables(contract())
    place = _place(source, tables, at, root)
    statements = (_view_statement(table, place.root, place.files[table.name]) for table in tables)
    return ["SET spark.sql.streaming.fileStreamSink.metadata.ignored = true", *statements]


class _Place(NamedTuple):
    """Where files lie: what Spark calls the folder or the store, and the files of each table below it."""

    root: str
    files: Mapping[str, Sequence[str]]


def _place(source: Lake | Path | str, tables: Sequence[Table], at: str | None, root: str | None) -> _Place:
    if isinstance(source, str) and "://" in source:
        return _pushed(source, tables, at, root)
    if at:
        raise WrongUsage("A data folder has no other time than now: name the address of a store that it was pushed to.")
    lake = source if isinstance(source, Lake) else Lake(Path(source))
    if not lake.root.is_dir():
        raise WrongUsage(f"{lake.data} holds no ledger: name the data folder of one, in which `lake` lies.")
    files = {table.name: [file for each in table.shown for file in lake.files(each)] for table in tables}
    return _Place(
        root or f"{LOCAL}{lake.data.resolve()}",
        {name: [str(file.relative_to(lake.data)) for file in of_table] for name, of_table in files.items()},
    )


def _pushed(url: str, tables: Sequence[Table], at: str | None, root: str | None) -> _Place:
    from warehouse.snapshots.snapshot import read_snapshot, read_time
    from warehouse.snapshots.store import Store, plain_url

    scheme, _, rest = plain_url(url).partition("://")
    if root is None and scheme not in HADOOP_SCHEMES:
        raise WrongUsage(f"Say what Spark calls {url}: root='abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH'.")
    snapshot = read_snapshot(Store(url), read_time(at) if at else None)
    pushed = {name: [file.path for file in table.files] for name, table in snapshot.tables.items()}
    files = {table.name: [file for each in table.shown for file in pushed.get(each.name, [])] for table in tables}
    return _Place(root or HADOOP_SCHEMES[scheme] + unquote(rest), files)


def _view_statement(table: Table, root: str, files: Sequence[str]) -> str:
    view = f"CREATE OR REPLACE TEMPORARY VIEW {_named(table.name)}"
    if not files:
        return f"{view} AS {_no_rows(table)}"
    path = literal(f"{_escaped(root)}/{_pattern(files)}")
    return f"{view} ({_columns(table)}) USING parquet OPTIONS (path {path})"


def _columns(table: Table) -> str:
    """The columns with their types and comments, as Spark's SQL writes a schema."""
    return ", ".join(
        f"{_named(each.name)} {SPARK_TYPES[each.type]} COMMENT {literal(each.comment)}" for each in table.columns
    )


def _no_rows(table: Table) -> str:
    nulls = ", ".join(f"CAST(NULL AS {SPARK_TYPES[each.type]}) AS {_named(each.name)}" for each in table.columns)
    return f"SELECT {nulls} WHERE false"


def literal(text: str) -> str:
    """A text as a literal of Spark's SQL, in which a backslash escapes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _named(name: str) -> str:
    """A name as Spark's SQL takes it whatever it is."""
    return f"`{name}`"


def _pattern(files: Sequence[str]) -> str:
    """The pattern that Hadoop reads as these files and no others: a view in SQL takes one path."""
    names = [_escaped(file) for file in files]
    return names[0] if len(names) == 1 else f"{{{','.join(names)}}}"


def _escaped(text: str) -> str:
    return _PATTERN.sub(lambda found: "\\" + found[0], text)


def main(arguments: Sequence[str]) -> int:
    """Print the statements of the views of a data folder or a store."""
    if len(arguments) not in (1, 2):
        print("usage: python -m warehouse.spark DATA_FOLDER|URL [ROOT] > views.sql", file=sys.stderr)
        return 2
    statements = view_statements(arguments[0], root=arguments[1] if arguments[1:] else None)
    print("".join(f"{statement};\n" for statement in statements), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
