"""The ledger of the docs, a world of the sandbox up to a fixed instant, and the pages that are made from it.

`python -m tests.docs_ledger --write` writes docs/tables.md, the heads of the marts' statements and the answers in
docs/questions.md anew.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from rich.cells import cell_len

from assets.api.auth import FixedToken
from assets.api.budget import Budget
from assets.api.client import Client
from assets.api.protocol import Answer, Page, Tally
from assets.api.questions import Question
from assets.flatten import flatten_month
from assets.marts import make_marts
from assets.names import ask_for_names
from assets.plan import Plan
from assets.sync import sync_month
from pipelines.sandbox import READY_TOKEN, FixedClock, Sandbox, World
from warehouse.catalog import door, publish
from warehouse.contract import Field, contract
from warehouse.dictionary import write_dictionary
from warehouse.engine import arrow, connection
from warehouse.lake import Lake
from warehouse.marts.all import MARTS, all_tables
from warehouse.marts.heads import write_heads
from warehouse.tables_page import tables_page

ROOT: Final = Path(__file__).parents[1]
QUESTIONS: Final = ROOT / "docs" / "questions.md"
TABLES: Final = ROOT / "docs" / "tables.md"
NOW: Final = datetime(2026, 3, 20, 12, tzinfo=UTC)
SYNCS: Final = tuple(NOW.replace(day=day) for day in (16, 18, 19, 20))
"""When the ledger was synced: all months at first, then the newest, so that something changed in between."""

NAME_KINDS: Final = ("itwin", "reality_data", "detector", "user")
"""The kinds of things whose names the ledger holds, people included."""

MIN_SCORE: Final = Field(
    job_type="Objects2D",
    part="options",
    name="min_score",
    api_field="minScore",
    editions=("2025-08",),
    json_type="number",
    required=False,
    pattern=None,
    holds=None,
    needs=None,
    meaning="Lowest score of an object that is kept",
)
"""An option that the docs' API sends and the shipped contract does not know, so that there is drift to tell of."""

BLOCK: Final = re.compile(r"```sql\n(?P<sql>.*?)```\n(?:\n```text\n(?P<answer>.*?)```\n)?", re.DOTALL)
"""A question's SQL, and its answer where one was written."""


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

    def interrupt(self) -> None:
        pass

    def identity(self) -> str:
        return "somebody"

    def messages(self, job_id: str, tally: Tally) -> Answer:
        return replace(self.client.messages(job_id, tally), received_at=self.clock.now)

    def look_up(self, question: Question, tally: Tally) -> Answer:
        return replace(self.client.look_up(question, tally), received_at=self.clock.now)

    def _dated(self, page: Page) -> Page:
        return replace(page, received_at=self.clock.now, clock_skew_seconds=0.0)


def build(data: Path) -> Path:
    """Makes the ledger under `data`: twelve months, all iTwins, all names, over HTTP."""
    known, clock, lake = contract(), FixedClock(SYNCS[0]), Lake(data)
    world = World(seed=1, contract=known.with_fields(MIN_SCORE), jobs_per_month=600)
    tables = all_tables(known)
    by_name = {table.name: table for table in tables}
    months = world.months_at(NOW)
    with (
        Sandbox(world, clock=clock) as sandbox,
        Client(sandbox.url, FixedToken(READY_TOKEN), Budget(60_000)) as client,
    ):
        for clock.now in SYNCS:
            for month in months if clock.now == SYNCS[0] else months[-1:]:
                sync_month(lake, FixedApi(client, clock), month, known, Plan(world.itwins), f"run of {clock.now:%F}")
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(partial(flatten_month, lake, known=known), months))
        ask_for_names(lake, FixedApi(client, clock), Plan(world.itwins, names=NAME_KINDS), f"run of {NOW:%F}")
    make_marts(lake, MARTS, by_name)
    write_dictionary(lake, by_name, known)
    publish(lake, tables, "views")
    return data


def answer(data: Path, text: str) -> str:
    """What a query gives, as an aligned table: numbers to the right, `-` for null."""
    with connection(door(data), read_only=True) as con:
        rows = arrow(con, text)
    if not rows.num_rows:
        return "(no rows)\n"
    columns = [_cells(name, rows.column(name)) for name in rows.column_names]
    return "".join("  ".join(cells).rstrip() + "\n" for cells in zip(*columns, strict=True))


def with_answers(page: str, data: Path) -> str:
    """The page with the answer to each of its queries behind it."""

    def one(block: re.Match[str]) -> str:
        return f"```sql\n{block['sql']}```\n\n```text\n{answer(data, block['sql'])}```\n"

    return BLOCK.sub(one, page)


def tables() -> str:
    """What docs/tables.md should be."""
    return tables_page(all_tables(contract()), contract())


def _cells(name: str, column: pa.ChunkedArray) -> list[str]:
    values = column.to_pylist()
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        places = max((_places(value) for value in values if value is not None), default=0)
        shown = ["-" if value is None else f"{value:,.{places}f}" for value in values]
    else:
        shown = [_shown(value) for value in values]
    width = max(map(cell_len, (name, *shown)))  # names are in all scripts, and some letters take two places
    to_the_right = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    gaps = [" " * (width - cell_len(text)) for text in (name, *shown)]
    return [gap + text if to_the_right else text + gap for gap, text in zip(gaps, (name, *shown), strict=True)]


def _places(value: Any) -> int:
    """The decimal places that a number was rounded to."""
    text = format(Decimal(str(value)).normalize(), "f")
    return len(text.partition(".")[2])


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def main(arguments: Sequence[str]) -> int:
    """Write anew what is made from declarations and answers."""
    if list(arguments) != ["--write"]:
        print("Usage: python -m tests.docs_ledger --write", file=sys.stderr)
        return 2
    TABLES.write_text(tables(), encoding="utf-8")
    write_heads(MARTS)
    with tempfile.TemporaryDirectory() as folder:
        written = with_answers(QUESTIONS.read_text(encoding="utf-8"), build(Path(folder)))
    QUESTIONS.write_text(written, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
