"""Seeded short syncs against a server that misbehaves, each judged by what the server really holds.

Four syncs share a ledger and a changing world, each with its own seed: jobs are added, changed and removed in between.
The last of the four syncs a second month too, in which no request is spoilt: it must be whole in all tables.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, fields
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

from assets.api.errors import NotAuthorised
from assets.api.transport import AnswerLimits
from assets.plan import Plan
from pipelines.sandbox import KINDS, TRANSIENT, Faults, ScriptedWorld
from tests.faults.world import ITWINS, MONTH, Job, Ledger, client, job, stage
from tests.servers import Reply, Server, serving
from warehouse.lake import Lake
from warehouse.tables import (
    JOB_MESSAGES,
    JOB_OPTIONS,
    JOB_REFERENCES,
    JOB_STATES,
    JOBS,
    OBSERVATIONS,
    REJECTED_RECORDS,
    WALKS,
)

PROBABILITY = 0.2
SYNCS_A_LEDGER = 4
LIMITS = AnswerLimits(seconds=0.5, megabytes=0.5)
LONGEST_SYNC_SECONDS = 20.0
"""What a sync may take: some twenty answers that use up their deadline, and the work besides."""

QUIET_MONTH = "2025-10"
QUIET = ("createdDateTime ge 2025-10", "quiet-")
"""What the requests about the quiet month have in their addresses."""


@dataclass
class Figures:
    """What a soak did. `complete` and `incomplete` count syncs; a complete one has only complete walks."""

    syncs: int = 0
    complete: int = 0
    incomplete: int = 0
    walks: int = 0
    complete_walks: int = 0
    transient_syncs: int = 0
    transient_complete: int = 0
    requests: int = 0
    retries: int = 0
    throttled: int = 0
    longest_seconds: float = 0.0
    quiet_months: int = 0
    kinds: Counter[str] = field(default_factory=Counter[str])

    def __add__(self, other: Figures) -> Figures:
        both = {one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)}
        return Figures(**both | {"longest_seconds": max(self.longest_seconds, other.longest_seconds)})

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.kinds.items()))
        return (
            f"{self.syncs} syncs: {self.complete} complete, {self.incomplete} incomplete and saying where; of "
            f"{self.transient_syncs} with transient faults alone {self.transient_complete} complete\n"
            f"{self.walks} walks: {self.complete_walks} complete; {self.requests} requests, {self.retries} retries, "
            f"{self.throttled} times throttled; the longest sync took {self.longest_seconds:.1f} s; "
            f"{self.quiet_months} months without faults, all whole\nfaults met: {sum(self.kinds.values())} ({kinds})"
        )


@dataclass
class Truth:
    """What the server holds and ever held, by job: the oracle of the soak."""

    now: dict[str, Job] = field(default_factory=dict[str, Job])
    ever: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    world: ScriptedWorld = field(default_factory=ScriptedWorld)

    def put(self, new: Job) -> None:
        self.now[new["id"]] = new
        self.ever.setdefault(new["id"], []).append(canonical(new))
        self.world.put(new)

    def remove(self, job_id: str) -> None:
        del self.now[job_id]
        self.world.remove(job_id)

    def change(self, rng: Random) -> None:
        """A few jobs more, a few with other units, one less."""
        for _ in range(rng.randint(1, 3)):
            state = rng.choice(("Active", "Success", "Failed"))
            self.put(job(f"job-{len(self.ever):03d}", rng.choice(ITWINS), state=state))
        for job_id in rng.sample(sorted(self.now), 2):
            info = {**self.now[job_id]["executionInfo"], "estimatedUnits": rng.random()}
            self.put({**self.now[job_id], "executionInfo": info})
        self.remove(rng.choice(sorted(self.now)))


def canonical(body: Any) -> str:
    return json.dumps(body, sort_keys=True)


def soak_side_by_side(data: Path, seeds: Sequence[int]) -> Figures:
    """The same on two cores."""
    half = len(seeds) // 2 // SYNCS_A_LEDGER * SYNCS_A_LEDGER
    halves = (seeds[:half], seeds[half:])
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        one, other = pool.map(soak, [data / "one", data / "other"], halves)
    return one + other


def soak(data: Path, seeds: Sequence[int]) -> Figures:
    """Run a sync for each seed and judge it."""
    figures = Figures()
    with serving(Reply(200, b"{}")) as elsewhere, stage() as (playing, sandbox):
        for first in range(0, len(seeds), SYNCS_A_LEDGER):
            truth = Truth()
            for number in range(15):
                truth.put(job(f"job-{number:03d}", ITWINS[number % 3], state=("Success", "Failed")[number % 5 == 0]))
            plan = Plan(ITWINS[: 1 + first // SYNCS_A_LEDGER % 3], page_size=2, threads=1)
            for seed in seeds[first : first + SYNCS_A_LEDGER]:
                kinds = KINDS if seed % 2 else tuple(TRANSIENT)
                faults = Faults(
                    PROBABILITY,
                    seed,
                    kinds,
                    slow_seconds=0.002,
                    huge_megabytes=1,
                    elsewhere=elsewhere.url,
                    spared=QUIET,
                )
                playing.play(truth.world, faults)
                with client(sandbox, limits=LIMITS) as api:
                    ledger = Ledger(Lake(data / f"ledger-{first}"), api, plan, seed)
                    if seed % SYNCS_A_LEDGER == SYNCS_A_LEDGER - 1:
                        quiet = put_quiet_jobs(truth.world)
                        run_one(ledger, truth, faults, figures, MONTH, QUIET_MONTH)
                        judge_quiet_month(ledger, quiet, figures)
                    else:
                        run_one(ledger, truth, faults, figures, MONTH)
                truth.change(Random(seed))
        judge_elsewhere(elsewhere)
    return figures


def run_one(ledger: Ledger, truth: Truth, faults: Faults, figures: Figures, *months: str) -> None:
    """One sync. It may end with NotAuthorised, once a token was refused twice; what was seen is in the ledger then."""
    began = time.monotonic()
    for month in ledger.sync_all(*months):
        assert month.failure is None or isinstance(month.failure, NotAuthorised), month
    figures.longest_seconds = max(figures.longest_seconds, time.monotonic() - began)
    walks = [walk for walk in ledger.rows(WALKS) if walk["run_id"] == f"run-{ledger.syncs}"]
    assert [walk["itwin_id"] for walk in walks] != []
    judge(ledger, truth, walks)
    whole = all(walk["complete"] for walk in walks)
    figures.syncs += 1
    figures.complete += whole
    figures.incomplete += not whole
    if "loop" not in faults.kinds:
        figures.transient_syncs += 1
        figures.transient_complete += whole
    for walk in walks:
        figures.walks += 1
        figures.complete_walks += walk["complete"]
        figures.requests += walk["requests"]
        figures.retries += walk["retries"]
        figures.throttled += walk["throttled"]
    figures.kinds.update({kind: count for kind, count in faults.counts.items() if count})
    if figures.syncs % 25 == 0:
        judge_tables(ledger)


def put_quiet_jobs(world: ScriptedWorld) -> list[Job]:
    """Put a few jobs of another month into a world."""
    jobs: list[Job] = []
    for number in range(7):
        created = {"createdDateTime": f"{QUIET_MONTH}-{number + 1:02d}T10:00:00Z", "estimatedUnits": number / 4}
        state = ("Failed", "Active", "Success")[number % 3]
        jobs.append(job(f"quiet-{number}", ITWINS[0], state=state, executionInfo=created))
        world.put(jobs[-1])
        told = {"code": "X", "title": "t", "message": "m %1", "params": ["p"]}
        world.set_messages(f"quiet-{number}", {"errors": [told], "warnings": []})
    return jobs


def judge_quiet_month(ledger: Ledger, jobs: Sequence[Job], figures: Figures) -> None:
    """A month whose requests no fault meets is whole in all tables, whatever met the one before it.

    Without a token there is nothing to be whole, and its walk says so.
    """
    reasons = [walk["error"] for walk in ledger.rows(WALKS, month=QUIET_MONTH)]
    if not reasons or any("connect/token" in (reason or "") or "401" in (reason or "") for reason in reasons):
        return
    assert reasons == [None] * len(ledger.plan.itwin_ids)
    ledger.flatten(QUIET_MONTH)
    ids = [one["id"] for one in jobs]
    failed = [one["id"] for one in jobs if one["state"] == "Failed"]
    wanted = dict.fromkeys((OBSERVATIONS, JOBS, JOB_STATES, JOB_OPTIONS), ids)
    wanted |= {JOB_REFERENCES: sorted([*ids, *ids]), JOB_MESSAGES: failed, REJECTED_RECORDS: []}
    for table, job_ids in wanted.items():
        assert [row["job_id"] for row in ledger.rows(table, month=QUIET_MONTH)] == job_ids, table.name
    figures.quiet_months += 1


def judge(ledger: Ledger, truth: Truth, walks: Sequence[dict[str, Any]]) -> None:
    """No hole in what is said to be complete, nothing made up, no version twice, a reason for what is incomplete."""
    versions: dict[str, list[tuple[int, str | None, Any]]] = {}
    for row in ledger.rows(OBSERVATIONS):
        body = None if row["body"] is None else canonical(json.loads(row["body"]))
        versions.setdefault(row["job_id"], []).append((row["http_status"], body, row["observed_at"]))
    for job_id, seen in versions.items():
        judge_versions(job_id, seen, truth)
    newest = {job_id: seen[-1][1] for job_id, seen in versions.items()}
    for walk in walks:
        assert walk["complete"] == (walk["error"] is None), walk
        if walk["complete"]:
            held = {key: canonical(body) for key, body in truth.now.items() if body["iTwinId"] == walk["itwin_id"]}
            kept = {key: body for key, body in newest.items() if body and walk["itwin_id"] in body}
            assert kept == held, walk


def judge_versions(job_id: str, seen: list[tuple[int, str | None, Any]], truth: Truth) -> None:
    contents = [row[:2] for row in seen]
    assert all(one != other for one, other in pairwise(contents)), f"{job_id}: twice"
    assert [row[2] for row in seen] == sorted({row[2] for row in seen}), f"{job_id}: times do not grow"
    assert seen[-1][0] == 200 or job_id not in truth.now, f"{job_id} is there and marked as gone"
    for _, body in contents:
        twin = body is not None and "(other)" in body
        assert body is None or twin or body in truth.ever[job_id], f"{job_id}: {body} was never there"


def judge_tables(ledger: Ledger) -> None:
    ledger.flatten()
    assert ledger.job_ids() == sorted({row["job_id"] for row in ledger.rows(OBSERVATIONS)})
    gone = {row["job_id"] for row in ledger.rows(JOBS) if row["vanished_at"]}
    newest = {row["job_id"]: row["http_status"] for row in ledger.rows(OBSERVATIONS)}
    assert gone == {job_id for job_id, status in newest.items() if status == 404}


def judge_elsewhere(elsewhere: Server) -> None:
    """The other host, to which links and redirects led, was never asked for anything."""
    assert elsewhere.requests == []
