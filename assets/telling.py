"""What came of the steps of a run: kept on record where it failed, else in words for the log and numbers for the UI."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from assets.api.errors import refuses_token
from assets.landing import Landed
from assets.sync import Synced
from warehouse.explain import explain
from warehouse.failed_months import FailedMonth, Step, clear, record
from warehouse.lake import Lake

if TYPE_CHECKING:
    from warehouse.snapshots.push import Pushed

_NUMBERS_OF_WALKS: Final = (
    "requests",
    "pages",
    "records",
    "new_jobs",
    "changed_jobs",
    "unchanged_jobs",
    "rejected",
    "retries",
    "throttled",
)
"""The columns of `walks` whose sums the UI shows, and plots."""


def note(lake: Lake, month: str, step: Step, run_id: str, failure: Exception | None) -> None:
    """Put a month's failure in a step on record, or clear the one that is there."""
    if failure is None:
        clear(lake, month, step)
    else:
        refused = refuses_token(failure)
        error, at = type(failure).__name__, datetime.now(UTC)
        record(lake, FailedMonth(month, step, run_id, at, error, explain(failure), refused))


def summary(done: Synced) -> str:
    """What a synced month brought, as a sentence."""
    said = [] if done.landed is None else [_landed_summary(done.landed)]
    said += [] if done.failure is None else [f"FAILED: {explain(done.failure)}"]
    return f"{done.month}: {'; '.join(said)}"


def _landed_summary(landed: Landed) -> str:
    incomplete = [walk for walk in landed.walks if not walk.complete]
    said = f"{landed.new_versions} new versions, {landed.vanished} jobs gone"
    said += f", {landed.new_rejects} records rejected" if landed.new_rejects else ""
    return said + "".join(
        f"; INCOMPLETE for {walk.itwin_id or 'own jobs'}: {'; '.join(walk.faults)}" for walk in incomplete
    )


def synced_metadata(done: Synced) -> dict[str, Any]:
    """What a synced month brought, as the UI shows it."""
    failed = {} if done.failure is None else {"failed": explain(done.failure)}
    if done.landed is None:
        return failed
    landed = done.landed
    ended = [walk.finished_at for walk in landed.walks if walk.finished_at]
    seconds = (max(ended) - min(walk.started_at for walk in landed.walks)).total_seconds() if ended else 0.0
    complete = sum(walk.complete for walk in landed.walks)
    return failed | {
        "walks": len(landed.walks),
        "complete_walks": complete,
        "incomplete_walks": len(landed.walks) - complete,
        **{name: sum(row[name] for row in landed.walk_rows) for name in _NUMBERS_OF_WALKS},
        "new_versions": landed.new_versions,
        "new_rejects": landed.new_rejects,
        "vanished": landed.vanished,
        "seconds": round(seconds, 2),
        "landed_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def pushed_metadata(done: Pushed) -> dict[str, Any]:
    """What a push did, as the UI shows it."""
    return {
        "snapshot": done.newest.path,
        "is_new": done.is_new,
        "new_files": done.new_files,
        "new_bytes": done.new_bytes,
        "snapshots": done.snapshots,
        "removed": done.removed,
    }
