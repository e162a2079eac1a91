"""What the footers of the tables' files say of them: how many rows, and which version.

Every run shows it of every file, so it is kept in `file_facts.json` of the data folder, and only the footers of files
that changed are read. The file may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.declaration import Table
from warehouse.lake import METADATA_PREFIX, Lake

FILE: Final = "file_facts.json"
LOCK: Final = "file_facts"
OWN_FOOTER: Final = METADATA_PREFIX.encode()


class Facts(msgspec.Struct, frozen=True):
    """A file of a table: its month ('YYYY-MM'; None: it has none), its rows, and a version that changes with them.

    `size` and `changed_ns` tell whether it is still the same file.
    """

    month: str | None
    rows: int
    version: str
    size: int
    changed_ns: int


def facts(lake: Lake, tables: Sequence[Table]) -> dict[str, list[Facts]]:
    """Return by table the facts of each of its files, in order of their months."""
    kept = _kept(lake)
    found = {table.name: _facts_of(lake, table, {of.month: of for of in kept.get(table.name, [])}) for table in tables}
    if any(kept.get(name) != of for name, of in found.items()):
        with lake.exclusive(LOCK) as staging:
            staging.reserve_place(lake.data / FILE).write_bytes(msgspec.json.encode(_kept(lake) | found))
            staging.commit()
    return found


def row_count(found: Collection[Facts]) -> int:
    """Return the rows of several files together."""
    return sum(of.rows for of in found)


def version(found: Collection[Facts]) -> str:
    """Return one version for several files together."""
    return _digest(" ".join(f"{of.month} {of.version}" for of in found))


def newest_time(file: Path, column: str) -> datetime | None:
    """Return the largest time of a column, as a file's footer says it; None where that cannot be told."""
    try:
        footer = pq.read_metadata(file)
    except (OSError, pa.ArrowException):
        return None
    place = footer.schema.names.index(column)
    groups = (footer.row_group(number).column(place).statistics for number in range(footer.num_row_groups))
    return max((group.max for group in groups if group is not None and group.has_min_max), default=None)


def _kept(lake: Lake) -> dict[str, list[Facts]]:
    place = lake.data / FILE
    return msgspec.json.decode(place.read_bytes(), type=dict[str, list[Facts]]) if place.exists() else {}


def _facts_of(lake: Lake, table: Table, kept: Mapping[str | None, Facts]) -> list[Facts]:
    months: Sequence[str | None] = lake.months(table) if table.monthly else [None] * len(lake.files(table))
    found: list[Facts] = []
    for month in months:
        place = lake.path(table, month)
        status, had = place.stat(), kept.get(month)
        same = had is not None and (had.size, had.changed_ns) == (status.st_size, status.st_mtime_ns)
        found.append(had if had is not None and same else _read(month, place, status))
    return found


def _read(month: str | None, place: Path, status: os.stat_result) -> Facts:
    """The version is what the footer names, as what the file was made from; without that, its size and time.

    A file that cannot be read is shown without rows: whoever needs them fails, and says so.
    """
    try:
        footer = pq.read_metadata(place)
    except (OSError, pa.ArrowException):
        return Facts(month, 0, "unreadable", status.st_size, status.st_mtime_ns)
    entries: dict[bytes, bytes] = footer.metadata or {}
    own = sorted((key, value) for key, value in entries.items() if key.startswith(OWN_FOOTER))
    said = repr(own) if own else f"{status.st_size} {status.st_mtime_ns}"
    return Facts(month, int(footer.num_rows), _digest(said), status.st_size, status.st_mtime_ns)


def _digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
