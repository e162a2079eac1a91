"""Months replayed by the workers of Spark, a task each, for `assets.replay`.

A task does what a replay does here: it takes the month's lock, and `flatten_month` reads and writes the month's files
by itself. So each worker has jobledger, and sees the data folder under the same path, on a file system with locks, or
with locks at a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from assets.plan import quiet
from assets.replay import Months, replay_month
from warehouse.compare import Difference
from warehouse.contract import Contract
from warehouse.lake import Lake
from warehouse.spark import Session

if TYPE_CHECKING:
    import pyarrow as pa

CHANGED: Final = "month STRING, table STRING, rows BIGINT, added BIGINT, removed BIGINT, changed BIGINT"
"""What a task returns: a row for each table of its month."""

Begin: TypeAlias = Callable[[], None]
"""What a worker does before its first month."""


def months_by_spark(spark: Session, lake: Lake, known: Contract, begin: Begin | None = None) -> Months:
    """Return what replays months in a session of Spark, side by side. Each worker calls `begin` first."""

    def replayed(months: Sequence[str]) -> Iterable[tuple[str, list[Difference]]]:
        numbers = spark.range(0, len(months), 1, max(1, len(months)))
        task = partial(_replay, str(lake.data), tuple(months), known, begin)
        rows = [row.asDict() for row in numbers.mapInArrow(task, CHANGED).collect()]
        changed: dict[str, list[Difference]] = {month: [] for month in months}
        for row in rows:
            changed[row.pop("month")].append(Difference(**row))
        return changed.items()

    return replayed


def _replay(
    data: str, months: Sequence[str], known: Contract, begin: Begin | None, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Replay the months whose numbers a task gets; yield what changed."""
    import pyarrow as pa

    if begin:
        begin()
    for number in (number for batch in batches for number in batch.column(0).to_pylist()):
        month = months[int(number)]
        changed = replay_month(Lake(Path(data)), month, known, quiet)
        yield pa.RecordBatch.from_pylist([{"month": month, **asdict(difference)} for difference in changed])
