"""`jobledger doctor`: what may keep the ledger from working, each finding with what to do about it.

Examinations look and change nothing. One module examines one thing: the settings, the data folder, the API as these
credentials reach it, the snapshots, Dagster's home. Faults are told first, then warnings, then what is fine.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import msgspec

from pipelines.console import console
from pipelines.doctor import dagster_home, folder, service, snapshots, unit_budget, versions
from pipelines.doctor.finding import Finding, Verdict, counted
from pipelines.settings import Settings, read_settings
from warehouse.errors import WrongUsage

__all__ = ["Finding", "Verdict", "examine", "show"]

_SIGNS = {Verdict.FAULT: ("✗", "red"), Verdict.WARNING: ("!", "yellow"), Verdict.FINE: ("✓", "green")}


def examine() -> list[Finding]:
    """Return all findings, the worst first. Where the settings are at fault, nothing else can be examined."""
    found = list(versions.examine())
    try:
        settings = read_settings()
    except WrongUsage as error:
        found += [
            Finding(Verdict.FAULT, "settings", line, "See the table of settings.") for line in str(error).split("\n")
        ]
    else:
        found += _examine_all(settings)
    return sorted(found, key=lambda finding: list(Verdict).index(finding.verdict))


def _examine_all(settings: Settings) -> Iterator[Finding]:
    yield Finding(Verdict.FINE, "settings", "all of them can be read")
    of_folder = list(folder.examine(settings))
    yield from of_folder
    if any(found.verdict == Verdict.FAULT and found.about == "data folder" for found in of_folder):
        advice = "Mend the data folder first: the budget of requests and Dagster's home lie in it."
        yield Finding(Verdict.WARNING, "API", "it was not asked", advice)
        return
    if all(found.verdict != Verdict.FAULT for found in of_folder):
        yield from unit_budget.examine(settings)
    yield from snapshots.examine(settings)
    yield from dagster_home.examine(settings)
    yield from service.examine(settings)


def show(found: list[Finding], *, as_json: bool) -> bool:
    """Print findings on stdout; return whether none is a fault."""
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
    else:
        _print(found)
    return all(finding.verdict != Verdict.FAULT for finding in found)


def _print(found: list[Finding]) -> None:
    page = console(sys.stdout)
    for finding in found:
        sign, style = _SIGNS[finding.verdict]
        page.print(f"{sign} {finding.about}: {finding.said}", style=style if finding.verdict != Verdict.FINE else None)
        if finding.advice:
            page.print(f"    {finding.advice}")
    faults, warnings = (sum(finding.verdict == verdict for finding in found) for verdict in _SIGNS if verdict != "fine")
    page.print(f"\n{counted(faults, 'fault')}, {counted(warnings, 'warning')}.")
