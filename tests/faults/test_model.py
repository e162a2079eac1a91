"""Any sequence of what users and the API do, mixed with syncs at any time, against an oracle in plain Python."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.api.auth import FixedToken
from assets.api.budget import Budget
from assets.api.client import Client
from assets.plan import Plan
from pipelines.sandbox import READY_TOKEN, Faults, Sandbox, ScriptedWorld
from tests.faults.world import ITWINS, Job, Ledger, Stage, job, stage
from warehouse.lake import Lake
from warehouse.tables import JOB_STATES, JOBS, OBSERVATIONS

OUTCOMES = {"Success": "success", "Failed": "failed", "Cancelled": "cancelled"}
JOB_IDS = tuple("abcde")
DID = "2025-11-05T1{}:00:00Z"

ACTIONS = st.one_of(
    st.tuples(
        st.sampled_from(("create", "start", "succeed", "fail", "cancel", "rename", "vanish", "come back", "reorder")),
        st.sampled_from(JOB_IDS),
    ),
    st.tuples(st.just("restate"), st.sampled_from(JOB_IDS), st.sampled_from((None, 0, 0.5, 2, 7.25))),
    st.tuples(st.sampled_from(("sync", "sync", "sync", "broken sync"))),
)


@dataclass
class Server:
    """What the API holds: all jobs as they are, hidden ones too, and when each last changed its state."""

    world: ScriptedWorld = field(default_factory=ScriptedWorld)
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    hidden: set[str] = field(default_factory=set[str])
    changed_state_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    renames: int = 0

    def act(self, what: str, job_id: str, *more: Any) -> None:
        """Does what can be done; the rest of a sequence that hypothesis thought of does nothing."""
        if what == "create":
            if job_id not in self.jobs:
                self.put({**job(job_id, state="Queued"), "executionInfo": {"createdDateTime": DID.format(0)}})
        elif job_id in self.jobs:
            getattr(self, what.replace(" ", "_"))(self.jobs[job_id], *more)

    def put(self, one: Job) -> None:
        if one["state"] != self.jobs.get(one["id"], {}).get("state"):
            self.changed_state_at[one["id"]] = datetime.now(UTC)
        self.jobs[one["id"]] = one
        if one["id"] not in self.hidden:
            self.world.put(json.dumps(one).encode())

    def start(self, one: Job) -> None:
        if one["state"] == "Queued":
            self.put(told(one, startedDateTime=DID.format(1)) | {"state": "Active"})

    def succeed(self, one: Job, state: str = "Success") -> None:
        if one["state"] == "Active":
            self.put(told(one, endedDateTime=DID.format(2)) | {"state": state})

    def fail(self, one: Job) -> None:
        self.succeed(one, "Failed")

    def cancel(self, one: Job) -> None:
        if one["state"] in ("Queued", "Active"):
            self.put(told(one, endedDateTime=DID.format(3)) | {"state": "Cancelled"})

    def restate(self, one: Job, units: float | None) -> None:
        self.put(told(one, estimatedUnits=units))

    def rename(self, one: Job) -> None:
        self.renames += 1
        self.put({**one, "name": f"Name {self.renames}"})

    def reorder(self, one: Job) -> None:
        """The same job, its keys in another order: no change."""
        self.put(dict(reversed(one.items())))

    def vanish(self, one: Job) -> None:
        if one["id"] not in self.hidden:
            self.hidden.add(one["id"])
            self.world.remove(one["id"])

    def come_back(self, one: Job) -> None:
        self.hidden.discard(one["id"])
        self.put(one)

    @property
    def listed(self) -> dict[str, Job]:
        return {job_id: one for job_id, one in self.jobs.items() if job_id not in self.hidden}


def told(one: Job, **more: Any) -> Job:
    return {**one, "executionInfo": {**one["executionInfo"], **more}}


@dataclass
class Oracle:
    """What a ledger that misses nothing must hold: by job its versions, a job or None where it was gone."""

    versions: dict[str, list[Job | None]] = field(default_factory=dict[str, list[Job | None]])
    states: dict[str, list[tuple[str, datetime]]] = field(default_factory=dict[str, list[tuple[str, datetime]]])

    def see(self, server: Server) -> dict[str, Any]:
        """A complete walk sees all that is listed; gives the counts of its row."""
        counts = {"new_jobs": 0, "changed_jobs": 0, "unchanged_jobs": 0, "vanished": 0, "records": len(server.listed)}
        for job_id, one in server.listed.items():
            known = self.versions.setdefault(job_id, [])
            counts["new_jobs" if not known else "unchanged_jobs" if known[-1] == one else "changed_jobs"] += 1
            if not known or known[-1] != one:
                known.append(one)
            self.stretch(job_id, one["state"], server)
        for job_id, known in self.versions.items():
            if job_id not in server.listed and known[-1] is not None:
                known.append(None)
                counts["vanished"] += 1
        return counts

    def stretch(self, job_id: str, state: str, server: Server) -> None:
        stretches = self.states.setdefault(job_id, [])
        if not stretches or stretches[-1][0] != state:
            stretches.append((state, server.changed_state_at[job_id]))

    @property
    def jobs(self) -> list[dict[str, Any]]:
        return [jobs_row(job_id, known) for job_id, known in sorted(self.versions.items())]


def jobs_row(job_id: str, known: list[Job | None]) -> dict[str, Any]:
    newest = [one for one in known if one is not None][-1]
    info = newest["executionInfo"]
    hours = [None if key not in info else int(info[key][12]) for key in ("startedDateTime", "endedDateTime")]
    started, ended = hours
    queued = started if started is not None else ended
    return {
        "job_id": job_id,
        "name": newest["name"],
        "state": newest["state"],
        "outcome": OUTCOMES.get(newest["state"], "open"),
        "queue_seconds": None if queued is None else 3600.0 * queued,
        "run_seconds": None if None in hours else 3600.0 * (ended - started),  # type: ignore[operator]
        "total_seconds": None if ended is None else 3600.0 * ended,
        "units": info.get("estimatedUnits"),
        "versions": sum(one is not None for one in known),
        "gone": known[-1] is None,
    }


def judge(ledger: Ledger, oracle: Oracle) -> None:
    """The observations are what the oracle says."""
    kept: dict[str, list[Job | None]] = {}
    for row in ledger.rows(OBSERVATIONS):
        assert (row["http_status"] == 404) == (row["body"] is None)
        kept.setdefault(row["job_id"], []).append(row["body"] and json.loads(row["body"]))
    assert kept == oracle.versions


def judge_flattened(ledger: Ledger, oracle: Oracle) -> None:
    ledger.flatten()
    shown = [name for name in jobs_row("", [job("")]) if name != "gone"]
    assert ledger.rows(JOBS, [*shown, "vanished_at IS NOT NULL AS gone"]) == oracle.jobs
    judge_states(ledger, oracle)


def judge_states(ledger: Ledger, oracle: Oracle) -> None:
    """Each stretch, and bounds between which the change to its state really was."""
    kept: dict[str, list[dict[str, Any]]] = {}
    for row in ledger.rows(JOB_STATES):
        kept.setdefault(row["job_id"], []).append(row)
    wanted = {job_id: [state for state, _ in stretches] for job_id, stretches in oracle.states.items()}
    assert {job_id: [row["state"] for row in rows] for job_id, rows in kept.items()} == wanted
    for job_id, rows in kept.items():
        for row, (state, changed_at) in zip(rows, oracle.states[job_id], strict=True):
            after = row["not_seen_after"]
            assert after is None or after <= changed_at, f"{job_id}: {state} at {changed_at}, not after {after}"
            assert changed_at <= row["first_seen_at"] <= row["last_seen_at"]


def sync(ledger: Ledger, playing: Stage, server: Server, oracle: Oracle, *, broken: bool) -> None:
    playing.play(server.world, Faults(1, 1, ["nojobs"]) if broken else None)
    ledger.sync()
    counts = {"new_jobs": 0, "changed_jobs": 0, "unchanged_jobs": 0, "vanished": 0, "records": 0}
    if not broken:
        counts = oracle.see(server)
    assert ledger.last_walk("complete", *counts) == {"complete": not broken, **counts}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Stage, Client]]:
    with stage() as (playing, sandbox), one_client(sandbox) as api:
        yield playing, api


def one_client(sandbox: Sandbox) -> Client:
    """A client whose token the sandbox knows whatever it plays."""
    return Client(sandbox.url, FixedToken(READY_TOKEN), Budget(1_000_000), attempts=1, backoff_seconds=0)


def follow(served: tuple[Stage, Client], actions: list[tuple[Any, ...]], flatten_each: bool = True) -> None:
    """Does what is said and judges the ledger after each sync; the tables made of it at least after the last one."""
    playing, api = served
    server, oracle = Server(), Oracle()
    with tempfile.TemporaryDirectory() as data:
        ledger = Ledger(Lake(Path(data)), api, Plan(itwin_ids=ITWINS[:1], page_size=2))
        for what, *more in [*actions, ("sync",)]:
            if what in ("sync", "broken sync"):
                sync(ledger, playing, server, oracle, broken=what == "broken sync")
                judge(ledger, oracle)
                if flatten_each:
                    judge_flattened(ledger, oracle)
            else:
                server.act(what, *more)
        judge_flattened(ledger, oracle)


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
SEQUENCES = st.lists(ACTIONS, min_size=4, max_size=20)


@pytest.mark.proof
@settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=QUIET)
@given(SEQUENCES)
def test_after_each_sync_the_tables_are_what_an_oracle_says(
    served: tuple[Stage, Client], actions: list[tuple[Any, ...]]
) -> None:
    follow(served, actions, flatten_each=False)


@pytest.mark.soak
@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@given(SEQUENCES)
def test_after_each_sync_of_many_sequences_the_tables_are_what_an_oracle_says(
    served: tuple[Stage, Client], actions: list[tuple[Any, ...]]
) -> None:
    follow(served, actions)


LIFE = [("create", "a"), ("sync",), ("start", "a"), ("sync",), ("vanish", "a"), ("sync",)]
LIVES = {
    "a whole life": [*LIFE[:4], ("broken sync",), ("succeed", "a"), ("sync",), ("restate", "a", 0), ("sync",)],
    "back as it was": [*LIFE, ("come back", "a"), ("sync",), ("reorder", "a")],
    "changed while gone": [*LIFE, ("succeed", "a"), ("sync",), ("come back", "a")],
    "gone in a broken walk": [*LIFE[:4], ("vanish", "a"), ("broken sync",), ("come back", "a")],
}


@pytest.mark.proof
@pytest.mark.parametrize("actions", LIVES.values(), ids=LIVES.keys())
def test_lives_that_matter(served: tuple[Stage, Client], actions: list[tuple[Any, ...]]) -> None:
    follow(served, actions)
