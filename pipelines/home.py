"""Dagster's own state: its home in the data folder, and the instance that runs and the UI share.

It is made under a lock, since Dagster's databases cannot be made by two processes at once. Each run holds a lock of its
own as long as its process lives, so a run that Dagster calls started and whose lock is free is dead. The lock is a
file, and with Postgres also an advisory lock there: the run may be on another machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import dagster as dg
from filelock import FileLock, Timeout

from pipelines import postgres
from pipelines.configuration import write_configuration
from pipelines.console import tell
from pipelines.settings import Settings
from warehouse.files import make_folder
from warehouse.locks import exclusive
from warehouse.paths import sqlite_folder

HOST: Final = "127.0.0.1"
PORT: Final = os.environ.get("JOBLEDGER_UI_PORT", "3000")
UI: Final = f"http://{HOST}:{PORT}"
"""Where `make ui` shows the runs."""

RUNNING: Final = "running"
"""Folder in DAGSTER_HOME with the lock files of the runs."""

SECONDS_TO_LOCK: Final = 60.0
"""What a run may take until it holds its lock, from the last change of its status."""

EVENTS_AT_ONCE: Final = "DAGSTER_EVENT_BATCH_SIZE"
EVENTS: Final = "100"
"""How many events that Dagster makes together are stored together."""

UNDER_WAY: Final = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
DEAD: Final = "The run's process is gone: it was killed, or the machine went down. What had landed is kept; run again."

_held: list[FileLock] = []
"""The locks of the runs of this process, held until it ends: a run is shown as ended only after its last step."""


@runtime_checkable
class KnowsRuns(Protocol):
    """A storage of runs that knows on every machine which of them live."""

    def hold_run(self, run_id: str) -> None: ...

    def is_run_held(self, run_id: str) -> bool: ...


def place_of_home(settings: Settings) -> Path:
    """Return DAGSTER_HOME, or else where the home in the data folder is or will be."""
    given = os.environ.get("DAGSTER_HOME")
    return Path(given) if given else sqlite_folder(settings.data / "dagster")


def is_own(home: Path, settings: Settings) -> bool:
    """Whether a home is jobledger's own, and not one that others use too."""
    return home.resolve() == (settings.data / "dagster").resolve()


def home_of(settings: Settings) -> Path:
    """Return DAGSTER_HOME, or else the home in the data folder, made if it is not there yet."""
    home = place_of_home(settings)
    if is_own(home, settings):
        make_folder(home)
        with exclusive(home, "instance"):
            told = write_configuration(home, settings.postgres_url)
        if told:
            tell(told)
    return home


@contextmanager
def instance(settings: Settings) -> Generator[dg.DagsterInstance]:
    """Open the instance, whose databases are made one process at a time, and end the runs that are dead."""
    home = home_of(settings)
    if settings.postgres_url and is_own(home, settings):
        postgres.tables(settings.postgres_url)  # Dagster would try for long, and say less
    with as_home(home):
        with exclusive(home, "instance"):
            found = dg.DagsterInstance.from_config(str(home))
            end_dead_runs(found, settings)
        with found:
            yield found


@contextmanager
def as_home(home: Path) -> Generator[None]:
    """Let this process have a DAGSTER_HOME for a while: `dagster.yaml` names its databases by it."""
    before = {name: os.environ.get(name) for name in ("DAGSTER_HOME", EVENTS_AT_ONCE)}
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ.setdefault(EVENTS_AT_ONCE, EVENTS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def hold(instance: dg.DagsterInstance, run_id: str) -> None:
    """Hold the lock that says that the run's process lives, until the process ends."""
    if isinstance(instance.run_storage, KnowsRuns):
        instance.run_storage.hold_run(run_id)
    place = _lock_of(instance, run_id)
    make_folder(place.parent)
    lock = FileLock(place, mode=0o600)
    lock.acquire()
    _held.append(lock)


def end_dead_runs(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """End each run whose process is gone as failed, so that it holds no place in the queue; return their ids."""
    dead = dead_runs(instance, settings)
    for run in dead:
        instance.report_run_failed(run, DEAD)
    alive = {run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=list(UNDER_WAY)))}
    for place in (Path(instance.root_directory) / RUNNING).glob("*.lock"):
        if place.stem not in alive and _is_free(place):
            place.unlink(missing_ok=True)
    return [run.run_id for run in dead]


def dead_runs(instance: dg.DagsterInstance, settings: Settings) -> list[dg.DagsterRun]:
    """Return the runs that Dagster calls under way and whose process is gone.

    In a home that others use too, runs that never held a lock are left alone: they may be of other jobs.
    """
    own = is_own(Path(instance.root_directory), settings)
    under_way = instance.get_run_records(dg.RunsFilter(statuses=list(UNDER_WAY)))
    return [record.dagster_run for record in under_way if _is_dead(instance, record, own)]


def _is_dead(instance: dg.DagsterInstance, record: dg.RunRecord, own: bool) -> bool:
    """Whether nobody holds the run's lock; a run that just began may not have taken it yet."""
    run, place = record.dagster_run, _lock_of(instance, record.dagster_run.run_id)
    if place.exists() and not _is_free(place):
        return False
    if isinstance(instance.run_storage, KnowsRuns):
        begins = run.status == dg.DagsterRunStatus.STARTING  # on a machine that may take minutes; Dagster watches it
        return not begins and _is_settled(record) and not instance.run_storage.is_run_held(run.run_id)
    return place.exists() or (own and _is_settled(record))


def _is_settled(record: dg.RunRecord) -> bool:
    """Whether a run is as it is for longer than it takes to hold its lock."""
    return time.time() - record.update_timestamp.timestamp() > SECONDS_TO_LOCK


def _is_free(place: Path) -> bool:
    with suppress(Timeout), FileLock(place, timeout=0):
        return True
    return False


def _lock_of(instance: dg.DagsterInstance, run_id: str) -> Path:
    return Path(instance.root_directory) / RUNNING / f"{run_id}.lock"
