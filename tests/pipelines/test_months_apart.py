"""Months are independent: what goes wrong in one costs that one, and the run fails last and says where."""

from __future__ import annotations

import errno
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import dagster as dg
import pytest

from assets import flatten, sync
from assets.plan import Plan
from assets.wiring import LAST_STEP
from pipelines import settings
from pipelines.definitions import JOB_NAME, build_defs
from pipelines.sync import range_tags
from tests.faults.world import ITWINS, rows
from tests.holding import held_by_another
from tests.pipelines.ledger_of_sandbox import jobledger
from tests.servers import Reply, Request, json_reply, serving
from warehouse.catalog import door
from warehouse.failed_months import failed_months
from warehouse.lake import Lake
from warehouse.tables import JOBS, OBSERVATIONS

pytestmark = pytest.mark.proof

MONTHS = ("2025-09", "2025-10", "2025-11")
REFUSED = json_reply({"error": {"code": "HeaderNotFound", "message": "Access denied."}}, 401)
NOT_FOUND = json_reply({"error": {"code": "JobNotFound", "message": "Requested job is not available."}}, 404)


def job(month: str, number: int, state: str = "Success") -> dict[str, Any]:
    ended = {"endedDateTime": f"{month}-05T11:00:00Z"} if state == "Success" else {}
    return {
        "id": f"{month}-{number:02d}",
        "userId": "user-1",
        "type": "Objects2D",
        "state": state,
        "iTwinId": ITWINS[0],
        "executionInfo": {"createdDateTime": f"{month}-05T10:00:00Z", "estimatedUnits": 1.5, **ended},
        "specifications": {"inputs": {"photos": "bkt:photos"}, "outputs": {"objects2D": "bkt:objects"}},
    }


@dataclass
class Service:
    """An API with jobs by month; `refuses` holds the months whose lists it answers with 401."""

    jobs: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {month: [job(month, number) for number in range(20)] for month in MONTHS}
    )
    refuses: set[str] = field(default_factory=set[str])
    asked: list[str] = field(default_factory=list[str])

    def __call__(self, request: Request) -> Reply:
        listed = re.search(r"createdDateTime ge (\d{4}-\d\d)", unquote(request.target))
        self.asked.append(listed.group(1) if listed else request.target.rpartition("/")[2])
        if listed is None:
            return NOT_FOUND
        month = listed.group(1)
        return REFUSED if month in self.refuses else json_reply({"jobs": self.jobs[month]})


@dataclass
class Run:
    """A ledger that runs the Dagster job on a service."""

    lake: Lake
    service: Service
    env: dict[str, str]
    instance: dg.DagsterInstance

    def run(self) -> tuple[dg.ExecuteInProcessResult, list[str]]:
        """Run the job on all months; also the keys of the steps that failed."""
        definition = build_defs(start=MONTHS[0]).resolve_job_def(JOB_NAME)
        tags = range_tags(MONTHS[0], MONTHS[-1])
        result = definition.execute_in_process(instance=self.instance, tags=tags, raise_on_error=False)
        return result, [event.step_key or "" for event in result.all_events if event.is_step_failure]

    def states(self, month: str) -> list[str]:
        return [row["state"] for row in rows(self.lake, JOBS, ["state"], month)]

    def why(self) -> dict[str, str]:
        """What is on record of the months that failed."""
        return {row.month: row.reason for row in failed_months(self.lake)}


@contextmanager
def a_ledger(data: Path, patch: pytest.MonkeyPatch, service: Service) -> Generator[Run]:
    with serving(respond=service) as server, dg.DagsterInstance.ephemeral() as instance:
        env = {
            "ITWIN_API_URL": server.url,
            "ITWIN_TOKEN_URL": f"{server.url}/token",
            "ITWIN_ACCESS_TOKEN": "canary-token-83cd",
            "ITWIN_CLIENT_ID": "",
            "ITWIN_CLIENT_SECRET": "",
            "ITWIN_IDS": ITWINS[0],
            "ITWIN_REQUESTS_PER_MINUTE": "60000",
            "JOBLEDGER_DATA": str(data),
            "JOBLEDGER_START": MONTHS[0],
        }
        for name, value in env.items():
            patch.setenv(name, value)
        yield Run(Lake(data), service, env, instance)


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    with a_ledger(tmp_path / "data", monkeypatch, Service()) as run:
        yield run


def reason_of(result: dg.ExecuteInProcessResult) -> str:
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.error is not None
    return (failure.error.cause or failure.error).message


def test_a_refused_loss_in_one_month_leaves_the_others_whole_and_heals(ledger: Run) -> None:
    service = ledger.service
    service.jobs["2025-11"][0] = job("2025-11", 0, state="Queued")
    assert ledger.run()[0].success
    lost, service.jobs["2025-10"] = service.jobs["2025-10"][5:], service.jobs["2025-10"][:5]
    service.jobs["2025-11"][0] = job("2025-11", 0)
    result, failed = ledger.run()
    assert failed == [LAST_STEP]
    assert set(ledger.states("2025-11")) == {"Success"}
    assert len(ledger.states("2025-10")) == 20
    assert "1 month failed; all other months are done." in reason_of(result)
    assert "2025-10 would lose more than 10 of its 20 jobs at once" in reason_of(result)
    assert "--accept-gone" in reason_of(result)
    assert list(ledger.why()) == ["2025-10"]
    service.jobs["2025-10"] += lost
    assert ledger.run()[0].success
    assert ledger.why() == {}


def test_a_token_that_dies_after_the_first_month_ends_the_asking_and_nothing_else(ledger: Run) -> None:
    ledger.service.refuses = {"2025-10", "2025-11"}
    result, failed = ledger.run()
    assert failed == [LAST_STEP]
    assert ledger.service.asked == ["2025-09", "2025-10"]
    assert len(ledger.states("2025-09")) == 20
    assert door(ledger.lake.data).exists()
    assert set(ledger.why()) == {"2025-10", "2025-11"}
    assert "canary-token-83cd" not in "".join(str(event) for event in result.all_events)
    assert all(row.token_refused for row in failed_months(ledger.lake))


def test_a_locked_month_is_told_and_the_others_are_whole(ledger: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "Plan", partial(Plan, wait_seconds=0.5))
    with held_by_another(ledger.lake.data, "2025-10"):
        result, failed = ledger.run()
    assert failed == [LAST_STEP]
    assert (len(ledger.states("2025-09")), len(ledger.states("2025-11"))) == (20, 20)
    assert ledger.lake.months(OBSERVATIONS) == ["2025-09", "2025-11"]
    assert "2025-10 is still being worked on by another run" in reason_of(result)
    assert ledger.run()[0].success
    assert len(ledger.states("2025-10")) == 20


def test_an_answer_that_nobody_foresaw_and_a_full_disk_cost_their_months_alone(
    ledger: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk, flatten_month = sync.walk, flatten.flatten_month

    def odd(api: Any, one: Any, *args: Any, **more: Any) -> Any:
        if one.window.month == "2025-09":
            raise RuntimeError("nobody foresaw this")
        return walk(api, one, *args, **more)

    def full(lake: Lake, month: str, *args: Any, **more: Any) -> Any:
        if month == "2025-10":
            raise OSError(errno.ENOSPC, "No space left on device", "lake/jobs")
        return flatten_month(lake, month, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(sync, "walk", odd)
        patch.setattr(flatten, "flatten_month", full)
        result, failed = ledger.run()
    assert failed == [LAST_STEP]
    assert len(ledger.states("2025-11")) == 20
    assert "nobody foresaw this" in ledger.why()["2025-09"]
    assert "No space is left" in ledger.why()["2025-10"]
    assert all(reason in reason_of(result) for reason in ledger.why().values())
    assert ledger.run()[0].success
    assert (ledger.why(), len(ledger.states("2025-09")), len(ledger.states("2025-10"))) == ({}, 20, 20)


def test_the_command_line_names_the_months_that_failed_and_tells_a_dead_token_by_its_exit_code(
    ledger: Run, tmp_path: Path
) -> None:
    service, env = ledger.service, ledger.env
    range_of = ("sync", "--from", MONTHS[0], "--to", MONTHS[-1])
    assert ledger.run()[0].success
    service.jobs["2025-10"] = service.jobs["2025-10"][:5]
    service.jobs["2025-11"].append(job("2025-11", 99))
    lossy = jobledger(*range_of, env=env, cwd=tmp_path)
    assert lossy.returncode == 1
    assert "2025-10 would lose more than 10 of its 20 jobs at once" in lossy.stderr
    assert "Traceback" not in lossy.stderr
    assert len(ledger.states("2025-11")) == 21
    service.refuses = {"2025-11"}
    service.jobs["2025-09"].append(job("2025-09", 99))
    refused = jobledger(*range_of, env=env, cwd=tmp_path)
    assert refused.returncode == 3
    assert "2025-11: Not authorised: 401" in refused.stderr
    assert "canary-token-83cd" not in refused.stderr
    assert len(ledger.states("2025-09")) == 21
