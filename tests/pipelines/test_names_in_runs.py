"""Names in whole runs, over HTTP: what stays secret, what a refusal or a failure costs, and iTwins that come and go."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import dagster as dg
import pytest

from assets.checks import EVERY_ITWIN_IS_WALKED
from pipelines.definitions import NAMES_JOB, build_defs
from pipelines.sandbox import NameBook, Sandbox, ScriptedWorld
from pipelines.trial import sandbox_environment
from tests.assets.test_names import ANA, BRIDGE, CANARY, GONE, MAIL, OTHER, SCAN, book
from tests.faults.test_canary import leaks, texts_in
from tests.pipelines.ledger_of_sandbox import jobledger, without_settings
from warehouse.catalog import door
from warehouse.contract import contract
from warehouse.engine import arrow, connection
from warehouse.failed_months import failed_months
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.months import month_of, previous_month
from warehouse.name_tables import NAME_OBSERVATIONS, NAME_TABLES

pytestmark = pytest.mark.proof

CURRENT = month_of(datetime.now(UTC))
PREVIOUS = previous_month(CURRENT)
FIRST = previous_month(PREVIOUS)
NAMES = "itwins,reality_data,detectors"


def job(job_id: str, itwin_id: str, month: str) -> dict[str, Any]:
    """A job of Ana's on the scan that ended within the month's first second."""
    times = {name: f"{month}-01T00:00:00.{place}Z" for place, name in enumerate(("createdDateTime", "endedDateTime"))}
    return {
        "id": job_id,
        "userId": ANA,
        "type": "Segmentation3D",
        "state": "Success",
        "iTwinId": itwin_id,
        "executionInfo": {**times, "estimatedUnits": 1.5},
        "specifications": {
            "inputs": {
                "model3D": SCAN,
                "segmentation3D": GONE,
                "pointCloudSegmentationDetector": "@bentley/cracks/2.0",
            },
            "outputs": {"segmentation3D": "bkt:out"},
        },
    }


JOB = job("a", BRIDGE, CURRENT)


@dataclass(frozen=True)
class Course:
    """A ledger that is synced by the command line, and the sandbox with the names."""

    home: Path
    env: dict[str, str]
    book: NameBook
    world: ScriptedWorld

    @property
    def data(self) -> Path:
        return self.home / "data"

    def put(self, **settings: str) -> Course:
        return replace(self, env=self.env | settings)

    def sync(self) -> CompletedProcess[str]:
        return jobledger("sync", "--from", CURRENT, env=self.env, cwd=self.home)

    def ask(self, text: str) -> list[tuple[Any, ...]]:
        with connection(door(self.data), read_only=True) as con:
            return [tuple(row.values()) for row in arrow(con, text).to_pylist()]

    def run_names(self, monkeypatch: pytest.MonkeyPatch) -> dg.ExecuteInProcessResult:
        """Run the job `names` here."""
        for name, value in self.env.items():
            monkeypatch.setenv(name, value)
        names = build_defs(start=FIRST).resolve_job_def(NAMES_JOB)
        with dg.DagsterInstance.ephemeral() as instance:
            return names.execute_in_process(instance=instance, raise_on_error=False)


@contextmanager
def course(home: Path, *jobs: dict[str, Any], template: Path | None = None, **settings: str) -> Generator[Course]:
    """A course on a copy of a ledger, or on none."""
    if template is not None:
        shutil.copytree(template, home / "data")
    named, world = book(), ScriptedWorld(*jobs)
    with Sandbox(world, names=named) as sandbox:
        own = {"JOBLEDGER_DATA": str(home / "data"), "JOBLEDGER_NAMES": NAMES, **settings}
        env = without_settings() | sandbox_environment(sandbox.url, (BRIDGE,), FIRST) | own
        yield Course(home, env, named, world)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a ledger of one job, synced without names."""
    with course(tmp_path_factory.mktemp("template"), JOB, JOBLEDGER_NAMES="") as here:
        done = here.sync()
        assert done.returncode == 0, done.stderr
        return here.data


def test_no_signed_url_is_anywhere_nor_a_person_unless_users_are_asked_for(
    tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with course(tmp_path, JOB, template=template) as here:
        done = here.sync()
        assert done.returncode == 0, done.stderr
        printed = [("stdout", done.stdout), ("stderr", done.stderr)]
        assert any((here.data / "dagster").rglob("*.db"))
        assert leaks([*printed, *texts_in(here.data)], [CANARY, MAIL, "García"]) == []
        assert here.ask("select itwin_name, user_name from named.jobs") == [("Brücke", None)]
        assert here.ask("select reference, reference_name from named.job_references where kind = 'reality_data'") == [
            (SCAN, "橋 scan"),
            (GONE, None),
        ]
        here.put(JOBLEDGER_NAMES="users").run_names(monkeypatch)
        assert here.ask("select user_name from named.jobs") == [("Ana García",)]
        assert leaks(texts_in(here.data), [CANARY]) == []
        assert leaks(texts_in(here.data), [MAIL]) != []


def test_without_any_right_to_names_all_else_is_the_same_and_the_status_says_what_gives_them(
    tmp_path: Path, template: Path
) -> None:
    timely = ("walks", "unit_forecast")  # the first has a row more, the second tells what is left of the day
    others = [table.name for table in all_tables(contract()) if table not in NAME_TABLES and table.name not in timely]
    with course(tmp_path, JOB, template=template, JOBLEDGER_NAMES=f"{NAMES},users") as here:
        here.book.forbidden = True
        before = {name: here.ask(f"select * from {name}") for name in others}
        done = here.sync()
        assert done.returncode == 0, done.stderr
        assert {name: here.ask(f"select * from {name}") for name in others} == before
        assert here.ask("select distinct http_status from name_walks") == [(403,)]
        told = jobledger("status", env=here.env | {"COLUMNS": "400"}, cwd=here.home)
    assert [line.strip() for line in told.stdout.splitlines() if line.startswith("Names that are missing")] == [
        "Names that are missing: detectors (403: give the application access to Reality Analysis); iTwins (403: make "
        "the application a member of them); reality data of 1 iTwins (403: give the application the right "
        "realitydata_use there); users (403: the API shows people of the application's own organisation alone)"
    ]


def test_a_failure_in_the_names_costs_names_alone_and_fails_the_run_last(
    tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with course(tmp_path, JOB, job("b", BRIDGE, CURRENT), template=template) as here:
        lake = Lake(here.data)
        place = lake.path(NAME_OBSERVATIONS)
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"damaged")
        done = here.sync()
        assert done.returncode == 1
        assert "The names failed; all months are done." in done.stderr
        assert "Traceback" not in done.stderr
        assert here.ask("select sum(jobs), any_value(itwin_name) from named.units_by_month") == [(2, None)]
        assert [(row.month, row.step) for row in failed_months(lake)] == [("all", "names")]
        place.unlink()
        assert here.run_names(monkeypatch).success
        assert failed_months(lake) == []
        assert here.ask("select distinct itwin_name from named.jobs") == [("Brücke",)]


def test_the_job_of_names_warns_of_itwins_that_the_list_shows_and_no_walk_asks_for(
    tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with course(tmp_path, JOB, template=template) as here:
        result = here.run_names(monkeypatch)
        assert result.success
        [told] = [row for row in result.get_asset_check_evaluations() if row.check_name == EVERY_ITWIN_IS_WALKED.name]
        assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert OTHER in str(told.metadata["rows"].value)
        assert BRIDGE not in str(told.metadata["rows"].value)


def test_of_all_itwins_a_new_one_is_walked_from_the_first_month_and_one_that_is_gone_is_told(tmp_path: Path) -> None:
    jobs = [job(f"{itwin_id}-{month}", itwin_id, month) for itwin_id in (BRIDGE, OTHER) for month in (FIRST, CURRENT)]
    with course(tmp_path, *jobs, ITWIN_IDS="all") as here:
        other = here.book.itwins.pop(OTHER)
        assert here.sync().returncode == 0
        here.book.itwins[OTHER] = other
        del here.book.itwins[BRIDGE]
        done = here.sync()
        assert done.returncode == 0, done.stderr
        assert f"Not listed any more, and not walked: iTwin {BRIDGE}. What landed of it is kept." in done.stderr
        assert here.ask("select itwin_id, strftime(created_from, '%Y-%m') from walks order by all") == [
            (BRIDGE, CURRENT),
            *((OTHER, month) for month in (FIRST, PREVIOUS, CURRENT)),
        ]
        assert here.ask("select itwin_id, created_month from jobs where vanished_at is null order by all") == [
            (BRIDGE, CURRENT),
            (OTHER, FIRST),
            (OTHER, CURRENT),
        ]
        told = jobledger("status", env=here.env | {"COLUMNS": "400"}, cwd=here.home)
    lines = [line.split("│") for line in told.stdout.splitlines() if line.strip().startswith((BRIDGE, OTHER))]
    listed = [[line[place].strip() for place in (0, 1, 3, 5)] for line in lines]  # id, name, is it listed, jobs
    assert listed == [[OTHER, "Brücke", "True", "2"], [BRIDGE, "Brücke", "False", "1"]]
