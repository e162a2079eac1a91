"""History: a month is synced by walking each iTwin, landing what is new, and asking once why jobs failed.

All that is needed comes as arguments; Dagster's assets and the command line are thin wiring over these functions.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from assets.api.errors import ApiError, NotAuthorised
from assets.api.protocol import Answer, Api, Tally
from assets.flatten import REVISION
from assets.landing import Landed, is_about, job_of, land
from assets.records import RecordFile
from assets.walk import PAGE_SIZE, Walk, walk
from warehouse.contract import Contract
from warehouse.engine import connection, load, run
from warehouse.lake import Lake, copy_to, quote
from warehouse.locks import WAIT_SECONDS, exclusive
from warehouse.months import month_of, window
from warehouse.sql import run_macros, statement
from warehouse.tables import MESSAGE_OBSERVATIONS, OBSERVATIONS

THREADS: Final = 8
MANY_PAGES: Final = 10
BY_ID: Final = "by_id"
"""Name of the lock and of the scratch folder of `fetch_by_id`."""


def _quiet(_: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Plan:
    """What a sync asks for and how. `itwin_ids` empty: the caller's own jobs. `tell` gets a sentence now and then."""

    itwin_ids: tuple[str, ...] = ()
    page_size: int = PAGE_SIZE
    threads: int = THREADS
    accept_gone: bool = False
    wait_seconds: float = WAIT_SECONDS
    tell: Callable[[str], None] = _quiet


@dataclass
class Fetched:
    """What `fetch_by_id` found: the months that it touched, and the ids that the API does not know.

    `failed` says why an id could not be asked for; `refusal` is the API's refusal of the token.
    """

    landed: dict[str, Landed] = field(default_factory=dict[str, Landed])
    not_found: list[str] = field(default_factory=list[str])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    refusal: NotAuthorised | None = None


def sync_month(lake: Lake, api: Api, month: str, known: Contract, plan: Plan, run_id: str) -> Landed:
    """Walks a month for each iTwin, lands it, and fetches the messages of the jobs that failed.

    Raises NotAuthorised only when what was seen is safe in the lake; Busy if the month stays locked. A loss too
    large to be believed is in `gone_refused`.
    """
    with _locked(lake, month, plan), lake.scratch(month) as scratch:
        walks, files = _walk_all(api, month, plan, run_id, scratch)
        landed = land(lake, window(month), walks, files, known, api=api, scratch=scratch, accept_gone=plan.accept_gone)
        _tell_missing(landed, plan)
        refusal = landed.refusal or next((walk.refusal for walk in walks if walk.refusal), None)
        if refusal is not None:
            raise refusal
        fetch_messages(lake, api, month, known, plan)
    return landed


def fetch_by_id(lake: Lake, api: Api, ids: Sequence[str], known: Contract, plan: Plan) -> Fetched:
    """Fetches jobs by id and lands each in the month of its creation; walks nothing.

    An id that the API does not know is listed in `not_found`, one that could not be asked for in `failed`. Raises
    NotAuthorised only when what was seen is safe in the lake; Busy if a month, or another fetch, stays locked.
    """
    fetched = Fetched()
    with _locked(lake, BY_ID, plan), lake.scratch(BY_ID) as scratch:
        file = scratch / "records.parquet"
        _fetch_into(api, list(dict.fromkeys(ids)), plan, file, fetched)
        for month, of_month in sorted(_by_month(file).items()):
            with _locked(lake, month, plan):
                fetched.landed[month] = landed = land(lake, window(month), [], [of_month], known)
                if landed.new_rejects:
                    plan.tell(f"{month}: {landed.new_rejects} answers cannot become a row; see rejected_records.")
                if fetched.refusal is None:
                    fetch_messages(lake, api, month, known, plan)
    if fetched.refusal is not None:
        raise fetched.refusal
    return fetched


def fetch_messages(lake: Lake, api: Api, month: str, known: Contract, plan: Plan) -> int:
    """Asks for the messages of each failed job of a month that was not asked about; gives how many were answered.

    What could not be asked is asked again by the next run. The caller holds the month's lock.
    """
    with connection() as con:
        wanted = _jobs_to_ask_about(con, lake, month, known)
        if not wanted:
            return 0
        with ThreadPoolExecutor(plan.threads) as pool:
            answers = list(pool.map(partial(_messages_of, api), wanted))
        rows = [row for row in answers if row is not None]
        if len(rows) < len(wanted):
            plan.tell(
                f"{month}: the messages of {len(wanted) - len(rows)} failed jobs could not be fetched; next time."
            )
        if rows:
            _keep_messages(con, lake, month, rows)
    return len(rows)


@contextmanager
def _locked(lake: Lake, month: str, plan: Plan) -> Generator[None]:
    with exclusive(lake.data, month, wait_seconds=plan.wait_seconds, on_wait=plan.tell):
        yield


def _walk_all(api: Api, month: str, plan: Plan, run_id: str, scratch: Path) -> tuple[list[Walk], list[Path]]:
    """Walks the month for each iTwin, several side by side."""
    scopes: list[str | None] = [*plan.itwin_ids] or [None]
    stop = threading.Event()

    def go_on(done: Walk) -> None:
        if stop.is_set():
            raise InterruptedError(f"{done} was interrupted")

    def one(scope: str | None) -> tuple[Walk, Path]:
        file = scratch / f"{uuid.uuid4().hex}.parquet"
        done = walk(api, Walk(window(month), scope, run_id), file, page_size=plan.page_size, on_page=go_on)
        if done.pages > MANY_PAGES or not done.complete:
            plan.tell(f"{done}: {done.records} records on {done.pages} pages")
        return done, file

    with ThreadPoolExecutor(max(1, min(plan.threads, len(scopes)))) as pool:
        try:
            pairs = list(pool.map(one, scopes))
        except BaseException:
            stop.set()  # the other walks end after their page, so that an interrupted run ends at once
            raise
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _fetch_into(api: Api, ids: Sequence[str], plan: Plan, file: Path, fetched: Fetched) -> None:
    """Asks for each id and writes the answers to `file`; nobody is asked any more once the token is refused."""

    def one(job_id: str) -> Answer | ApiError:
        if fetched.refusal is not None:
            return fetched.refusal
        try:
            return api.job(job_id, Tally())
        except ApiError as error:
            if isinstance(error, NotAuthorised) and error.status != 403:
                fetched.refusal = error
            return error

    with ThreadPoolExecutor(plan.threads) as pool, RecordFile(file) as records:
        for job_id, answer in zip(ids, pool.map(one, ids), strict=True):
            if isinstance(answer, ApiError):
                fetched.failed[job_id] = str(answer)
            elif answer.status == 404:
                fetched.not_found.append(job_id)
            else:
                records.add([job_of(answer)], source="get", observed_at=answer.received_at)
                if not is_about(answer, job_id):
                    fetched.failed[job_id] = "the API answered with another job, which was kept"


def _tell_missing(landed: Landed, plan: Plan) -> None:
    if landed.missing_ids:
        plan.tell(
            f"{landed.month}: {len(landed.missing_ids)} open jobs that came by id could not be refreshed "
            f"(first: {landed.missing_ids[0]}); they stay as they were."
        )


def _by_month(file: Path) -> dict[str, Path]:
    """The records of a file as one file for each month of creation.

    What has no readable creation time goes with the present month, to be rejected there.
    """
    files: dict[str, Path] = {}
    with connection() as con:
        run_macros(con)
        run(
            con,
            statement("landing/by_month")
            .replace("$records", f"read_parquet({quote(str(file))})")
            .replace("$present", quote(month_of(datetime.now(UTC)))),
        )
        for (month,) in run(con, "SELECT DISTINCT month FROM records ORDER BY month"):
            files[month] = file.with_name(f"{month}.parquet")
            select = f"SELECT * EXCLUDE (month) FROM records WHERE month = {quote(month)}"
            run(con, f"COPY ({select}) TO {quote(str(files[month]))} (FORMAT parquet)")
    return files


def _jobs_to_ask_about(con: duckdb.DuckDBPyConnection, lake: Lake, month: str, known: Contract) -> list[str]:
    """The failed jobs of a month whose messages nobody asked for yet."""
    failed = ", ".join(quote(state.name) for state in known.states if state.outcome == "failed")
    for table in (OBSERVATIONS, MESSAGE_OBSERVATIONS):
        run(con, f"CREATE TEMP VIEW {table.name} AS SELECT * FROM {lake.source(table, month)}")
    return [job_id for (job_id,) in run(con, statement("landing/unasked_failures").replace("$failed_states", failed))]


def _messages_of(api: Api, job_id: str) -> dict[str, object] | None:
    """The answer about a failed job's messages as a row of `message_observations`; None if there was none."""
    try:
        answer = api.messages(job_id, Tally())
    except ApiError:
        return None
    body = answer.body.decode(errors="replace") if answer.status == 200 else None
    return {"job_id": job_id, "observed_at": answer.received_at, "http_status": answer.status, "body": body}


def _keep_messages(con: duckdb.DuckDBPyConnection, lake: Lake, month: str, rows: list[dict[str, object]]) -> None:
    load(con, "answers", pa.Table.from_pylist(rows, schema=MESSAGE_OBSERVATIONS.arrow_schema))
    with lake.staging() as staging:
        both = f"(SELECT * FROM {MESSAGE_OBSERVATIONS.name} UNION ALL BY NAME SELECT * FROM answers)"
        path = staging.reserve(MESSAGE_OBSERVATIONS, month)
        copy_to(con, MESSAGE_OBSERVATIONS, both, path, {REVISION: uuid.uuid4().hex})
        staging.commit()
