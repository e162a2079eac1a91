"""What the command line answers from the ledger: a query, the state of things on one screen, a file to carry away."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table as Grid

from assets.replay import replay
from pipelines.console import err
from pipelines.settings import Settings
from warehouse import query
from warehouse.catalog import door, is_duckdb, publish
from warehouse.catalog import export as export_file
from warehouse.contract import contract
from warehouse.dictionary import write_dictionary
from warehouse.errors import WrongUsage
from warehouse.failed_months import failed_months
from warehouse.lake import Lake
from warehouse.marts.all import MARTS, all_tables
from warehouse.sql import statement


def answer(data: Path, text: str, form: str, out: BinaryIO) -> None:
    """Writes the answer to a query as a table for people, or as csv, json (a list of objects) or parquet."""
    rows = query.rows(text, data)
    if form == "parquet":
        buffer = BytesIO()
        pq.write_table(rows, buffer)
        out.write(buffer.getvalue())
    elif form == "csv":
        pyarrow.csv.write_csv(rows, out)
    elif form == "json":
        out.write(json.dumps(rows.to_pylist(), default=_as_text, ensure_ascii=False, indent=1).encode() + b"\n")
    else:
        page = TextIOWrapper(out, encoding="utf-8", write_through=True)
        Console(file=page, width=None if out.isatty() else 400).print(grid(rows))
        page.detach()
    out.flush()


def grid(rows: pa.Table, title: str | None = None) -> Grid:
    """Rows as a table for people."""
    table = Grid(title=title, title_justify="left", show_edge=False, header_style="bold")
    for field in rows.schema:
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)
        table.add_column(field.name, justify="right" if number else "left")
    for row in rows.to_pylist():
        table.add_row(*(_shown(value) for value in row.values()))
    return table


def show_status(settings: Settings, console: Console | None = None) -> None:
    """Walks, coverage, open jobs, rejected records and drift, on one screen."""
    console = console or Console(width=None if sys.stdout.isatty() else 140)
    lake, place = Lake(settings.data), query.existing_door(settings.data)
    console.print(f"Ledger: {place}", highlight=False)
    for title, name in (
        ("Walks: months by completeness, newest first", "walks"),
        ("Jobs by type: how many are known to the last detail", "coverage"),
        ("Open jobs by age", "open_by_age"),
        ("Rejected records by reason", "rejects"),
        ("Contract drift: what differs from the contract", "drift"),
    ):
        rows = query.rows(statement(f"status/{name}"), settings.data)
        console.print()
        console.print(grid(rows, title) if rows.num_rows else f"{title}: none", highlight=False)
    console.print()
    _show_failed_months(lake, console)


def _show_failed_months(lake: Lake, console: Console) -> None:
    """The months whose last run failed, each with its reason."""
    title, failed = "Failed months: what the next sync of a month mends", failed_months(lake)
    if not failed:
        console.print(f"{title}: none", highlight=False)
        return
    shown = [{"month": row.month, "step": row.step, "since": row.at, "reason": row.reason} for row in failed]
    console.print(grid(pa.Table.from_pylist(shown), title), highlight=False)


def replay_and_tell(settings: Settings) -> None:
    """Makes every table anew from the raw ones, opens the door for SQL, and prints what changed in each."""
    lake, known = Lake(settings.data), contract()
    if not lake.root.exists():
        raise WrongUsage(f"There is no ledger in {settings.data}. Run `jobledger sync` first, or set JOBLEDGER_DATA.")
    tables = {table.name: table for table in all_tables(known)}
    differences = replay(lake, known, MARTS, tables, tell=lambda text: err.print(text, markup=False, highlight=False))
    write_dictionary(lake, tables, known)
    publish(lake, tuple(tables.values()), settings.publish)
    rows = pa.Table.from_pylist([asdict(difference) for difference in differences])
    Console().print(grid(rows, "Rows now, and what the replay changed"))


def export(settings: Settings, file: Path) -> None:
    """Write a DuckDB file with all tables inside; raise WrongUsage if that would overwrite anything but such a file."""
    lake = Lake(settings.data)
    if not lake.root.exists():
        raise WrongUsage(f"There is no ledger in {settings.data}. Run `jobledger sync` first, or set JOBLEDGER_DATA.")
    _refuse_foreign(file, door(settings.data))
    try:
        export_file(lake, all_tables(contract()), file)
    except OSError as error:
        raise WrongUsage(f"{file} cannot be written ({error.strerror}). Name another place.") from None
    err.print(f"{file}: {file.stat().st_size / 1e6:.1f} MB", highlight=False)


def _refuse_foreign(file: Path, own: Path) -> None:
    """Raise WrongUsage if `file` is there and no DuckDB file that an export may replace."""
    if file.resolve() == own.resolve():
        raise WrongUsage(f"{file} is the ledger's own door for SQL; name another file.")
    if file.is_dir():
        raise WrongUsage(f"{file} is a folder; name a file in it, for example {file / 'history.duckdb'}.")
    if file.exists() and not (file.is_file() and is_duckdb(file)):
        raise WrongUsage(f"{file} is there and no DuckDB file: an export replaces nothing else. Name another file.")


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) >= 0.01 else f"{value:g}"
    if isinstance(value, datetime):
        return (
            value.astimezone(UTC).isoformat(sep=" ", timespec="seconds") if value.tzinfo else value.isoformat(sep=" ")
        )
    return str(value)


def _as_text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
