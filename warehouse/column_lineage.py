"""Which raw columns a column is made from, where that follows from how tables are declared.

What the API sends lies whole in one column of a raw table, so every value that it sent comes from there. What a mart
does with the columns that it reads is said by its SQL alone: of marts nothing is said here.
"""

from __future__ import annotations

from typing import Final

from warehouse.declaration import Table
from warehouse.name_tables import MADE_NAME_TABLES, NAME_DRIFT, NAME_OBSERVATIONS, REALITY_DATA
from warehouse.tables import CORE_TABLES, JOB_MESSAGES, JOB_STATES, JOBS, MESSAGE_OBSERVATIONS, OBSERVATIONS

Source = tuple[str, str]
"""A table and a column of it."""

_SEEN: Final = ("observed_at", "http_status")
_TIME: Final = ("body", "created_at", "observed_at")
"""A job's time: it is null where it lies too far before the creation, or after it was seen."""

_OF_JOBS: Final[dict[str, tuple[str, ...]]] = {
    "itwin_id": ("itwin_id",),
    "created_at": ("created_at",),
    "created_month": ("created_at",),
    **dict.fromkeys(("started_at", "ended_at", "queue_seconds", "run_seconds", "total_seconds"), _TIME),
    **dict.fromkeys(("first_observed_at", "changed_at", "vanished_at"), _SEEN),
    "versions": ("http_status",),
}
"""The columns of `jobs` that do not come from the body alone, each with those of `observations`."""

_OF_NAMES: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("first_observed_at", "changed_at", "gone_at"), _SEEN),
    "versions": ("body",),
}
_OWN: Final[dict[str, dict[str, tuple[str, ...]]]] = {JOBS.name: _OF_JOBS} | {
    table.name: _OF_NAMES | {table.key[0]: ("id",)} for table in MADE_NAME_TABLES
}
_OWN[REALITY_DATA.name]["itwin_id"] = ("itwin_id",)


def column_lineage(table: Table) -> dict[str, tuple[Source, ...]]:
    """Return by column of a table the raw columns that it is made from; empty where no declaration says it."""
    raw = _raw_table(table)
    if raw is None:
        return {}
    own = _OWN.get(table.name, {})
    ids = ("job_id",) if "job_id" in raw.column_names else ()
    made_of = {name: own.get(name, (name,) if name in ids else ("body",)) for name in table.column_names}
    return {name: tuple((raw.name, column) for column in columns) for name, columns in made_of.items()}


def _raw_table(table: Table) -> Table | None:
    """The one raw table whose bodies a table's rows come from; None where there is no such table, or several."""
    if table == JOB_MESSAGES:
        return MESSAGE_OBSERVATIONS
    if table in MADE_NAME_TABLES and table != NAME_DRIFT:
        return NAME_OBSERVATIONS
    is_flattened = table.group == "specifications" or (table in CORE_TABLES and table != JOB_STATES)
    return OBSERVATIONS if is_flattened else None
