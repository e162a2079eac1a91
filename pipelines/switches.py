"""`jobledger schedules on|off`: what the switches of the UI do, for all schedules and sensors at once."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import dagster as dg
from dagster._core.remote_representation.external import RemoteRepository
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget

from pipelines.home import instance
from pipelines.settings import Settings
from warehouse.errors import WrongUsage

WORKSPACE: Final = Path("workspace.yaml")
"""What the web server and the daemon load: a switch counts for the location of the ledger that it names."""

OF_LEDGER: Final = "hourly_recent_months"
"""A schedule by which the ledger is told from other locations of a workspace."""


def switch(settings: Settings, *, on: bool) -> list[str]:
    """Switch all schedules and sensors on or off, and return their names.

    Raises WrongUsage where there is no `workspace.yaml` in the working folder, or nothing in it can be loaded.
    """
    if not WORKSPACE.exists():
        raise WrongUsage(f"There is no {WORKSPACE} in {Path.cwd()}. Go to the folder that `make ui` is run in.")
    with instance(settings) as home, _repository(home) as found:
        for schedule in found.get_schedules():
            if on:
                home.start_schedule(schedule)
            else:
                home.stop_schedule(schedule.get_remote_origin_id(), schedule.selector_id, schedule)
        for sensor in found.get_sensors():
            if on:
                home.start_sensor(sensor)
            else:
                home.stop_sensor(sensor.get_remote_origin_id(), sensor.selector_id, sensor)
        return sorted(each.name for each in (*found.get_schedules(), *found.get_sensors()))


@contextmanager
def _repository(home: dg.DagsterInstance) -> Generator[RemoteRepository]:
    """The definitions, loaded as the daemon loads them, in a process of their own."""
    with WorkspaceProcessContext(
        home, WorkspaceFileTarget([str(WORKSPACE)]), code_server_log_level="warning"
    ) as workspace:
        context = workspace.create_request_context()
        for location in context.code_locations:
            for repository in location.get_repositories().values():
                if repository.has_schedule(OF_LEDGER):
                    yield repository
                    return
        for error in context.code_location_errors():
            raise WrongUsage(f"{WORKSPACE} cannot be loaded: {error.message}")
        raise WrongUsage(f"{WORKSPACE} names no code location with the ledger.")
