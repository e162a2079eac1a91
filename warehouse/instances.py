"""The instance of DuckDB that one piece of work after the other is done in.

To start an instance (its threads, and a catalog of some thousand functions) costs more than most of what is executed in
it. Each piece of work has the instance for itself, so that limits on memory and threads are its own, and a database in
it that is gone in the end.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import duckdb


class _Idle:
    """The instance that nobody works in now. It never crosses a fork: its threads would not be there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._instance: duckdb.DuckDBPyConnection | None = None

    def take(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            found, self._instance = self._instance, None
        return found or start()

    def keep(self, instance: duckdb.DuckDBPyConnection) -> None:
        with self._lock:
            self._instance, left = instance, self._instance
        if left:
            left.close()

    def end(self) -> None:
        """Close it while Python still runs: what is left at the end, DuckDB's binding complains of on stderr."""
        with self._lock:
            left, self._instance = self._instance, None
        if left:
            left.close()

    def before_fork(self) -> None:
        self._lock.acquire()
        if self._instance:
            self._instance.close()
            self._instance = None

    def after_fork(self) -> None:
        self._lock.release()


_idle: Final = _Idle()
atexit.register(_idle.end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_idle.before_fork, after_in_parent=_idle.after_fork, after_in_child=_idle.after_fork)


@contextmanager
def instance() -> Generator[duckdb.DuckDBPyConnection]:
    """An instance in which nobody else works. What was attached to it is detached in the end; an error closes it."""
    found = _idle.take()
    try:
        yield found
        is_clean = _clean(found)
    except BaseException:
        found.close()
        raise
    if is_clean:
        _idle.keep(found)
    else:
        found.close()


def start() -> duckdb.DuckDBPyConnection:
    """Start an instance for whoever closes it: times in UTC, rows in the order in which they are read."""
    started = duckdb.connect()
    for setting in ("GLOBAL TimeZone = 'UTC'", "preserve_insertion_order = true", "enable_external_file_cache = false"):
        started.execute(f"SET {setting}").fetchall()
    return started


def _clean(used: duckdb.DuckDBPyConnection) -> bool:
    """Undo what work did; return whether other work can be done here. What spilled does so into one folder for ever."""
    attached = used.execute("SELECT database_name FROM duckdb_databases() WHERE NOT internal").fetchall()
    for (name,) in attached:
        if name != "memory":
            used.execute(f'DETACH "{name}"').fetchall()
    used.execute("RESET threads").fetchall()
    try:
        used.execute("SET temp_directory = ''").fetchall()
    except duckdb.NotImplementedException:
        return False
    return True
