"""Which iTwins are walked where all of them are to be: found by the list, each time before anything is walked.

What the list shows is remembered in `name_walks`: an iTwin that shows for the first time after others is walked from
the first month, and one that is gone is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from assets.api.errors import ApiError, refuses_token
from assets.api.protocol import Api
from assets.names import keep, list_itwins
from assets.plan import Plan
from warehouse.engine import connection, run
from warehouse.errors import JobledgerError
from warehouse.lake import Lake
from warehouse.name_tables import NAME_WALKS
from warehouse.sql import statement
from warehouse.tables import WALKS


class NoItwins(JobledgerError):
    """The list of iTwins cannot be had, and none is known from before."""


@dataclass(frozen=True)
class _Lists:
    """What the lists before this one showed: at first, at last, and when that was noted."""

    first: frozenset[str]
    newest: tuple[str, ...]
    noted_at: datetime | None


def find_itwins(lake: Lake, api: Api, plan: Plan, run_id: str) -> Plan:
    """The plan with the iTwins that the list shows in place of `every_itwin`.

    If the list cannot be had, the newest one before it stands; raises NoItwins where there is none, and NotAuthorised
    where the token is refused.
    """
    if not plan.every_itwin:
        return plan
    before = _lists(lake)
    try:
        walk = list_itwins(api)
    except ApiError as error:
        if refuses_token(error):
            raise
        return _as_before(plan, before, str(error))
    if walk.listed is None:
        return _as_before(plan, before, walk.error or "it is refused")
    if walk.error:
        plan.tell(f"Not every iTwin is known: {walk.error}.")
    pause = timedelta(hours=plan.names_every_hours)
    is_old = before.noted_at is None or datetime.now(UTC) - before.noted_at >= pause
    if is_old or set(walk.listed) != set(before.newest):
        walk.seen = walk.seen if "itwin" in plan.names else []
        keep(lake, run_id, [walk])
    gone = [itwin_id for itwin_id in before.newest if itwin_id not in walk.listed]
    if gone and not walk.error:
        plan.tell(f"Not listed any more, and not walked: iTwin {', '.join(gone)}. What landed of it is kept.")
    return replace(plan, itwin_ids=tuple(walk.listed))


def newcomers(lake: Lake, plan: Plan, months: Sequence[str]) -> Iterator[tuple[str, Plan]]:
    """The months, of those that are named, in which iTwins that were not in the first list were never walked."""
    first = _lists(lake).first if plan.every_itwin else frozenset(plan.itwin_ids)
    new = [itwin_id for itwin_id in plan.itwin_ids if itwin_id not in first]
    if not new:
        return
    with connection() as con:
        for month in months:
            walked = {row[0] for row in run(con, f"SELECT DISTINCT itwin_id FROM {lake.source(WALKS, month)}")}
            missing = tuple(itwin_id for itwin_id in new if itwin_id not in walked)
            if missing:
                plan.tell(f"{month}: walked for {len(missing)} iTwins that are new (first: {missing[0]})")
                yield month, replace(plan, itwin_ids=missing)


def _as_before(plan: Plan, before: _Lists, reason: str) -> Plan:
    if not before.newest:
        raise NoItwins(
            f"ITWIN_IDS=all, but the list of iTwins cannot be had: {reason} Run again later, or name the iTwins."
        )
    plan.tell(f"The list of iTwins cannot be had ({reason}); those of the list before are walked.")
    return replace(plan, itwin_ids=before.newest)


def _lists(lake: Lake) -> _Lists:
    with connection() as con:
        run(con, f"CREATE VIEW name_walks AS SELECT * FROM {lake.source(NAME_WALKS)}")
        rows = run(con, statement("asking/itwin_lists"))
    first, newest, noted_at = rows[0] if rows else ((), (), None)
    return _Lists(frozenset(first), tuple(newest), noted_at)
