"""`jobledger sync`: which months, the run on the Dagster instance, and what is said of it in the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from assets.sync import Fetched, Plan, fetch_by_id
from pipelines import runs, selection
from pipelines.console import err
from pipelines.settings import Settings
from warehouse.contract import contract
from warehouse.errors import WrongUsage
from warehouse.lake import Lake
from warehouse.months import month_of, months_between


def months_to_sync(
    settings: Settings, first: str | None, last: str | None, everything: bool, now: datetime | None = None
) -> list[str]:
    """The months that the command line asks for; raises WrongUsage for a month that cannot be synced."""
    now = now or datetime.now(UTC)
    if everything:
        return selection.every_month(settings, now)
    if first is None and last is None:
        return selection.usual_months(settings, now)
    months = months_between(first or settings.start, last or month_of(now))
    if months[0] < settings.start:
        raise WrongUsage(
            f"--from {months[0]} lies before JOBLEDGER_START ({settings.start}): set that to an earlier month."
        )
    if months[-1] > month_of(now):
        raise WrongUsage(f"--to {months[-1]} lies in the future; the current month is {month_of(now)}.")
    return months


def sync_months(settings: Settings, months: Sequence[str], accept_gone: bool) -> bool:
    """Runs the job on these months; gives whether every walk is complete."""
    err.print(f"Syncing {len(months)} months ({months[0]} to {months[-1]}) into {settings.data}", highlight=False)
    with runs.instance(settings) as instance:
        run_ids = runs.run_months(instance, settings, months, accept_gone=accept_gone)
    incomplete = runs.incomplete_walks(settings, run_ids, months)
    for month, itwin, reason in incomplete:
        err.print(f"INCOMPLETE: {month}, {itwin}: {reason}", style="yellow", markup=False, highlight=False)
    if not incomplete:
        err.print("Every walk is complete.", highlight=False)
    return not incomplete


def sync_ids(settings: Settings, ids: Sequence[str]) -> bool:
    """Fetches these jobs, lands them, and makes what hangs on them; gives whether all were found."""
    plan = Plan(itwin_ids=settings.itwin_ids, tell=lambda text: err.print(text, markup=False, highlight=False))
    with settings.client() as client, runs.instance(settings) as instance:
        fetched = fetch_by_id(Lake(settings.data), client, ids, contract(), plan)
        months = sorted(fetched.landed)
        covered = [month for month in months if month >= settings.start]
        if covered:
            runs.report_raw(instance, covered, {"source": "jobledger sync --ids", "ids": len(ids)})
            runs.run_months(instance, settings, covered, walk=False)
    _tell_fetched(settings, fetched, len(ids))
    early = [month for month in months if month < settings.start]
    for month in early:
        err.print(f"{month} lies before JOBLEDGER_START ({settings.start}): kept, but not in the tables.", markup=False)
    return not (fetched.not_found or fetched.failed or early)


def _tell_fetched(settings: Settings, fetched: Fetched, asked: int) -> None:
    found = asked - len(fetched.not_found) - len(fetched.failed)
    err.print(f"{found} of {asked} jobs fetched into {settings.data}", highlight=False)
    for job_id in fetched.not_found:
        err.print(f"NOT FOUND: {job_id}", style="yellow", markup=False, highlight=False)
    for job_id, reason in fetched.failed.items():
        err.print(f"NOT FETCHED: {job_id}: {reason}", style="yellow", markup=False, highlight=False)
