"""Small ledgers for tests: job bodies go the real way (record file, landing, flattening), tables come back as rows.

ledger = ledger_of(tmp_path, [job("EvalO2D", inputs={"reference": GUID})])
ledger.rows("jobs")[0]["edition"]
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from assets.api.protocol import Api
from assets.by_id import ask_for_unlisted
from assets.flatten import Flattened, flatten_month
from assets.landing import Landed, landing
from assets.plan import Plan
from assets.records import RecordFile, body_hash
from assets.walk import Walk
from warehouse.contract import Contract, contract
from warehouse.declaration import Table
from warehouse.lake import Lake
from warehouse.months import window
from warehouse.raw import REVISION
from warehouse.tables import OBSERVATIONS, WALKS, ledger_tables

Row = dict[str, Any]
Body = bytes | Mapping[str, Any]

MONTH: Final = "2025-08"
SEEN: Final = datetime(2025, 9, 1, 12, tzinfo=UTC)
ITWIN: Final = "5a1c3c5e-0d3f-4d8a-9a52-6f1d0c1e7a10"
USER: Final = "3f0f9a60-93cb-4d2b-8a8e-2f8f35c3a111"
GUID: Final = "c2a5b1d4-6f0e-4b7a-8c3d-9e1f2a3b4c5d"


def job(job_type: str = "Objects2D", **changes: Any) -> Row:
    """A plain job. `inputs`, `outputs`, `options` and the keys of executionInfo go to their places, others on top."""
    specifications = {part: changes.pop(part) for part in ("inputs", "outputs", "options") if part in changes}
    timed = ("createdDateTime", "startedDateTime", "endedDateTime", "estimatedUnits", "processingUnits")
    execution = {key: changes.pop(key) for key in timed if key in changes}
    return {
        "id": str(uuid.uuid4()),
        "type": job_type,
        "state": "Active",
        "iTwinId": ITWIN,
        "userId": USER,
        "executionInfo": {"createdDateTime": f"{MONTH}-05T12:38:12Z", **execution},
        "specifications": {"inputs": {}, "outputs": {}, **specifications},
        **changes,
    }


@dataclass
class Ledger:
    """The lake of one month under a folder."""

    data: Path
    month: str = MONTH
    known: Contract = field(default_factory=contract)

    @property
    def lake(self) -> Lake:
        return Lake(self.data)

    def show(
        self,
        *bodies: Body,
        at: datetime = SEEN,
        itwin_id: str | None = None,
        fault: str | None = None,
        api: Api | None = None,
    ) -> Landed:
        """Lands one walk that saw these bodies at `at`, a minute after it began and one before it ended."""
        minute = timedelta(minutes=1)
        walk = Walk(window(self.month), itwin_id, "run", started_at=at - minute, finished_at=at + minute, pages=1)
        walk.records = len(bodies)
        if fault:
            walk.doubt(fault)
        scratch = self.data / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        with RecordFile(scratch / f"{walk.walk_id}.parquet") as records:
            records.add(
                map(encoded, bodies),
                source="list",
                observed_at=at,
                walk_id=walk.walk_id,
                walked_itwin_id=itwin_id,
                page=1,
            )
        with landing(self.lake, walk.window, [walk], [records.path], self.known, spill=scratch) as kept:
            gone: list[tuple[str, str]] = []
            if api is not None and (unlisted := kept.unlisted()):
                file = scratch / "by_id.parquet"
                gone = ask_for_unlisted(api, unlisted, kept.job_count(), [walk], file, Plan()).gone
                kept.show(file)
            return kept.keep(gone)

    def flatten(self, *, force: bool = False) -> Flattened:
        return flatten_month(self.lake, self.month, self.known, force=force)

    def put(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes a raw table by hand; what a row leaves out is null."""
        columns = [
            pa.array([row.get(name) for row in rows], table.arrow_schema.field(name).type)
            for name in table.column_names
        ]
        with self.lake.exclusive(self.month) as staging:
            filled = pa.Table.from_arrays(columns, schema=table.arrow_schema)
            staging.write(table, self.month, filled, {REVISION: uuid.uuid4().hex})
            staging.commit()

    def path(self, name: str) -> Path:
        return self.lake.path(self._table(name), self.month)

    def rows(self, name: str, *columns: str) -> list[Row]:
        """The rows of a table, in the order in which they lie; of some columns if any are named."""
        place = self.path(name)
        return pq.ParquetFile(place).read(list(columns) or None).to_pylist() if place.exists() else []

    def _table(self, name: str) -> Table:
        return next(table for table in ledger_tables(self.known) if table.name == name)


def ledger_of(
    data: Path, bodies: Iterable[Body], month: str = MONTH, known: Contract | None = None, **shown: Any
) -> Ledger:
    """A ledger that was shown these bodies once, flattened."""
    ledger = Ledger(data, month, known or contract())
    ledger.show(*bodies, **shown)
    ledger.flatten()
    return ledger


def encoded(body: Body) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()


def observed(body: Row, at: datetime, *, gone: bool = False, walk_id: str | None = None) -> Row:
    """A hand-written row of `observations`: a version of a job, or its disappearance."""
    created = datetime.fromisoformat(body["executionInfo"]["createdDateTime"])
    row = {"job_id": body["id"], "itwin_id": body.get("iTwinId"), "created_at": created, "observed_at": at}
    row |= {"http_status": 404 if gone else 200, "source": "get" if gone else "list", "walk_id": walk_id}
    text = encoded(body)
    return row if gone else {**row, "body": text.decode(), "body_hash": body_hash(text)}


def walked(start: datetime, end: datetime, *, walk_id: str, itwin_id: str | None = None, complete: bool = True) -> Row:
    """A hand-written row of `walks`."""
    return {"walk_id": walk_id, "itwin_id": itwin_id, "started_at": start, "finished_at": end, "complete": complete}


def history(data: Path, observations: Sequence[Row], walks: Sequence[Row] = ()) -> Ledger:
    """A ledger whose raw tables were written by hand, flattened."""
    ledger = Ledger(data)
    ledger.put(OBSERVATIONS, observations)
    ledger.put(WALKS, walks)
    ledger.flatten()
    return ledger


def written(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Rows as JSON can hold them: instants as ISO text."""
    return [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        for row in rows
    ]
