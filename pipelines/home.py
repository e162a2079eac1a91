"""Dagster's own state: its home in the data folder, and the instance that runs and the UI share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import dagster as dg

from pipelines.settings import Settings
from warehouse.paths import sqlite_folder


def dagster_home(data: Path) -> Path:
    """DAGSTER_HOME of a data folder, made with its `dagster.yaml` if it is not there yet."""
    home = sqlite_folder(data / "dagster")
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        with resources.as_file(resources.files("pipelines").joinpath("dagster.yaml")) as file:
            shutil.copyfile(file, home / "dagster.yaml")
    return home


@contextmanager
def instance(settings: Settings) -> Generator[dg.DagsterInstance]:
    """The Dagster instance of DAGSTER_HOME, or else the one in the data folder."""
    home = os.environ.get("DAGSTER_HOME") or str(dagster_home(settings.data))
    with dg.DagsterInstance.from_config(home) as found:
        yield found
