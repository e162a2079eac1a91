"""A lock that somebody else holds: a thread may take its own locks again, so it is another thread's."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from warehouse.locks import exclusive


@contextmanager
def held_by_another(data: Path, name: str) -> Generator[None]:
    """The lock `name` of a data folder, held by another thread."""
    held, done = Event(), Event()

    def hold() -> None:
        with exclusive(data, name):
            held.set()
            done.wait()

    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(hold)
        assert held.wait(5)
        try:
            yield
        finally:
            done.set()
            holder.result()
