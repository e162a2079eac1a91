"""What the command line does with object storage: push, pull, and list what is kept there."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Final

import msgspec

from pipelines.console import console, err, tell
from pipelines.rows import grid
from pipelines.settings import PUSH_URL, Settings
from warehouse.contract import contract
from warehouse.errors import WrongUsage
from warehouse.failed_months import ALL_MONTHS, clear
from warehouse.lake import Lake, existing_lake
from warehouse.marts.all import all_tables
from warehouse.query import Records
from warehouse.snapshots.pull import pull
from warehouse.snapshots.push import push
from warehouse.snapshots.snapshot import Entry, existing_head, read_time, shown
from warehouse.snapshots.store import Store

HISTORY: Final = ("at", "jobs", "rows", "megabytes", "new_files", "new_megabytes", "release", "contract")
"""The columns of a history; `at` is a time that `--at` takes."""


def push_lake(settings: Settings, url: str | None) -> None:
    """Publish the ledger as a snapshot, and say what travelled."""
    lake, known, place = existing_lake(settings.data), contract(), _url(settings, url)
    keep = timedelta(days=settings.push_keep_days)
    done = push(lake, all_tables(known), place, contract=known.digest, keep=keep, on_wait=tell)
    clear(lake, ALL_MONTHS, "push")
    what = f"{done.new_files} new files, {done.new_bytes / 1e6:.1f} MB" if done.is_new else "nothing new"
    tell(f"{place}: {what}; snapshots kept: {done.snapshots}, the newest of {shown(done.newest.at)}")
    if done.removed:
        tell(f"{done.removed} files that no kept snapshot names were removed")
    for note in done.notes:
        err.print(note, style="yellow")


def pull_ledger(settings: Settings, url: str | None, at: str | None) -> None:
    """Make a ledger of a snapshot in the data folder, which must hold nothing yet."""
    moment = read_time(at) if at else None
    store = Store(_url(settings, url))
    found = pull(store, Lake(settings.data).data, all_tables(contract()), settings.publish, moment)
    files = sum(len(table.files) for table in found.tables.values())
    tell(f"{settings.data}: the snapshot of {shown(found.at)}, {files} files, written by jobledger {found.release}")


def show_history(settings: Settings, url: str | None, *, as_json: bool) -> None:
    """Print the snapshots that are kept, oldest first."""
    place = _url(settings, url)
    history = existing_head(Store(place)).history
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(history) + b"\n")
        return
    found = Records(HISTORY, [name not in ("at", "release", "contract") for name in HISTORY], [*map(_row, history)])
    console(sys.stdout).print(grid(found, f"Snapshots at {place}"))


def _row(entry: Entry) -> tuple[object, ...]:
    size, new = (round(count / 1e6, 1) for count in (entry.size, entry.new_bytes))
    return shown(entry.at), entry.jobs, entry.rows, size, entry.new_files, new, entry.release, entry.contract[:12]


def _url(settings: Settings, url: str | None) -> str:
    """The address that was given, else the one of the settings."""
    if found := url or settings.push_url:
        return found
    raise WrongUsage(f"Where? Give an address such as s3://BUCKET/ledger, or set {PUSH_URL}.")
