"""Replay: every table made anew from the raw ones, and what that changed: what a newer contract makes of old data."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from assets.flatten import flatten_month
from assets.marts import Engine, make_marts
from assets.name_tables import LOCK as NAMES_LOCK
from assets.name_tables import make_name_tables
from assets.progress import FLATTENING, OnPart, Parts, unseen
from warehouse.compare import Difference, compare
from warehouse.contract import Contract
from warehouse.declaration import Table
from warehouse.files import make_folder
from warehouse.lake import MARTS_LOCK, Lake
from warehouse.marts import Mart
from warehouse.name_tables import MADE_NAME_TABLES
from warehouse.tables import JOBS, OBSERVATIONS, flattened_tables

Months: TypeAlias = Callable[[Sequence[str]], Iterable[tuple[str, Sequence[Difference]]]]
"""What replays months, in any order: each with what that changed in its tables."""


def replay(
    lake: Lake,
    known: Contract,
    marts: Sequence[Mart],
    tables: Mapping[str, Table],
    *,
    tell: Callable[[str], None],
    on_part: OnPart = unseen,
    months: Months | None = None,
    engine: Engine | None = None,
) -> list[Difference]:
    """Make all flattened tables, the tables of names and the marts anew, and compares each with what it was.

    `on_part` gets each month and mart when it is done. `months` replays months in the place of this
    process, and `engine` executes the marts in the place of DuckDB.
    """
    every = lake.months(OBSERVATIONS)
    parts = Parts(FLATTENING, len(every), on_part)
    differences = {table.name: Difference(table.name) for table in flattened_tables(known)}
    for month, changed in (months or _one_by_one(lake, known, tell))(every):
        for difference in changed:
            differences[difference.table] += difference
        tell(f"{month} replayed")
        parts.done(month, jobs=sum(difference.rows for difference in changed if difference.table == JOBS.name))
    with lake.exclusive(NAMES_LOCK, on_wait=tell), _kept(lake, MADE_NAME_TABLES, None) as before:
        make_name_tables(lake, force=True)
        differences |= _compared(MADE_NAME_TABLES, before, lake)
    with lake.exclusive(MARTS_LOCK, on_wait=tell), _kept(lake, [mart.table for mart in marts], None) as before:
        make_marts(lake, marts, tables, force=True, on_part=on_part, engine=engine)
        differences |= _compared([mart.table for mart in marts], before, lake)
    tell(f"Names and {len(marts)} marts made anew")
    return list(differences.values())


def _one_by_one(lake: Lake, known: Contract, tell: Callable[[str], None]) -> Months:
    def replayed(months: Sequence[str]) -> Iterator[tuple[str, list[Difference]]]:
        for month in months:
            yield month, replay_month(lake, month, known, tell)

    return replayed


def replay_month(lake: Lake, month: str, known: Contract, tell: Callable[[str], None]) -> list[Difference]:
    """Make the flattened tables of a month anew; return what that changed in each."""
    tables = flattened_tables(known)
    with lake.exclusive(month, on_wait=tell), _kept(lake, tables, month) as before:
        flatten_month(lake, month, known, force=True)
        differences = [Difference(table.name) for table in tables]
        for difference, table in zip(differences, tables, strict=True):
            compare(difference, table, before.source(table, month), lake.source(table, month))
    return differences


def _compared(tables: Sequence[Table], before: Lake, after: Lake) -> dict[str, Difference]:
    """By table, what it has now against before."""
    differences = {table.name: Difference(table.name) for table in tables}
    for table in tables:
        compare(differences[table.name], table, before.source(table), after.source(table))
    return differences


@contextmanager
def _kept(lake: Lake, tables: Sequence[Table], month: str | None) -> Generator[Lake]:
    """The files of some tables as they are now, linked aside for as long as the block lasts; a lake of their own."""
    with lake.scratch(f"{month or tables[0].group}.replay") as folder:
        kept = Lake(folder)
        for file in (file for table in tables for file in _files(lake, table, month)):
            place = folder / file.relative_to(lake.data)
            make_folder(place.parent)
            os.link(file, place)
        yield kept


def _files(lake: Lake, table: Table, month: str | None) -> list[Path]:
    """The files of a table that are there: that of a month, or all."""
    files = lake.files(table)
    return [file for file in files if file == lake.path(table, month)] if month else files
