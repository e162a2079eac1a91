"""A sync, month by month: walk each iTwin, land what is new, ask by id for what was not listed, ask why jobs failed.

Months are independent: one that fails costs its own rows and nothing besides. Only a refused token ends all asking. All
that is needed comes as arguments; Dagster's assets and the command line are thin wiring over these functions.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from assets.api.errors import NotAuthorised, refuses_token
from assets.api.pool import side_by_side
from assets.api.protocol import Api
from assets.by_id import Asked, ask_for_unlisted
from assets.each_month import each_month
from assets.landing import Landed, landing
from assets.messages import fetch_messages
from assets.moves import carry_out
from assets.plan import Plan
from assets.progress import PageSeen
from assets.walk import Walk, walk
from warehouse.contract import Contract
from warehouse.lake import Lake
from warehouse.months import Window, window

MANY_PAGES: Final = 10


@dataclass(frozen=True)
class Synced:
    """What came of a month: what landed, and why the month failed. Both are set where a part of it landed."""

    month: str
    landed: Landed | None = None
    failure: Exception | None = None


@dataclass(frozen=True)
class _Seen:
    """The walks of a month, each with the record file that it wrote."""

    walks: list[Walk]
    files: list[Path]


def sync_months(
    lake: Lake, api: Api, months: Sequence[str], known: Contract, plan: Plan, run_id: str
) -> Iterator[Synced]:
    """Sync each month and yield what came of it, a failure included; months that are locked come last.

    Once the token is refused, nothing is asked any more: the months that are left fail with the refusal.
    """
    refusals: list[NotAuthorised] = []

    def one(month: str, wait_seconds: float) -> Synced:
        if refusals:
            raise refusals[0]
        done = sync_month(lake, api, month, known, replace(plan, wait_seconds=wait_seconds), run_id)
        if isinstance(done.failure, NotAuthorised) and refuses_token(done.failure):
            refusals.append(done.failure)
        return done

    def failed(month: str, error: Exception) -> Synced:
        return Synced(month, failure=error)

    return each_month(months, one, failed, plan.wait_seconds)


def sync_month(lake: Lake, api: Api, month: str, known: Contract, plan: Plan, run_id: str) -> Synced:
    """Sync one month. A refused token and a loss too large to be believed are failures beside what landed.

    Raises Busy if the month stays locked; whatever else it raises left the month's tables as they were.
    """
    with (
        lake.exclusive(month, wait_seconds=plan.wait_seconds, on_wait=plan.tell),
        lake.scratch(month) as scratch,
    ):
        seen = _walk_all(api, window(month), plan, run_id, scratch)
        landed, asked = _land(lake, api, window(month), seen, known, plan, scratch)
        refusal = asked.token_refusal or next((walk.refusal for walk in seen.walks if walk.refusal), None)
        if refusal is None:
            refusal = _ask_for_messages(lake, api, month, known, plan)
    if landed.moved_in or landed.moved_away:
        carry_out(lake, landed, known, plan)
    return Synced(month, landed, refusal or asked.gone_refused)


def _walk_all(api: Api, month: Window, plan: Plan, run_id: str, scratch: Path) -> _Seen:
    """Walk the month for each iTwin, several side by side."""
    scopes = plan.scopes
    stop = threading.Event()

    def go_on(done: Walk) -> None:
        if stop.is_set():
            raise InterruptedError(f"{done} was interrupted")
        plan.on_page(_seen(done, ended=False))

    def one(scope: str | None) -> tuple[Walk, Path]:
        file = scratch / f"{uuid.uuid4().hex}.parquet"
        whose = api.identity() if scope is None else None
        done = walk(api, Walk(month, scope, run_id, identity=whose), file, page_size=plan.page_size, on_page=go_on)
        plan.on_page(_seen(done, ended=True))
        if done.pages > MANY_PAGES or not done.complete:
            plan.tell(f"{done}: {done.records} records on {done.pages} pages")
        return done, file

    with side_by_side(api, min(plan.threads, len(scopes))) as pool:
        try:
            pairs = list(pool.map(one, scopes))
        except BaseException:
            stop.set()  # the other walks end after their page, so that an interrupted run ends at once
            raise
    return _Seen([pair[0] for pair in pairs], [pair[1] for pair in pairs])


def _seen(walk: Walk, *, ended: bool) -> PageSeen:
    return PageSeen(walk.walk_id, walk.window.month, walk.itwin_id, walk.pages, walk.records, ended)


def _land(
    lake: Lake, api: Api, month: Window, seen: _Seen, known: Contract, plan: Plan, scratch: Path
) -> tuple[Landed, Asked]:
    """Land what the walks saw, and what asking by id for the jobs that they did not list brought."""
    with landing(lake, month, seen.walks, seen.files, known, spill=scratch) as kept:
        asked, unlisted = Asked(), kept.unlisted()
        if unlisted:
            file = scratch / "by_id.parquet"
            asked = ask_for_unlisted(api, unlisted, kept.job_count(), seen.walks, file, plan)
            if asked.shown:
                kept.show(file)
        landed = kept.keep(asked.gone)
    landed.missing_ids = asked.missing
    if asked.missing:
        plan.tell(
            f"{month.month}: {len(asked.missing)} open jobs that came by id could not be refreshed "
            f"(first: {asked.missing[0]}); they stay as they were."
        )
    return landed, asked


def _ask_for_messages(lake: Lake, api: Api, month: str, known: Contract, plan: Plan) -> NotAuthorised | None:
    """Ask for messages; return the refusal of the token, if any."""
    try:
        fetch_messages(lake, api, month, known, plan)
    except NotAuthorised as error:
        return error
    return None
