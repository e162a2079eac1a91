"""A check is red as long as what it found is there; every materialisation says what it is: through runs of the job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.wiring import COMPLETE_WALK, PUBLISHED, STALE
from pipelines.definitions import JOB_NAME, build_defs
from pipelines.sandbox import ScriptedWorld
from pipelines.sync import range_tags
from tests.pipelines.ledger_of_sandbox import environment, running, small_world

pytestmark = pytest.mark.proof

ITWIN = "11111111-0000-4000-8000-000000000000"


def a_job(job_id: str, month: str, units: float) -> dict[str, Any]:
    times = {"createdDateTime": f"{month}-05T10:00:00Z", "startedDateTime": f"{month}-05T10:05:00Z"}
    return {
        "id": job_id,
        "type": "Objects2D",
        "state": "Success",
        "iTwinId": ITWIN,
        "userId": "user-1",
        "executionInfo": {**times, "endedDateTime": f"{month}-05T11:00:00Z", "estimatedUnits": units},
        "specifications": {"inputs": {"photos": "bkt:photos"}, "outputs": {"objects2D": "bkt:objects"}, "options": {}},
    }


def run_of(first: str, last: str, instance: dg.DagsterInstance) -> Any:
    job = build_defs(start="2026-01").resolve_job_def(JOB_NAME)
    result = job.execute_in_process(instance=instance, tags=range_tags(first, last))
    assert result.success
    return result


def rows_of_units_check(result: Any) -> str | None:
    """What the check on units shows; None where it holds."""
    (row,) = [row for row in result.get_asset_check_evaluations() if row.check_name == "units_are_not_negative"]
    return None if row.passed else str(row.metadata["rows"].value)


def test_a_check_stays_red_in_runs_of_other_months_and_is_green_when_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ScriptedWorld(a_job("odd", "2026-01", -1), *(a_job(month, month, 1) for month in ("2026-02", "2026-03")))
    with running(world) as (sandbox, _), dg.DagsterInstance.ephemeral() as instance:
        for name, value in environment(sandbox, small_world(), tmp_path, ITWIN_IDS=ITWIN).items():
            monkeypatch.setenv(name, value)
        red = rows_of_units_check(run_of("2026-01", "2026-03", instance))
        assert red is not None
        assert red.splitlines()[2].startswith(f"| 2026-01 | odd |  | {ITWIN} | Objects2D | -1.0")
        assert rows_of_units_check(run_of("2026-02", "2026-03", instance)) == red
        world.put(a_job("odd", "2026-01", 1))
        assert rows_of_units_check(run_of("2026-02", "2026-03", instance)) == red
        assert rows_of_units_check(run_of("2026-01", "2026-01", instance)) is None
        assert rows_of_units_check(run_of("2026-02", "2026-02", instance)) is None


def shown(result: Any) -> dict[tuple[str, str | None], dg.AssetMaterialization]:
    """The materialisations of a run by asset and month."""
    events = [event for event in result.all_events if event.is_step_materialization]
    made = [event.step_materialization_data.materialization for event in events]
    return {(row.asset_key.to_user_string(), row.partition): row for row in made}


def test_every_materialisation_has_its_rows_place_and_version_also_when_nothing_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ScriptedWorld(a_job("a", "2026-01", 1), a_job("b", "2026-02", 1), a_job("c", "2026-02", 1))
    with running(world) as (sandbox, _), dg.DagsterInstance.ephemeral() as instance:
        for name, value in environment(sandbox, small_world(), tmp_path, ITWIN_IDS=ITWIN).items():
            monkeypatch.setenv(name, value)
        first, second = (shown(run_of("2026-01", "2026-02", instance)) for _ in range(2))
    assert first.keys() == second.keys()
    of_tables = {key: row for key, row in second.items() if key[0] not in (PUBLISHED, COMPLETE_WALK)}
    for (_, month), row in of_tables.items():
        wanted = {"dagster/row_count", "dagster/uri"} | ({"dagster/partition_row_count"} if month else set())
        assert wanted <= row.metadata.keys()
    counts = {
        (name, month): (row.metadata["dagster/partition_row_count"].value, row.metadata["dagster/row_count"].value)
        for (name, month), row in second.items()
        if name in ("jobs", "walks")
    }
    assert counts == {
        ("jobs", "2026-01"): (1, 3),
        ("jobs", "2026-02"): (2, 3),
        ("walks", "2026-01"): (2, 4),
        ("walks", "2026-02"): (2, 4),
    }
    place = second["jobs", "2026-01"].metadata["dagster/uri"].value
    assert place == (tmp_path / "lake" / "jobs" / "created_month=2026-01" / "jobs.parquet").as_uri()
    same = {key[0] for key, row in of_tables.items() if data_version(row) == data_version(first[key])}
    assert {name for name, _ in of_tables} - same >= {"walks"}
    assert {"observations", "jobs", "objects2d_jobs", "contract_drift", "data_dictionary", "units_by_month"} <= same


def data_version(row: dg.AssetMaterialization) -> str:
    assert row.tags is not None
    return row.tags["dagster/data_version"]


def test_only_a_complete_walk_makes_the_ledger_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = dg.AssetKey(COMPLETE_WALK)
    with running(ScriptedWorld(a_job("a", "2026-01", 1))) as (sandbox, _), dg.DagsterInstance.ephemeral() as instance:
        for name, value in environment(sandbox, small_world(), tmp_path, ITWIN_IDS=ITWIN).items():
            monkeypatch.setenv(name, value)
        with monkeypatch.context() as of_a_stranger:
            of_a_stranger.setenv("ITWIN_ACCESS_TOKEN", "nobody-knows-it")
            job = build_defs(start="2026-01").resolve_job_def(JOB_NAME)
            job.execute_in_process(instance=instance, tags=range_tags("2026-01", "2026-01"), raise_on_error=False)
        assert instance.get_latest_materialization_event(key) is None
        run_of("2026-01", "2026-01", instance)
        assert instance.get_latest_materialization_event(key) is not None
    (policy,) = [
        spec.freshness_policy for spec in build_defs(start="2026-01").resolve_all_asset_specs() if spec.freshness_policy
    ]
    assert policy == STALE
