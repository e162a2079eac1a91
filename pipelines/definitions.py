"""What Dagster loads: assets, jobs, schedules and the sensor. Importing it opens nothing."""

from __future__ import annotations

import dagster as dg

from assets.wiring import LedgerResource, build_assets, build_last_check, name_keys
from pipelines.alerting import alerts_sensor
from pipelines.pruning import pruning_job, pruning_schedule
from pipelines.resources import SettingsResource
from pipelines.schedules import build_schedules, names_schedule
from pipelines.settings import backfill_months, pushes, start_month
from pipelines.step_log import sentences
from warehouse.contract import Contract

JOB_NAME = "sync"
NAMES_JOB = "names"


def build_defs(
    ledger: LedgerResource | None = None,
    start: str | None = None,
    known: Contract | None = None,
    pushed: bool | None = None,
) -> dg.Definitions:
    """The definitions, with `pushed` or without; tests bring a ledger of their own instead of patching one."""
    with_push = pushes() if pushed is None else pushed
    job = dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.all(),
        description="Walks the months that it is given, flattens them, makes the marts and opens the door for SQL.",
    )
    names_job = dg.define_asset_job(
        NAMES_JOB,
        selection=dg.AssetSelection.assets(*name_keys(with_push)),
        description="Asks for the names that are due, makes their tables and the marts, and opens the door for SQL.",
    )
    return dg.Definitions(
        assets=build_assets(start or start_month(), known, pushed=with_push, backfill_months=backfill_months()),
        asset_checks=[build_last_check(pushed=with_push)],
        jobs=[job, names_job, pruning_job],
        schedules=[*build_schedules(job), names_schedule(names_job), pruning_schedule()],
        sensors=[alerts_sensor()],
        resources={"ledger": ledger or SettingsResource()},
        loggers={"console": sentences},
        executor=dg.in_process_executor,
    )


defs = build_defs()
