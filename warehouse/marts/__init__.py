"""The marts: what people ask of the ledger, each one table made by one SELECT.

A mart is a declaration (in one of the modules here) and a `.sql` file of the same name beside it. The SELECT sees a
view for each table that the mart reads, and the one-row view `clock(as_of)`: the end of the newest complete walk, null
before there is one. Raw tables are as `warehouse.raw` reads them. It may use the macros of `macros.sql`. Nothing here
runs the SQL; that is the work of `assets.marts`.

A mart that would be too long for one statement has steps before it, each a SELECT in a file `<name>_<step>.sql`: the
steps after it and the mart see its rows under that name, and nobody else does. A step that several marts have alike is
one file, `shared_<step>.sql`, whose text calls the rows of the steps before it `mart_<step>`.

A mart whose table is monthly is made month by month: its SELECT sees one month of each table that it reads, all of them
monthly, and only the months that changed are made again.

A mart that depends on the time may have a second file, `<name>_holds.sql`: one SELECT of one boolean that says whether
its rows, made at an earlier time from the same tables, are what the mart's SELECT would give now. It sees the same
views, `earlier` (those rows) and `earlier_clock(as_of)`. Where it cannot tell, it says no.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Final

from warehouse.declaration import Table

SHARED_STEPS: Final = ("kaplan_meier", "latest_versions")
"""The steps that several marts have alike."""


@dataclass(frozen=True)
class Mart:
    """A mart: its table, the tables that it reads (earlier marts included), and whether time alone changes it.

    A mart that is not `timely` is made again only when a table that it reads has changed; one that `may_hold` stays as
    it is, too, where `<name>_holds.sql` says that the time changes nothing. `interpolated` names the columns that lie
    between two values: there Spark and DuckDB differ in the last bits, by 1e-9 of the number at most. All others are
    the same to the last bit.
    """

    table: Table
    reads: tuple[str, ...]
    timely: bool
    may_hold: bool = False
    steps: tuple[str, ...] = ()
    interpolated: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.table.monthly and self.timely:
            raise ValueError(f"mart {self.name}: a month is not made again because time goes on")
        if unknown := set(self.interpolated) - set(self.table.column_names):
            raise ValueError(f"mart {self.name} has no columns {sorted(unknown)}")

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def sql(self) -> str:
        """The SELECT that gives the table's columns by name."""
        return _text(f"{self.name}.sql")

    @property
    def step_sql(self) -> dict[str, str]:
        """The SELECT of each step by the name of its rows, in their order."""
        return {
            f"{self.name}_{step}": _text(f"shared_{step}.sql").replace("mart_", f"{self.name}_")
            if step in SHARED_STEPS
            else _text(f"{self.name}_{step}.sql")
            for step in self.steps
        }

    @property
    def holds_sql(self) -> str | None:
        """The SELECT that says whether earlier rows hold; None where the mart has none."""
        return _text(f"{self.name}_holds.sql") if self.may_hold else None


def mart_macros() -> str:
    """The text of the macros that the marts' statements use."""
    return _text("macros.sql")


def spark_macros() -> str:
    """The text of what Spark says otherwise, in the form of macros."""
    return _text("spark.sql")


def _text(file: str) -> str:
    return resources.files(__name__).joinpath(file).read_text(encoding="utf-8")
