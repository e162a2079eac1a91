"""A job whose month of creation changes is in one month: the new one has it, the old one says where it went."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.sandbox import ScriptedWorld
from tests.faults.world import ITWINS, KNOWN, Ledger, ledger_of
from tests.faults.world import job as a_job
from warehouse.tables import JOB_MESSAGES, JOBS, OBSERVATIONS, REJECTED_RECORDS

pytestmark = pytest.mark.proof

OLD, NEW = "2025-10", "2025-11"


def job(job_id: str, created: str, **more: Any) -> dict[str, Any]:
    return a_job(job_id, **more) | {"executionInfo": {"createdDateTime": created, "estimatedUnits": 1.5}}


def months_of(ledger: Ledger) -> dict[str, list[str]]:
    for month in (OLD, NEW):
        ledger.flatten(month)
    return {month: [row["job_id"] for row in ledger.rows(JOBS, month=month)] for month in (OLD, NEW)}


@pytest.mark.parametrize("walked", [(NEW,), (OLD,), (OLD, NEW), (NEW, OLD)])
def test_a_job_that_moves_over_the_border_is_in_its_new_month_whichever_months_are_walked(
    tmp_path: Path, walked: tuple[str, ...]
) -> None:
    world = ScriptedWorld(job("a", f"{OLD}-31T12:59:00Z", state="Failed"), job("b", f"{OLD}-05T10:00:00Z"))
    world.set_messages("a", {"errors": [{"code": "E", "title": "T", "message": "M", "params": []}], "warnings": []})
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync(OLD)
        ledger.sync(NEW)
        world.put(job("a", f"{NEW}-01T12:01:00Z", state="Failed"))
        for _ in range(2):
            for month in walked:
                ledger.sync(month)
                assert ledger.failure is None
                assert ledger.last_walk("complete") == {"complete": True} or month != NEW
        assert months_of(ledger) == {OLD: ["b"], NEW: ["a"]}
        gone = [row for row in ledger.rows(OBSERVATIONS, month=OLD) if row["http_status"] == 301]
        assert [(row["job_id"], f"{row['created_at']:%F}", row["body"]) for row in gone] == [("a", f"{NEW}-01", None)]
        assert [row["http_status"] for row in ledger.rows(OBSERVATIONS, month=NEW)] == [200]
        assert all(not ledger.rows(REJECTED_RECORDS, month=month) for month in (OLD, NEW))
        assert ledger.rows(JOB_MESSAGES, month=OLD) == []


def test_a_job_that_moves_back_is_where_it_was(tmp_path: Path) -> None:
    world = ScriptedWorld(job("a", f"{OLD}-31T12:59:00Z"))
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync(OLD)
        for created, month in (
            (f"{NEW}-01T00:00:00Z", NEW),
            (f"{OLD}-31T12:59:00Z", OLD),
            (f"{NEW}-02T00:00:00Z", NEW),
        ):
            world.put(job("a", created))
            ledger.sync(month)
            assert months_of(ledger) == {OLD: [], NEW: []} | {month: ["a"]}


def test_a_moved_job_that_is_fetched_by_id_leaves_its_old_month(tmp_path: Path) -> None:
    from assets.by_id import fetch_by_id

    world = ScriptedWorld(job("a", f"{OLD}-31T12:59:00Z"))
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync(OLD)
        world.put(job("a", f"{NEW}-01T00:00:00Z", itwin_id=ITWINS[0]))
        fetch_by_id(ledger.lake, ledger.api, ["a"], KNOWN, ledger.plan)
        assert months_of(ledger) == {OLD: [], NEW: ["a"]}


def test_a_job_in_both_months_as_a_crash_between_the_two_leaves_it_heals_with_the_old_month(tmp_path: Path) -> None:
    world = ScriptedWorld(job("a", f"{OLD}-31T12:59:00Z"))
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync(OLD)
        world.put(job("a", f"{NEW}-01T00:00:00Z"))
        ledger.sync(NEW)
        place = ledger.lake.path(OBSERVATIONS, OLD)
        marked = place.read_bytes()
        with ledger_of(tmp_path / "other", ScriptedWorld(job("a", f"{OLD}-31T12:59:00Z"))) as other:
            other.sync(OLD)
            place.write_bytes(other.lake.path(OBSERVATIONS, OLD).read_bytes())
        assert place.read_bytes() != marked
        assert months_of(ledger) == {OLD: ["a"], NEW: ["a"]}
        ledger.sync(OLD)
        assert months_of(ledger) == {OLD: [], NEW: ["a"]}
