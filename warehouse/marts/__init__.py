"""The marts: what people ask of the ledger, each one table made by one SELECT.

A mart is a declaration (in one of the modules here) and a `.sql` file of the same name beside it. The SELECT sees a
view for each table that the mart reads, and the one-row view `clock(as_of)`: the end of the newest complete walk, null
before there is one. Nothing here runs the SQL; that is the work of `assets.marts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from warehouse.declaration import Table


@dataclass(frozen=True)
class Mart:
    """A mart: its table, the tables that it reads (earlier marts included), and whether time alone changes it.

    A mart that is not `timely` is made again only when a table that it reads has changed.
    """

    table: Table
    reads: tuple[str, ...]
    timely: bool

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def sql(self) -> str:
        """The SELECT that gives the table's columns by name."""
        return resources.files(__name__).joinpath(f"{self.name}.sql").read_text(encoding="utf-8")
