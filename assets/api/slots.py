"""The log of the slots that requests have taken, in a file that processes share, or in memory.

The file holds a header and the slots in the order in which they were taken, eight bytes each, on the machine's
monotonic clock, which is the same for all processes and which nobody can set. All is done under a file lock and takes
less than a tenth of a millisecond, however many slots there are. What a damaged file says is forgotten, and that is
told.
"""

import logging
import math
import os
import struct
import threading
import time
from array import array
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from filelock import FileLock, Timeout

from warehouse.errors import Busy
from warehouse.files import put

T = TypeVar("T")

POLL_SECONDS: Final = 0.002
LOCK_SECONDS: Final = 30.0
"""Nobody holds the lock for more than a moment, unless the process is halted."""

RESTART_SECONDS: Final = 1.0
"""A log from the future by more than this was written before the machine was started anew."""

FARTHEST: Final = 1000.0
"""No slot lies so many spans of the longest limit ahead."""

NEVER: Final = -math.inf

_HEADER: Final = struct.Struct("<8sdd")  # what the file is, when it was written, until when all pause
_SLOT: Final = struct.Struct("<d")
_WHAT: Final = b"slots-1\n"

log = logging.getLogger(__name__)


class Damaged(Exception):
    """The file does not hold what was written to it."""


class Taken:
    """The slots that were taken, for as long as nobody else may take one. Times are of the monotonic clock."""

    def __init__(self, file: BinaryIO, now: float) -> None:
        self._file = file
        self._now = now
        self.count, rest = divmod(file.seek(0, os.SEEK_END) - _HEADER.size, _SLOT.size)
        if self.count < 0 or rest:
            raise Damaged
        file.seek(0)
        what, self.written, self.paused_until = _HEADER.unpack(file.read(_HEADER.size))
        if what != _WHAT or not math.isfinite(self.written):
            raise Damaged

    def last_but(self, count: int) -> float:
        """The slot that was taken as the `count`-th from the end; NEVER if there were not so many."""
        if not 0 < count <= self.count:
            return NEVER
        self._file.seek(-count * _SLOT.size, os.SEEK_END)
        return _SLOT.unpack(self._file.read(_SLOT.size))[0]

    def add(self, slot: float) -> None:
        self._file.seek(0, os.SEEK_END)
        self._file.write(_SLOT.pack(slot))
        self._write_header()

    def pause(self, until: float) -> None:
        self.paused_until = max(self.paused_until, until)
        self._write_header()

    def all(self) -> list[float]:
        slots = array("d")
        self._file.seek(_HEADER.size)
        slots.frombytes(self._file.read())
        return slots.tolist()

    def _write_header(self) -> None:
        self._file.seek(0)
        self._file.write(_HEADER.pack(_WHAT, self._now, self.paused_until))


class Slots:
    """The slots of all processes that share `folder`, or of this object alone. A slot counts for `keep_seconds`."""

    def __init__(self, folder: Path | None, keep_seconds: float, clock: Callable[[], float]) -> None:
        self._path = folder and folder / "slots"
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._memory = BytesIO(_HEADER.pack(_WHAT, clock(), NEVER))
        self._turn = threading.Lock()
        self._lock = (
            FileLock(folder / "slots.lock", timeout=LOCK_SECONDS, poll_interval=POLL_SECONDS) if folder else None
        )

    def locked(self, work: Callable[[Taken], T]) -> T:
        """What `work` returns, which nobody interferes with. Raises Busy if the log stays locked."""
        with self._locked():
            try:
                return self._worked(work)
            except Damaged:
                log.warning(
                    f"The budget's state in {self._path} was damaged and has been made anew: the requests of the last"
                    " hour are forgotten, so the API may refuse some until they no longer count."
                )
                self._make(NEVER, [])
                return self._worked(work)

    def paused_until(self) -> float:
        """Until when all pause. It is read without the lock, since eight bytes change at once."""
        if self._path is not None and not self._path.exists():
            return NEVER  # to make the file is for who holds the lock
        with self._open() as file:
            header = file.read(_HEADER.size)
        return _HEADER.unpack(header)[2] if len(header) == _HEADER.size else NEVER

    def _worked(self, work: Callable[[Taken], T]) -> T:
        now = self._clock()
        with self._open() as file:
            taken = Taken(file, now)
            if taken.written > now + RESTART_SECONDS:
                self._move_after_restart(taken, now)
                return self._worked(work)
            if not max(taken.last_but(1), taken.paused_until) < now + FARTHEST * (self._keep_seconds + 1):
                raise Damaged
            done = work(taken)
            if taken.last_but(taken.count) < now - 2 * self._keep_seconds:
                self._make(taken.paused_until, [slot for slot in taken.all() if slot > now - self._keep_seconds])
        return done

    def _move_after_restart(self, taken: Taken, now: float) -> None:
        """Move the slots to the clock of a machine that was started anew: what was written is as old as the file."""
        age = max(0.0, time.time() - self._path.stat().st_mtime) if self._path else 0.0
        shift = now - age - taken.written
        self._make(taken.paused_until + shift, [slot + shift for slot in taken.all()])

    def _make(self, paused_until: float, slots: Iterable[float]) -> None:
        """Put another log in the place of this one."""
        content = _HEADER.pack(_WHAT, self._clock(), paused_until) + array("d", slots).tobytes()
        if self._path is None:
            self._memory = BytesIO(content)
        else:
            beside = self._path.with_suffix(".new")
            beside.write_bytes(content)
            put(beside, self._path)

    @contextmanager
    def _open(self) -> Generator[BinaryIO]:
        if self._path is None:
            self._memory.seek(0)
            yield self._memory
        else:
            if not self._path.exists():
                self._make(NEVER, [])
            with self._path.open("r+b", buffering=0) as file:
                yield file

    @contextmanager
    def _locked(self) -> Generator[None]:
        with self._turn:
            if self._lock is None:
                yield
                return
            try:
                self._lock.acquire()
            except Timeout:
                raise Busy(
                    f"Another process has locked the budget of requests for more than {LOCK_SECONDS:.0f} s "
                    f"({self._lock.lock_file}). End that process, or let it go on, then run again."
                ) from None
            try:
                yield
            finally:
                self._lock.release()
