"""`jobledger sync`: which months, the run of the Dagster job here and now, and what is reported of it in the end.

Dagster is imported only where a run starts: the schedules and the command line ask this module for months alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from assets.by_id import Fetched, fetch_by_id
from pipelines.console import err, tell
from pipelines.progress import drawing
from pipelines.settings import Settings
from warehouse.contract import contract
from warehouse.engine import connection, run
from warehouse.errors import Interrupted, WrongUsage
from warehouse.explain import explain, innermost
from warehouse.failed_months import FailedMonth, MonthsFailed, failed_months, record
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
    """Run the job on these months and return whether every walk is complete. Raise MonthsFailed if months failed."""
    from pipelines.home import instance

    tell(f"Syncing {len(months)} months ({months[0]} to {months[-1]}) into {settings.data}")
    walks = None if settings.every_itwin else len(settings.plan(tell).scopes) * len(months)
    with instance(settings) as found, drawing(walks):
        ran = run_months(found, settings, months, accept_gone=accept_gone)
    incomplete = incomplete_walks(settings, ran.run_ids, months)
    for month, itwin, reason in incomplete:
        _warn(f"INCOMPLETE: {month}, {itwin}: {reason}")
    ran.raise_failures()
    if not incomplete:
        tell("Every walk is complete.")
    return not incomplete


def sync_ids(settings: Settings, ids: Sequence[str]) -> bool:
    """Fetch these jobs, land them, and rebuild the downstream tables; return whether all were found.

    Raise MonthsFailed if what was fetched could not land in a month, or its tables could not be rebuilt, and
    NotAuthorised if the token was refused: the tables hold what landed before.
    """
    from pipelines.home import instance

    plan = settings.plan(tell)
    with settings.client() as client, instance(settings) as found, drawing():
        fetched = fetch_by_id(Lake(settings.data), client, ids, contract(), plan)
        months = sorted(fetched.landed)
        covered = [month for month in months if month >= settings.start]
        ran = Ran()
        if covered:
            _report_raw(found, covered, {"source": "jobledger sync --ids", "ids": len(ids)})
            ran = run_months(found, settings, covered, walk=False)
    _tell_fetched(settings, fetched, len(ids))
    early = [month for month in months if month < settings.start]
    for month in early:
        err.print(f"{month} lies before JOBLEDGER_START ({settings.start}): kept, but not in the tables.")
    ran.add(_not_landed(fetched))
    if fetched.token_refusal is not None:
        raise fetched.token_refusal
    ran.raise_failures()
    return not (fetched.not_found or fetched.failed or early)


@dataclass
class Ran:
    """What came of the runs of a command: their ids, the months that failed, and what else went wrong."""

    run_ids: list[str] = field(default_factory=list[str])
    failed: list[FailedMonth] = field(default_factory=list[FailedMonth])
    errors: list[BaseException] = field(default_factory=list[BaseException])

    @property
    def token_refused(self) -> bool:
        return any(row.token_refused for row in self.failed)

    def add(self, failed: Iterable[FailedMonth]) -> None:
        self.failed += [row for row in failed if row not in self.failed]

    def raise_failures(self) -> None:
        """Raise MonthsFailed for all months that failed; else, or beside them, the first other error."""
        if self.errors and not self.token_refused:
            for error in self.errors[1:]:
                _warn(explain(error))
            if self.failed:
                _warn(str(MonthsFailed(self.failed)))
            raise self.errors[0]
        if self.failed:
            raise MonthsFailed(self.failed)


def run_months(
    instance: dg.DagsterInstance,
    settings: Settings,
    months: Sequence[str],
    *,
    walk: bool = True,
    accept_gone: bool = False,
) -> Ran:
    """Run the job on these months in this process, a run for each stretch without gaps.

    A stretch that fails costs the others nothing, but once the token is refused no other one is asked for. Without
    `walk`, the API is not asked at all. Raise Interrupted on Ctrl-C.
    """
    from pipelines.definitions import JOB_NAME, build_defs

    job = build_defs(start=settings.start, pushed=bool(settings.push_url)).resolve_job_def(JOB_NAME)
    ran = Ran()
    for first, last in stretches(months):
        if ran.token_refused:
            ran.add(_unasked(Lake(settings.data), months_between(first, last), ran.failed))
        else:
            _run_stretch(job, instance, settings, (first, last), ran, walk=walk, accept_gone=accept_gone)
    return ran


def _run_stretch(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    settings: Settings,
    stretch: tuple[str, str],
    ran: Ran,
    *,
    walk: bool,
    accept_gone: bool,
) -> None:
    """Run the job on a stretch of months and note what came of it."""
    import dagster as dg

    run_id = str(uuid.uuid4())
    ran.run_ids.append(run_id)
    try:
        job.execute_in_process(
            instance=instance,
            run_id=run_id,
            tags=range_tags(*stretch),
            run_config=_run_config(walk, accept_gone),
            asset_selection=None if walk else _downstream_keys(settings),
        )
    except dg.DagsterExecutionInterruptedError:
        raise Interrupted("Interrupted. What had landed is kept; run again to go on.") from None
    except Exception as raised:  # noqa: BLE001 - it is this stretch's alone: the others run, and it is raised last
        error = innermost(raised)
        if isinstance(error, MonthsFailed):
            ran.add(error.failed)
        else:
            ran.errors.append(error)
            ran.add(failed_months(Lake(settings.data), [run_id]))


def _downstream_keys(settings: Settings) -> list[dg.AssetKey]:
    """The assets that are made without asking the API."""
    from assets.wiring import asset_key, published_names

    raw = {table.name for table in (*RAW_TABLES, REJECTED_RECORDS)}
    names = [*(table.name for table in all_tables(contract())), *published_names(bool(settings.push_url))]
    return [asset_key(name) for name in names if name not in raw]


def _unasked(lake: Lake, months: Sequence[str], failed: Sequence[FailedMonth]) -> list[FailedMonth]:
    """Put on record that these months were not asked for, because the token was refused before."""
    refusal = next(row for row in failed if row.token_refused)
    rows = [replace(refusal, month=month, step="walk", at=datetime.now(UTC)) for month in months]
    for row in rows:
        record(lake, row)
    return rows


def _not_landed(fetched: Fetched) -> list[FailedMonth]:
    """The months in which what was fetched by id could not land."""
    now = datetime.now(UTC)
    return [
        FailedMonth(month, "walk", "by id", now, type(error).__name__, explain(error))
        for month, error in fetched.failed_months.items()
    ]


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

    from assets.wiring import asset_key

    for month in months:
        for table in RAW_TABLES:
            yield dg.AssetMaterialization(asset_key(table.name), partition=month, metadata=metadata)


def _run_config(walk: bool, accept_gone: bool) -> dict[str, Any]:
    """Sentences on the console, and what the walks are to believe."""
    from assets.wiring import NAMES_STEP, RAW_STEP

    config: dict[str, Any] = {"loggers": {"console": {"config": {}}}}
    config["ops"] = {NAMES_STEP: {"config": {"ask": walk}}}
    if walk:
        config["ops"][RAW_STEP] = {"config": {"accept_gone": accept_gone}}
    return config


def _tell_fetched(settings: Settings, fetched: Fetched, asked: int) -> None:
    found = asked - len(fetched.not_found) - len(fetched.failed)
    tell(f"{found} of {asked} jobs fetched into {settings.data}")
    for job_id in fetched.not_found:
        _warn(f"NOT FOUND: {job_id}")
    for job_id, reason in fetched.failed.items():
        _warn(f"NOT FETCHED: {job_id}: {reason}")


def _warn(text: str) -> None:
    err.print(text, style="yellow")
