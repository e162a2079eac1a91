"""Dagster's Postgres storage with connections that are kept, named in `dagster.yaml`.

Dagster opens a connection for each statement: some 700 in a run. Here a process keeps a few, and finds out whether one
still works before it is used. Tables and rows are Dagster's own.

A run holds an advisory lock as long as its process lives, so that a process on another machine knows it too.
"""

from __future__ import annotations

from typing import Any, Final, Self

import sqlalchemy as sa
from dagster._core.storage.config import PostgresStorageConfig
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage

from pipelines.postgres import KEPT, NOTICED_SOON, read_address

KEY: Final = "hashtextextended('jobledger run ' || :run_id, 0)"

_held: list[sa.Connection] = []
"""The connections that hold the locks of the runs of this process, until it ends."""


class _KeptEngine:
    """What the three storages have in common."""

    _engine: sa.Engine

    def __init__(self, postgres_url: str) -> None:
        super().__init__(postgres_url)  # pyright: ignore[reportCallIssue]
        self._engine = sa.create_engine(
            postgres_url, isolation_level="AUTOCOMMIT", pool_size=KEPT, max_overflow=-1, pool_pre_ping=True
        )

    def dispose(self) -> None:
        super().dispose()  # pyright: ignore[reportAttributeAccessIssue]
        self._engine.dispose()


class EventLog(_KeptEngine, PostgresEventLogStorage):
    """Dagster's event log."""


class Schedules(_KeptEngine, PostgresScheduleStorage):
    """Dagster's schedules, sensors and their ticks."""


class Runs(_KeptEngine, PostgresRunStorage):
    """Dagster's runs, and the locks that say which of them live."""

    def hold_run(self, run_id: str) -> None:
        """Hold the lock that says that the run's process lives, until the process ends."""
        engine = sa.create_engine(
            self.postgres_url, isolation_level="AUTOCOMMIT", connect_args={"options": NOTICED_SOON}
        )
        connection = engine.connect()
        connection.execute(sa.text(f"SELECT pg_advisory_lock({KEY})"), {"run_id": run_id})
        _held.append(connection)

    def is_run_held(self, run_id: str) -> bool:
        """Whether a process anywhere holds the run's lock."""
        with self.connect() as con:
            free: bool = con.execute(
                sa.text(f"SELECT pg_try_advisory_xact_lock({KEY})"), {"run_id": run_id}
            ).scalar_one()
        return not free


class Storage(DagsterPostgresStorage):
    """All three, in one database."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        self.postgres_url = read_address(postgres_url)
        self.should_autocreate_tables = True
        self._inst_data = inst_data
        self._run_storage = Runs(self.postgres_url)
        self._event_log_storage = EventLog(self.postgres_url)
        self._schedule_storage = Schedules(self.postgres_url)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: PostgresStorageConfig) -> Self:
        values: Any = config_value
        return cls(values["postgres_url"], inst_data)
