"""How jobledger makes folders and files: its owner's alone unless they are shared, synced, and renamed into place.

Nothing else in jobledger renames a file or makes a folder of the ledger.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

SHARED_SETTING: Final = "JOBLEDGER_SHARED"
"""Environment variable: '1' leaves it to the umask who may read what is made."""

OWNER_ALONE: Final = 0o077
"""The umask that keeps group and others out."""


def shared() -> bool:
    """Return whether the umask decides who may read what is made."""
    return os.environ.get(SHARED_SETTING) == "1"


def keep_private() -> None:
    """Let what this process makes, with whatever library, be its owner's alone, unless it is shared."""
    if not shared():
        os.umask(OWNER_ALONE)


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it that are missing, each synced into its parent; return it.

    A folder that exists keeps its mode.
    """
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o777 if shared() else 0o700, exist_ok=True)
        sync(folder.parent)
    return folder


def put(staged: Path, place: Path) -> None:
    """Put a written file in its place, safe on the disk before and after."""
    settle(staged)
    replace(staged, place)
    sync(place.parent)


def settle(staged: Path) -> None:
    """Make a written file ready to be renamed: private unless shared, and safe on the disk."""
    if not shared():
        staged.chmod(0o600)
    sync(staged)


def replace(staged: Path, place: Path) -> None:
    """Rename a file over its place."""
    os.replace(staged, place)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's entries, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
