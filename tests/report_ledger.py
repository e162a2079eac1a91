"""A ledger for the report's tests: four months of made-up jobs with names, up to a fixed instant, and a stuck job whose
name is a script.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from assets.api.auth import FixedToken
from assets.api.budget import Budget
from assets.api.client import Client
from assets.api.protocol import Answer, Question, Tally
from assets.flatten import flatten_month
from assets.marts import make_marts
from assets.name_tables import make_name_tables
from assets.names import ask_for_names
from assets.plan import Plan
from assets.sync import sync_month
from pipelines.sandbox import READY_TOKEN, FixedClock, Sandbox, World
from tests.assets.ledgers import Ledger, job
from tests.docs_ledger import FixedApi
from warehouse.catalog import publish
from warehouse.contract import contract
from warehouse.dictionary import write_dictionary
from warehouse.lake import Lake
from warehouse.marts.all import MARTS, all_tables

NOW: Final = datetime(2026, 3, 20, 12, tzinfo=UTC)
WORLD: Final = World(seed=3, jobs_per_month=160, months=4, itwins=4, users=5)
SCRIPT: Final = "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"
STUCK_ID: Final = "00000000-0000-4000-8000-00000000beef"


@dataclass(frozen=True)
class NamedApi(FixedApi):
    """An API that answers about names too."""

    def look_up(self, question: Question, tally: Tally) -> Answer:
        return replace(self.client.look_up(question, tally), received_at=self.clock.now)


def build(data: Path) -> Path:
    """Make the ledger under `data`."""
    known, clock, lake = contract(), FixedClock(NOW), Lake(data)
    months = WORLD.months_at(NOW)
    plan = Plan(WORLD.itwins, names=("itwin", "reality_data", "detector"))
    with (
        Sandbox(WORLD, clock=clock) as sandbox,
        Client(sandbox.url, FixedToken(READY_TOKEN), Budget(60_000)) as client,
    ):
        api = NamedApi(client, clock)
        for month in months:
            sync_month(lake, api, month, known, plan, "run")
        _show_a_stuck_job(data, months[-1])
        for month in months:
            flatten_month(lake, month, known)
        ask_for_names(lake, api, plan, "run")
    make_name_tables(lake)
    tables = all_tables(known)
    by_name = {table.name: table for table in tables}
    make_marts(lake, MARTS, by_name)
    write_dictionary(lake, by_name, known)
    publish(lake, tables, "views")
    return data


def _show_a_stuck_job(data: Path, month: str) -> None:
    """Land a job that has been running for five days."""
    begun = {"createdDateTime": "2026-03-15T08:00:00Z", "startedDateTime": "2026-03-15T08:05:00Z"}
    itwin = WORLD.itwins[0]
    body = job("Objects2D", id=STUCK_ID, name=SCRIPT, state="Active", iTwinId=itwin, **begun)
    Ledger(data, month).show(body, at=NOW, itwin_id=itwin)
