"""Made-up jobs with known edges, for the marts' tests: seeded, so that a failing world can be seen again."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

Row = dict[str, Any]

AS_OF = datetime(2025, 4, 2, 10, 20, 30, 123457, UTC)
TYPES = ("Objects2D", "Segmentation3D", "ChangeDetection", None)
ZERO = timedelta(0)
HOUR = timedelta(hours=1)


def job(
    job_id: str,
    created_at: datetime,
    *,
    outcome: str = "success",
    wait: timedelta | None = None,
    run: timedelta | None = None,
    **other: Any,
) -> Row:
    """A row of `jobs`: started after `wait`, ended after `run`; without these, neither unless `other` says."""
    started = None if wait is None else created_at + wait
    ended = None if started is None or run is None else started + run
    row: Row = {
        "job_id": job_id,
        "itwin_id": "itwin-1",
        "user_id": "user-1",
        "type": "Objects2D",
        "state": {"open": "Active" if started else "Queued", "success": "Success"}.get(outcome, outcome.title()),
        "outcome": outcome,
        "created_at": created_at,
        "created_month": month_of(created_at),
        "started_at": started,
        "ended_at": ended,
        "versions": 1,
        "changed_at": ended or started or created_at,
        **other,
    }
    return with_durations(row)


def with_durations(row: Row) -> Row:
    """The row with its three durations made from its times."""
    start, end = row["started_at"], row["ended_at"]
    row["queue_seconds"] = None if (start or end) is None else ((start or end) - row["created_at"]).total_seconds()
    row["run_seconds"] = None if start is None or end is None else (end - start).total_seconds()
    row["total_seconds"] = None if end is None else (end - row["created_at"]).total_seconds()
    return row


def edge_jobs() -> list[Row]:
    """One job for each edge that the marts must get right; February 2024 is a leap month, June 2024 has no job."""
    at = datetime(2024, 2, 29, 23, 0, tzinfo=UTC)
    march = datetime(2025, 3, 31, 22, 15, tzinfo=UTC)
    jobs = [
        job("edge-zero", at, wait=ZERO, run=ZERO, units=0.0),
        job("edge-midnight", at, wait=HOUR, run=24 * HOUR, units=2.5),
        job(
            "edge-hour-inside",
            at + timedelta(minutes=10),
            wait=timedelta(seconds=1),
            run=timedelta(minutes=49, seconds=59),
        ),
        job("edge-one-microsecond", at, wait=HOUR - timedelta(microseconds=1), run=timedelta(microseconds=2)),
        job("edge-400-days", datetime(2024, 1, 1, 0, 30, tzinfo=UTC), wait=HOUR, run=timedelta(days=400)),
        job("edge-400-days-queued", datetime(2024, 2, 20, 3, 30, tzinfo=UTC), outcome="open"),
        job("edge-started-is-ended", march, wait=timedelta(minutes=7), run=ZERO, outcome="failed", units=1.25),
        job("edge-cancelled", march, outcome="cancelled", ended_at=march + timedelta(hours=3, microseconds=7)),
        job("edge-cancelled-at-once", march, outcome="cancelled", ended_at=march),
        job("edge-no-end", march, wait=HOUR, outcome="failed"),
        job("edge-no-times", march, outcome="failed"),
        job("edge-future", AS_OF + timedelta(minutes=90), outcome="open"),
        job("edge-ends-behind-as-of", AS_OF - HOUR, wait=timedelta(minutes=1), run=3 * HOUR),
        job("edge-runs", AS_OF - 5 * HOUR, wait=HOUR, outcome="open"),
        job("edge-vanished-running", march, wait=HOUR, outcome="open", vanished_at=march + 9 * HOUR),
        job("edge-vanished-queued", march, outcome="open", vanished_at=march + timedelta(minutes=45)),
        job("edge-vanished-done", march, wait=HOUR, run=HOUR, vanished_at=march + 9 * HOUR, units=4.0),
        job("edge-terminating", march, wait=HOUR, run=HOUR, outcome="open", state="Terminating"),
        job("edge-backwards", march, wait=HOUR, run=-timedelta(minutes=5)),
    ]
    for row in jobs:
        row["units_source"] = None if row.get("units") is None else "processingUnits"
        with_durations(row)
    return jobs


def random_jobs(seed: int, count: int = 120) -> list[Row]:
    """`count` jobs of several types, users and iTwins with ties and borders, from a seed."""
    rng = random.Random(seed)
    return [_random_job(rng, f"job-{seed}-{number:04}") for number in range(count)]


def world(seed: int) -> list[Row]:
    """Random jobs of a seed, and the edges."""
    return [*random_jobs(seed), *edge_jobs()]


def _random_job(rng: random.Random, job_id: str) -> Row:
    outcome = rng.choices(("success", "failed", "cancelled", "open"), (60, 15, 10, 15))[0]
    units = rng.choice((None, 0.0, round(rng.uniform(0, 30), 3), rng.uniform(0, 1e-3)))
    created = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(0, 80 * 86_400))
    created = rng.choice(
        (created, created.replace(minute=0, second=0), created + timedelta(microseconds=rng.randrange(10**6)))
    )
    row = job(
        job_id,
        created,
        outcome=outcome,
        wait=None if rng.random() < 0.3 and outcome in ("open", "cancelled") else _random_span(rng),
        run=None if outcome == "open" else _random_span(rng),
        itwin_id=rng.choice(("itwin-1", "itwin-2")),
        user_id=rng.choice(("user-1", "user-2", None)),
        type=rng.choice(TYPES),
        units=units,
        units_source=None if units is None else rng.choice(("estimatedUnits", "processingUnits")),
    )
    if outcome == "cancelled" and row["started_at"] is None:
        row["ended_at"] = created + _random_span(rng)
    if rng.random() < 0.1:
        row["vanished_at"] = (row["ended_at"] or row["started_at"] or created) + _random_span(rng)
    return with_durations(row)


def _random_span(rng: random.Random) -> timedelta:
    """A few values come again and again, so that there are ties and borders."""
    common = (ZERO, timedelta(seconds=90), timedelta(minutes=30), HOUR, 26 * HOUR)
    return rng.choice((*common, timedelta(microseconds=rng.randrange(3 * 3_600 * 10**6))))


def microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def month_of(at: datetime) -> str:
    return f"{at.year:04}-{at.month:02}"


def grouped(jobs: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = {}
    for row in jobs:
        groups.setdefault(key(row), []).append(row)
    return groups


def month_and_type_groups(jobs: Sequence[Row]) -> dict[tuple[str, str | None], list[Row]]:
    """The jobs of each month and type, of each month, of each type, and all, the way the marts name these."""
    groups: dict[tuple[str, str | None], list[Row]] = {}
    for row in jobs:
        month = month_of(row["created_at"])
        for name in ((month, row["type"]), (month, "all"), ("all", row["type"]), ("all", "all")):
            groups.setdefault(name, []).append(row)
    return groups


def assert_same(found: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]], key: Sequence[str]) -> None:
    """All rows and columns are alike; doubles to 12 digits or a billionth, as their sums depend on the order."""
    ordered = sorted(expected, key=lambda row: [(row[name] is not None, row[name]) for name in key])
    assert [[row[name] for name in key] for row in found] == [[row[name] for name in key] for row in ordered]
    for left, right in zip(found, ordered, strict=True):
        assert list(left) == list(right)
        different = {name: (left[name], right[name]) for name in left if not _alike(left[name], right[name])}
        assert not different, f"{[left[name] for name in key]}: {different}"


def _alike(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-12, abs_tol=1.1e-6 if abs(left) > 1e9 else 1e-9)
    return (type(left) is type(right) and left == right) or (isinstance(left, datetime) and left == right)
