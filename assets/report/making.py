"""Making the report, and deciding when it has to be made anew: when what it is made from changed.

That is the tables, the statements and parts, the settings, and of the time the UTC day, which jobs are stuck and which
walks have gaps. What an hour alone changes, such as the ages of open jobs, waits for the next of these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple

from assets.marts import MADE_FROM
from assets.report.questions import as_of, ask, scope
from assets.unit_budget import UnitBudget
from warehouse.catalog import door
from warehouse.declaration import Table
from warehouse.engine import connection, run
from warehouse.facts import facts
from warehouse.lake import Lake
from warehouse.marts.all import MARTS
from warehouse.sql import statement, statements
from warehouse.tables import WALKS

REPORT: Final = "report"
BUNDLE: Final = "report_bundle"
"""The locks on the report and on the libraries in it."""

KEPT: Final = "report/made_from.txt"
"""Where in the data folder it is kept what the report was made from. It may be deleted at any time."""


def report_file(data: Path) -> Path:
    """Where the report lies."""
    return data / "report.html"


class Made(NamedTuple):
    """The report, and whether it had to be made; the sentences that it begins with, as Markdown, if it had."""

    place: Path
    is_new: bool
    in_short: str = ""


def make_report(lake: Lake, tables: Sequence[Table], budget: UnitBudget) -> Made:
    """Put the report of the whole ledger in its place, unless the one that is there was made from the same."""
    place = report_file(lake.data)
    with lake.exclusive(REPORT) as staging:
        digest, kept = made_from(lake, tables, budget), lake.data / KEPT
        if place.exists() and kept.exists() and kept.read_text(encoding="utf-8") == digest:
            return Made(place, False)
        html, in_short = render(lake, budget)
        kept.unlink(missing_ok=True)  # a process that dies in between leaves a report that is made again
        for target, text in ((place, html), (kept, digest)):
            staging.reserve_place(target).write_text(text, encoding="utf-8")
            staging.commit()
    return Made(place, True, in_short)


def render(
    lake: Lake,
    budget: UnitBudget,
    itwin: str | None = None,
    first: str | None = None,
    last: str | None = None,
) -> tuple[str, str]:
    """Return a report as HTML, and its sentences as Markdown.

    Raise WrongUsage for an iTwin or months that cannot be.
    """
    from assets.report.page import page
    from assets.report.sections import sections
    from assets.report.sentences import as_markdown, paragraphs

    about = scope(lake.data, itwin, first, last)
    answers = ask(lake.data, about)
    said = paragraphs(answers, about, budget)
    return page(about, answers["scope"].rows[0], said, sections(answers, about, budget), _bundle(lake)), as_markdown(
        said
    )


def made_from(lake: Lake, tables: Sequence[Table], budget: UnitBudget) -> str:
    """Return what changes with all that the report of the whole ledger is made from."""
    timeless = [table for table in tables if table != WALKS and table.group not in ("marts", "specifications")]
    versions = {name: [of.version for of in found] for name, found in facts(lake, timeless).items()}
    marts = {mart.name: _sources(lake, mart.table) for mart in MARTS}
    now = as_of(lake)
    standing = lake.undisturbed(lambda: _standing(lake))
    parts = (versions, marts, now and now.date(), standing, budget, report_code())
    return hashlib.md5(repr(parts).encode(), usedforsecurity=False).hexdigest()


def _standing(lake: Lake) -> list[tuple[Any, ...]]:
    with connection(door(lake.data), read_only=True) as con:
        return run(con, statement("report/standing"))


def _sources(lake: Lake, table: Table) -> list[str | None]:
    """What a mart was made from, but for the time: of each of its files."""
    months: list[str | None] = [*lake.months(table)] if table.monthly else [None]
    return [lake.metadata(table, month).get(MADE_FROM) for month in months]


def report_code() -> list[str]:
    """Return the texts that make a report: the statements, the parts of the page and the modules."""
    folder = resources.files(__package__ or "")
    files = [*folder.iterdir(), *folder.joinpath("parts").iterdir()]
    texts = (file.read_text(encoding="utf-8") for file in sorted(files, key=lambda file: file.name) if file.is_file())
    return [*statements("report"), *texts]


def _bundle(lake: Lake) -> str:
    """The libraries that draw in the browser: kept in the data folder, for they take seconds to make."""
    from assets.report.page import bundle_version, javascript_bundle

    place = lake.data / "report" / f"vega-{bundle_version()}.js"
    if not place.exists():
        with lake.exclusive(BUNDLE) as staging:
            staging.reserve_place(place).write_text(javascript_bundle(), encoding="utf-8")
            staging.commit()
    return place.read_text(encoding="utf-8")
