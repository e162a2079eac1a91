"""The schedules: what each asks for at a given time, and that none runs before somebody switches it on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
import yaml

from pipelines.definitions import build_defs
from pipelines.schedules import queue_tags
from pipelines.sync import range_tags
from tests.pipelines.ledger_of_sandbox import ROOT
from warehouse.lake import Lake
from warehouse.tables import JOBS

TICK = datetime(2026, 3, 8, 4, tzinfo=UTC)


@pytest.fixture
def defs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dg.Definitions:
    monkeypatch.setenv("JOBLEDGER_DATA", str(tmp_path))
    monkeypatch.setenv("JOBLEDGER_START", "2025-10")
    return build_defs(start="2025-10")


def keep_jobs(data: Path, month: str, outcomes: list[str], vanished: bool = False) -> None:
    gone = TICK if vanished else None
    rows = [{"job_id": f"{month}-{place}", "outcome": word, "vanished_at": gone} for place, word in enumerate(outcomes)]
    lake = Lake(data)
    with lake.exclusive(month) as staging:
        staging.write(JOBS, month, pa.Table.from_pylist(rows, schema=JOBS.arrow_schema))
        staging.commit()


def asked(defs: dg.Definitions, name: str) -> list[dict[str, str]] | str | None:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=TICK)
        data = defs.resolve_schedule_def(name).evaluate_tick(context)
    if not data.run_requests:
        return data.skip_message
    ranges = range_tags("", "")
    return [{tag: request.tags[tag] for tag in ranges} for request in data.run_requests]


def test_every_hour_the_current_and_the_previous_month(defs: dg.Definitions) -> None:
    assert asked(defs, "hourly_recent_months") == [range_tags("2026-02", "2026-03")]


def test_every_day_the_older_months_with_open_jobs_a_run_for_each_stretch(defs: dg.Definitions, tmp_path: Path) -> None:
    keep_jobs(tmp_path, "2025-10", ["open"])
    keep_jobs(tmp_path, "2025-11", ["success", "open"])
    keep_jobs(tmp_path, "2025-12", ["success", "failed"])
    keep_jobs(tmp_path, "2026-01", ["open"])
    keep_jobs(tmp_path, "2026-02", ["open"])
    assert asked(defs, "daily_older_open_months") == [
        range_tags("2025-10", "2025-11"),
        range_tags("2026-01", "2026-01"),
    ]


def test_every_day_nothing_where_no_older_job_is_open(defs: dg.Definitions, tmp_path: Path) -> None:
    keep_jobs(tmp_path, "2025-12", ["cancelled"])
    keep_jobs(tmp_path, "2026-01", ["open"], vanished=True)
    assert asked(defs, "daily_older_open_months") == "No month to sync: no older month holds open jobs."


def test_every_week_all_months(defs: dg.Definitions) -> None:
    assert asked(defs, "weekly_all_months") == [range_tags("2025-10", "2026-03")]


@pytest.mark.parametrize(
    ("first", "last", "kinds"),
    [
        ("2026-02", "2026-03", {"recent"}),
        ("2025-10", "2026-01", {"older"}),
        ("2025-10", "2026-03", {"recent", "older"}),
    ],
)
def test_runs_with_months_in_common_have_a_tag_in_common(first: str, last: str, kinds: set[str]) -> None:
    limits = yaml.safe_load((ROOT / "pipelines" / "dagster.yaml").read_text())["run_coordinator"]["config"]
    limited = {row["key"]: row["limit"] for row in limits["tag_concurrency_limits"]}
    assert set(queue_tags(first, last, TICK)) == {f"jobledger/{kind}_months" for kind in kinds}
    assert limited == {"jobledger/recent_months": 1, "jobledger/older_months": 1}


def test_schedules_are_off_until_switched_on_and_say_what_they_do(defs: dg.Definitions) -> None:
    schedules = [defs.resolve_schedule_def(row.name) for row in defs.schedules or []]
    assert len(schedules) == 5
    for schedule in schedules:
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
        assert schedule.description
        assert schedule.description.startswith("Every ")
