"""Tables of a ledger made by hand, file by file, for what is told from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from warehouse.declaration import Table
from warehouse.lake import MARTS_LOCK, Lake


def put(lake: Lake, table: Table, rows: Sequence[Mapping[str, Any]], month: str | None = None) -> None:
    """Put rows in place of what a table, or a month of it, held."""
    lock = MARTS_LOCK if table.group == "marts" else month or "names"
    with lake.exclusive(lock) as staging:
        staging.write(table, month, pa.Table.from_pylist(list(rows), schema=table.arrow_schema))
        staging.commit()
