"""The sensor of the alerts: it looks at the runs and at the ledger, and tells what is new and what is over.

One sensor knows all kinds: they share one memory and make one message (docs/decisions/0025). A tick reads a few tables
and imports Apprise only where there is something to send. A delivery that fails is in `jobledger status`, and is tried
again by the next tick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import dagster as dg
from msgspec.structs import replace

from assets.alert_state import (
    LOCK,
    AlertState,
    Message,
    Occurrence,
    message_for,
    observed,
    read_state,
    sent,
    text_of,
    title_of,
    write_state,
)
from assets.alerts import occurrences, shortened
from assets.failing_runs import EndedRun, failing_runs
from assets.plan import quiet
from pipelines.alert_addresses import SETTING
from pipelines.delivery import Letter, deliver
from pipelines.home import UI, is_own
from pipelines.own_runs import of_ledger
from pipelines.settings import Settings, read_settings
from warehouse.explain import redacted
from warehouse.failed_months import failed_months
from warehouse.lake import Lake
from warehouse.months import months_between

SECONDS_BETWEEN_TICKS: Final = 60

SECONDS_TO_WAIT: Final = 10.0
"""How long a tick waits for one that still sends; Dagster ends a tick after a minute."""

FIRST_LOOK_BACK: Final = timedelta(days=1)
"""How old a failed run may be that the first tick tells of."""

OVERLAP: Final = timedelta(minutes=2)
"""Ended runs are looked at again for so long: their entries may arrive out of order."""

RANGE_TAGS: Final = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


EndedSince = Callable[[datetime], Iterable[EndedRun]]
"""What returns the ledger's runs that ended since an instant."""


def alerts_sensor() -> dg.SensorDefinition:
    """Return the sensor that tells what is wrong."""
    return dg.SensorDefinition(
        name="alerts",
        evaluation_fn=_tick,
        minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
        description=f"Every minute: tells the addresses in {SETTING} of a failed run, a failed check, an incomplete "
        "walk, a stuck job, contract drift, a stale ledger, and a forecast above JOBLEDGER_UNIT_BUDGET: once each, and "
        "once when it is over. It starts no runs.",
        default_status=dg.DefaultSensorStatus.STOPPED,
    )


def _tick(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    settings = read_settings()
    if not settings.alert_addresses:
        return dg.SkipReason(f"{SETTING} names no address.")
    origin = context.code_location_origin
    return dg.SkipReason(watch(settings, context.instance, datetime.now(UTC), origin.location_name if origin else None))


def watch(settings: Settings, instance: dg.DagsterInstance, now: datetime, location: str | None = None) -> str:
    """Tell each address what it does not know yet, and return a sentence of what was sent."""
    lake = Lake(settings.data)
    is_ours = of_ledger(location, own_home=is_own(Path(instance.root_directory), settings))
    ended = partial(_ended_runs, instance, lake, is_ours)
    addresses = {address.digest: address for address in settings.alert_addresses}
    with lake.exclusive(LOCK, wait_seconds=SECONDS_TO_WAIT):
        before = read_state(lake)
        state = observed(*_look(before, settings, lake, ended, now), addresses)
        messages = {name: found for name in addresses if (found := message_for(state, name)) is not None}
        letters = {addresses[name]: _letter(message, lake) for name, message in messages.items()}
        outcomes = {address.digest: outcome for address, outcome in deliver(letters).items()}
        state = sent(state, outcomes, now)
        if state != before:
            write_state(lake, state)
    told = sum(outcome.reason is None for outcome in outcomes.values())
    standing = sum(not row.over for row in state.standing)
    return f"{standing} alerts stand; " + (f"told {told} of {len(outcomes)} addresses." if outcomes else "nothing new.")


def _look(
    state: AlertState, settings: Settings, lake: Lake, ended_since: EndedSince, now: datetime
) -> tuple[AlertState, list[Occurrence]]:
    """The state with what became of the runs, and all that is wrong."""
    since = now - FIRST_LOOK_BACK if state.runs_until is None else state.runs_until - OVERLAP
    ended = list(ended_since(since))
    failing = failing_runs(state.failing, ended)
    until = max([state.runs_until or since, *(run.ended_at for run in ended)])
    wrong = occurrences(lake, failing, settings.unit_budget, settings.plan(quiet), now)
    return replace(state, runs_until=until, failing=tuple(failing)), wrong


def _ended_runs(
    instance: dg.DagsterInstance, lake: Lake, is_ours: Callable[[dg.DagsterRun], bool], since: datetime
) -> Iterator[EndedRun]:
    """The runs of the ledger that succeeded or failed since an instant."""
    statuses = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    for record in instance.get_run_records(dg.RunsFilter(statuses=statuses, updated_after=since)):
        run, ended_at = record.dagster_run, _ended_at(record)
        if is_ours(run) and ended_at >= since:
            failed = run.status == dg.DagsterRunStatus.FAILURE
            yield EndedRun(
                run.job_name,
                _months(run),
                run.run_id,
                ended_at,
                run.job_name == "sync" and not run.asset_selection,
                _reason(instance, lake, run.run_id) if failed else None,
            )


def _ended_at(record: dg.RunRecord) -> datetime:
    """When a run ended; an entry may be written again long after that."""
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp


def _months(run: dg.DagsterRun) -> tuple[str, ...]:
    """The months that a run was for; none where it was for no months."""
    one = run.tags.get("dagster/partition")
    first, last = (run.tags.get(tag, one) for tag in RANGE_TAGS)
    return tuple(months_between(first, last)) if first and last else ()


def _reason(instance: dg.DagsterInstance, lake: Lake, run_id: str) -> str:
    """Why a run failed: its months that did, else the first step that did, else Dagster's words."""
    months = [str(row) for row in failed_months(lake, [run_id])]
    return redacted(shortened("; ".join(months) or _of_events(instance, run_id)))


def _of_events(instance: dg.DagsterInstance, run_id: str) -> str:
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        data = entry.dagster_event.step_failure_data if entry.dagster_event else None
        if data and data.user_failure_data and data.user_failure_data.description:
            return data.user_failure_data.description
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE):
        return entry.user_message or entry.message
    return "Dagster does not say why."


def _letter(message: Message, lake: Lake) -> Letter:
    return Letter(title_of(message), text_of(message, lake.data, UI), "warning" if message.news else "success")
