"""A pull: a ledger made of a snapshot, in a folder that holds nothing yet.

The files are fetched aside and compared with their digests; then the lake appears by one rename. A pull that died is
taken up by the next one, which fetches what is missing.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from warehouse import locks
from warehouse.catalog import Publish, publish
from warehouse.declaration import Table
from warehouse.errors import WrongUsage
from warehouse.files import make_folder, put, replace, sync
from warehouse.lake import Lake, place_of
from warehouse.months import MONTH
from warehouse.release import FORMAT as LEDGER_FORMAT
from warehouse.release import signature
from warehouse.snapshots.snapshot import FileOf, Snapshot, read_snapshot
from warehouse.snapshots.store import Store, StoreFailed

PULL: Final = "pull"
"""The lock on pulling into a folder, and the folder in which files wait for the rest."""

FETCHES_AT_ONCE: Final = 8
TABLE_NAME: Final = re.compile(r"[a-z0-9_]{1,100}")
LEFT_BY_A_PULL: Final = {"ledger.json", "locks", "scratch"}
"""What lies in the folder before the lake does."""


def pull(
    store: Store,
    data: Path,
    tables: Sequence[Table],
    how: Publish,
    at: datetime | None = None,
    *,
    on_fetched: Callable[[FileOf], None] | None = None,
) -> Snapshot:
    """Make a ledger of the newest snapshot, or of the newest not later than `at`, in a folder; return the snapshot.

    Raise WrongUsage if the folder holds anything, or if there is no such snapshot; StoreFailed if a file is gone or is
    not what it was. The folder shows nothing of the ledger then.
    """
    refuse_filled(data)
    snapshot = read_snapshot(store, at)
    if snapshot.ledger > LEDGER_FORMAT:
        raise WrongUsage(
            f"The snapshot was written by jobledger {snapshot.release}, whose ledgers this release does not know: "
            "upgrade, or take an earlier snapshot with --at."
        )
    wanted = _places(snapshot)
    with locks.exclusive(data, PULL, wait_seconds=0):
        refuse_filled(data)
        staged = data / "scratch" / PULL / "lake"
        _remove_others(staged, set(wanted))
        with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
            for file in pool.map(partial(_fetch, store, staged), wanted.items()):
                if on_fetched:
                    on_fetched(file)
        locks.assure(data, PULL)
        _put_in_place(data, staged)
        publish(Lake(data), tables, how)
    return snapshot


def refuse_filled(data: Path) -> None:
    """Raise WrongUsage if a folder holds anything but what a pull left there that died."""
    try:
        found = sorted({file.name for file in data.iterdir()} - LEFT_BY_A_PULL)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise WrongUsage(f"{data} is a file. Name a folder in JOBLEDGER_DATA that holds nothing yet.") from None
    if found:
        raise WrongUsage(
            f"{data} is not empty ({found[0]} is there). A pull makes a whole ledger and mixes it with nothing: name "
            "another folder in JOBLEDGER_DATA, or move what is there away."
        )


def _places(snapshot: Snapshot) -> dict[Path, FileOf]:
    """The files of a snapshot by their places in a lake; raise StoreFailed for names that cannot be a table's."""
    found: dict[Path, FileOf] = {}
    for name, table in snapshot.tables.items():
        for file in table.files:
            if not TABLE_NAME.fullmatch(name) or (file.month is not None and not MONTH.fullmatch(file.month)):
                raise StoreFailed(f"The snapshot names {name!r}, month {file.month!r}: that is no table of a ledger.")
            found[place_of(name, file.month)] = file
    return found


def _remove_others(staged: Path, wanted: set[Path]) -> None:
    """Remove what an earlier pull left and this one does not want."""
    for file in [*staged.rglob("*.parquet")]:
        if file.relative_to(staged) not in wanted:
            file.unlink()


def _fetch(store: Store, staged: Path, wanted: tuple[Path, FileOf]) -> FileOf:
    """Fetch a file unless it is there already; raise StoreFailed if its digest is not the one that was pushed."""
    place, file = staged / wanted[0], wanted[1]
    if not (place.exists() and _digest(place) == file.sha256):
        part = place.with_name(f"{place.name}.part")
        if store.fetch(file.path, part) != file.sha256:
            part.unlink()
            raise StoreFailed(f"{store.uri(file.path)} is not what was pushed: its digest differs. Take another time.")
        put(part, place)
    return file


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _put_in_place(data: Path, staged: Path) -> None:
    """Let the lake appear, and say which release's layout the folder has."""
    make_folder(staged)
    place, text = signature(data)
    signed = staged.parent / place.name
    signed.write_text(text, encoding="utf-8")
    put(signed, place)
    replace(staged, data / "lake")
    sync(data)
    shutil.rmtree(staged.parent)
