"""Dagster's SQLite storage with engines that are kept, named in `dagster.yaml`.

Dagster makes a SQLAlchemy engine for each statement: some 700 in a run, and each compiles its SQL anew. Here a database
has one engine as long as the process lives, and events that come in a batch share a transaction. Files, tables and rows
are Dagster's own: with `storage` taken out of `dagster.yaml`, Dagster reads on as it ships.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Self

import sqlalchemy as sa
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, SqliteStorageConfig
from dagster._serdes import ConfigurableClassData

KEPT: Final = 16
"""Engines that are kept at most: the UI reads the databases of many runs."""


class Engines:
    """One engine for each database; the one that was not asked for the longest gives way."""

    def __init__(self, kept: int = KEPT) -> None:
        self._engines: OrderedDict[str, sa.Engine] = OrderedDict()
        self._kept = kept
        self._lock = threading.Lock()

    def of(self, url: str) -> sa.Engine:
        """Return the engine of a database."""
        with self._lock:
            if url not in self._engines:
                self._engines[url] = create_engine(url, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
            self._engines.move_to_end(url)
            if len(self._engines) > self._kept:
                self._engines.popitem(last=False)[1].dispose()
            return self._engines[url]

    def dispose(self) -> None:
        """Close what is kept."""
        with self._lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()


class EventLog(SqliteEventLogStorage):
    """Dagster's event log, a database for each run and an index over them."""

    def __init__(self, base_dir: str) -> None:
        self._engines = Engines()
        self._one_at_a_time = threading.RLock()
        self._batch: tuple[ExitStack, dict[str, sa.Connection]] | None = None
        self._tables: set[str] = set()
        super().__init__(base_dir)

    @contextmanager
    def _connect(self, shard: str) -> Generator[sa.Connection]:
        with self._one_at_a_time:
            if self._batch is None:
                with self._begin(shard) as con:
                    yield con
            else:
                stack, opened = self._batch
                if shard not in opened:
                    opened[shard] = stack.enter_context(self._begin(shard))
                yield opened[shard]

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events in one transaction for each database that they go to."""
        with self._one_at_a_time, ExitStack() as stack:
            self._batch = (stack, {})
            stack.callback(self._end_batch)
            super().store_event_batch(events)

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table; one that is there stays."""
        if table_name not in self._tables:
            with self.index_connection() as con:
                if sa.inspect(con).has_table(table_name):
                    self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        self._engines.dispose()
        super().dispose()

    def _begin(self, shard: str) -> Any:
        engine = self._engines.of(self.conn_string_for_shard(shard))
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        return engine.begin()

    def _end_batch(self) -> None:
        self._batch = None


class _KeptEngine:
    """What the storages of one database each have in common."""

    _conn_string: str

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines = Engines()
        super().__init__(conn_string, inst_data)  # pyright: ignore[reportCallIssue]

    @contextmanager
    def connect(self) -> Generator[sa.Connection]:
        with self._engines.of(self._conn_string).begin() as con:
            yield con

    def dispose(self) -> None:
        self._engines.dispose()


class Runs(_KeptEngine, SqliteRunStorage):
    """Dagster's runs."""


class Schedules(_KeptEngine, SqliteScheduleStorage):
    """Dagster's schedules, sensors and their ticks."""


class Storage(DagsterSqliteStorage):
    """All three, in the places where Dagster's own storage has them."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        home = Path(base_dir)
        self.base_dir = base_dir
        self._run_storage = Runs.from_local(f"{home / 'history'}/")
        self._event_log_storage = EventLog(f"{home / 'history' / 'runs'}/")
        self._schedule_storage = Schedules.from_local(f"{home / 'schedules'}")
        self._inst_data = inst_data

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: SqliteStorageConfig) -> Self:
        return cls.from_local(inst_data=inst_data, **config_value)
