"""Dagster's home: its databases, the runs whose process is gone, the schedules, and the daemon that they need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus
from dagster._daemon.controller import get_daemon_statuses
from sqlalchemy.exc import SQLAlchemyError

from pipelines.doctor.finding import Finding, counted, fault, fine, warning
from pipelines.home import as_home, dead_runs, is_own, place_of_home
from pipelines.postgres import SETTING, PostgresFailed, shown, tables
from pipelines.settings import Settings
from warehouse.explain import redacted

START_DAEMON: Final = "Start it: `make ui`, or `dagster-daemon run` as a service with this DAGSTER_HOME."
NEXT_RUN: Final = (
    "The next run keeps its history in Postgres; what is here stays, unseen. Then: `jobledger schedules on`."
)
MOVE_AWAY: Final = "Move the folder away: it holds the history of runs alone, and the next run makes a new one."


def examine(settings: Settings) -> Iterator[Finding]:
    """Examine the home, unless no run has made it yet."""
    home = place_of_home(settings)
    if settings.postgres_url:
        yield from _examine_postgres(home, settings)
    elif (home / "history").exists():
        yield from _examine_home(home, settings, f"its home {home}", MOVE_AWAY)
    else:
        yield fine("Dagster", f"no run has been stored in {home} yet")


def _examine_postgres(home: Path, settings: Settings) -> Iterator[Finding]:
    """Examine the database, unless no run has been stored there yet; looking at it makes nothing there."""
    where = f"Postgres at {shown(settings.postgres_url)}"
    try:
        found = tables(settings.postgres_url)
    except PostgresFailed as error:
        yield fault("Postgres", str(error), "")
        return
    yield fine("locks of several machines", f"are held in {where} too")
    place = home / "dagster.yaml"
    if place.exists() and SETTING not in place.read_text(encoding="utf-8"):
        if is_own(home, settings):
            yield warning("Postgres", f"{SETTING} is set, but {place} does not name it", NEXT_RUN)
        else:
            yield from _examine_home(home, settings, f"its home {home}", MOVE_AWAY)
    elif "runs" not in found:
        yield fine("Dagster", f"no run has been stored in {where} yet")
    else:
        yield from _examine_home(home, settings, where, "Run `jobledger sync --debug` to see the whole error.")


def _examine_home(home: Path, settings: Settings, where: str, advice: str) -> Iterator[Finding]:
    with ExitStack() as stack:
        stack.enter_context(as_home(home))
        try:
            instance = stack.enter_context(dg.DagsterInstance.from_config(str(home)))
            runs = instance.get_runs_count()
            dead = [run.run_id[:8] for run in dead_runs(instance, settings)]
        except (SQLAlchemyError, dg.DagsterError, OSError) as error:
            yield fault("Dagster", redacted(f"{where} cannot be read: {error}"), advice)
            return
        yield fine("Dagster", f"{where} holds {runs} {'run' if runs == 1 else 'runs'}")
        if dead:
            said = f"{counted(len(dead), 'run')} under way whose process is gone: {', '.join(dead)}"
            yield warning("dead runs", said, "The next sync ends them; until then they hold a place in the queue.")
        yield from _schedules_and_daemon(instance)


def _schedules_and_daemon(instance: dg.DagsterInstance) -> Iterator[Finding]:
    """Whether anything runs by itself. A daemon that is needed and gone is a fault."""
    states = instance.all_instigator_state()
    on = sorted(state.name for state in states if state.status == InstigatorStatus.RUNNING)
    queued = instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))
    alive = _daemon_is_alive(instance)
    if on:
        yield fine("schedules", f"on: {', '.join(on)}")
    else:
        yield warning("schedules", "all are off: nothing runs by itself", "Switch them on: `jobledger schedules on`.")
    if alive:
        yield fine("daemon", "alive")
    elif on or queued:
        waiting = f"{counted(queued, 'run')} in the queue, " if queued else ""
        yield fault("daemon", f"{waiting}{counted(len(on), 'schedule')} on, and no daemon is alive", START_DAEMON)
    else:
        yield fine("daemon", "none is alive, and none is needed: no schedule is on and no run waits")


def _daemon_is_alive(instance: dg.DagsterInstance) -> bool:
    wanted = instance.get_required_daemon_types()
    found = get_daemon_statuses(instance, daemon_types=wanted, ignore_errors=True)
    return bool(found) and all(status.healthy for status in found.values())
