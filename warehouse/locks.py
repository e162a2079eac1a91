"""One month, one writer: locks that hold between Dagster, its daemon and the command line alike.

A lock is a file's. The operating system drops it when its process ends, however it ends, so a crash leaves no lock to
clean up. A floor above may name a server whose locks are held beside the files' (`hold_at`), for machines whose file
locks do not reach each other.

Who writes files of the lake takes `Lake.exclusive`, which knows what a crash left besides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from filelock import FileLock, Timeout

from warehouse.errors import Busy, LockLost
from warehouse.files import make_folder, shared

WAIT_SECONDS: Final = 600.0
POLL_SECONDS: Final = 0.2
"""How often a server is asked whether a lock is free."""


class Session(Protocol):
    """A session at a server, for one lock, which the server drops when the session ends."""

    @property
    def where(self) -> str:
        """The server, as people may read it."""
        ...

    def take(self) -> bool:
        """Take the lock unless somebody else has it; return whether it is held."""
        ...

    def is_alive(self) -> bool:
        """Whether the session, and with it the lock, is still there."""
        ...


Server = Callable[[Path, str], AbstractContextManager[Session]]
"""Opens a session for the lock of a name on the folder where its lock files lie."""


@dataclass
class _Beside:
    """What is held beside the lock files of this process."""

    server: Server | None
    sessions: dict[Path, Session]


_beside: Final = _Beside(None, {})


def hold_at(server: Server | None) -> None:
    """Hold the locks that are taken from here on at a server too, or at none."""
    _beside.server = server


@contextmanager
def exclusive(
    data: Path, name: str, *, wait_seconds: float = WAIT_SECONDS, on_wait: Callable[[str], None] | None = None
) -> Generator[bool]:
    """Hold the lock `name` (a month, or what is not monthly) of a data folder; yield whether this thread had it before.

    Call `on_wait` with a sentence if somebody else holds it, wait, and raise Busy after `wait_seconds`.
    """
    place = _place(data, name)
    make_folder(place.parent)
    lock = FileLock(place, is_singleton=True) if shared() else FileLock(place, mode=0o600, is_singleton=True)
    nested, wait = lock.is_locked, _Wait(name, wait_seconds, on_wait)
    wait.until(partial(_take_file, lock), f"{lock.lock_file} is locked")
    try:
        if nested or _beside.server is None:
            yield nested
        else:
            with _held_at(_beside.server, place, wait):
                yield nested
    finally:
        lock.release()


def assure(data: Path, name: str) -> None:
    """Raise LockLost if the lock `name`, which this process took, is not held any more.

    A file's lock is held as long as its process lives; a server's may be lost. Whoever commits asks just before.
    """
    session = _beside.sessions.get(_place(data, name))
    if session and not session.is_alive():
        raise LockLost(
            f"The lock on {name} was lost: the session at {session.where} that held it has ended, and another run may "
            "work on it by now. Nothing of this step was put in place. Check that the server runs and can be reached "
            "all the time, then run again."
        )


class _Wait:
    """The wait for a lock, which may be at two places: told once, and not longer than `seconds` in all."""

    def __init__(self, name: str, seconds: float, on_wait: Callable[[str], None] | None) -> None:
        self.name, self._seconds, self._on_wait = name, seconds, on_wait
        self._ends: float | None = None

    def until(self, take: Callable[[float], bool], why: str) -> None:
        """Wait until `take`, which gets the seconds that it may wait, returns True. Raise Busy, which says why."""
        if not take(0) and not take(self._begin()):
            raise Busy(
                f"{self.name} is still being worked on by another run after {self._seconds:.0f} s ({why}). "
                "Nothing was changed; run again when it has ended."
            )

    def _begin(self) -> float:
        """Say that there is a wait, and return how long it may last."""
        if self._ends is None:
            self._ends = time.monotonic() + self._seconds
            if self._on_wait:
                longest = f"{self._seconds:.0f} s"
                self._on_wait(f"{self.name} is being worked on by another run; waiting up to {longest} for it.")
        return max(0.0, self._ends - time.monotonic())


@contextmanager
def _held_at(server: Server, place: Path, wait: _Wait) -> Generator[None]:
    """Hold the lock of a file at a server too. The file's is held, so no other thread of this process is here."""
    with server(place.parent, wait.name) as session:
        wait.until(partial(_take_session, session), f"it is locked at {session.where}")
        _beside.sessions[place] = session
        try:
            yield
        finally:
            del _beside.sessions[place]


def _take_file(lock: FileLock, seconds: float) -> bool:
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        return False
    return True


def _take_session(session: Session, seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while not session.take():
        if time.monotonic() >= ends:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _place(data: Path, name: str) -> Path:
    return data.absolute() / "locks" / f"{name}.lock"
