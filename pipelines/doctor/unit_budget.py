"""Whether the iTwins of JOBLEDGER_UNIT_BUDGET are ones that the ledger knows."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.doctor.finding import Finding, fine, warning
from pipelines.settings import Settings
from warehouse.engine import connection, run
from warehouse.lake import Lake
from warehouse.name_tables import ITWINS
from warehouse.sql import statement
from warehouse.tables import JOBS

SETTING = "JOBLEDGER_UNIT_BUDGET"


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield what is found; nothing where no iTwin is named there, or nothing was synced yet."""
    named, lake = settings.unit_budget.by_itwin, Lake(settings.data)
    if not named or not lake.months(JOBS):
        return
    known = lake.undisturbed(lambda: {text.casefold() for row in _known(lake) for text in row if text is not None})
    unknown = sorted(named.keys() - known)
    for itwin in unknown:
        yield warning(
            SETTING,
            f"no iTwin of the ledger has the id or name {itwin!r}, so nothing is held against its budget",
            '`jobledger sql "select itwin_id, name from itwins"` shows the names; until one is known, write the id.',
        )
    if not unknown:
        yield fine(SETTING, "the ledger knows each iTwin that it names")


def _known(lake: Lake) -> list[tuple[str, str | None]]:
    with connection() as con:
        lake.view(con, JOBS, ITWINS)
        return run(con, statement("doctor/known_itwins"))
