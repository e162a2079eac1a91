"""The API for benchmarks, in a process of its own: the sandbox's jobs, rendered once and then served as bytes.

So what is measured is the client, and each client gets the same bytes. `python -m tests.bench.server` prints its
address when all pages are ready.
"""

from __future__ import annotations

import argparse
import re
import socket
import subprocess
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, quote, urlencode

import msgspec
import uvicorn

from pipelines.sandbox import World
from pipelines.sandbox.instants import to_micros
from pipelines.sandbox.skeleton import Job
from tests.bench.jobs import jobs_of
from tests.bench.measuring import BenchError, plain_environment, python

JOBS_PATH: Final = "/reality-analysis/jobs"
PAGE: Final = 1000
NOT_FOUND: Final = b'{"error":{"code":"JobNotFound","message":"Requested job is not available."}}'

_Send = Callable[[dict[str, Any]], Awaitable[None]]


class Server:
    """The server as a child process, as long as the `with` block lasts.

    `by_itwin`: a listing for each iTwin of the world instead of one of all jobs. `changed`: so many jobs of each
    listing have another name than without it.
    """

    def __init__(self, jobs: int, months: Sequence[str], *, by_itwin: bool = False, changed: int = 0) -> None:
        more = [*(["--by-itwin"] if by_itwin else []), *(["--changed", changed] if changed else [])]
        self._command = python("tests.bench.server", jobs, *months, *more)
        self.url = ""

    @property
    def requests(self) -> int:
        """How many requests it has answered."""
        with urllib.request.urlopen(f"{self.url}/requests") as answer:
            return int(answer.read())

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, env=plain_environment(), stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise BenchError(f"the server ended with exit code {self._process.wait()}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate()


@dataclass
class Answers:
    """What is served: pages by their continuation token, the first one's ending with /0, and messages by job."""

    base: str
    pages: dict[str, bytes] = field(default_factory=dict[str, bytes])
    messages: dict[str, bytes] = field(default_factory=dict[str, bytes])
    requests: int = 0
    changed: int = 0

    def add(self, month: str, itwin: str | None, jobs: Sequence[Job], now: int) -> None:
        """Renders the listing of a month, of all jobs or of one iTwin's."""
        starts = range(0, len(jobs), PAGE) or range(1)
        renamed = set(range(0, len(jobs), max(1, len(jobs) // self.changed))) if self.changed else set[int]()
        for place, start in enumerate(starts):
            page = enumerate(jobs[start : start + PAGE], start)
            bodies = b",".join(_renamed(job.body(now)) if at in renamed else job.body(now) for at, job in page)
            more = place + 1 < len(starts)
            links = b',"_links":{"next":{"href":%s}}' % self._link(month, itwin, place + 1) if more else b""
            self.pages[_token(month, itwin, place)] = b'{"jobs":[%s]%s}' % (bodies, links)
        failed = (job for job in jobs if job.outcome == "failed")
        self.messages |= {job.id: b'{"messages":%s}' % job.messages(now) for job in failed}

    def find(self, path: str, query: bytes) -> bytes | None:
        if path == JOBS_PATH:
            return self.pages.get(_token_asked_for(query.decode()))
        if path == "/requests":
            return str(self.requests).encode()
        return self.messages.get(path.removeprefix(JOBS_PATH + "/").removesuffix("/messages"))

    async def __call__(self, scope: dict[str, Any], receive: object, send: _Send) -> None:
        """Answers as an ASGI application."""
        body = self.find(scope["path"], scope["query_string"])
        self.requests += scope["path"] != "/requests"
        told = NOT_FOUND if body is None else body
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(told)).encode())]
        status = 404 if body is None else 200
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": told})

    def _link(self, month: str, itwin: str | None, place: int) -> bytes:
        query = {"$top": PAGE, "continuationToken": _token(month, itwin, place)}
        return msgspec.json.encode(f"{self.base}{JOBS_PATH}?{urlencode(query, quote_via=quote, safe='$/')}")


def _renamed(body: bytes) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(body) | {"name": "Renamed"})


def _token(month: str, itwin: str | None, place: int) -> str:
    return f"{month}/{itwin or 'all'}/{place}"


def _token_asked_for(query: str) -> str:
    asked = parse_qs(query)
    if "continuationToken" in asked:
        return asked["continuationToken"][0]
    month = re.search(r"createdDateTime ge (\d{4}-\d\d)", asked["$filter"][0])
    itwin = re.search(r"iTwinId eq (\S+)", asked["$filter"][0])
    return _token(month[1] if month else "", itwin[1] if itwin else None, 0)


def _listings(jobs: Sequence[Job], by_itwin: bool) -> Iterator[tuple[str | None, Sequence[Job]]]:
    if not by_itwin:
        yield None, jobs
        return
    for itwin in World().itwins:
        yield itwin, [job for job in jobs if job.itwin_id == itwin]


def main() -> None:
    """Renders, tells the address, serves until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("jobs", type=int)
    parser.add_argument("months", nargs="+")
    parser.add_argument("--by-itwin", action="store_true")
    parser.add_argument("--changed", type=int, default=0)
    chosen = parser.parse_args()
    now = to_micros(datetime.now(UTC))
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        answers = Answers(f"http://127.0.0.1:{listener.getsockname()[1]}", changed=chosen.changed)
        for month in chosen.months:
            for itwin, jobs in _listings(jobs_of(month, chosen.jobs), chosen.by_itwin):
                answers.add(month, itwin, jobs, now)
        print(answers.base, flush=True)
        uvicorn.Server(uvicorn.Config(answers, log_config=None, access_log=False, lifespan="off", ws="none")).run(
            sockets=[listener]
        )


if __name__ == "__main__":
    main()
