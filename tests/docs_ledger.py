"""The ledger of the docs: the sandbox's world at one instant, and what docs/ says of it.

`python -m tests.docs_ledger --write` writes the answers into docs/questions.md, and docs/tables.md, anew.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd

from assets.auth import FixedToken
from assets.budget import Budget
from assets.client import Answer, Client, Page, Tally
from assets.flatten import flatten_month
from assets.history import Plan, sync_month
from assets.marts import make_marts
from pipelines.sandbox import READY_TOKEN, FixedClock, Sandbox, World
from warehouse.catalog import publish
from warehouse.contract import contract
from warehouse.dictionary import write_dictionary
from warehouse.lake import Lake
from warehouse.marts.all import MARTS, all_tables
from warehouse.query import sql
from warehouse.tables_page import tables_page

ROOT: Final = Path(__file__).parents[1]
QUESTIONS: Final = ROOT / "docs" / "questions.md"
TABLES: Final = ROOT / "docs" / "tables.md"
NOW: Final = datetime(2026, 3, 20, 12, tzinfo=UTC)
EARLIER: Final = NOW - timedelta(days=3)
"""The ledger is synced at two instants, so that something changed in between."""

BLOCK: Final = re.compile(r"```sql\n(?P<sql>.*?)```(?:\n\n```text\n(?P<text>.*?)```)?", re.DOTALL)


@dataclass(frozen=True)
class FixedApi:
    """A client whose answers all arrive when the clock says: the tables do not depend on when they are made."""

    client: Client
    clock: FixedClock

    def first_page(self, filter: str, top: int, tally: Tally) -> Page:
        return self._dated(self.client.first_page(filter, top, tally))

    def next_page(self, link: str, tally: Tally, top: int | None = None) -> Page:
        return self._dated(self.client.next_page(link, tally, top))

    def job(self, job_id: str, tally: Tally) -> Answer:
        return replace(self.client.job(job_id, tally), received_at=self.clock.now)

    def messages(self, job_id: str, tally: Tally) -> Answer:
        return replace(self.client.messages(job_id, tally), received_at=self.clock.now)

    def _dated(self, page: Page) -> Page:
        return replace(page, received_at=self.clock.now, clock_skew_seconds=0.0)


def build(data: Path) -> Path:
    """Makes the ledger under `data`: twelve months, all iTwins, over HTTP."""
    world, clock, known, lake = World(seed=1, jobs_per_month=300), FixedClock(EARLIER), contract(), Lake(data)
    tables = all_tables(known)
    by_name = {table.name: table for table in tables}
    months = world.months_at(NOW)
    with (
        Sandbox(world, clock=clock) as sandbox,
        Client(sandbox.url, FixedToken(READY_TOKEN), Budget(60_000)) as client,
    ):
        for instant, wanted in ((EARLIER, months), (NOW, months[-2:])):
            clock.now = instant
            for month in wanted:
                sync_month(lake, FixedApi(client, clock), month, known, Plan(world.itwins), f"run of {instant:%F}")
    for month in months:
        flatten_month(lake, month, known)
    make_marts(lake, MARTS, by_name)
    write_dictionary(lake, by_name, known)
    publish(lake, tables, "views")
    return data
