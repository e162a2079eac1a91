"""How a table is declared: once, with its types, units, meanings, grain and key.

Arrow schemas, DuckDB comments, Dagster column schemas and the data dictionary all derive from these declarations.
What the tables are stands in `tables.py` and, for the marts, in the modules of `marts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

ColumnType = Literal["VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "TIMESTAMPTZ", "VARCHAR[]"]
Group = Literal["raw", "core", "specifications", "names", "quality", "marts", "published"]


@dataclass(frozen=True)
class Column:
    """A column: `type` as DuckDB writes it, `unit` where a number has one (`s`, `units`, `jobs` ...)."""

    name: str
    type: ColumnType
    meaning: str
    unit: str | None = None

    @property
    def comment(self) -> str:
        """What DuckDB and Dagster show of the column."""
        return self.meaning + (f" [{self.unit}]" if self.unit else "")


@dataclass(frozen=True)
class Table:
    """A table of the lake. `grain` says what one row is; `key` names the columns that tell rows apart.

    `monthly` tables have one file for each month of job creation (UTC), the others one file. `sorted_by` is how rows
    lie in a file, so that the same content always gives the same bytes: by the key, unless another order lets readers
    pass over what they do not ask for. In `history.duckdb` the table shows the rows of `shown_with` behind its own.
    """

    name: str
    group: Group
    meaning: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    monthly: bool = True
    sorted_by: tuple[str, ...] = ()
    shown_with: Table | None = None

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names) or set(self.key) - set(names):
            raise ValueError(f"table {self.name}: its columns repeat or its key is not among them")
        if self.sorted_by and set(self.sorted_by) != set(self.key):
            raise ValueError(f"table {self.name}: it is sorted by other columns than its key has")

    @property
    def shown(self) -> tuple[Table, ...]:
        """The tables whose rows `history.duckdb` shows under its name."""
        return (self,) if self.shown_with is None else (self, self.shown_with)

    @property
    def order(self) -> tuple[str, ...]:
        """The columns that its rows are sorted by."""
        return self.sorted_by or self.key

    @property
    def comment(self) -> str:
        """What DuckDB and Dagster show of the table."""
        return f"{self.meaning} One row per {self.grain}."

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def arrow_schema(self) -> pa.Schema:
        """The schema of its Parquet files."""
        import pyarrow as pa

        types: dict[ColumnType, pa.DataType] = {
            "VARCHAR": pa.string(),
            "BIGINT": pa.int64(),
            "DOUBLE": pa.float64(),
            "BOOLEAN": pa.bool_(),
            "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
            "VARCHAR[]": pa.list_(pa.string()),
        }
        return pa.schema([pa.field(column.name, types[column.type]) for column in self.columns])

    @property
    def typed_select(self) -> str:
        """The columns in their order and types, for a SELECT over rows that have them by name."""
        return ", ".join(f'"{column.name}"::{column.type} AS "{column.name}"' for column in self.columns)

    @property
    def empty_select(self) -> str:
        """A SELECT of no rows with the table's columns."""
        columns = ", ".join(f'NULL::{column.type} AS "{column.name}"' for column in self.columns)
        return f"SELECT {columns} WHERE false"
