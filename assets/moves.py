"""Jobs whose month of creation changed: the new month gets the job, and the old one a row that says where it went.

A move shows in two ways: a job is new in a month and stands in another one, or a walk no longer lists it and the answer
for its id tells another month. The new month is written first: a crash in between leaves the job in both months until
the old one is walked again, and in neither never.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa

from assets.landing import Landed, Move, landing
from assets.plan import Plan
from assets.records import RecordFile
from warehouse.contract import Contract
from warehouse.engine import connection, load, run
from warehouse.lake import Lake, Staging, copy_to
from warehouse.months import window
from warehouse.raw import raw_footer, raw_views
from warehouse.sql import run_macros, statement
from warehouse.tables import OBSERVATIONS

_INSTANT: Final = pa.timestamp("us", tz="UTC")

FOLDER: Final = "moves"
"""Name of the lock and of the scratch folder of moves that are carried out."""


def carry_out(lake: Lake, landed: Landed, known: Contract, plan: Plan) -> None:
    """Carry out the moves that landing a month brought to light; the caller holds no month's lock.

    Raises Busy if another month that a move touches stays locked.
    """
    departed = [*landed.moved_in, *landed.moved_away]
    with lake.exclusive(FOLDER, wait_seconds=plan.wait_seconds, on_wait=plan.tell):
        for month, moves in _by(landed.moved_away, "to_month").items():
            departed += _land(lake, month, moves, known, plan)
        for month, moves in _by(departed, "from_month").items():
            with lake.exclusive(month, wait_seconds=plan.wait_seconds, on_wait=plan.tell) as staging:
                _mark(lake, month, moves, staging)


def _land(lake: Lake, month: str, moves: Sequence[Move], known: Contract, plan: Plan) -> list[Move]:
    """Land the answers about jobs that moved into a month; return the moves that this brings to light in turn."""
    with lake.scratch(FOLDER) as scratch:
        file = scratch / "records.parquet"
        with RecordFile(file) as records:
            for move in moves:
                records.add([move.body or b""], source="get", observed_at=move.observed_at)
        with (
            lake.exclusive(month, wait_seconds=plan.wait_seconds, on_wait=plan.tell),
            landing(lake, window(month), [], [file], known) as kept,
        ):
            return kept.keep().moved_in


def _mark(lake: Lake, month: str, moves: Sequence[Move], staging: Staging) -> None:
    """Add to a month's `observations` that these jobs have moved."""
    schema = pa.schema([("job_id", pa.string()), ("created_at", _INSTANT), ("observed_at", _INSTANT)])
    latest = {move.job_id: move for move in sorted(moves, key=lambda move: move.observed_at)}
    rows = [{name: getattr(move, name) for name in schema.names} for move in latest.values()]
    with connection() as con:
        run_macros(con)
        raw_views(con, lake, month)
        load(con, "moved", pa.Table.from_pylist(rows, schema=schema))
        run(con, f"CREATE TABLE last_kept AS {statement('landing/last_kept')}")
        run(con, f"CREATE TABLE departures AS {statement('landing/departures')}")
        if run(con, "SELECT count(*) FROM departures")[0][0]:
            both = f"(SELECT * FROM {lake.source(OBSERVATIONS, month)} UNION ALL BY NAME SELECT * FROM departures)"
            place, footer = staging.reserve(OBSERVATIONS, month), raw_footer(lake, OBSERVATIONS, month)
            copy_to(con, OBSERVATIONS, both, place, footer)
            staging.commit()


def _by(moves: Sequence[Move], month: str) -> Mapping[str, list[Move]]:
    found: dict[str, list[Move]] = {}
    for move in moves:
        found.setdefault(getattr(move, month), []).append(move)
    return dict(sorted(found.items()))
