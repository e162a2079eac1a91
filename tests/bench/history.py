"""Months of history in a lake, written without walking: the sandbox's jobs as hourly polls would have kept them.

`python -m tests.bench.history DATA JOBS MONTH...` writes JOBS jobs a month and flattens them, two months at a time.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from assets.flatten import flatten_month
from assets.records import body_hash
from pipelines.sandbox.instants import HOUR, from_micros
from pipelines.sandbox.skeleton import Job
from tests.bench.jobs import jobs_of
from tests.bench.measuring import CORES
from warehouse.catalog import publish
from warehouse.contract import contract
from warehouse.declaration import Table
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.months import window
from warehouse.raw import raw_footer
from warehouse.tables import MESSAGE_OBSERVATIONS, OBSERVATIONS, WALKS

SEEN_AFTER: Final = timedelta(days=3)
"""How long after a month's end its last walk was."""


def write_month(data: Path, jobs: int, month: str) -> None:
    """Writes the raw tables of a month and flattens them."""
    lake, found = Lake(data), jobs_of(month, jobs)
    walk_id = str(uuid.uuid4())
    observations = [row for job in found for row in _versions(job, walk_id)]
    messages = [_messages(job) for job in found if job.outcome == "failed"]
    with lake.exclusive(month) as staging:
        for table, rows in (
            (OBSERVATIONS, observations),
            (MESSAGE_OBSERVATIONS, messages),
            (WALKS, [_walk(month, walk_id, len(found))]),
        ):
            staging.write(table, month, _table(table, rows), raw_footer(lake, table, month))
        staging.commit()
    flatten_month(lake, month, contract())


def _versions(job: Job, walk_id: str) -> Iterator[dict[str, Any]]:
    """The job as seen in the hour after it ended, and again where it changed later."""
    for seen in sorted({_next_hour(job.ended), _next_hour(job.moments[-1])}):
        body = job.body(seen)
        yield {
            "job_id": job.id,
            "itwin_id": job.itwin_id,
            "created_at": from_micros(job.created),
            "observed_at": from_micros(seen),
            "http_status": 200,
            "source": "list",
            "walk_id": walk_id,
            "body": body.decode(),
            "body_hash": body_hash(body),
        }


def _messages(job: Job) -> dict[str, Any]:
    seen = _next_hour(job.ended)
    body = f'{{"messages":{job.messages(seen).decode()}}}'
    return {"job_id": job.id, "observed_at": from_micros(seen), "http_status": 200, "body": body}


def _walk(month: str, walk_id: str, records: int) -> dict[str, Any]:
    bounds = window(month)
    done = bounds.end + SEEN_AFTER
    counts = ("requests", "pages", "new_jobs", "changed_jobs", "unchanged_jobs", "rejected", "vanished", "retries")
    return dict.fromkeys((*counts, "throttled"), 0) | {
        "walk_id": walk_id,
        "run_id": "history",
        "created_from": bounds.start,
        "created_to": bounds.end,
        "started_at": done,
        "finished_at": done,
        "records": records,
        "complete": True,
    }


def _table(table: Table, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=table.arrow_schema).sort_by([(name, "ascending") for name in table.key])


def _next_hour(instant: int) -> int:
    return instant - instant % HOUR + HOUR


def main() -> None:
    """Writes the months that the command line names, and the door for SQL."""
    data, jobs, months = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    with ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as pool:
        list(pool.map(partial(write_month, data, jobs), months))
    publish(Lake(data), all_tables(contract()), "views")


if __name__ == "__main__":
    main()
