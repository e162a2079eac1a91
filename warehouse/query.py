"""SQL for notebooks and scripts: `from warehouse.query import sql`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

from warehouse.catalog import door
from warehouse.engine import arrow, connection
from warehouse.errors import WrongUsage


def sql(text: str, *, data: str | Path | None = None, **params: Any) -> pd.DataFrame:
    """The answer to a query on the ledger as a data frame; times are UTC, durations seconds.

    `$name` in the text stands for the parameter `name`. The ledger is the one in `data`, else in JOBLEDGER_DATA,
    else in `./data`; it is opened read-only. Raises WrongUsage where there is none.
    """
    place = door(Path(data or os.environ.get("JOBLEDGER_DATA") or "data"))
    if not place.exists():
        raise WrongUsage(f"There is no ledger at {place}. Run `jobledger sync` first, or set JOBLEDGER_DATA.")
    with connection(place, read_only=True) as con:
        return arrow(con, text, params).to_pandas()
