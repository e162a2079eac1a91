"""Every mart, in an order in which each comes after those that it reads."""

from __future__ import annotations

from typing import Final

from warehouse.contract import Contract
from warehouse.declaration import Table
from warehouse.marts import Mart
from warehouse.tables import ledger_tables

MARTS: Final[tuple[Mart, ...]] = ()


def all_tables(known: Contract) -> tuple[Table, ...]:
    """Every table of the ledger, in the order of the data's flow."""
    return (*ledger_tables(known), *(mart.table for mart in MARTS))
