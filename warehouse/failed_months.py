"""The months that failed in their last run, each with its reason: what heals with the next run, until then on record.

The names and the push, which have no months, are steps of all of them.

A file per month and step in `failed_months/` of the data folder. A step records a month that fails and clears one that
comes through, so what is there is what is wrong now, whoever runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from warehouse.errors import JobledgerError
from warehouse.lake import Lake

FOLDER: Final = "failed_months"

Step = Literal["walk", "flatten", "names", "push"]
"""What failed: asking the API and landing, rebuilding the tables from what landed, the names, or the push of it all."""

ALL_MONTHS: Final = "all"
"""What stands in place of a month where the names or the push failed."""


class FailedMonth(msgspec.Struct, frozen=True):
    """A month ('YYYY-MM', or ALL_MONTHS) that failed in a step, when (UTC), and why. `error` is the name of its class.

    `token_refused` says that the API refused the token, so that the month was not asked for, or not to its end.
    """

    month: str
    step: Step
    run_id: str
    at: datetime
    error: str
    reason: str
    token_refused: bool = False

    def __str__(self) -> str:
        return f"{self.month}: {self.reason}"


class MonthsFailed(JobledgerError):
    """Some months of a run failed, its names or its push; the others are whole in every table."""

    def __init__(self, failed: Sequence[FailedMonth]) -> None:
        self.failed = list(failed)
        super().__init__("\n".join([_summary(failed), *_lines(failed)]))

    @property
    def token_refused(self) -> bool:
        return any(row.token_refused for row in self.failed)


def record(lake: Lake, failed: FailedMonth) -> None:
    """Put a failure on record in place of the month's earlier one in the same step."""
    with lake.exclusive(FOLDER) as staging:
        staging.reserve_place(_place(lake, failed.month, failed.step)).write_bytes(msgspec.json.encode(failed))
        staging.commit()


def clear(lake: Lake, month: str, step: Step) -> None:
    """Forget a month's failure in a step: it came through."""
    _place(lake, month, step).unlink(missing_ok=True)


def failed_months(lake: Lake, run_ids: Iterable[str] | None = None) -> list[FailedMonth]:
    """The failures on record by month, of these runs alone if any are named."""
    wanted = None if run_ids is None else set(run_ids)
    files = sorted((lake.data / FOLDER).glob("*.json"))
    rows = [msgspec.json.decode(file.read_bytes(), type=FailedMonth) for file in files]
    return [row for row in rows if wanted is None or row.run_id in wanted]


def _place(lake: Lake, month: str, step: Step) -> Path:
    return lake.data / FOLDER / f"{month}.{step}.json"


def _summary(failed: Sequence[FailedMonth]) -> str:
    months = {row.month for row in failed} - {ALL_MONTHS}
    if not months:
        return f"The {' and the '.join(sorted({row.step for row in failed}))} failed; all months are done."
    return f"{len(months)} {'month' if len(months) == 1 else 'months'} failed; all other months are done."


def _lines(failed: Sequence[FailedMonth]) -> list[str]:
    """A line for each reason, with the months that share it."""
    months: dict[str, list[str]] = {}
    for row in failed:
        months.setdefault(row.reason, []).append(row.step if row.month == ALL_MONTHS else row.month)
    return [f"{', '.join(dict.fromkeys(sorted(found)))}: {reason}" for reason, found in months.items()]
