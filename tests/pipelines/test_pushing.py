"""Pushes in runs and by the command line: what travels, what a failure costs, and what shows of the credentials."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import dagster as dg
import pytest

from assets.checks import EVERY_MONTH_CAME_THROUGH
from assets.wiring import PUBLISHED, PUSHED, build_assets, build_last_check
from pipelines.resources import SettingsResource
from pipelines.sandbox import World
from tests.buckets import KEY, SECRET, Bucket, everything, without_clouds
from tests.faults.test_canary import leaks, texts_in
from tests.pipelines.ledger_of_sandbox import environment, jobledger, running
from warehouse.failed_months import failed_months
from warehouse.lake import Lake
from warehouse.snapshots.store import Store

LEDGER = Path(__file__).parents[1] / "fixtures" / "ledger-0.1.0"
MONTH = ("--from", "2026-03", "--to", "2026-03")


@dataclass(frozen=True)
class Course:
    """A ledger of a small world, and the settings by which it is synced."""

    home: Path
    env: dict[str, str]

    @property
    def lake(self) -> Lake:
        return Lake(self.home / "data")

    def run(self, *arguments: str, **more: str) -> CompletedProcess[str]:
        return jobledger(*arguments, env={**without_clouds(), **self.env, **more}, cwd=self.home)


@pytest.fixture
def course(tmp_path: Path) -> Generator[Course]:
    world = World(seed=3, jobs_per_month=40, months=1, itwins=2, users=3)
    with running(world) as (sandbox, _):
        yield Course(tmp_path, environment(sandbox, world, tmp_path / "data"))


def files_of(lake: Lake) -> dict[str, bytes]:
    return {file.relative_to(lake.root).as_posix(): file.read_bytes() for file in lake.root.rglob("*.parquet")}


@pytest.mark.parametrize("folder", ["store", "unplugged/store"])
def test_the_last_step_of_a_run_tells_whether_it_pushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    shutil.copytree(LEDGER, tmp_path / "data")
    for name, value in (("DATA", str(tmp_path / "data")), ("PUSH_URL", f"file://{tmp_path}/{folder}")):
        monkeypatch.setenv(f"JOBLEDGER_{name}", value)
    came_through = dg.AssetCheckKey(dg.AssetKey(PUBLISHED), EVERY_MONTH_CAME_THROUGH.name)
    selection = dg.AssetSelection.assets(PUSHED) | dg.AssetSelection.checks(came_through)
    job = dg.Definitions(
        assets=build_assets("2026-02", pushed=True),
        asset_checks=[build_last_check(pushed=True)],
        resources={"ledger": SettingsResource()},
        jobs=[dg.define_asset_job("push_alone", selection)],
    ).resolve_job_def("push_alone")
    done = job.execute_in_process(raise_on_error=False)
    works = folder == "store"
    assert done.success is works
    failed = [(row.month, row.step) for row in failed_months(Lake(tmp_path / "data"))]
    assert failed == ([] if works else [("all", "push")])
    assert (tmp_path / "store" / "snapshot.json").exists() is works


@pytest.mark.proof
def test_runs_push_what_they_published_and_a_failure_costs_the_push_alone(course: Course, bucket: Bucket) -> None:
    bucket_is = {**bucket.environment, "JOBLEDGER_PUSH_URL": bucket.url}
    (course.home / ".env").write_text("\n".join(f"{name}={value}" for name, value in bucket_is.items()))
    pushed = course.run("sync", *MONTH)
    assert pushed.returncode == 0, pushed.stderr
    failed = course.run("sync", *MONTH, AWS_SECRET_ACCESS_KEY=f"{SECRET}-wrong")
    assert failed.returncode == 1
    assert "\njobledger: The push failed; all months are done.\npush: s3://ledger/" in failed.stderr
    assert "Access is refused: 403 Forbidden" in failed.stderr
    assert [(row.month, row.step) for row in failed_months(course.lake)] == [("all", "push")]
    by_hand = course.run("push", "--debug", AWS_SECRET_ACCESS_KEY=f"{SECRET}-wrong")
    assert by_hand.returncode == 1

    assert course.run("push").returncode == 0
    assert failed_months(course.lake) == []
    kept = json.loads(course.run("history", "--json").stdout)
    assert [entry["jobs"] for entry in kept] == [22, 22]
    pulled = course.run("pull", JOBLEDGER_DATA=str(course.home / "new"))
    assert pulled.returncode == 0
    assert files_of(Lake(course.home / "new")) == files_of(course.lake)  # with the walks of the run that failed
    findings = course.run("doctor")
    assert f"✓ snapshots: {bucket.url} holds 2 snapshots, the newest of {kept[1]['at']}" in findings.stdout
    status = course.run("status", "--json", JOBLEDGER_DATA=str(course.home / "new"))
    assert len(json.loads(status.stdout)["walks"]) == 1

    (course.home / ".env").unlink()
    printed = "".join(done.stdout + done.stderr for done in (pushed, failed, by_hand, pulled, status))
    shown = [("printed", printed), ("stored", everything(Store(bucket.url))), *texts_in(course.home)]
    assert leaks(shown, [SECRET, KEY]) == []


@pytest.mark.parametrize("command", ["push", "pull", "history"])
def test_a_command_asks_where(course: Course, command: str) -> None:
    (course.home / "data" / "lake").mkdir(parents=True)
    done = course.run(command)
    assert (done.returncode, done.stderr) == (
        2,
        "jobledger: Where? Give an address such as s3://BUCKET/ledger, or set JOBLEDGER_PUSH_URL.\n",
    )


def test_there_is_nothing_to_push_before_a_sync(course: Course) -> None:
    done = course.run("push", f"file://{course.home}/store")
    assert (done.returncode, "There is no ledger in" in done.stderr) == (2, True)
