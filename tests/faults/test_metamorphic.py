"""However a ledger was walked, the same content lands: page size, threads, order and repetition do not show."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from assets.flatten import flatten_month
from assets.history import Plan, sync_month
from pipelines.sandbox import FixedClock, Sandbox, World
from tests.faults.world import KNOWN, NOW, client, rows
from warehouse.declaration import Table
from warehouse.lake import Lake
from warehouse.months import months_between
from warehouse.tables import RAW_TABLES, REJECTED_RECORDS, WALKS, flattened_tables

MONTHS = months_between("2025-09", "2025-12")
WORLD = World(jobs_per_month=120, months=4, itwins=3, edition="2026-07")

BY_THE_CLOCK = {
    "observed_at",
    "started_at of walks",
    "finished_at of walks",
    "clock_skew_seconds",
    "first_observed_at",
    "changed_at",
    "first_seen_at",
    "last_seen_at",
    "not_seen_after",
}
"""Columns that say when something was seen, which no two runs have alike."""

BY_THE_RUN = {"walk_id", "run_id"}
"""Made-up ids of walks and runs."""

BY_THE_WAY = {"requests", "pages", "retries", "throttled", "page", "ordinal"}
"""How the walk went about it, which is what is being varied."""

LEFT_OUT = BY_THE_CLOCK | BY_THE_RUN | BY_THE_WAY


def kept(table: Table) -> list[str]:
    """The columns of a table that the digest covers."""
    return [name for name in table.column_names if name not in LEFT_OUT and f"{name} of {table.name}" not in LEFT_OUT]


def digest(lake: Lake, table: Table) -> str:
    """What a table holds in all months, whatever the order of its rows, but for the columns that are left out."""
    found = [repr(row) for month in MONTHS for row in rows(lake, table, kept(table), month)]
    return f"{len(found)} rows, {hashlib.md5(repr(sorted(found)).encode(), usedforsecurity=False).hexdigest()}"


def walked(
    data: Path, page_size: int = 1000, threads: int = 8, months: Sequence[str] = MONTHS, times: int = 1
) -> dict[str, str]:
    """The digests of all tables of a ledger that was made in this way; of the walks, only the first round's."""
    walks: list[str] = []
    lake, plan = Lake(data), Plan(WORLD.itwins, page_size=page_size, threads=threads)
    with Sandbox(WORLD, clock=FixedClock(NOW)) as sandbox, client(sandbox) as api:
        for time in range(times):
            for month in months:
                sync_month(lake, api, month, KNOWN, plan, f"run-{time}")
                flatten_month(lake, month, KNOWN)
            walks.append(digest(lake, WALKS))
    tables = (*RAW_TABLES, REJECTED_RECORDS, *flattened_tables(KNOWN))
    return {table.name: digest(lake, table) for table in tables} | {WALKS.name: walks[0]}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return walked(tmp_path_factory.mktemp("usual"))


def test_the_digest_covers_what_there_is(usual: dict[str, str]) -> None:
    assert int(usual["observations"].split()[0]) == len(WORLD.jobs_at(NOW)) > 300
    assert usual["observations"].split()[0] == usual["jobs"].split()[0] == usual["job_states"].split()[0]
    assert [name for name in usual if usual[name].startswith("0 rows")] == ["rejected_records", *unseen_types()]


def unseen_types() -> list[str]:
    """The typed tables of job types that the edition does not have, in the order of the contract."""
    shown = {job["type"] for job in WORLD.jobs_at(NOW)}
    declared = [table for table in flattened_tables(KNOWN) if table.group == "specifications"]
    types = dict(zip((table.name for table in declared), KNOWN.job_types, strict=True))
    return [name for name, job_type in types.items() if job_type not in shown]


def test_small_pages_and_one_thread_give_the_same(tmp_path: Path, usual: dict[str, str]) -> None:
    assert walked(tmp_path, page_size=2, threads=1) == usual


def test_other_pages_in_another_order_of_months_give_the_same(tmp_path: Path, usual: dict[str, str]) -> None:
    shuffled = [MONTHS[place] for place in (2, 0, 3, 1)]
    assert walked(tmp_path, page_size=100, months=shuffled) == usual


def test_walking_twice_gives_the_same(tmp_path: Path, usual: dict[str, str]) -> None:
    assert walked(tmp_path, times=2) == usual
