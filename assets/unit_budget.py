"""How many units a month may cost: for all iTwins together, by iTwin, or both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from warehouse.errors import WrongUsage

EXAMPLE = "write units a month, such as 5000, or ITWIN=units by comma, such as Bridge North=800, Bridge South=1200"


@dataclass(frozen=True)
class UnitBudget:
    """Units a month. `whole` is that of all iTwins together, `by_itwin` that of some, by id or name, casefolded."""

    whole: float | None = None
    by_itwin: Mapping[str, float] = field(default_factory=dict[str, float])

    def __bool__(self) -> bool:
        return self.whole is not None or bool(self.by_itwin)

    def of(self, itwin_id: str, name: str | None = None) -> float | None:
        """Return the budget of an iTwin by its id, else by its name; of 'all', that of all together. None without."""
        if itwin_id == "all":
            return self.whole
        found = self.by_itwin.get(itwin_id.casefold())
        return self.by_itwin.get(name.casefold()) if found is None and name else found


def read_unit_budget(text: str) -> UnitBudget:
    """Return the budget that a text states: a number, `ITWIN=number` by comma, or both. Raise WrongUsage for a fault.

    An iTwin is named by its id or its name; a name with a comma can only be given by id.
    """
    whole: float | None = None
    by_itwin: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        itwin, sign, number = part.rpartition("=")
        key = itwin.strip().casefold()
        if not sign and whole is not None:
            raise WrongUsage(f"{text!r} holds two numbers for all iTwins; {EXAMPLE}. A thousand is 1000, not 1,000.")
        if sign and not key:
            raise WrongUsage(f"{part!r} names no iTwin; {EXAMPLE}.")
        if key in by_itwin:
            raise WrongUsage(f"{itwin.strip()!r} stands there twice; give each iTwin once.")
        if sign:
            by_itwin[key] = _units(number.strip())
        else:
            whole = _units(number.strip())
    return UnitBudget(whole, by_itwin)


def _units(text: str) -> float:
    try:
        units = float(text)
    except ValueError:
        units = math.nan
    if not (math.isfinite(units) and units > 0):
        raise WrongUsage(f"{text!r} is no number of units above 0; {EXAMPLE}.")
    return units


def crossed_at(budget: float, known: float, remaining: float, now: datetime, end: datetime) -> datetime | None:
    """Return when a month's units pass its budget: `known` up to `now`, and `remaining` evenly from then to `end`.

    It is `now` where they have passed it already, and None where they will not.
    """
    if known > budget:
        return now
    if known + remaining <= budget:
        return None
    return now + (end - now) * ((budget - known) / remaining)
