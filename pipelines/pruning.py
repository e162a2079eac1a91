"""Dagster's own history, bounded: a job that removes old runs with their events and logs, and its schedule.

Runs that made the newest materialisation of an asset, of one of its months, or the newest verdict of a check are kept,
however old: the UI shows them. The ledger's tables do not depend on any of this.
"""

import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.runs.schema import RunTagsTable

from pipelines.home import is_own
from pipelines.own_runs import of_ledger
from pipelines.settings import read_settings

ENDED: Final = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
BATCH: Final = 500


@dg.op(required_resource_keys={"ledger"})
def prune_history(context: dg.OpExecutionContext) -> None:
    """Remove the runs that are older than JOBLEDGER_KEEP_RUNS_DAYS."""
    settings = read_settings()
    days, origin = settings.keep_runs_days, context.run.remote_job_origin
    own_home = is_own(Path(context.instance.root_directory), settings)
    is_ours = None if own_home else of_ledger(origin.location_name if origin else None, own_home=False)
    removed = prune(context.instance, datetime.now(UTC) - timedelta(days=days), is_ours)
    context.log.info(f"{removed} runs of more than {days} days ago removed")


@dg.job(name="prune", executor_def=dg.in_process_executor)
def pruning_job() -> None:
    """Removes Dagster's own runs, events and logs that are older than JOBLEDGER_KEEP_RUNS_DAYS."""
    prune_history()


def pruning_schedule() -> dg.ScheduleDefinition:
    """The schedule of the pruning."""
    return dg.ScheduleDefinition(
        name="monthly_pruning",
        job=pruning_job,
        cron_schedule="15 5 1 * *",
        execution_timezone="UTC",
        description="Every first day of a month at 05:15 UTC: removes Dagster's own old runs, events and logs.",
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )


def prune(
    instance: dg.DagsterInstance, before: datetime, is_ours: Callable[[dg.DagsterRun], bool] | None = None
) -> int:
    """Remove the ended runs that were created before an instant, with events and logs; return how many.

    In another team's home, `is_ours` says which runs are the ledger's: the others are not touched.
    """
    kept = _runs_to_keep(instance)
    ended = instance.get_runs(dg.RunsFilter(statuses=list(ENDED), created_before=before))
    old = [run.run_id for run in ended if run.run_id not in kept and (is_ours is None or is_ours(run))]
    for run_id in old:
        instance.delete_run(run_id)
        _remove_files(instance, run_id)
    for start in range(0, len(old), BATCH):
        _remove_left_rows(instance, old[start : start + BATCH])
    return len(old)


def _runs_to_keep(instance: dg.DagsterInstance) -> set[str]:
    """The runs that made the newest materialisation of an asset or of a month of it, or a check's newest verdict."""
    storage = instance.event_log_storage
    kept = set(_runs_of_newest_verdicts(storage))
    for key in storage.all_asset_keys():
        newest = storage.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
        of_asset = storage.get_latest_materialization_storage_ids([key]).get(key)
        wanted = {*newest.values(), *([] if of_asset is None else [of_asset])}
        if wanted:
            filter_by = dg.AssetRecordsFilter(asset_key=key, storage_ids=sorted(wanted))
            kept |= {record.run_id for record in instance.fetch_materializations(filter_by, len(wanted)).records}
    return kept


def _runs_of_newest_verdicts(storage: Any) -> Iterable[str]:
    rows = AssetCheckExecutionsTable.c
    newest = sa.select(sa.func.max(rows.id)).group_by(rows.asset_key, rows.check_name)
    with storage.index_connection() as con:
        return con.execute(sa.select(rows.run_id).where(rows.id.in_(newest))).scalars().all()


def _remove_left_rows(instance: dg.DagsterInstance, run_ids: list[str]) -> None:
    """Remove what `delete_run` leaves of runs: the verdicts of their checks, and their tags."""
    storage: Any = instance.event_log_storage
    runs: Any = instance.run_storage
    with storage.index_connection() as con:
        con.execute(AssetCheckExecutionsTable.delete().where(AssetCheckExecutionsTable.c.run_id.in_(run_ids)))
    with runs.connect() as con:
        con.execute(RunTagsTable.delete().where(RunTagsTable.c.run_id.in_(run_ids)))


def _remove_files(instance: dg.DagsterInstance, run_id: str) -> None:
    """Remove a run's own files: its part of SQLite's event log, what its steps printed, and its folder."""
    storage: Any = instance.event_log_storage
    if hasattr(storage, "path_for_shard"):
        for ending in ("", "-wal", "-shm"):
            Path(storage.path_for_shard(run_id) + ending).unlink(missing_ok=True)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    shutil.rmtree(Path(instance.storage_directory()) / run_id, ignore_errors=True)
