"""`make run`: the main job, once, against the sandbox API on loopback, and what came of it.

It names the sandbox itself and keeps its data apart (data/sandbox/): made-up jobs never reach a real ledger.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from assets.report.making import report_file
from pipelines.console import console
from pipelines.exits import Exit, run_as_program
from pipelines.launch import import_for_good
from pipelines.rows import grid
from pipelines.sandbox import Sandbox, World
from pipelines.settings import prepare_data, read_settings
from pipelines.sync import every_month, sync_months
from warehouse import query
from warehouse.catalog import door
from warehouse.contract import contract
from warehouse.marts.all import all_tables
from warehouse.sql import statement

DATA: Final = Path("data") / "sandbox"
ANSWERS: Final = (
    ("How long do jobs wait and run? Seconds of ended jobs, median and 95th percentile", "answers/times_by_type"),
    ("What do they cost? Units of the five iTwins with most jobs, in the last three months", "answers/units_by_itwin"),
    ("What is still open? Jobs by age", "status/open_by_age"),
)


def main() -> None:
    """Run the trial and end with its exit code."""
    import_for_good("pipelines.home", "pipelines.definitions")
    run_as_program(_try)


def _try() -> Exit:
    began = time.monotonic()
    world = World()
    months = world.months_at(datetime.now(UTC))
    with Sandbox(world) as sandbox:
        os.environ.update(sandbox_environment(sandbox.url, world.itwins, months[0]))
        settings = read_settings()
        prepare_data(settings)
        complete = sync_months(settings, every_month(settings), accept_gone=False)
    tell(settings.data, time.monotonic() - began)
    return Exit.DONE if complete else Exit.INCOMPLETE


def sandbox_environment(url: str, itwins: list[str] | tuple[str, ...], start: str) -> dict[str, str]:
    """The settings that name a sandbox API, whatever else is set."""
    return {
        "ITWIN_API_URL": url,
        "ITWIN_TOKEN_URL": f"{url}/connect/token",
        "ITWIN_CLIENT_ID": "sandbox",
        "ITWIN_CLIENT_SECRET": "sandbox-secret",
        "ITWIN_ACCESS_TOKEN": "",
        "ITWIN_IDS": ",".join(itwins),
        "ITWIN_REQUESTS_PER_MINUTE": "60000",
        "ITWIN_REQUESTS_PER_HOUR": "0",
        "JOBLEDGER_DATA": str(DATA),
        "JOBLEDGER_START": start,
        "JOBLEDGER_PUBLISH": "views",
        "JOBLEDGER_NAMES": "itwins,reality_data,detectors",
    }


def tell(data: Path, seconds: float) -> None:
    """Prints the rows of each table, three small answers, and what to type next."""
    page = console(sys.stdout)
    counts = " UNION ALL ".join(
        f"SELECT {place} AS place, '{table.name}' AS table_name, '{table.group}' AS \"group\", count(*) AS rows "
        f"FROM {table.name}"
        for place, table in enumerate(all_tables(contract()))
    )
    texts = [statement(name) for _, name in ANSWERS]
    tables, *answers = query.records([f'SELECT table_name, "group", rows FROM ({counts}) ORDER BY place', *texts], data)
    page.print(grid(tables, "Tables"))
    for (title, _), found in zip(ANSWERS, answers, strict=True):
        page.print()
        page.print(grid(found, title))
        if not found.rows:
            page.print(" none at the moment")
    page.print(
        f"\nDone in {seconds:.1f} s. The jobs are made up; the data lies in {data}/:\n"
        f"  {data}/lake/          Parquet, a file per table and month\n"
        f"  {door(data)}   DuckDB, a view per table\n"
        f"  {data}/dagster/       the runs, for the UI\n"
        f"  {report_file(data)}     the report: open it in a browser\n"
        "Next:\n"
        f'  JOBLEDGER_DATA={data} .venv/bin/jobledger sql "select type, count(*) from jobs group by 1"\n'
        f"  JOBLEDGER_DATA={data} .venv/bin/jobledger status\n"
        "  make ui                      the runs and tables in Dagster, on http://127.0.0.1:3000\n"
        "  cp .env.example .env         then fill it in and sync your own jobs: .venv/bin/jobledger sync --all",
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
