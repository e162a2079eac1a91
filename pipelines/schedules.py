"""When the job runs by itself: hourly, daily and weekly, each off until it is switched on in the UI.

A schedule asks for months and nothing else; the job does the rest. Months without gaps between them are one run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg

from pipelines.home import end_dead_runs
from pipelines.settings import Settings, read_settings
from pipelines.sync import every_month, older_open_months, range_tags, recent_months
from warehouse.lake import Lake
from warehouse.months import month_of, previous_month, stretches

Months = Callable[[Settings, datetime], Sequence[str]]


def _recent(settings: Settings, now: datetime) -> Sequence[str]:
    return recent_months(settings.start, now)


def _older_open(settings: Settings, now: datetime) -> Sequence[str]:
    return older_open_months(Lake(settings.data), settings.start, month_of(now))


def build_schedules(job: dg.UnresolvedAssetJobDefinition) -> list[dg.ScheduleDefinition]:
    """The three schedules of the job."""
    return [
        _schedule(job, "hourly_recent_months", "0 * * * *", "Every hour: the current and the previous month.", _recent),
        _schedule(
            job,
            "daily_older_open_months",
            "30 2 * * *",
            "Every day at 02:30 UTC: the older months that still hold open jobs; nothing where there are none.",
            _older_open,
        ),
        _schedule(
            job,
            "weekly_all_months",
            "0 4 * * 0",
            "Every Sunday at 04:00 UTC: all months from JOBLEDGER_START, for what changed late and what vanished.",
            every_month,
        ),
    ]


def names_schedule(job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """The schedule of the names; what was asked for within JOBLEDGER_NAMES_EVERY_HOURS is not asked for again."""
    return dg.ScheduleDefinition(
        name="daily_names",
        job=job,
        cron_schedule="30 3 * * *",
        execution_timezone="UTC",
        description="Every day at 03:30 UTC: the names of iTwins, reality data and detectors, where they are due.",
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )


def queue_tags(first: str, last: str, now: datetime) -> dict[str, str]:
    """The tags by which runs that have months in common wait for each other in the queue (see dagster.yaml)."""
    previous = previous_month(month_of(now))
    tags = {"jobledger/recent_months": "yes"} if last >= previous else {}
    return tags | ({"jobledger/older_months": "yes"} if first < previous else {})


def _schedule(
    job: dg.UnresolvedAssetJobDefinition, name: str, cron: str, description: str, months: Months
) -> dg.ScheduleDefinition:
    def requests(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        settings, when = read_settings(), context.scheduled_execution_time.astimezone(UTC)
        if context.instance_ref is not None:  # else the instance is a test's, in memory, and nothing lasts in it
            end_dead_runs(context.instance, settings)
        wanted = months(settings, when)
        if not wanted:
            yield dg.SkipReason("No month to sync: no older month holds open jobs.")
        yield from (_request(name, when, first, last) for first, last in stretches(wanted))

    return dg.ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        description=description,
        execution_fn=requests,
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )


def _request(name: str, when: datetime, first: str, last: str) -> dg.RunRequest:
    """A run for a stretch of months; the key keeps a tick that is evaluated twice from running twice."""
    return dg.RunRequest(
        run_key=f"{name} {when.isoformat()} {first}", tags=range_tags(first, last) | queue_tags(first, last, when)
    )
