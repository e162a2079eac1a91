"""What `snapshot.json` and the files in `snapshots/` say, and how they are read.

A snapshot names the files of every table with their rows, the tables' columns, and the release and the contract that
made them. `snapshot.json` is the newest one, with the list of those that are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Final, NamedTuple, TypeVar

import msgspec

from warehouse.errors import WrongUsage
from warehouse.snapshots.store import Store, StoreFailed, Version

HEAD: Final = "snapshot.json"
SNAPSHOTS: Final = "snapshots"
TABLES: Final = "tables"
FORMAT: Final = 1

S = TypeVar("S", bound="Snapshot")


class ColumnOf(msgspec.Struct, frozen=True, omit_defaults=True):
    """A column as it is declared: `type` as DuckDB writes it, `unit` where a number has one."""

    name: str
    type: str
    unit: str | None = None


class FileOf(msgspec.Struct, frozen=True, omit_defaults=True):
    """A Parquet file of a table: its path below the store's address, and its month ('YYYY-MM') if it is one's."""

    path: str
    rows: int
    size: int
    sha256: str
    month: str | None = None


class TableOf(msgspec.Struct, frozen=True):
    """A table of a snapshot. `columns` are as declared; an older file may lack some, which are null then."""

    group: str
    rows: int
    columns: list[ColumnOf]
    files: list[FileOf]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One whole publish. `at` is when the files were taken (UTC, by the store's clock), no earlier than the one before.

    `ledger` is the layout of the data folder (`warehouse.release.FORMAT`), `contract` the digest of the contract.
    """

    format: int = FORMAT
    at: datetime
    release: str
    ledger: int
    contract: str
    tables: dict[str, TableOf]


class Entry(msgspec.Struct, frozen=True):
    """A kept snapshot: where it lies, and what the history shows of it without reading it."""

    at: datetime
    path: str
    release: str
    contract: str
    rows: int
    size: int
    jobs: int
    new_files: int
    new_bytes: int


class Head(Snapshot, frozen=True, kw_only=True):
    """`snapshot.json`: the newest snapshot, and all that are kept, oldest first; the last one is itself."""

    history: list[Entry]
    swept_at: datetime | None = None


class ReadHead(NamedTuple):
    """`snapshot.json` with the version by which it is swapped."""

    head: Head
    version: Version


def read_head(store: Store) -> ReadHead | None:
    """Return `snapshot.json`; None where nothing was pushed yet. Raise StoreFailed if it is none of this release's."""
    found = store.read(HEAD)
    return None if found is None else ReadHead(_decoded(store, HEAD, found[0], Head), found[1])


def existing_head(store: Store) -> Head:
    """Return `snapshot.json`; raise WrongUsage where nothing was pushed yet."""
    found = read_head(store)
    if found is None:
        raise WrongUsage(f"There is no snapshot at {store.url}. `jobledger push {store.url}` puts one there.")
    return found.head


def read_snapshot(store: Store, at: datetime | None = None) -> Snapshot:
    """Return the newest snapshot, or the newest not later than `at`; raise WrongUsage if none of the kept ones is."""
    head = existing_head(store)
    if at is None:
        return head
    earlier = [entry for entry in head.history if entry.at <= at]
    if not earlier:
        oldest = min(entry.at for entry in head.history)
        raise WrongUsage(f"The oldest snapshot that is kept at {store.url} is of {shown(oldest)}, after {shown(at)}.")
    return read_entry(store, earlier[-1])


def read_entry(store: Store, entry: Entry) -> Snapshot:
    """Return a kept snapshot; raise StoreFailed if it is gone."""
    found = store.read(entry.path)
    if found is None:
        raise StoreFailed(f"{store.uri(entry.path)} is gone, though {HEAD} lists it. Take another time.")
    return _decoded(store, entry.path, found[0], Snapshot)


def snapshot_path(snapshot: Snapshot) -> str:
    """Return the path of a snapshot's own file, which changes with its content."""
    digest = hashlib.sha256(encoded(snapshot)).hexdigest()
    return f"{SNAPSHOTS}/{snapshot.at:%Y%m%dT%H%M%S.%fZ}-{digest[:16]}.json"


def encoded(value: Snapshot) -> bytes:
    return msgspec.json.encode(value)


def content(snapshot: Snapshot) -> object:
    """What two snapshots of the same content have in common, wherever and whenever they were put."""
    tables = {name: [(file.month, file.sha256) for file in table.files] for name, table in snapshot.tables.items()}
    return snapshot.release, snapshot.contract, tables


def kept(history: Iterable[Entry], now: datetime, keep: timedelta) -> list[Entry]:
    """Return the entries that stay, oldest first: the newest, and those that it, or another one, replaced since `keep`.

    So every time within `keep` has the snapshot that was the newest then.
    """
    entries = sorted(history, key=lambda entry: (entry.at, entry.path))
    replaced_at = [entry.at for entry in entries[1:]]
    return [entry for entry, at in zip(entries, replaced_at, strict=False) if at >= now - keep] + entries[-1:]


def read_time(text: str) -> datetime:
    """Return the time that a text says, UTC unless it says otherwise; a day alone is its end. Raise WrongUsage."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise WrongUsage(f"{text!r} is no time; write it like 2026-11-26T14:30 (UTC) or 2026-11-26.") from None
    if len(text) <= len("2026-11-26"):
        found = datetime.combine(found, time.max)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def shown(at: datetime) -> str:
    """A time as it is shown, and as `--at` takes it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds" if at.microsecond else "seconds").replace("+00:00", "Z")


def _decoded(store: Store, path: str, text: bytes, kind: type[S]) -> S:
    try:
        found = msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise StoreFailed(f"{store.uri(path)} is no snapshot that this release can read ({error}).") from None
    if found.format > FORMAT:
        raise StoreFailed(f"{store.uri(path)} was written by jobledger {found.release}, which is newer: upgrade.")
    return found
