"""An API that hands out pages by a script, for what the sandbox would never do. Real HTTP on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from assets.api.auth import FixedToken
from assets.api.budget import Budget
from assets.api.client import Client
from assets.plan import Plan
from tests.faults.world import ITWINS, Ledger, VirtualTime
from tests.servers import Reply, Request, Server, json_reply, serving
from warehouse.lake import Lake

LIST = "/reality-analysis/jobs"
NOT_FOUND = json_reply({"error": {"code": "JobNotFound", "message": "Requested job is not available."}}, 404)


def page(*jobs: Any, link: str | None = None) -> Reply:
    """A page of jobs; bytes stand in it as they are."""
    records = b",".join(job if isinstance(job, bytes) else json.dumps(job).encode() for job in jobs)
    links = json.dumps({"next": {"href": link}}).encode() if link is not None else b"{}"
    return Reply(200, b'{"jobs":[%s],"_links":%s}' % (records, links))


def to(token: str) -> str:
    """A next link as the API would write it, but for the host, which may be left out."""
    return f"{LIST}?continuationToken={token}"


def found(job: Any) -> Reply:
    return json_reply({"job": job})


def query(request: Request) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(request.target).query).items()}


def answers(
    pages: Mapping[str, Reply] | Callable[[Request], Reply], jobs: Mapping[str, Reply] | None = None
) -> Callable[[Request], Reply]:
    """Answers with the page that a token names ('' is the first), and with a job by its id, else with a 404."""

    def respond(request: Request) -> Reply:
        path = urlsplit(request.target).path
        if path != LIST:
            return (jobs or {}).get(path.removeprefix(f"{LIST}/"), NOT_FOUND)
        return pages(request) if callable(pages) else pages[query(request).get("continuationToken", "")]

    return respond


class Script:
    """What the server answers by, to be changed between syncs."""

    def __init__(self, respond: Callable[[Request], Reply]) -> None:
        self.respond = respond

    def __call__(self, request: Request) -> Reply:
        return self.respond(request)


@contextmanager
def chained(
    data: Path, script: Callable[[Request], Reply], *, attempts: int = 2, **plan: Any
) -> Generator[tuple[Ledger, Server]]:
    """A ledger that syncs with a server that answers by a script."""
    virtual = VirtualTime()
    budget = Budget(1_000_000, virtual.clock, virtual.sleep)
    with (
        serving(respond=script) as server,
        Client(server.url, FixedToken("chain-token"), budget, attempts=attempts, backoff_seconds=0) as api,
    ):
        yield Ledger(Lake(data), api, Plan(**{"itwin_ids": ITWINS[:1], **plan})), server
