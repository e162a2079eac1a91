"""A server that answers as a test tells it to, for what no world of jobs would say; and a ledger on it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from assets.api.auth import FixedToken
from assets.api.budget import Budget
from assets.api.client import Client
from assets.plan import Plan
from tests.faults.world import ITWINS, Job, Ledger
from tests.servers import Reply, Request, json_reply, serving
from warehouse.lake import Lake

PATH = "/reality-analysis/jobs"
NOT_FOUND = json_reply({"error": {"code": "JobNotFound", "message": "Requested job is not available."}}, 404)


class Told:
    """A server that lists `jobs`, and answers every other path as `others` says, or 404 as the API does."""

    def __init__(self, *jobs: Job) -> None:
        self.jobs = list(jobs)
        self.others: dict[str, Reply] = {}
        self.asked: list[str] = []

    def __call__(self, request: Request) -> Reply:
        path = unquote(request.target.split("?")[0])
        if path == PATH:
            return json_reply({"jobs": self.jobs})
        asked = path.removeprefix(f"{PATH}/")
        self.asked.append(asked)
        return self.others.get(asked, NOT_FOUND)


@contextmanager
def ledger_that_is(data: Path, told: Told, **plan: Any) -> Generator[Ledger]:
    with (
        serving(respond=told) as server,
        Client(server.url, FixedToken("canary"), Budget(1_000_000), attempts=2, backoff_seconds=0) as api,
    ):
        yield Ledger(Lake(data), api, Plan(**{"itwin_ids": ITWINS[:1], **plan}))
