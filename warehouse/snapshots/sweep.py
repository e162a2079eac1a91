"""The sweep: once a day, what no kept snapshot names is removed from the store, if it is old enough.

What is younger than the snapshots are kept may be on its way into one: a push reuses what died pushes left only while
it is young, and gives up if it takes half of that time itself. So nothing is removed that anybody may still name.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from warehouse.snapshots.snapshot import SNAPSHOTS, TABLES, Head, read_entry
from warehouse.snapshots.store import Store, StoreFailed

SWEEP_EVERY: Final = timedelta(days=1)
READS_AT_ONCE: Final = 8


def is_due(head: Head, now: datetime) -> bool:
    """Return whether a day has passed since the last sweep."""
    return head.swept_at is None or now - head.swept_at >= SWEEP_EVERY


def swept(store: Store, head: Head, now: datetime, keep: timedelta) -> tuple[int, str]:
    """Remove what no kept snapshot names and is older than `keep`; return how much, and why nothing was, if so.

    A store that does not let anything be removed costs space, but no publish.
    """
    try:
        named = _named(store, head)
        old = [path for path in _older(store, now - keep) if path not in named]
        store.remove(old)
        return len(old) + _remove_torn(store, now - keep), ""
    except StoreFailed as error:
        return 0, f"Nothing could be removed, which costs space: {error}"


def _named(store: Store, head: Head) -> set[str]:
    """The paths of all kept snapshots and of the files that they name."""
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        snapshots = [head, *pool.map(partial(read_entry, store), head.history[:-1])]
    files = {file.path for each in snapshots for table in each.tables.values() for file in table.files}
    return files | {entry.path for entry in head.history}


def _older(store: Store, before: datetime) -> Iterator[str]:
    """The files of tables and of snapshots that were put before an instant."""
    for folder, ending in ((TABLES, ".parquet"), (SNAPSHOTS, ".json")):
        for found in store.listing(folder):
            if found.path.endswith(ending) and "_delta_log" not in found.path and found.put_at < before:
                yield found.path


def _remove_torn(store: Store, before: datetime) -> int:
    """Remove the files that a process left in a folder which died while it wrote them: no listing shows them."""
    if store.folder is None:
        return 0
    torn = [file for file in store.folder.rglob("*#*") if _is_torn(file, before)]
    for file in torn:
        file.unlink(missing_ok=True)
    return len(torn)


def _is_torn(file: Path, before: datetime) -> bool:
    """Whether a file is one that obstore writes before it renames it: the name of its place, `#` and a number."""
    name, _, number = file.name.rpartition("#")
    return bool(name) and number.isdigit() and file.stat().st_mtime < before.timestamp()
