"""The same history gives the same ledger, however it is fetched: a digest of every table says so.

Left out is what depends on when and by which requests something was seen, and must: the columns in WHEN and WHERE, and
`walks`, which tells of the requests themselves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipelines.sandbox import ScriptedWorld
from tests.faults.world import ITWINS, KNOWN, MONTH, Job, Ledger, job, ledger_of
from warehouse.declaration import Table
from warehouse.engine import arrow, connection
from warehouse.tables import REJECTED_RECORDS, WALKS, ledger_tables

EARLIER = "2025-10"
MONTHS = (EARLIER, MONTH)
WHEN = {
    "observed_at",
    "first_observed_at",
    "changed_at",
    "vanished_at",
    "first_seen_at",
    "last_seen_at",
    "not_seen_after",
}
WHERE = {"walk_id"}
PLACE = {"page", "ordinal"}
"""Where a rejected record stood depends on the size of the pages."""

TYPES = ("Objects2D", "Segmentation3D", "ChangeDetection", "Holograms4D")
STATES = ("Success", "Active", "Failed", "Queued", "Cancelled")
STRANGE = [b"[1, 2]", b'{"name":"no id"}', b'{"id":"no time"}', b'{"id": oops}']

Digests = dict[str, tuple[int, str]]


def jobs() -> list[Job]:
    made: list[Job] = []
    for number in range(40):
        body = job(f"job-{number:02d}", ITWINS[number % 3], state=STATES[number % 5], day=1 + number % 28)
        body["type"] = TYPES[number % 4]
        body["specifications"]["options"]["classes"] = ["a", {"b": number}]
        month = MONTHS[number % 2]
        made.append(json.loads(json.dumps(body).replace(MONTH, month)))
    return made


def world_at_first() -> ScriptedWorld:
    world = ScriptedWorld(*jobs(), *STRANGE)
    told = {"code": "OutOfMemory", "title": "Full", "message": "More than %1 GB.", "params": ["64"]}
    for number, body in enumerate(jobs()):
        world.set_messages(body["id"], {"errors": [told] * (number % 3), "warnings": [told]})
    return world


def move_on(world: ScriptedWorld) -> None:
    """Three jobs end, one of them badly, one gets a name, one vanishes, and one is new."""
    before = {body["id"]: body for body in jobs()}
    for job_id, state in (("job-01", "Success"), ("job-06", "Failed"), ("job-03", "Success")):
        world.put(before[job_id] | {"state": state})
    world.put(before["job-10"] | {"name": "another name"})
    world.remove("job-20")
    world.put(job("job-40", ITWINS[1]))


def digest(rows: Iterable[dict[str, Any]]) -> tuple[int, str]:
    lines = [json.dumps(row, default=str, sort_keys=True) for row in rows]
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()


def content(ledger: Ledger, table: Table) -> tuple[int, str]:
    left_out = WHEN | WHERE | (PLACE if table is REJECTED_RECORDS else set())
    columns = [name for name in table.column_names if name not in left_out]
    with connection() as con:
        # In the order of what was seen, so that an order of versions that differs shows.
        select = f"SELECT {', '.join(columns)} FROM {ledger.lake.source(table)} ORDER BY {', '.join(table.key)}"
        return digest(arrow(con, select).to_pylist())


def history(
    data: Path, *, page_size: int = 1000, threads: int = 8, months: Sequence[str] = MONTHS, times: int = 1
) -> Digests:
    """What two days leave in the ledger, each synced `times` times."""
    world = world_at_first()
    with ledger_of(data, world, itwin_ids=ITWINS, page_size=page_size, threads=threads) as ledger:
        for day in range(2):
            if day:
                move_on(world)
            for _ in range(times):
                for month in months:
                    assert all(walk.complete for walk in ledger.sync(month).walks)
        for month in months:
            ledger.flatten(month)
        tables = [table for table in ledger_tables(KNOWN) if table.monthly and table is not WALKS]
        return {table.name: content(ledger, table) for table in tables}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Digests:
    return history(tmp_path_factory.mktemp("plain"))


def test_the_history_fills_the_tables_with_something_to_compare(plain: Digests) -> None:
    rows = {table: count for table, (count, _) in plain.items() if count}
    assert rows["observations"] == 46  # 40 jobs, 4 changes, 1 that vanished, 1 more
    assert rows["jobs"] == 41
    assert rows["rejected_records"] == len(STRANGE) * len(ITWINS) * len(MONTHS)
    filled = {"message_observations", "job_references", "job_options", "job_states", "job_messages", "contract_drift"}
    assert filled < rows.keys()


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"page_size": 2}, id="two jobs a page", marks=pytest.mark.proof),
        pytest.param({"page_size": 100}, id="a hundred jobs a page", marks=pytest.mark.proof),
        pytest.param({"threads": 1}, id="one thread", marks=pytest.mark.proof),
        pytest.param({"months": MONTHS[::-1]}, id="months backward", marks=pytest.mark.proof),
        pytest.param({"times": 2}, id="each day twice", marks=pytest.mark.proof),
        pytest.param({"page_size": 2, "threads": 1, "months": MONTHS[::-1], "times": 2}, id="all of it"),
    ],
)
def test_the_same_history_gives_the_same_tables_however_it_is_fetched(
    tmp_path: Path, plain: Digests, how: dict[str, Any]
) -> None:
    assert history(tmp_path, **how) == plain
