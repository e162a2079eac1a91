"""What the command line answers from the ledger: a query, the state of things on one screen, a file to carry away."""

from __future__ import annotations

import sys
from dataclasses import astuple, fields
from pathlib import Path
from typing import BinaryIO, Final

from rich.console import Console

from pipelines.console import console, err
from pipelines.rows import grid, show, write
from pipelines.settings import Settings
from warehouse import query
from warehouse.catalog import door, is_duckdb, publish
from warehouse.catalog import export as export_file
from warehouse.contract import contract
from warehouse.dictionary import write_dictionary
from warehouse.engine import connection, run
from warehouse.errors import WrongUsage
from warehouse.failed_months import failed_months
from warehouse.lake import Lake
from warehouse.marts.all import MARTS, all_tables
from warehouse.name_tables import ITWINS, NAME_WALKS
from warehouse.sql import statement
from warehouse.tables import JOBS

STATUS: Final = {
    "walks": "Walks: months by completeness, newest first",
    "coverage": "Jobs by type: how many are known to the last detail",
    "open_by_age": "Open jobs by age",
    "rejects": "Rejected records by reason",
    "drift": "Contract drift: what differs from the contract",
}
"""The statements of `status`, each with its title."""

RIGHTS: Final = {
    "itwin": "make the application a member of them",
    "reality_data": "give the application the right realitydata_use there",
    "detector": "give the application access to Reality Analysis",
    "user": "the API shows people of the application's own organisation alone",
}
"""What gives the names of a kind that were refused."""


def answer(data: Path, text: str, form: str, out: BinaryIO) -> None:
    """Write the answer to a query in one of the formats."""
    if form == "table":
        show(query.records([text], data)[0], out)
    else:
        write(query.rows(text, data), form, out)


def show_status(settings: Settings) -> None:
    """Print walks, coverage, open jobs, rejected records, drift and failed months, on one screen."""
    page = console(sys.stdout)
    lake, place = Lake(settings.data), query.existing_door(settings.data)
    page.print(f"Ledger: {place}")
    answers = query.records([statement(f"status/{name}") for name in STATUS], settings.data)
    for title, found in zip(STATUS.values(), answers, strict=True):
        page.print()
        page.print(grid(found, title) if found.rows else f"{title}: none")
    page.print()
    _show_names(settings, lake, page)
    _show_failed_months(lake, page)
    page.print()
    _show_alerts(lake, page)


def _show_names(settings: Settings, lake: Lake, page: Console) -> None:
    """Which names are missing and what gives them, on a line; where all iTwins are walked, which were found."""
    with connection() as con:
        for table in (NAME_WALKS, ITWINS, JOBS):
            run(con, f"CREATE VIEW {table.name} AS SELECT * FROM {lake.source(table)}")
        missing = [_missing(*row) for row in run(con, statement("status/missing_names"))]
        found = run(con, statement("status/found_itwins")) if settings.every_itwin else []
    page.print(f"Names that are missing: {'; '.join(missing) or 'none'}")
    if settings.every_itwin:
        names = ("itwin_id", "name", "status", "listed", "found_at", "jobs", "newest_job")
        numbers = [name == "jobs" for name in names]
        page.print(grid(query.Records(names, numbers, found), "iTwins that the list showed, and their jobs"))


def _missing(kind: str, status: int | None, places: int, one_by_one: bool) -> str:
    """What of a kind was not had, and which right gives it."""
    what = {
        "itwin": "iTwins",
        "reality_data": f"reality data of {places} iTwins",
        "detector": "detectors",
        "user": "users",
    }
    said = f"{places} {what[kind]}" if one_by_one else what[kind]
    refused = status in (403, 404)
    return f"{said} ({status}: {RIGHTS[kind]})" if refused else f"{said} (not had the last time: asked for again)"


def _show_failed_months(lake: Lake, page: Console) -> None:
    """The months whose last run failed, each with its reason."""
    title, failed = "Failed months: what the next sync of a month mends", failed_months(lake)
    if not failed:
        page.print(f"{title}: none")
        return
    names = ("month", "step", "since", "reason")
    shown = [(row.month, row.step, row.at, row.reason) for row in failed]
    page.print(grid(query.Records(names, [False] * len(names), shown), title))


def _show_alerts(lake: Lake, page: Console) -> None:
    """The alerts that stand, and the addresses that could not be told."""
    from assets.alert_state import TITLES, read_state

    state = read_state(lake)
    stand = [
        (TITLES[row.occurrence.kind], row.occurrence.title, row.occurrence.since, len(row.told))
        for row in state.standing
        if not row.over
    ]
    failed = [(row.address, row.since, row.tries, row.reason) for row in state.undelivered.values()]
    for title, names, rows in (
        ("Alerts that stand", ("kind", "what", "since", "addresses_told"), stand),
        ("Alerts that could not be delivered: the next tick tries again", ("to", "since", "tries", "why"), failed),
    ):
        found = query.Records(names, [name in ("addresses_told", "tries") for name in names], rows)
        page.print(grid(found, title) if rows else f"{title}: none")


def replay_and_tell(settings: Settings) -> None:
    """Makes every table anew from the raw ones, opens the door for SQL, and prints what changed in each."""
    from assets.replay import Difference, replay

    lake, known = Lake(settings.data), contract()
    if not lake.root.exists():
        raise WrongUsage(f"There is no ledger in {settings.data}. Run `jobledger sync` first, or set JOBLEDGER_DATA.")
    tables = {table.name: table for table in all_tables(known)}
    differences = replay(lake, known, MARTS, tables, tell=lambda text: err.print(text))
    write_dictionary(lake, tables, known)
    publish(lake, tuple(tables.values()), settings.publish)
    names = [field.name for field in fields(Difference)]
    numbers = [name != "table" for name in names]
    found = query.Records(names, numbers, [astuple(difference) for difference in differences])
    console(sys.stdout).print(grid(found, "Rows now, and what the replay changed"))


def export(settings: Settings, file: Path) -> None:
    """Write a DuckDB file with all tables inside; raise WrongUsage if that would overwrite anything but such a file."""
    lake = Lake(settings.data)
    if not lake.root.exists():
        raise WrongUsage(f"There is no ledger in {settings.data}. Run `jobledger sync` first, or set JOBLEDGER_DATA.")
    _refuse_foreign(file, door(settings.data))
    try:
        export_file(lake, all_tables(contract()), file)
    except OSError as error:
        if lake.data in Path(error.filename or lake.data / "unnamed").absolute().parents:
            raise  # of a file of the ledger: it is not the place named here that is at fault
        raise WrongUsage(f"{file} cannot be written ({error.strerror}). Name another place.") from None
    err.print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


def _refuse_foreign(file: Path, own: Path) -> None:
    """Raise WrongUsage if `file` is there and no DuckDB file that an export may replace."""
    if file.resolve() == own.resolve():
        raise WrongUsage(f"{file} is the ledger's own door for SQL; name another file.")
    if file.is_dir():
        raise WrongUsage(f"{file} is a folder; name a file in it, for example {file / 'history.duckdb'}.")
    if file.exists() and not (file.is_file() and is_duckdb(file)):
        raise WrongUsage(f"{file} is there and no DuckDB file: an export replaces nothing else. Name another file.")
