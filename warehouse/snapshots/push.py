"""A push: the lake as one whole publish in object storage, or nothing of it.

Files go first, under names that never change; then the snapshot's own file; then `snapshot.json` is swapped, which is
the commit. A push that dies before it changed nothing that a reader sees. Where somebody else swapped meanwhile, both
are kept: the publish that was taken later is the newest one, the other one stands in the history.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from importlib.metadata import version
from itertools import count
from typing import Final

from warehouse.declaration import Table
from warehouse.lake import Lake
from warehouse.release import FORMAT as LEDGER_FORMAT
from warehouse.snapshots.cut import CutFile, cut
from warehouse.snapshots.delta import follow
from warehouse.snapshots.snapshot import (
    HEAD,
    TABLES,
    ColumnOf,
    Entry,
    FileOf,
    Head,
    ReadHead,
    Snapshot,
    TableOf,
    content,
    encoded,
    kept,
    read_head,
    snapshot_path,
)
from warehouse.snapshots.store import Store, StoreFailed, Swapped
from warehouse.snapshots.sweep import is_due, swept
from warehouse.tables import JOBS

PUSH: Final = "push"
"""The lock on pushing a data folder, and the folder where its files are linked aside."""

UPLOADS_AT_ONCE: Final = 4
SWAPS: Final = 200
LONGEST_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Pushed:
    """What a push did: the newest snapshot, how many are kept, what travelled, and what was removed.

    `is_new`: there was something to publish. `notes` say what else could not be done, which costs no publish.
    """

    newest: Entry
    is_new: bool
    snapshots: int
    new_files: int
    new_bytes: int
    removed: int
    notes: tuple[str, ...]


_Key = tuple[str, str | None, str]
"""A table's name, the month of one of its files, and its SHA-256."""


def push(
    lake: Lake,
    tables: Sequence[Table],
    url: str,
    *,
    contract: str,
    keep: timedelta,
    on_wait: Callable[[str], None] | None = None,
    clock: Callable[[], datetime] | None = None,
) -> Pushed:
    """Publish the files of some tables at an address, and remove what no snapshot of the last `keep` names.

    `contract` is the digest of the contract that the tables were made with. Raise StoreFailed, and change nothing that
    a reader sees, if the store refuses or does not answer.
    """
    store = Store(url, make=True)
    with lake.exclusive(PUSH, on_wait=on_wait), lake.scratch(PUSH) as folder:
        before = read_head(store)
        now = clock() if clock else store.now()
        files = cut(lake, tables, folder)
        head, new = _published(store, before, tables, files, _Terms(now, keep, contract))
        notes = [follow(store, keep)]
    removed, note = swept(store, head, now, keep) if before and is_due(before.head, now) else (0, "")
    return Pushed(
        newest=head.history[-1],
        is_new=before is None or head is not before.head,
        snapshots=len(head.history),
        new_files=len(new),
        new_bytes=sum(file.size for file in new),
        removed=removed,
        notes=tuple(filter(None, [*notes, note])),
    )


@dataclass(frozen=True)
class _Terms:
    """The terms of a push: the store's time at its start, how long snapshots stay, and the contract's digest."""

    now: datetime
    keep: timedelta
    contract: str


def _published(
    store: Store, before: ReadHead | None, tables: Sequence[Table], files: Sequence[CutFile], terms: _Terms
) -> tuple[Head, Sequence[CutFile]]:
    """Publish a cut unless it is what was published last; return `snapshot.json` and the files that travelled."""
    began = time.monotonic()
    paths, new = _places(store, files, before, terms)
    at = max(terms.now, before.head.at + timedelta(microseconds=1)) if before else terms.now
    snapshot = _snapshot(tables, files, paths, terms.contract, at)
    if before and content(snapshot) == content(before.head):
        return before.head, []
    with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
        list(pool.map(store.put, new, (file.link for file in new.values())))
    if time.monotonic() - began > (terms.keep / 2).total_seconds():
        raise StoreFailed(f"{store.url}: the push took so long that its first files may be gone. Run again.")
    return _commit(store, before, snapshot, _entry(snapshot, new.values()), terms), list(new.values())


def _places(
    store: Store, files: Sequence[CutFile], before: ReadHead | None, terms: _Terms
) -> tuple[dict[_Key, str], dict[str, CutFile]]:
    """Return the path of each file, and those that have to travel by their paths.

    What the newest snapshot names is there. So is what a push put that died, while it is too young to be removed.
    """
    tables = before.head.tables if before else {}
    paths = {(name, file.month, file.sha256): file.path for name, table in tables.items() for file in table.files}
    unnamed = {_key(file): file for file in files if _key(file) not in paths}
    with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
        found = list(pool.map(partial(_place, store, terms.now - terms.keep / 2), unnamed))
    placed = dict(zip(unnamed, found, strict=True))
    new = {path: unnamed[key] for key, (path, is_there) in placed.items() if not is_there}
    return paths | {key: path for key, (path, _) in placed.items()}, new


def _key(file: CutFile) -> _Key:
    return file.table.name, file.month, file.sha256


def _place(store: Store, young: datetime, key: _Key) -> tuple[str, bool]:
    """Return the path of a file that the newest snapshot does not name, and whether it is there already.

    An object that is not young may be about to be removed, so the file gets another name beside it.
    """
    name, month, sha256 = key
    digest = f"{month}-{sha256}" if month else sha256
    for number in count():
        path = f"{TABLES}/{name}/{digest}{f'-{number}' if number else ''}.parquet"
        found = store.find(path)
        if found is None or found.put_at >= young:
            return path, found is not None
    raise AssertionError


def _snapshot(
    tables: Sequence[Table], files: Sequence[CutFile], paths: Mapping[_Key, str], contract: str, at: datetime
) -> Snapshot:
    return Snapshot(
        at=at,
        release=version("jobledger"),
        ledger=LEDGER_FORMAT,
        contract=contract,
        tables={table.name: _table(table, [file for file in files if file.table is table], paths) for table in tables},
    )


def _table(table: Table, files: Sequence[CutFile], paths: Mapping[_Key, str]) -> TableOf:
    columns = [ColumnOf(column.name, column.type, column.unit) for column in table.columns]
    found = [FileOf(paths[_key(file)], file.rows, file.size, file.sha256, file.month) for file in files]
    return TableOf(table.group, sum(file.rows for file in files), columns, found)


def _entry(snapshot: Snapshot, new: Collection[CutFile]) -> Entry:
    """A snapshot as the history lists it."""
    tables = snapshot.tables
    return Entry(
        at=snapshot.at,
        path=snapshot_path(snapshot),
        release=snapshot.release,
        contract=snapshot.contract,
        rows=sum(table.rows for table in tables.values()),
        size=sum(file.size for table in tables.values() for file in table.files),
        jobs=tables[JOBS.name].rows if JOBS.name in tables else 0,
        new_files=len(new),
        new_bytes=sum(file.size for file in new),
    )


def _commit(store: Store, before: ReadHead | None, snapshot: Snapshot, entry: Entry, terms: _Terms) -> Head:
    """Put a snapshot into the history, as the newest unless a later one is there by now; return `snapshot.json`.

    A swap whose answer was lost is one that came through if the history names the snapshot.
    """
    store.put(entry.path, encoded(snapshot))
    for _ in range(SWAPS):
        head = _joined(before.head if before else None, snapshot, entry, terms)
        try:
            store.swap(HEAD, encoded(head), before.version if before else None)
            return head
        except Swapped:
            before = read_head(store)
            if before and entry in before.head.history:
                return before.head
            time.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS))
    raise StoreFailed(f"{store.uri(HEAD)} was swapped by others {SWAPS} times in a row. Nothing was published.")


def _joined(before: Head | None, snapshot: Snapshot, entry: Entry, terms: _Terms) -> Head:
    """`snapshot.json` with one more snapshot."""
    history = kept([*(before.history if before else []), entry], terms.now, terms.keep)
    is_newest = before is None or history[-1] == entry
    swept_at = terms.now if before is None or is_due(before, terms.now) else before.swept_at
    shown = snapshot if is_newest or before is None else before
    fields = {name: getattr(shown, name) for name in Snapshot.__struct_fields__}
    return Head(**fields, history=history, swept_at=swept_at)
