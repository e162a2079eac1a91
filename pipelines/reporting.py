"""`jobledger report`: the report of the whole ledger, or of one iTwin or some months, where it is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from assets.report.making import make_report, render
from pipelines.settings import Settings
from warehouse.contract import contract
from warehouse.errors import WrongUsage
from warehouse.files import make_folder, put
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.query import existing_door

GENERATOR: Final = b'<meta name="generator" content="jobledger">'
"""What a report has among its first bytes."""

NARROWED: Final = "report/narrowed.html"
"""Where in the data folder a report of an iTwin or of some months lies, unless a file is named."""


def write_report(settings: Settings, file: Path | None, itwin: str | None, first: str | None, last: str | None) -> Path:
    """Write a report and return its place; raise WrongUsage where that would overwrite anything but a report."""
    existing_door(settings.data)
    lake = Lake(settings.data)
    if file is None and not (itwin or first or last):
        return make_report(lake, all_tables(contract()), settings.unit_budget).place
    place = file or settings.data / NARROWED
    _refuse_foreign(place)
    html, _ = render(lake, settings.unit_budget, itwin, first, last)
    staged = place.with_name(f".{place.name}.tmp")
    try:
        make_folder(place.parent)
        staged.write_text(html, encoding="utf-8")
        put(staged, place)
    except OSError as error:
        raise WrongUsage(f"{place} cannot be written ({error.strerror}). Name another place.") from None
    finally:
        staged.unlink(missing_ok=True)
    return place


def _refuse_foreign(file: Path) -> None:
    """Raise WrongUsage if `file` is there and no report."""
    if file.is_dir():
        raise WrongUsage(f"{file} is a folder; name a file in it, for example {file / 'report.html'}.")
    if file.exists() and not (file.is_file() and _is_report(file)):
        raise WrongUsage(f"{file} is there and no report: a report replaces nothing else. Name another file.")


def _is_report(file: Path) -> bool:
    with file.open("rb") as content:
        return GENERATOR in content.read(200)
