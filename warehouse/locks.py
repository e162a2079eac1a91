"""One month, one writer: file locks that hold between Dagster, its daemon and the command line alike.

The operating system drops a lock when its process ends, however it ends, so a crash leaves no lock to clean up. Who
writes files of the lake takes `Lake.exclusive`, which knows what a crash left besides.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from warehouse.errors import Busy
from warehouse.files import make_folder, shared

WAIT_SECONDS: Final = 600.0


@contextmanager
def exclusive(
    data: Path, name: str, *, wait_seconds: float = WAIT_SECONDS, on_wait: Callable[[str], None] | None = None
) -> Generator[bool]:
    """Hold the lock `name` (a month, or what is not monthly) of a data folder; yield whether this thread had it before.

    Call `on_wait` with a sentence if somebody else holds it, wait, and raise Busy after `wait_seconds`.
    """
    place = make_folder(data.absolute() / "locks") / f"{name}.lock"
    lock = FileLock(place, is_singleton=True) if shared() else FileLock(place, mode=0o600, is_singleton=True)
    nested = lock.is_locked
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if on_wait:
            on_wait(f"{name} is being worked on by another run; waiting up to {wait_seconds:.0f} s for it.")
        _wait(lock, name, wait_seconds)
    try:
        yield nested
    finally:
        lock.release()


def _wait(lock: FileLock, name: str, wait_seconds: float) -> None:
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        raise Busy(
            f"{name} is still being worked on by another run after {wait_seconds:.0f} s ({lock.lock_file} is locked). "
            "Nothing was changed; run again when it has ended."
        ) from None
