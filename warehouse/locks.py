"""One month, one writer: file locks that hold between Dagster, its daemon and the command line alike.

The operating system drops a lock when its process ends, however it ends, so a crash leaves nothing to clean up.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from warehouse.errors import Busy

WAIT_SECONDS: Final = 600.0


@contextmanager
def exclusive(
    data: Path, name: str, *, wait_seconds: float = WAIT_SECONDS, on_wait: Callable[[str], None] | None = None
) -> Generator[None]:
    """Holds the lock `name` (a month, or what is not monthly) of a data folder.

    Calls `on_wait` with a sentence if somebody else holds it, waits, and raises Busy after `wait_seconds`.
    """
    folder = data / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if on_wait:
            on_wait(f"{name} is being worked on by another run; waiting up to {wait_seconds:.0f} s for it.")
        _wait(lock, name, wait_seconds)
    try:
        yield
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
