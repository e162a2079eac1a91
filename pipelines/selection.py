"""Which months a run is for: the recent ones, the older ones that hold open jobs, or all; and how Dagster is told."""

from __future__ import annotations

from datetime import UTC, datetime

from pipelines.settings import Settings
from warehouse.engine import connection, run
from warehouse.lake import Lake
from warehouse.months import month_of, months_between, previous_month
from warehouse.tables import JOBS


def range_tags(first: str, last: str) -> dict[str, str]:
    """The tags by which Dagster runs a stretch of monthly partitions in one run."""
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


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
