"""Small worlds for the proofs: jobs that a test writes, a sandbox that serves them, and the ledger that syncs them.

Waiting is virtual: the budget's clock moves when somebody sleeps, so a Retry-After of a day costs nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from assets.api.auth import ClientCredentials
from assets.api.budget import Budget
from assets.api.client import Client
from assets.api.transport import AnswerLimits
from assets.flatten import flatten_month
from assets.landing import Landed
from assets.plan import Plan
from assets.sync import Synced, sync_month, sync_months
from pipelines.sandbox import Faults, FixedClock, Sandbox, ScriptedWorld, create_app
from warehouse.contract import contract
from warehouse.declaration import Table
from warehouse.engine import arrow, connection
from warehouse.lake import Lake
from warehouse.tables import JOBS, OBSERVATIONS, REJECTED_RECORDS, WALKS

KNOWN = contract()
MONTH = "2025-11"
NOW = datetime(2025, 12, 10, 15, tzinfo=UTC)
ITWINS = tuple(f"{digit * 8}-0000-4000-8000-000000000000" for digit in "123")
SECRET = "canary-secret-5f0c1e"
LIMITS = AnswerLimits(seconds=10, megabytes=4)

Job = dict[str, Any]


def job(job_id: str, itwin_id: str = ITWINS[0], *, state: str = "Success", day: int = 5, **more: Any) -> Job:
    """A job of edition 2025-08 as the API would show it."""
    created = f"{MONTH}-{day:02d}T10:00:00"
    times = {"startedDateTime": f"{created[:11]}10:05:00Z"} if state not in ("Queued",) else {}
    ended = {"endedDateTime": f"{created[:11]}10:35:00Z"} if state in ("Success", "Failed", "Cancelled") else {}
    return {
        "id": job_id,
        "userId": "user-1",
        "name": f"Job {job_id}",
        "type": "Objects2D",
        "state": state,
        "iTwinId": itwin_id,
        "executionInfo": {"createdDateTime": f"{created}Z", "estimatedUnits": 1.5, **times, **ended},
        "specifications": {
            "inputs": {"photos": "5e0c1d2f-0000-4000-8000-000000000001"},
            "outputs": {"objects2D": "5e0c1d2f-0000-4000-8000-000000000002"},
            "options": {"minPhotos": 2},
        },
        **more,
    }


class VirtualTime:
    """A clock that only moves when somebody sleeps, for all threads."""

    def __init__(self) -> None:
        self._now = 0.0
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds


class Stage:
    """What the server plays: a world and its faults, to be changed while it runs."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    def play(self, world: ScriptedWorld, faults: Faults | None = None) -> None:
        self._app = create_app(world, clock=FixedClock(NOW), client_secret=SECRET, faults=faults)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._app is not None
        await self._app(scope, receive, send)


@contextmanager
def stage(world: ScriptedWorld | None = None) -> Generator[tuple[Stage, Sandbox]]:
    """A server on loopback whose world can be swapped."""
    playing, sandbox = Stage(), Sandbox(ScriptedWorld())
    playing.play(world or ScriptedWorld())
    sandbox.app = playing  # type: ignore[assignment]
    with sandbox:
        yield playing, sandbox


class NotedTokens(ClientCredentials):
    """Tokens of the sandbox, of which it notes every one, so that a test can search for them."""

    def __init__(self, sandbox: Sandbox, limits: AnswerLimits = LIMITS) -> None:
        virtual = VirtualTime()
        super().__init__(sandbox.token_url, "sandbox", SECRET, limits=limits, backoff_seconds=0, sleep=virtual.sleep)
        self.noted: set[str] = set()

    def token(self) -> str:
        token = super().token()
        self.noted.add(token)
        return token


def client(
    sandbox: Sandbox, *, attempts: int = 5, tokens: NotedTokens | None = None, limits: AnswerLimits = LIMITS
) -> Client:
    """A client that never waits in earnest, but for answers that do not end."""
    virtual = VirtualTime()
    return Client(
        sandbox.url,
        tokens or NotedTokens(sandbox, limits),
        Budget(1_000_000, virtual.clock, virtual.sleep),
        limits=limits,
        attempts=attempts,
        backoff_seconds=0,
    )


@dataclass
class Ledger:
    """A ledger in a folder, and the API that it syncs with."""

    lake: Lake
    api: Client
    plan: Plan = field(default_factory=lambda: Plan(itwin_ids=ITWINS[:1]))
    syncs: int = 0
    failure: Exception | None = None

    def sync(self, month: str = MONTH) -> Landed:
        self.syncs += 1
        done = sync_month(self.lake, self.api, month, KNOWN, self.plan, f"run-{self.syncs}")
        self.failure = done.failure
        assert done.landed is not None
        return done.landed

    def sync_all(self, *months: str) -> list[Synced]:
        """Sync these months as a run does."""
        self.syncs += 1
        return list(sync_months(self.lake, self.api, months, KNOWN, self.plan, f"run-{self.syncs}"))

    def flatten(self, month: str = MONTH) -> None:
        flatten_month(self.lake, month, KNOWN)

    def rows(self, table: Table, columns: Sequence[str] = (), month: str = MONTH) -> list[dict[str, Any]]:
        """The rows of a table's month in the order of its key."""
        return rows(self.lake, table, columns, month)

    def bodies(self) -> list[tuple[str, str | None]]:
        return [(row["job_id"], row["body"]) for row in self.rows(OBSERVATIONS)]

    def job_ids(self) -> list[str]:
        return [row["job_id"] for row in self.rows(JOBS)]

    def rejected(self, *columns: str) -> list[dict[str, Any]]:
        return self.rows(REJECTED_RECORDS, columns)

    def last_walk(self, *columns: str) -> dict[str, Any]:
        found = sorted(self.rows(WALKS), key=lambda row: int(row["run_id"].removeprefix("run-")))[-1]
        return {column: found[column] for column in columns} if columns else found


@contextmanager
def ledger_of(data: Path, world: ScriptedWorld, faults: Faults | None = None, **plan: Any) -> Generator[Ledger]:
    """A ledger in `data` that syncs with a server of `world`, by default for the first iTwin."""
    with ExitStack() as stack:
        playing, sandbox = stack.enter_context(stage())
        playing.play(world, faults)
        api = stack.enter_context(client(sandbox))
        yield Ledger(Lake(data), api, Plan(**{"itwin_ids": ITWINS[:1], **plan}))


def rows(lake: Lake, table: Table, columns: Sequence[str] = (), month: str = MONTH) -> list[dict[str, Any]]:
    chosen = ", ".join(columns) or "*"
    with connection() as con:
        select = f"SELECT {chosen} FROM {lake.source(table, month)} ORDER BY {', '.join(table.key)}"
        return arrow(con, select).to_pylist()


def files(data: Path) -> dict[str, tuple[bytes, int]]:
    """Every file under a folder with its bytes and its modification time."""
    return {
        str(path.relative_to(data)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(data.rglob("*"))
        if path.is_file()
    }


def until(condition: Any, seconds: float = 10.0) -> None:
    """Waits until a condition holds; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
