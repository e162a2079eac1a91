"""Running the Dagster job here and now, in this process, on the same instance that the UI shows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import dagster as dg

from assets.wiring import PUBLISHED, RAW_STEP
from pipelines.definitions import JOB_NAME, build_defs
from pipelines.selection import range_tags
from pipelines.settings import Settings
from warehouse.contract import contract
from warehouse.engine import connection, run
from warehouse.errors import Interrupted
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.months import stretches
from warehouse.tables import RAW_TABLES, REJECTED_RECORDS, WALKS


def dagster_home(data: Path) -> Path:
    """DAGSTER_HOME of a data folder, made with its `dagster.yaml` if it is not there yet."""
    home = (data / "dagster").resolve()
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


def run_months(
    found: dg.DagsterInstance,
    settings: Settings,
    months: Sequence[str],
    *,
    walk: bool = True,
    accept_gone: bool = False,
) -> list[str]:
    """Runs the job on these months, a run for each stretch without gaps; gives the run ids.

    Without `walk`, the API is not asked. An error of a step is raised as it was; Ctrl-C raises Interrupted.
    """
    defs = build_defs(start=settings.start)
    job = defs.resolve_job_def(JOB_NAME)
    raw = {table.name for table in (*RAW_TABLES, REJECTED_RECORDS)}
    chosen = None if walk else [dg.AssetKey(key) for key in _asset_keys() if key not in raw]
    ids: list[str] = []
    for first, last in stretches(months):
        try:
            result = job.execute_in_process(
                instance=found,
                tags=range_tags(first, last),
                run_config=_run_config(walk, accept_gone),
                asset_selection=chosen,
            )
        except dg.DagsterExecutionInterruptedError:
            raise Interrupted("Interrupted. What had landed is kept; run again to go on.") from None
        ids.append(result.run_id)
    return ids


def report_raw(found: dg.DagsterInstance, months: Sequence[str], metadata: Mapping[str, Any]) -> None:
    """Shows months that were landed outside a run as materialised."""
    for month in months:
        for table in RAW_TABLES:
            event = dg.AssetMaterialization(asset_key=table.name, partition=month, metadata=metadata)
            found.report_runless_asset_event(event)


def incomplete_walks(settings: Settings, run_ids: Sequence[str], months: Sequence[str]) -> list[tuple[str, str, str]]:
    """The walks of these runs that are not complete: month, iTwin (or 'own jobs') and the reason."""
    lake = Lake(settings.data)
    found: list[tuple[str, str, str]] = []
    with connection() as con:
        for month in months:
            rows = run(
                con,
                f"SELECT coalesce(itwin_id, 'own jobs'), error FROM {lake.source(WALKS, month)} "
                "WHERE NOT complete AND list_contains(?, run_id) ORDER BY 1",
                [list(run_ids)],
            )
            found += [(month, itwin, error) for itwin, error in rows]
    return found


def _asset_keys() -> list[str]:
    return [*(table.name for table in all_tables(contract())), PUBLISHED]


def _run_config(walk: bool, accept_gone: bool) -> dict[str, Any]:
    """Sentences on the console, and what the walks are to believe."""
    config: dict[str, Any] = {"loggers": {"console": {"config": {}}}}
    if walk:
        config["ops"] = {RAW_STEP: {"config": {"accept_gone": accept_gone}}}
    return config
