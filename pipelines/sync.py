"""`jobledger sync`: which months, the run of the Dagster job here and now, and what is reported of it in the end.

Dagster is imported only where a run starts: the schedules and the command line ask this module for months alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from assets.by_id import Fetched, fetch_by_id
from assets.plan import Plan
from pipelines.console import err
from pipelines.settings import Settings
from warehouse.contract import contract
from warehouse.engine import connection, run
from warehouse.errors import Interrupted, WrongUsage
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.months import month_of, months_between, previous_month, stretches
from warehouse.tables import JOBS, RAW_TABLES, REJECTED_RECORDS, WALKS

if TYPE_CHECKING:
    import dagster as dg


def months_to_sync(
    settings: Settings, first: str | None, last: str | None, everything: bool, now: datetime | None = None
) -> list[str]:
    """The months that the command line asks for; raises WrongUsage for a month that cannot be synced."""
    now = now or datetime.now(UTC)
    if everything:
        return every_month(settings, now)
    if first is None and last is None:
        return usual_months(settings, now)
    months = months_between(first or settings.start, last or month_of(now))
    if months[0] < settings.start:
        raise WrongUsage(
            f"--from {months[0]} lies before JOBLEDGER_START ({settings.start}): set that to an earlier month."
        )
    if months[-1] > month_of(now):
        raise WrongUsage(f"--to {months[-1]} lies in the future; the current month is {month_of(now)}.")
    return months


def usual_months(settings: Settings, now: datetime | None = None) -> list[str]:
    """The months that a sync without months asks for: the current, the previous, and the older ones with open jobs."""
    now = now or datetime.now(UTC)
    older = older_open_months(Lake(settings.data), settings.start, month_of(now))
    return sorted({*recent_months(settings.start, now), *older})


def recent_months(start: str, now: datetime) -> list[str]:
    """The previous and the current month, as far as history goes back."""
    current = month_of(now)
    return [month for month in (previous_month(current), current) if month >= start]


def older_open_months(lake: Lake, start: str, current: str) -> list[str]:
    """The months before the current and the previous one that hold open jobs which did not vanish."""
    recent = (previous_month(current), current)
    older = [month for month in lake.months(JOBS) if start <= month and month not in recent]
    found: list[str] = []
    with connection() as con:
        for month in older:
            open_jobs = (
                f"SELECT 1 FROM {lake.source(JOBS, month)} WHERE outcome = 'open' AND vanished_at IS NULL LIMIT 1"
            )
            if run(con, open_jobs):
                found.append(month)
    return found


def every_month(settings: Settings, now: datetime | None = None) -> list[str]:
    """All months from JOBLEDGER_START to the current one."""
    return months_between(settings.start, month_of(now or datetime.now(UTC)))


def range_tags(first: str, last: str) -> dict[str, str]:
    """The tags by which Dagster runs a stretch of monthly partitions in one run."""
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


def sync_months(settings: Settings, months: Sequence[str], accept_gone: bool) -> bool:
    """Run the job on these months and return whether every walk is complete."""
    from pipelines.home import instance

    err.print(f"Syncing {len(months)} months ({months[0]} to {months[-1]}) into {settings.data}", highlight=False)
    with instance(settings) as found:
        run_ids = run_months(found, settings, months, accept_gone=accept_gone)
    incomplete = incomplete_walks(settings, run_ids, months)
    for month, itwin, reason in incomplete:
        err.print(f"INCOMPLETE: {month}, {itwin}: {reason}", style="yellow", markup=False, highlight=False)
    if not incomplete:
        err.print("Every walk is complete.", highlight=False)
    return not incomplete


def sync_ids(settings: Settings, ids: Sequence[str]) -> bool:
    """Fetch these jobs, land them, and rebuild the downstream tables; return whether all were found."""
    from pipelines.home import instance

    plan = Plan(itwin_ids=settings.itwin_ids, tell=lambda text: err.print(text, markup=False, highlight=False))
    with settings.client() as client, instance(settings) as found:
        fetched = fetch_by_id(Lake(settings.data), client, ids, contract(), plan)
        months = sorted(fetched.landed)
        covered = [month for month in months if month >= settings.start]
        if covered:
            _report_raw(found, covered, {"source": "jobledger sync --ids", "ids": len(ids)})
            run_months(found, settings, covered, walk=False)
    _tell_fetched(settings, fetched, len(ids))
    early = [month for month in months if month < settings.start]
    for month in early:
        err.print(f"{month} lies before JOBLEDGER_START ({settings.start}): kept, but not in the tables.", markup=False)
    return not (fetched.not_found or fetched.failed or early)


def run_months(
    instance: dg.DagsterInstance,
    settings: Settings,
    months: Sequence[str],
    *,
    walk: bool = True,
    accept_gone: bool = False,
) -> list[str]:
    """Run the job on these months in this process, a run for each stretch without gaps; return the run ids.

    Without `walk`, the API is not asked. An error of a step is raised as it was; Ctrl-C raises Interrupted.
    """
    import dagster as dg

    from assets.wiring import PUBLISHED
    from pipelines.definitions import JOB_NAME, build_defs

    job = build_defs(start=settings.start).resolve_job_def(JOB_NAME)
    raw = {table.name for table in (*RAW_TABLES, REJECTED_RECORDS)}
    keys = [*(table.name for table in all_tables(contract())), PUBLISHED]
    chosen = None if walk else [dg.AssetKey(key) for key in keys if key not in raw]
    ids: list[str] = []
    for first, last in stretches(months):
        try:
            result = job.execute_in_process(
                instance=instance,
                tags=range_tags(first, last),
                run_config=_run_config(walk, accept_gone),
                asset_selection=chosen,
            )
        except dg.DagsterExecutionInterruptedError:
            raise Interrupted("Interrupted. What had landed is kept; run again to go on.") from None
        ids.append(result.run_id)
    return ids


def incomplete_walks(settings: Settings, run_ids: Sequence[str], months: Sequence[str]) -> list[tuple[str, str, str]]:
    """The walks of these runs that are not complete: month, iTwin (or 'own jobs') and the reason."""
    lake = Lake(settings.data)
    with connection() as con:
        return [
            (month, itwin, error)
            for month in months
            for itwin, error in run(
                con,
                f"SELECT coalesce(itwin_id, 'own jobs'), error FROM {lake.source(WALKS, month)} "
                "WHERE NOT complete AND list_contains(?, run_id) ORDER BY 1",
                [list(run_ids)],
            )
        ]


def _report_raw(instance: dg.DagsterInstance, months: Sequence[str], metadata: Mapping[str, Any]) -> None:
    """Show months that were landed outside a run as materialised."""
    for event in _materialisations(months, metadata):
        instance.report_runless_asset_event(event)


def _materialisations(months: Sequence[str], metadata: Mapping[str, Any]) -> Iterator[dg.AssetMaterialization]:
    import dagster as dg

    for month in months:
        for table in RAW_TABLES:
            yield dg.AssetMaterialization(asset_key=table.name, partition=month, metadata=metadata)


def _run_config(walk: bool, accept_gone: bool) -> dict[str, Any]:
    """Sentences on the console, and what the walks are to believe."""
    from assets.wiring import RAW_STEP

    config: dict[str, Any] = {"loggers": {"console": {"config": {}}}}
    if walk:
        config["ops"] = {RAW_STEP: {"config": {"accept_gone": accept_gone}}}
    return config


def _tell_fetched(settings: Settings, fetched: Fetched, asked: int) -> None:
    found = asked - len(fetched.not_found) - len(fetched.failed)
    err.print(f"{found} of {asked} jobs fetched into {settings.data}", highlight=False)
    for job_id in fetched.not_found:
        err.print(f"NOT FOUND: {job_id}", style="yellow", markup=False, highlight=False)
    for job_id, reason in fetched.failed.items():
        err.print(f"NOT FETCHED: {job_id}: {reason}", style="yellow", markup=False, highlight=False)
