"""What `jobledger diff` prints: a screen for people, and JSON with each row of units_by_month."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.diffing import REASONS, show_diff
from tests.buckets import KEEP
from tests.warehouse.test_diff import PUSHED, SEEN, job, newer, write_jobs
from tests.warehouse.test_diff import REASONS as EXAMPLES
from warehouse.lake import Lake
from warehouse.snapshots.push import push

BEFORE = [job("a", units=2.5), job("b", units=1.0, units_source="processingUnits")]
AFTER = [newer(BEFORE[0], units=2.25), BEFORE[1], job("c", units=0.000000001), job("d", created_at=SEEN + timedelta(1))]
SCREEN = """\
From URL, 2026-03-10 00:00:00 UTC, jobledger 0.1.0, contract 0123456789ab
To   URL, 2026-03-11 00:00:00 UTC, jobledger 0.1.0, contract 0123456789ab

Tables that differ (of raw tables, rows are counted and not compared)
 table          ┃ rows_before ┃ rows_after ┃ added ┃ removed ┃ changed
━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━╇━━━━━━━━━╇━━━━━━━━━
 jobs           │           2 │          4 │     2 │       0 │       1
 units_by_month │           1 │          1 │     0 │       0 │       1

Units by month
 month   ┃ what     ┃ jobs ┃ estimated_units ┃ processing_units
━━━━━━━━━╇━━━━━━━━━━╇━━━━━━╇━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━
 2026-03 │ before   │      │             2.5 │                1
 2026-03 │ late job │    1 │    +0.000000001 │                0
 2026-03 │ new job  │    1 │              +1 │                0
 2026-03 │ restated │    1 │           -0.25 │                0
 2026-03 │ after    │      │     3.250000001 │                1

late job: created before the first publish, and shown by the API only later
new job: created after the first publish
restated: the API told other units
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where the jobs before and after were pushed, a day apart."""
    lake, url = Lake(tmp_path / "data"), f"file://{tmp_path}/store"
    for jobs, at in ((BEFORE, SEEN), (AFTER, SEEN + timedelta(days=1))):
        write_jobs(lake, jobs)
        push(lake, PUSHED, url, contract="0123456789abcdef", keep=KEEP, clock=lambda at=at: at)
    return url


def test_the_screen(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_diff(f"{url}@2026-03-10", url, as_json=False)
    printed = "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())
    assert printed.replace(url, "URL") + "\n" == SCREEN


def test_the_screen_of_what_is_the_same(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_diff(url, url, as_json=False)
    assert capsys.readouterr().out.splitlines()[2:] == ["", "Nothing moved: all tables are the same."]


def test_the_json(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_diff(f"{url}@2026-03-10", url, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert datetime.fromisoformat(found["from"]["at"]) == datetime(2026, 3, 10, tzinfo=UTC)
    [row] = found["units"]
    assert {name: row[name] for name in ("month", "itwin_id", "type", "user_id", "is_behind")} == {
        "month": "2026-03",
        "itwin_id": "bridge",
        "type": "Objects2D",
        "user_id": "ana",
        "is_behind": False,
    }
    assert (row["before_estimated_units"], row["after_estimated_units"]) == (2.5, 3.250000001)
    assert row["reasons"][2] == {
        "reason": "restated",
        "jobs": 1,
        "added_estimated_units": -0.25,
        "added_processing_units": 0,
    }


def test_each_reason_is_explained() -> None:
    assert REASONS.keys() == {reason for reason, *_ in EXAMPLES}
