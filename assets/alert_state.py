"""What was told of what is wrong, to whom, and what is still to be told: the file `alerts.json` of the data folder.

An occurrence is known by its kind and key; as long as the same two come back it is the same one. Each address hears of
it once, and once when it is over. What could not be delivered stays to be told. The file may be deleted: what is wrong
then is told once more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from assets.failing_runs import FailedRun
from warehouse.errors import JobledgerError
from warehouse.explain import redacted
from warehouse.lake import Lake

Kind = Literal[
    "failed_run", "failed_check", "incomplete_walk", "stuck_job", "drift", "stale_ledger", "forecast_above_budget"
]

TITLES: Final[Mapping[Kind, str]] = {
    "failed_run": "Failed run",
    "stale_ledger": "Stale ledger",
    "failed_check": "Failed check",
    "incomplete_walk": "Incomplete walk",
    "forecast_above_budget": "Budget",
    "stuck_job": "Stuck job",
    "drift": "Drift",
}
"""Every kind with its heading, the most pressing first."""

LOCK: Final = "alerts"
FILE: Final = "alerts.json"

SHOWN: Final = 10
"""Occurrences of a kind that one message tells of at most."""


class Occurrence(msgspec.Struct, frozen=True):
    """Something that somebody should be told of, and when it is over.

    One that does not `begin` an alert keeps one that stands. `run_id` is the run that shows more of it.
    """

    kind: Kind
    key: str
    title: str
    text: str
    advice: str
    since: datetime
    run_id: str | None = None
    begins: bool = True


class Standing(msgspec.Struct, frozen=True):
    """An occurrence and the addresses that were told of it; where it is `over`, those that do not know that yet."""

    occurrence: Occurrence
    told: tuple[str, ...] = ()
    over: bool = False


class Undelivered(msgspec.Struct, frozen=True):
    """An address that could not be told: what may be shown of it, since when (UTC), after how many tries, and why."""

    address: str
    since: datetime
    tries: int
    reason: str


class AlertState(msgspec.Struct, frozen=True):
    """What is known of alerts. Addresses are named by a digest that is too short to find one out by.

    `runs_until` is the instant up to which ended runs were looked at; `failing` are those not made good since.
    """

    runs_until: datetime | None = None
    failing: tuple[FailedRun, ...] = ()
    standing: tuple[Standing, ...] = ()
    undelivered: dict[str, Undelivered] = {}


class Message(msgspec.Struct, frozen=True):
    """What an address is to be told in one message."""

    news: tuple[Occurrence, ...]
    over: tuple[Occurrence, ...]


class Outcome(msgspec.Struct, frozen=True):
    """Whether a message reached an address, of which `shown` may be shown; `reason` says why not."""

    shown: str
    reason: str | None = None


def read_state(lake: Lake) -> AlertState:
    """Return what is known of alerts; raise JobledgerError if the file cannot be read."""
    place = lake.data / FILE
    try:
        return msgspec.json.decode(place.read_bytes(), type=AlertState)
    except FileNotFoundError:
        return AlertState()
    except msgspec.DecodeError as error:
        raise JobledgerError(
            f"{place} is damaged, or of another release ({error}). Delete it: what is wrong is then told once more."
        ) from None


def write_state(lake: Lake, state: AlertState) -> None:
    """Put a state in its place."""
    with lake.exclusive(LOCK) as staging:
        staging.reserve_place(lake.data / FILE).write_bytes(msgspec.json.encode(state))
        staging.commit()


def observed(state: AlertState, now_wrong: Sequence[Occurrence], addresses: Collection[str]) -> AlertState:
    """Return the state after a look at what is wrong now; addresses that are no longer there are forgotten."""
    before = {(row.occurrence.kind, row.occurrence.key): row for row in state.standing}
    after: list[Standing] = []
    for occurrence in now_wrong:
        had = before.pop((occurrence.kind, occurrence.key), None)
        if had is not None:
            after.append(Standing(replace(occurrence, since=had.occurrence.since), _still(had.told, addresses)))
        elif occurrence.begins:
            after.append(Standing(occurrence))
    over = (Standing(row.occurrence, _still(row.told, addresses), over=True) for row in before.values())
    standing = (*after, *(row for row in over if row.told))
    state = replace(state, standing=standing)
    waiting = {name: row for name, row in state.undelivered.items() if name in addresses and message_for(state, name)}
    return replace(state, undelivered=waiting)


def message_for(state: AlertState, address: str) -> Message | None:
    """Return what an address is still to be told, if anything."""
    news = tuple(row.occurrence for row in state.standing if not row.over and address not in row.told)
    over = tuple(row.occurrence for row in state.standing if row.over and address in row.told)
    return Message(news, over) if news or over else None


def sent(state: AlertState, outcomes: Mapping[str, Outcome], at: datetime) -> AlertState:
    """Return the state after each of these addresses was sent its message."""
    heard = [name for name, outcome in outcomes.items() if outcome.reason is None]
    standing = (_heard(row, heard) for row in state.standing)
    undelivered = {name: row for name, row in state.undelivered.items() if name not in heard}
    for name, outcome in outcomes.items():
        if outcome.reason is not None:
            had = undelivered.get(name, Undelivered(outcome.shown, at, 0, ""))
            undelivered[name] = Undelivered(outcome.shown, had.since, had.tries + 1, outcome.reason)
    kept = tuple(row for row in standing if row.told or not row.over)
    return replace(state, standing=kept, undelivered=undelivered)


def _heard(row: Standing, heard: Sequence[str]) -> Standing:
    told = [name for name in row.told if name not in heard]
    return replace(row, told=tuple(told if row.over else [*told, *heard]))


def _still(told: Sequence[str], addresses: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in told if name in addresses)


def title_of(message: Message) -> str:
    """Return the title of a message: how much of it is new, and how much over."""
    news = f"{len(message.news)} new" if message.news else ""
    over = f"{len(message.over)} over" if message.over else ""
    return f"jobledger: {', '.join(filter(None, (news, over)))}"


def text_of(message: Message, ledger: Path, ui: str) -> str:
    """Return a message as plain text, in which no secret is. `ui` is the address of the UI that shows the runs."""
    parts = [
        *(_new(kind, rows, ui) for kind in TITLES if (rows := [row for row in message.news if row.kind == kind])),
        *(["OVER\n" + "\n".join(_limited([_over(row) for row in message.over]))] if message.over else []),
        f"Ledger: {ledger}. `jobledger status` lists all that stands.",
    ]
    return redacted("\n\n".join(parts))


def _new(kind: Kind, rows: Sequence[Occurrence], ui: str) -> str:
    """A kind's heading with its occurrences, and what to do where that is the same for all, once."""
    lines = _limited([_line(row, ui) for row in rows])
    advice = dict.fromkeys(row.advice for row in rows[:SHOWN])
    return "\n".join([TITLES[kind].upper(), *lines, *(f"  What to do: {text}" for text in advice)])


def _line(row: Occurrence, ui: str) -> str:
    link = f"\n  {ui}/runs/{row.run_id}" if row.run_id else ""
    return f"- {row.title}: {row.text} Since {_at(row.since)}.{link}"


def _over(row: Occurrence) -> str:
    return f"- {TITLES[row.kind]}: {row.title}, since {_at(row.since)}"


def _limited(lines: Sequence[str]) -> list[str]:
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"- and {more} more"] if more > 0 else [])]


def _at(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
