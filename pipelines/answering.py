"""What the command line answers from the ledger: a query, the state of things on one screen, a file to carry away."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from rich.console import Console

from pipelines.console import console, tell
from pipelines.rows import as_json_object, as_objects, grid, show, write
from pipelines.settings import Settings
from warehouse import query
from warehouse.catalog import door, is_duckdb, publish
from warehouse.catalog import export as export_file
from warehouse.compare import Difference
from warehouse.contract import contract
from warehouse.declaration import Table
from warehouse.dictionary import write_dictionary
from warehouse.errors import WrongUsage
from warehouse.failed_months import failed_months
from warehouse.lake import Lake, existing_lake
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

FOUND: Final = "found_itwins"
FOUND_TITLE: Final = "iTwins that the list showed, and their jobs"

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


class _Section(NamedTuple):
    """A part of `status`: its key in JSON, its title on the screen, and its rows."""

    key: str
    title: str
    found: query.Records


def show_status(settings: Settings, *, as_json: bool = False) -> None:
    """Print how the ledger stands, on one screen or as one JSON object."""
    lake, place = Lake(settings.data), query.existing_door(settings.data)
    texts = {name: statement(f"status/{name}") for name in STATUS} | _texts_of_names(settings, lake)
    answers = dict(zip(texts, query.records(list(texts.values()), settings.data), strict=True))
    sections = [_Section(name, title, answers[name]) for name, title in STATUS.items()]
    missing = [_missing(*row) for row in answers["missing_names"].rows]
    itwins = [_Section(FOUND, FOUND_TITLE, answers[FOUND])] if FOUND in answers else []
    after = [*itwins, _failed_months(lake), *_alerts(lake)]
    if as_json:
        tables = {section.key: as_objects(section.found) for section in (*sections, *after)}
        sys.stdout.buffer.write(as_json_object({"ledger": str(place), **tables, "missing_names": missing}) + b"\n")
        return
    page = console(sys.stdout)
    page.print(f"Ledger: {place}")
    for section in sections:
        _show(page, section)
    page.print(f"\nNames that are missing: {'; '.join(missing) or 'none'}")
    for section in after:
        _show(page, section)


def _show(page: Console, section: _Section) -> None:
    page.print()
    page.print(grid(section.found, section.title) if section.found.rows else f"{section.title}: none")


def _texts_of_names(settings: Settings, lake: Lake) -> dict[str, str]:
    """What asks for the names that are missing and, where all iTwins are walked, for those that were found.

    They read the files themselves: the door of a release before names does not show them.
    """
    wanted: dict[str, tuple[Table, ...]] = {"missing_names": (NAME_WALKS,)}
    if settings.every_itwin:
        wanted[FOUND] = (NAME_WALKS, ITWINS, JOBS)
    return {name: _over_files(lake, tables, statement(f"status/{name}")) for name, tables in wanted.items()}


def _over_files(lake: Lake, tables: Sequence[Table], text: str) -> str:
    """A query that takes these tables from their files, whatever the door shows under their names."""
    read = ", ".join(f"{table.name} AS (SELECT * FROM {lake.source_by_pattern(table)})" for table in tables)
    return f"WITH {read} SELECT * FROM ({text})"


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


def _failed_months(lake: Lake) -> _Section:
    """The months whose last run failed, each with its reason."""
    names = ("month", "step", "since", "reason")
    rows = [(row.month, row.step, row.at, row.reason) for row in failed_months(lake)]
    found = query.Records(names, [False] * len(names), rows)
    return _Section("failed_months", "Failed months: what the next sync of a month mends", found)


def _alerts(lake: Lake) -> list[_Section]:
    """The alerts that stand, and the addresses that could not be told."""
    from assets.alert_state import TITLES, read_state

    state = read_state(lake)
    stand = [
        (TITLES[row.occurrence.kind], row.occurrence.title, row.occurrence.since, len(row.told))
        for row in state.standing
        if not row.over
    ]
    failed = [(row.address, row.since, row.tries, row.reason) for row in state.undelivered.values()]
    undelivered = "Alerts that could not be delivered: the next tick tries again"
    return [
        _Section("alerts", "Alerts that stand", _records(("kind", "what", "since", "addresses_told"), stand)),
        _Section("undelivered_alerts", undelivered, _records(("to", "since", "tries", "why"), failed)),
    ]


def _records(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> query.Records:
    return query.Records(names, [name in ("addresses_told", "tries") for name in names], rows)


def replay_and_tell(settings: Settings, engine: str, master: str | None) -> None:
    """Makes every table anew from the raw ones, opens the door for SQL, and prints what changed in each."""
    from assets.replay import replay
    from assets.spark_marts import SparkEngine
    from assets.spark_replay import months_by_spark
    from pipelines.postgres_locks import locks_of_worker
    from pipelines.progress import drawing, note_part
    from pipelines.spark import session_if_wanted

    lake, known = existing_lake(settings.data), contract()
    tables = {table.name: table for table in all_tables(known)}
    with session_if_wanted(engine, master) as spark, drawing():
        months = months_by_spark(spark, lake, known, locks_of_worker(settings.postgres_url)) if spark else None
        executing = SparkEngine(spark, tables) if spark else None
        differences = replay(lake, known, MARTS, tables, tell=tell, on_part=note_part, months=months, engine=executing)
    write_dictionary(lake, tables, known)
    publish(lake, tuple(tables.values()), settings.publish)
    names = [field.name for field in fields(Difference)]
    numbers = [name != "table" for name in names]
    found = query.Records(names, numbers, [astuple(difference) for difference in differences])
    console(sys.stdout).print(grid(found, "Rows now, and what the replay changed"))


def export(settings: Settings, file: Path) -> None:
    """Write a DuckDB file with all tables inside; raise WrongUsage if that would overwrite anything but such a file."""
    lake = existing_lake(settings.data)
    _refuse_foreign(file, door(settings.data))
    try:
        export_file(lake, all_tables(contract()), file)
    except OSError as error:
        if lake.data in Path(error.filename or lake.data / "unnamed").absolute().parents:
            raise  # of a file of the ledger: it is not the place named here that is at fault
        raise WrongUsage(f"{file} cannot be written ({error.strerror}). Name another place.") from None
    tell(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


def _refuse_foreign(file: Path, own: Path) -> None:
    """Raise WrongUsage if `file` is there and no DuckDB file that an export may replace."""
    if file.resolve() == own.resolve():
        raise WrongUsage(f"{file} is the ledger's own door for SQL; name another file.")
    if file.is_dir():
        raise WrongUsage(f"{file} is a folder; name a file in it, for example {file / 'history.duckdb'}.")
    if file.exists() and not (file.is_file() and is_duckdb(file)):
        raise WrongUsage(f"{file} is there and no DuckDB file: an export replaces nothing else. Name another file.")
