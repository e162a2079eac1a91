"""Landing: what a run was shown of a month is compared with the ledger, and what is new is kept.

The raw tables of the month change together or not at all: `observations` and `rejected_records` only where there is
something new, `walks` always, for each walk is a fact. The caller holds the month's lock.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
import pyarrow as pa

from assets.api.errors import ApiError, NotAuthorised
from assets.api.protocol import Answer, Api, Tally
from assets.flatten import REVISION
from assets.records import SCHEMA, RecordFile
from assets.walk import Walk
from warehouse.contract import Contract
from warehouse.declaration import Table
from warehouse.engine import load, month_connection, run
from warehouse.errors import JobledgerError
from warehouse.lake import Lake, Staging, copy_to, quote
from warehouse.months import Window
from warehouse.sql import run_macros, statement
from warehouse.tables import OBSERVATIONS, REJECTED_RECORDS, WALKS

FEW_GONE: Final = 10
SHARE_GONE: Final = 0.1
"""A month that would lose more than this share of its jobs, and more than FEW_GONE, at once is not believed."""

_PATHS: Final = "['$', '$.id', '$.iTwinId', '$.executionInfo.createdDateTime']"


class TooManyGone(JobledgerError):
    """A month would lose too many jobs at once: nothing of them was marked, everything was kept."""


@dataclass
class Landed:
    """What landing a month changed. `gone_refused` is set where a loss was too large to be believed.

    `missing_ids` are the open jobs that no walk covers and that could not be refreshed by id.
    """

    month: str
    walks: list[Walk]
    new_versions: int = 0
    new_rejects: int = 0
    vanished: int = 0
    gone_refused: TooManyGone | None = None
    refusal: NotAuthorised | None = None
    missing_ids: list[str] = field(default_factory=list[str])


class _JobAnswer(msgspec.Struct):
    job: msgspec.Raw


class _Identity(msgspec.Struct):
    id: str | int | None = None


class _IdentityAnswer(msgspec.Struct):
    job: _Identity


class _ErrorAnswer(msgspec.Struct):
    error: dict[str, Any]


@dataclass
class _Asked:
    """The jobs that were asked for by id: those that are gone, each with the walk that missed it."""

    gone: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    shown: int = 0


def land(
    lake: Lake,
    window: Window,
    walks: Sequence[Walk],
    files: Sequence[Path],
    known: Contract,
    *,
    api: Api | None = None,
    scratch: Path | None = None,
    accept_gone: bool = False,
) -> Landed:
    """Keeps what `files` (of records) hold that the ledger does not; asks `api` by id for what the walks did not list.

    `files` belong to `walks` or hold answers by id; `scratch` is a folder for the answers that are asked for here.
    """
    landed = Landed(window.month, list(walks))
    with month_connection(scratch) as con:
        _open(con, lake, window, files, known)
        load(con, "walks_of_run", _walks_of_run(walks))
        if api is not None and scratch is not None:
            asked = _ask_by_id(con, api, walks, scratch / "by_id.parquet", accept_gone, landed)
            if asked.shown:
                _show(con, [*files, scratch / "by_id.parquet"], window)
            _make_gone(con, asked.gone)
        else:
            _make_gone(con, [])
        _make(con, "new_versions")
        _make(con, "new_rejects")
        counts = _counts(con)
        for walk in walks:
            _judge(walk, counts.get(walk.walk_id, {}))
        _put(con, lake, window.month, walks, counts, landed)
    return landed


def _open(con: duckdb.DuckDBPyConnection, lake: Lake, window: Window, files: Sequence[Path], known: Contract) -> None:
    run_macros(con)
    for table in (OBSERVATIONS, WALKS, REJECTED_RECORDS):
        run(con, f"CREATE VIEW {table.name} AS SELECT * FROM {lake.source(table, window.month)}")
    _show(con, files, window)
    _make(con, "last_kept")
    ended = ", ".join(quote(state.name) for state in known.states if state.outcome != "open")
    _make(con, "open_by_id", {"$ended_states": ended})


def _show(con: duckdb.DuckDBPyConnection, files: Sequence[Path], window: Window) -> None:
    """Reads the records that the run was shown."""
    if files:
        names = ", ".join(quote(str(file)) for file in files)
        read = f"read_parquet([{names}], filename = 'file', file_row_number = true)"
        run(con, f"CREATE OR REPLACE VIEW shown AS SELECT * RENAME (file_row_number AS line) FROM {read}")
    else:
        place = [pa.field("file", pa.string()), pa.field("line", pa.int64())]
        load(con, "shown", pa.schema([*SCHEMA, *place]).empty_table())
    bounds = {"$window_start": window.start, "$window_end": window.end}
    instants = {key: f"TIMESTAMPTZ {quote(value.isoformat())}" for key, value in bounds.items()}
    _make(con, "classified", {"$paths": _PATHS, **instants})


def _make(con: duckdb.DuckDBPyConnection, name: str, values: Mapping[str, str] | None = None) -> None:
    text = statement(f"landing/{name}")
    for key, value in (values or {}).items():
        text = text.replace(key, value)
    run(con, f"CREATE OR REPLACE TABLE {name} AS {text}")


def _ask_by_id(
    con: duckdb.DuckDBPyConnection,
    api: Api,
    walks: Sequence[Walk],
    file: Path,
    accept_gone: bool,
    landed: Landed,
) -> _Asked:
    """Asks for each known job that was not listed, and stops as soon as too many of them are gone."""
    _make(con, "unlisted")
    unlisted = run(con, "SELECT job_id, why, walk_id FROM unlisted ORDER BY why, job_id")
    asked = _Asked()
    if not unlisted:
        return asked
    jobs = int(run(con, "SELECT count(*) FROM last_kept WHERE http_status = 200")[0][0])
    by_id = {walk.walk_id: walk for walk in walks}
    with RecordFile(file) as records:
        for job_id, why, walk_id in unlisted:
            walk = by_id.get(walk_id)
            too_many = len(asked.gone) > FEW_GONE and len(asked.gone) > SHARE_GONE * jobs and not accept_gone
            if landed.refusal or too_many:
                _leave_unasked(job_id, walk, landed)
            else:
                _ask_one(api, job_id, why, walk, records, asked, landed)
    if len(asked.gone) > FEW_GONE and len(asked.gone) > SHARE_GONE * jobs and not accept_gone:
        _refuse_loss(asked, jobs, walks, landed)
    return asked


def _leave_unasked(job_id: str, walk: Walk | None, landed: Landed) -> None:
    """Notes that nobody knows what became of a job; one for each walk is enough."""
    if walk is None:
        landed.missing_ids.append(job_id)
    elif walk.complete:
        walk.doubt(f"job {job_id} was not listed, and it was not asked for by id any more")


def _ask_one(
    api: Api,
    job_id: str,
    why: str,
    walk: Walk | None,
    records: RecordFile,
    asked: _Asked,
    landed: Landed,
) -> None:
    try:
        answer = api.job(job_id, walk.tally if walk else Tally())
    except ApiError as error:
        if walk:
            walk.doubt(f"job {job_id} was not listed, and asking for it by id failed: {error}")
        else:
            landed.missing_ids.append(job_id)
        if isinstance(error, NotAuthorised) and error.status != 403:
            landed.refusal = error
        return
    if answer.status == 404:
        if why == "gone" and walk and _says_not_found(answer):
            asked.gone.append((job_id, walk.walk_id))
        elif walk:
            walk.doubt(f"job {job_id} was not listed, and the 404 for its id does not come from the API")
        else:
            landed.missing_ids.append(job_id)
        return
    records.add([job_of(answer)], source="get", observed_at=answer.received_at, walk_id=walk.walk_id if walk else None)
    asked.shown += 1
    right = is_about(answer, job_id)
    if walk and right:
        walk.doubt(f"the list left out job {job_id}, which is there when asked for by id")
    elif walk:
        walk.doubt(f"job {job_id} was not listed, and the answer for its id is about another job")
    elif not right:
        landed.missing_ids.append(job_id)


def job_of(answer: Answer) -> bytes:
    """The job of an answer to GET by id, as it was sent."""
    return bytes(msgspec.json.decode(answer.body, type=_JobAnswer).job)


def is_about(answer: Answer, job_id: str) -> bool:
    """Whether an answer to GET by id shows the job that was asked for."""
    try:
        told = msgspec.json.decode(answer.body, type=_IdentityAnswer).job.id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return str(told).lower() == job_id.lower()


def _says_not_found(answer: Answer) -> bool:
    """Whether a 404 is the API's own, not that of something between."""
    try:
        error = msgspec.json.decode(answer.body, type=_ErrorAnswer).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return str(error.get("code", "")).lower().endswith("notfound")


def _refuse_loss(asked: _Asked, jobs: int, walks: Sequence[Walk], landed: Landed) -> None:
    gone, asked.gone = asked.gone, []
    message = (
        f"{landed.month} would lose more than {len(gone) - 1} of its {jobs} jobs at once: nothing was marked as gone "
        f"and everything was kept. Check that the account still sees its iTwins (first missing job: {gone[0][0]}); "
        "if the jobs were really deleted, run `jobledger sync --accept-gone` with "
        f"`--from {landed.month} --to {landed.month}`."
    )
    landed.gone_refused = TooManyGone(message)
    for walk in walks:
        if any(walk_id == walk.walk_id for _, walk_id in gone):
            walk.doubt(message)


def _walks_of_run(walks: Sequence[Walk]) -> pa.Table:
    instant = pa.timestamp("us", tz="UTC")
    schema = pa.schema(
        [("walk_id", pa.string()), ("itwin_id", pa.string()), ("complete", pa.bool_()), ("finished_at", instant)]
    )
    rows = [{name: getattr(walk, name) for name in schema.names} for walk in walks]
    return pa.Table.from_pylist(rows, schema=schema)


def _make_gone(con: duckdb.DuckDBPyConnection, gone: Iterable[tuple[str, str]]) -> None:
    rows = list(gone)
    schema = pa.schema([("job_id", pa.string()), ("walk_id", pa.string())])
    load(con, "gone", pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema))


def _counts(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    names = (
        "walk_id",
        "new_jobs",
        "changed_jobs",
        "unchanged_jobs",
        "rejected",
        "outside",
        "foreign_records",
        "conflicting",
    )
    rows = run(con, f"SELECT {', '.join(names)} FROM ({statement('landing/counts')})")
    found: dict[str, dict[str, Any]] = {row[0]: dict(zip(names, row, strict=True)) for row in rows}
    for walk_id, vanished in run(con, "SELECT walk_id, count(*) FROM gone GROUP BY walk_id"):
        found.setdefault(walk_id, {})["vanished"] = vanished
    return found


def _judge(walk: Walk, counts: Mapping[str, Any]) -> None:
    """Notes what the records themselves give reason to doubt."""
    if counts.get("outside"):
        walk.doubt(f"{counts['outside']} records were created outside the month that was asked for")
    if counts.get("foreign_records"):
        walk.doubt(f"{counts['foreign_records']} records belong to another iTwin than was asked for")
    if counts.get("conflicting"):
        walk.doubt(f"job {counts['conflicting']} was listed twice with different content: the list moved meanwhile")


def _put(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    month: str,
    walks: Sequence[Walk],
    counts: Mapping[str, Mapping[str, Any]],
    landed: Landed,
) -> None:
    landed.vanished = int(run(con, "SELECT count(*) FROM gone")[0][0])
    landed.new_versions = int(run(con, "SELECT count(*) FROM new_versions")[0][0])
    landed.new_rejects = int(run(con, "SELECT count(*) FROM new_rejects")[0][0])
    with lake.staging() as staging:
        if landed.new_versions or landed.vanished:
            added = f"{_with_bodies('new_versions')} UNION ALL BY NAME ({statement('landing/disappearances')})"
            _extend(con, staging, OBSERVATIONS, month, added)
        if landed.new_rejects:
            _extend(con, staging, REJECTED_RECORDS, month, _with_bodies("new_rejects"))
        if walks:
            rows = [_walk_row(walk, counts.get(walk.walk_id, {})) for walk in walks]
            load(con, "new_walks", pa.Table.from_pylist(rows, schema=WALKS.arrow_schema))
            _extend(con, staging, WALKS, month, "SELECT * FROM new_walks")
        staging.commit()


def _with_bodies(rows: str) -> str:
    return statement("landing/with_bodies").replace("$rows", rows)


def _extend(con: duckdb.DuckDBPyConnection, staging: Staging, table: Table, month: str, added: str) -> None:
    """Stages a raw table's file with more rows."""
    rows = f"(SELECT * FROM {table.name} UNION ALL BY NAME ({added}))"
    copy_to(con, table, rows, staging.reserve(table, month), {REVISION: uuid.uuid4().hex})


def _walk_row(walk: Walk, counts: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {
        name: counts.get(name, 0) for name in ("new_jobs", "changed_jobs", "unchanged_jobs", "rejected", "vanished")
    }
    return {
        "walk_id": walk.walk_id,
        "run_id": walk.run_id,
        "itwin_id": walk.itwin_id,
        "created_from": walk.window.start,
        "created_to": walk.window.end,
        "started_at": walk.started_at,
        "finished_at": walk.finished_at,
        "requests": walk.tally.requests,
        "pages": walk.pages,
        "records": walk.records,
        **numbers,
        "retries": walk.tally.retries,
        "throttled": walk.tally.throttled,
        "clock_skew_seconds": walk.clock_skew_seconds,
        "complete": walk.complete,
        "error": "; ".join(walk.faults) or None,
    }
