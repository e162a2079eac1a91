"""Landing: what a run was shown of a month is compared with the ledger, and what is new is kept.

The raw tables of the month change together or not at all: `observations` and `rejected_records` only where there is
something new, `walks` always, for each walk is a fact.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import pyarrow as pa

from assets.records import SCHEMA
from assets.walk import Walk
from warehouse.contract import Contract
from warehouse.declaration import Table
from warehouse.engine import load, month_connection, run
from warehouse.lake import Lake, Staging, copy_to, parquet_files, quote
from warehouse.months import Window
from warehouse.raw import raw_footer, raw_views
from warehouse.sql import run_macros, statement
from warehouse.tables import OBSERVATIONS, REJECTED_RECORDS, WALKS

_PATHS: Final = "['$', '$.id', '$.iTwinId', '$.executionInfo.createdDateTime']"


@dataclass
class Landed:
    """What landing a month changed; `walk_rows` are the rows of `walks`.

    `missing_ids`: open jobs that no walk covers and that could not be refreshed.
    """

    month: str
    walks: list[Walk]
    walk_rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    new_versions: int = 0
    new_rejects: int = 0
    vanished: int = 0
    missing_ids: list[str] = field(default_factory=list[str])
    moved_in: list[Move] = field(default_factory=list["Move"])
    moved_away: list[Move] = field(default_factory=list["Move"])


class Move(NamedTuple):
    """A job whose month of creation changed, with its new time of creation and when that was seen (UTC).

    `body` is the answer that shows the job, where the month that it moved to does not have it yet.
    """

    job_id: str
    from_month: str
    to_month: str
    created_at: datetime
    observed_at: datetime
    body: bytes | None = None


class Unlisted(NamedTuple):
    """A known job that the walks of a run did not list, and why it is asked for by id.

    `why`: 'gone' where `walk_id` is a complete walk that covers it; 'open' where no walk covers it.
    """

    month: str
    job_id: str
    why: str
    walk_id: str | None


class Landing:
    """A month whose new records are compared with the ledger; `landing` opens it."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        staging: Staging,
        window: Window,
        walks: Sequence[Walk],
        files: Sequence[Path],
    ) -> None:
        self._con = con
        self._staging = staging
        self._window = window
        self._walks = walks
        self._files = list(files)
        self._asked = False
        _show(con, self._files, window)

    def unlisted(self) -> list[Unlisted]:
        """The known jobs that were not listed and that have to be asked for by id."""
        self._asked = True
        _make(self._con, "unseen")
        if not run(self._con, "SELECT 1 FROM unseen LIMIT 1"):
            return []
        _make(self._con, "unlisted")
        rows = run(self._con, "SELECT job_id, why, walk_id FROM unlisted ORDER BY why, job_id")
        return [Unlisted(self._window.month, *row) for row in rows]

    def job_count(self) -> int:
        """How many jobs the ledger knew in this month, without those that vanished."""
        return int(run(self._con, "SELECT count(*) FROM last_kept WHERE http_status = 200")[0][0])

    def show(self, file: Path) -> None:
        """Add a record file to what this run was shown."""
        self._files.append(file)
        _show(self._con, self._files, self._window)

    def keep(self, gone: Sequence[tuple[str, str]] = ()) -> Landed:
        """Write what is new to the raw tables; `gone` are jobs that are no more, each with the walk that missed it."""
        con, landed = self._con, Landed(self._window.month, list(self._walks))
        _make_gone(con, gone)
        _make(con, "new_versions")
        _make(con, "new_rejects")
        counts = _counts(con)
        for walk in self._walks:
            _judge(walk, counts.get(walk.walk_id, {}))
        landed.moved_in, landed.moved_away = self._moved_in(), self._moved_away()
        _put(con, self._staging, self._window.month, self._walks, counts, landed)
        return landed

    def _moved_in(self) -> list[Move]:
        """The jobs that are new here and stand in another month."""
        lake, here = self._staging.lake, self._window.month
        others = [month for month in lake.months(OBSERVATIONS) if month != here]
        if not others or not run(self._con, "SELECT count(*) FROM new_versions")[0][0]:
            return []
        elsewhere = " UNION ALL ".join(
            f"SELECT {quote(month)} AS month, spelled(job_id) AS job_id, http_status, observed_at "
            f"FROM {lake.source(OBSERVATIONS, month)}"
            for month in others
        )
        rows = run(self._con, statement("landing/moved_in").replace("$elsewhere", elsewhere))
        return [Move(job_id, month, here, created_at, seen_at) for job_id, month, created_at, seen_at in rows]

    def _moved_away(self) -> list[Move]:
        """The jobs of this month whose answers by id tell another one."""
        if not self._asked:
            return []
        rows = run(self._con, statement("landing/moved_away"))
        return [
            Move(job_id, self._window.month, month, created_at, seen_at, body.encode())
            for job_id, month, created_at, seen_at, body in rows
        ]


@contextmanager
def landing(
    lake: Lake,
    window: Window,
    walks: Sequence[Walk],
    files: Sequence[Path],
    known: Contract,
    *,
    spill: Path | None = None,
) -> Generator[Landing]:
    """Open a month to land the record files `files`, which belong to `walks` or hold answers by id.

    It holds the month's lock. DuckDB spills into the folder `spill`.
    """
    with lake.exclusive(window.month) as staging, month_connection(_size(lake, window.month, walks), spill) as con:
        _open(con, lake, window, known)
        load(con, "walks_of_run", _walks_of_run(walks))
        yield Landing(con, staging, window, walks, files)


def _size(lake: Lake, month: str, walks: Sequence[Walk]) -> int:
    """How many records are compared: those kept of the month, and those that its walks saw."""
    return lake.readable_row_count(OBSERVATIONS, month) + sum(walk.records for walk in walks)


def _open(con: duckdb.DuckDBPyConnection, lake: Lake, window: Window, known: Contract) -> None:
    run_macros(con)
    raw_views(con, lake, window.month)
    _make(con, "last_kept")
    _make(con, "last_versions")
    ended = ", ".join(quote(state.name) for state in known.states if state.outcome != "open")
    _make(con, "open_by_id", {"$ended_states": ended})


def _show(con: duckdb.DuckDBPyConnection, files: Sequence[Path], window: Window) -> None:
    """Reads the records that the run was shown."""
    if files:
        options = "filename = 'file', file_row_number = true, hive_partitioning = false"
        read = f"read_parquet({parquet_files(files)}, {options})"
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


def _walks_of_run(walks: Sequence[Walk]) -> pa.Table:
    instant = pa.timestamp("us", tz="UTC")
    schema = pa.schema(
        [
            ("walk_id", pa.string()),
            ("itwin_id", pa.string()),
            ("identity", pa.string()),
            ("complete", pa.bool_()),
            ("finished_at", instant),
        ]
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
        "left_out",
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
    for job_id in counts.get("left_out") or ():
        walk.doubt(f"the list left out job {job_id}, which is there when asked for by id")
    if counts.get("conflicting"):
        walk.doubt(f"job {counts['conflicting']} was listed twice with different content: the list moved meanwhile")


def _put(
    con: duckdb.DuckDBPyConnection,
    staging: Staging,
    month: str,
    walks: Sequence[Walk],
    counts: Mapping[str, Mapping[str, Any]],
    landed: Landed,
) -> None:
    landed.vanished = int(run(con, "SELECT count(*) FROM gone")[0][0])
    landed.new_versions = int(run(con, "SELECT count(*) FROM new_versions")[0][0])
    landed.new_rejects = int(run(con, "SELECT count(*) FROM new_rejects")[0][0])
    if landed.new_versions or landed.vanished:
        added = f"{_with_bodies('new_versions')} UNION ALL BY NAME ({statement('landing/disappearances')})"
        _extend(con, staging, OBSERVATIONS, month, added)
    if landed.new_rejects:
        _extend(con, staging, REJECTED_RECORDS, month, _with_bodies("new_rejects"))
    if walks:
        landed.walk_rows = [_walk_row(walk, counts.get(walk.walk_id, {})) for walk in walks]
        load(con, "new_walks", pa.Table.from_pylist(landed.walk_rows, schema=WALKS.arrow_schema))
        _extend(con, staging, WALKS, month, "SELECT * FROM new_walks")
    staging.commit()


def _with_bodies(rows: str) -> str:
    return statement("landing/with_bodies").replace("$rows", rows)


def _extend(con: duckdb.DuckDBPyConnection, staging: Staging, table: Table, month: str, added: str) -> None:
    """Stages a raw table's file with more rows."""
    kept = staging.lake.source(table, month)  # as it lies there: what is mended is mended as it is read
    rows = f"(SELECT * FROM {kept} UNION ALL BY NAME ({added}))"
    copy_to(con, table, rows, staging.reserve(table, month), raw_footer(staging.lake, table, month))


def _walk_row(walk: Walk, counts: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {
        name: counts.get(name, 0) for name in ("new_jobs", "changed_jobs", "unchanged_jobs", "rejected", "vanished")
    }
    return {
        "walk_id": walk.walk_id,
        "run_id": walk.run_id,
        "itwin_id": walk.itwin_id,
        "identity": walk.identity,
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
        "on_api_clock": True,
        "complete": walk.complete,
        "error": "; ".join(walk.faults) or None,
    }
