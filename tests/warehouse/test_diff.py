"""What moved between two publishes: each reason by an example, and any course of changes to the last billionth."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from assets.marts import make_marts
from tests.buckets import KEEP
from warehouse.contract import contract
from warehouse.engine import connection, run
from warehouse.errors import WrongUsage
from warehouse.lake import Lake
from warehouse.marts.all import MARTS, all_tables
from warehouse.marts.consumption import UNITS_BY_MONTH
from warehouse.months import month_of
from warehouse.snapshots.diff import Diff, Group, TableMoved, Units, diff
from warehouse.snapshots.push import push
from warehouse.tables import JOBS

Row = dict[str, Any]

SEEN = datetime(2026, 3, 10, tzinfo=UTC)
MART = next(mart for mart in MARTS if mart.table is UNITS_BY_MONTH)
TABLES = {table.name: table for table in all_tables(contract())}
PUSHED = (JOBS, UNITS_BY_MONTH)
ONE = Decimal("0.000000001")


def job(job_id: str = "a", **changes: Any) -> Row:
    """A finished job of March with one estimated unit."""
    return {
        "job_id": job_id,
        "itwin_id": "bridge",
        "user_id": "ana",
        "type": "Objects2D",
        "outcome": "success",
        "created_at": SEEN - timedelta(days=5),
        "units": 1.0,
        "units_source": "estimatedUnits",
        "versions": 1,
        "changed_at": SEEN,
        **changes,
    }


def newer(row: Row, **changes: Any) -> Row:
    """A job with another version."""
    return {**row, "versions": row["versions"] + 1, "changed_at": row["changed_at"] + timedelta(hours=1), **changes}


def write_jobs(lake: Lake, jobs: Sequence[Row], *, marts: bool = True) -> None:
    """Let the lake hold these jobs, each in its month, and the mart of their units."""
    rows = [{**row, "created_month": month_of(row["created_at"])} for row in jobs]
    for month in {*(row["created_month"] for row in rows), *lake.months(JOBS)}:
        with lake.exclusive(month) as staging:
            staging.write(JOBS, month, _arrow([row for row in rows if row["created_month"] == month]))
            staging.commit()
    if marts:
        make_marts(lake, [MART], TABLES, force=True)


def _arrow(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    schema = JOBS.arrow_schema
    return pa.Table.from_arrays([pa.array([row.get(f.name) for row in rows], f.type) for f in schema], schema=schema)


def compared(tmp_path: Path, before: Sequence[Row], after: Sequence[Row], *, marts: bool = True) -> Diff:
    """The difference of two ledgers, the first as it was pushed when the jobs were seen, the second as it lies."""
    lake, url = Lake(tmp_path / "data"), f"file://{tmp_path}/store"
    write_jobs(lake, before)
    push(lake, PUSHED, url, contract="contract", keep=KEEP, clock=lambda: SEEN)
    write_jobs(lake, after, marts=marts)
    return diff(url, str(lake.data), PUSHED)


def reasons(found: Diff) -> dict[str, tuple[int, Units]]:
    [month] = found.months
    return month.reasons


REASONS = [
    ("new job", [], [job(created_at=SEEN + timedelta(days=1))], 1, 0),
    ("late job", [], [job()], 1, 0),
    ("late job", [], [job(units=None, units_source=None)], 0, 0),
    ("missing job", [job()], [], -1, 0),
    ("vanished", [job()], [job(vanished_at=SEEN)], 0, 0),
    ("first value", [job(units=None, units_source=None)], [newer(job())], 1, 0),
    ("value withdrawn", [job()], [newer(job(), units=None, units_source=None)], -1, 0),
    ("restated", [job()], [newer(job(), units=0.25)], -0.75, 0),
    ("restated", [job()], [newer(job(), units=0.25, vanished_at=SEEN)], -0.75, 0),
    ("other field", [job()], [newer(job(), units=3.5, units_source="processingUnits")], -1, 3.5),
    ("read otherwise", [job()], [job(units=1.5)], 0.5, 0),
    ("moved", [job()], [newer(job(), created_at=SEEN - timedelta(days=4), user_id="ben", units=2.0)], 1, 0),
]


@pytest.mark.parametrize(("reason", "before", "after", "estimated", "processing"), REASONS)
def test_each_reason(
    tmp_path: Path, reason: str, before: list[Row], after: list[Row], estimated: float, processing: float
) -> None:
    other = job("other", units=7.0)
    found = compared(tmp_path, [other, *before], [other, *after])
    jobs = 2 if reason == "moved" else 1
    assert reasons(found) == {reason: (jobs, Units(Decimal(str(estimated)), Decimal(str(processing))))}
    assert not any(total.is_behind for total in found.totals)


def test_a_job_that_moves_to_another_month_is_taken_there_and_given_here(tmp_path: Path) -> None:
    found = compared(tmp_path, [job()], [newer(job(), created_at=SEEN - timedelta(days=40))])
    assert [(month.month, month.reasons["moved"]) for month in found.months] == [
        ("2026-01", (1, Units(Decimal(1)))),
        ("2026-03", (1, Units(Decimal(-1)))),
    ]


def test_what_is_the_same_is_not_told(tmp_path: Path) -> None:
    found = compared(tmp_path, [job()], [job()])
    assert (found.tables, found.months, found.totals, found.reasons) == ([], [], [], [])


def test_a_billionth_is_told(tmp_path: Path) -> None:
    found = compared(tmp_path, [job()], [newer(job(), units=1.000000001)])
    assert reasons(found) == {"restated": (1, Units(ONE))}
    [total] = found.totals
    assert (total.before, total.after, total.is_behind) == (Units(Decimal(1)), Units(1 + ONE), False)


def test_tables_that_differ_are_told_by_their_rows(tmp_path: Path) -> None:
    found = compared(tmp_path, [job("a"), job("b")], [newer(job("a"), units=2.0), job("c"), job("d", user_id="ben")])
    assert found.tables == [TableMoved("jobs", 2, 3, 2, 1, 1), TableMoved("units_by_month", 1, 2, 1, 0, 1)]


def test_a_mart_that_is_behind_its_jobs_is_told(tmp_path: Path) -> None:
    found = compared(tmp_path, [job()], [newer(job(), units=2.0)], marts=False)
    [total] = found.totals
    assert (total.after, total.is_behind) == (Units(Decimal(2)), True)


def test_a_course_of_changes_is_explained_to_the_last_billionth(tmp_path: Path) -> None:
    chance, lake, url = random.Random(16), Lake(tmp_path / "data"), f"file://{tmp_path}/store"
    jobs: dict[str, Row] = {}
    marts: list[dict[Group, Units]] = []
    for number in range(8):
        _change(chance, jobs, number)
        write_jobs(lake, list(jobs.values()))
        push(lake, PUSHED, url, contract="contract", keep=KEEP, clock=lambda at=number: SEEN + timedelta(hours=at))
        marts.append(_shown(lake))
    for first, second in [(0, 7), *((chance.randrange(8), chance.randrange(8)) for _ in range(7))]:
        found = explained(*(f"{url}@{SEEN + timedelta(hours=each):%Y-%m-%dT%H:%M}" for each in (first, second)))
        moved = {group for group in marts[first] | marts[second] if marts[first].get(group) != marts[second].get(group)}
        assert moved <= {total.group for total in found.totals}
        for total in found.totals:
            assert _rounded(total.before) == marts[first].get(total.group, Units())
            assert _rounded(total.after) == marts[second].get(total.group, Units())


def _change(chance: random.Random, jobs: dict[str, Row], number: int) -> None:
    """Let jobs come, go, and be restated by amounts of up to nine places."""
    for job_id in [*jobs]:
        kind = chance.random()
        if kind < 0.05:
            del jobs[job_id]
        elif kind < 0.4:
            jobs[job_id] = newer(jobs[job_id], **_amount(chance), user_id=chance.choice(["ana", "ben"]))
        elif kind < 0.5:
            jobs[job_id] = {**jobs[job_id], **_amount(chance), "vanished_at": SEEN}
    for place in range(chance.randrange(4, 9)):
        days = chance.randrange(-70, 10)
        jobs[f"{number}-{place}"] = job(f"{number}-{place}", created_at=SEEN + timedelta(days=days), **_amount(chance))


def _amount(chance: random.Random) -> Row:
    units = chance.choice([None, 0.0, round(chance.uniform(0, 100), chance.randrange(10))])
    field = None if units is None else chance.choice(["estimatedUnits", "processingUnits"])
    return {"units": units, "units_source": field}


def _shown(lake: Lake) -> dict[Group, Units]:
    """What `units_by_month` shows."""
    columns = "month, itwin_id, type, user_id, estimated_units, processing_units"
    with connection() as con:
        rows = run(con, f"SELECT {columns} FROM {lake.source(UNITS_BY_MONTH)}")
    return {
        Group(*row[:4]): Units(*(Decimal(str(value)).quantize(Decimal("0.000001")) for value in row[4:]))
        for row in rows
    }


def explained(before: str, after: str) -> Diff:
    """The difference of two ledgers, made sure of: the reasons of each row of the mart add up, and it is not behind."""
    found = diff(before, after, PUSHED)
    for total in found.totals:
        added = [row.units for row in found.reasons if row.group == total.group]
        assert _sum([total.before, *added]) == total.after
        assert not total.is_behind
    return found


def _sum(parts: Sequence[Units]) -> Units:
    total = Units()
    for part in parts:
        total = total.plus(part)
    return total


def _rounded(units: Units) -> Units:
    """As the mart rounds: the double of whole billionths, to six places."""
    return Units(*(Decimal(str(round(float(value), 6))).quantize(Decimal("0.000001")) for value in units))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nowhere", "There is no ledger in nowhere"),
        ("s4://bucket", "no address of a store"),
        ("file:///nowhere/at/all@2026-01-01", "There is no folder /nowhere/at/all"),
    ],
)
def test_a_side_that_is_not_there_is_told(text: str, why: str) -> None:
    with pytest.raises(WrongUsage, match=why):
        diff(text, text, PUSHED)
