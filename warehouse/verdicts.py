"""What the checks found, kept month by month, so that a verdict lasts as long as what it was made from.

A file per check in `verdicts/` of the data folder. It may be deleted: the next run then verifies every month.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import msgspec

from warehouse.lake import Lake

FOLDER: Final = "verdicts"


class Found(msgspec.Struct, frozen=True):
    """What a check found in a month: how many rows contradict it, and the first of them, as text.

    `made_from` changes with the check and with the files that it read.
    """

    made_from: str
    offending: int
    rows: list[dict[str, str | None]]


def kept(lake: Lake, check: str) -> dict[str, Found]:
    """Return what a check found when it was verified last, by month."""
    place = _place(lake, check)
    return msgspec.json.decode(place.read_bytes(), type=dict[str, Found]) if place.exists() else {}


def keep(lake: Lake, check: str, found: Mapping[str, Found], months: Collection[str]) -> None:
    """Keep what a check found in some months beside what is kept of the other ones among `months`, all there are."""
    place = _place(lake, check)
    with lake.exclusive(FOLDER) as staging:
        both = {month: row for month, row in (kept(lake, check) | dict(found)).items() if month in months}
        staging.reserve_place(place).write_bytes(msgspec.json.encode(both))
        staging.commit()


def _place(lake: Lake, check: str) -> Path:
    return lake.data / FOLDER / f"{check}.json"
