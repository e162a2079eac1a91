"""The sandbox API as a starlette app: token endpoint, job listing, jobs, messages, progress.

It answers as the documents say, and is strict where a careless client would get away with something. Everything is done
on the event loop: an answer takes milliseconds, and one thread keeps the order of events plain.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime
from email.utils import formatdate
from math import ceil
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipelines.sandbox.access import Budget, Tokens
from pipelines.sandbox.answers import error_answer, json_answer, no_access, too_many
from pipelines.sandbox.clocks import system_clock
from pipelines.sandbox.faults import Faults
from pipelines.sandbox.filter_grammar import Filter, FilterError, parse_filter
from pipelines.sandbox.instants import to_micros
from pipelines.sandbox.interface import ApiWorld, Row
from pipelines.sandbox.listing import Page, TokenError, chance, page_of, position_in, token_for
from pipelines.sandbox.name_book import NameBook
from pipelines.sandbox.names import NamesApi, WorldNames
from pipelines.sandbox.world import World

BASE: Final = "/reality-analysis/jobs"
SCOPE: Final = "itwin-platform"
TOP: Final = range(2, 1001)
DEFAULT_TOP: Final = 100
LOG_LENGTH: Final = 100_000


class LogEntry(NamedTuple):
    """A request as it came, and the status that it was answered with."""

    method: str
    path: str
    status: int
    host: str
    authorized: bool


class BadRequestError(ValueError):
    """A request that cannot be answered: what is wrong with which parameter."""

    def __init__(self, message: str, target: str) -> None:
        super().__init__(message)
        self.target = target


def create_app(
    world: ApiWorld,
    *,
    clock: Callable[[], datetime] = system_clock,
    token_ttl: float = 3600,
    client_id: str = "sandbox",
    client_secret: str = "sandbox-secret",
    rate_per_minute: float | None = None,
    faults: Faults | None = None,
    names: NameBook | None = None,
) -> Starlette:
    """The app over a world, whose things have the names of `names`, by default those of a generated world or none.

    `token_ttl` in seconds; `app.state.log` holds the latest requests as `LogEntry`."""
    api = _Api(world, clock, Tokens(token_ttl), Budget(rate_per_minute), faults)
    named = NamesApi(names or (WorldNames(world) if isinstance(world, World) else NameBook()), clock)
    log: deque[LogEntry] = deque(maxlen=LOG_LENGTH)

    def route(path: str, answer: _Answer, method: str = "GET") -> Route:
        return Route(path, _logged(answer, log), methods=[method])

    app = Starlette(
        routes=[
            route("/connect/token", api.token_answer({client_id: client_secret}), "POST"),
            route(BASE, api.guarded("list", api.list_jobs)),
            route(BASE + "/{job_id}", api.guarded("get", api.job)),
            route(BASE + "/{job_id}/messages", api.guarded("messages", api.messages)),
            route(BASE + "/{job_id}/progress", api.guarded("progress", api.progress)),
            *(
                route(path, api.guarded(operation, answer), method)
                for path, operation, method, answer in named.operations()
            ),
        ]
    )
    app.state.log = log
    return app


_Answer = Callable[[Request], Awaitable[Response]]


def _logged(answer: _Answer, log: deque[LogEntry]) -> _Answer:
    async def endpoint(request: Request) -> Response:
        response = await answer(request)
        response.headers["x-correlation-id"] = str(uuid.uuid4())
        response.headers["date"] = formatdate(usegmt=True)  # uvicorn's is as old as its event loop was busy
        headers = request.headers
        entry = LogEntry(
            request.method, request.url.path, response.status_code, headers.get("host", ""), "authorization" in headers
        )
        log.append(entry)
        return response

    return endpoint


class _Api:
    """The operations; each takes a request that may come in and gives its answer."""

    def __init__(
        self, world: ApiWorld, clock: Callable[[], datetime], tokens: Tokens, budget: Budget, faults: Faults | None
    ) -> None:
        self._world = world
        self._clock = clock
        self._tokens = tokens
        self._budget = budget
        self._faults = faults

    def guarded(self, operation: str, answer: Callable[[Request], Response]) -> _Answer:
        """The operation behind token and budget, with faults where there are to be some."""

        async def guarded(request: Request) -> Response:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            refusal = self._refusal(token)
            if refusal is not None:
                return refusal
            if request.method == "POST":
                await request.body()  # kept by the request, for an answer that is no coroutine
            if self._faults is None:
                return answer(request)
            return await self._faults.answer(
                request, operation, lambda: answer(request), lambda: self._tokens.revoke(token)
            )

        return guarded

    def token_answer(self, clients: dict[str, str]) -> _Answer:
        """The token endpoint for these clients (id to secret)."""

        async def token(request: Request) -> Response:
            form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
            if self._faults is None:
                return self._token(form, clients)
            return await self._faults.answer(request, "token", lambda: self._token(form, clients), lambda: None)

        return token

    def list_jobs(self, request: Request) -> Response:
        try:
            wanted, top, after = _listing_query(request)
        except BadRequestError as error:
            return error_answer(400, "InvalidRealityAnalysisRequest", f"Invalid request: {error}", error.target)
        for itwin in sorted(wanted.itwins):
            if not self._world.has_itwin(itwin):
                return error_answer(404, "iTwinNotFound", f"Requested iTwin {itwin} is not available.")
        page = page_of(self._world, wanted, self._now(), after, top)
        return json_answer(_page_body(request, wanted, page))

    def job(self, request: Request) -> Response:
        return self._one(request, "job", lambda row, now: row.body(now))

    def messages(self, request: Request) -> Response:
        return self._one(request, "messages", lambda row, now: row.messages(now))

    def progress(self, request: Request) -> Response:
        return self._one(request, "progress", lambda row, now: row.progress(now))

    def _one(self, request: Request, key: str, part: Callable[[Row, int], bytes | None]) -> Response:
        now, job_id = self._now(), request.path_params["job_id"]
        row = self._world.find(job_id, now)
        body = None if row is None else part(row, now)
        if body is None:
            return error_answer(404, "JobNotFound", f"Requested job {job_id} is not available.")
        return json_answer(b'{"%s":%s}' % (key.encode(), body))

    def _now(self) -> int:
        return to_micros(self._clock())

    def _refusal(self, token: str) -> Response | None:
        if not token:
            return no_access("Header Authorization was not found in the request. Access denied.")
        if not self._tokens.accepts(token):
            return no_access("The access token is invalid, expired or revoked. Access denied.")
        wait = self._budget.take()
        return too_many(str(ceil(wait))) if wait else None

    def _token(self, form: dict[str, str], clients: dict[str, str]) -> Response:
        if form.get("grant_type") != "client_credentials":
            return _refused_grant(400, "unsupported_grant_type")
        client = form.get("client_id", "")
        if client not in clients or clients[client] != form.get("client_secret"):
            return _refused_grant(401 if client in clients else 400, "invalid_client")
        if SCOPE not in form.get("scope", "").split():
            return _refused_grant(400, "invalid_scope")
        grant = {"access_token": self._tokens.issue(), "expires_in": int(self._tokens.ttl), "token_type": "Bearer"}
        return json_answer(msgspec.json.encode(grant | {"scope": SCOPE}), headers={"cache-control": "no-store"})


def _refused_grant(status: int, error: str) -> Response:
    described = {"error": error, "error_description": f"The token request was refused: {error}."}
    return json_answer(msgspec.json.encode(described), status)


def _listing_query(request: Request) -> tuple[Filter, int, str | None]:
    """Filter, page size and position to go on after. Errors: BadRequestError."""
    query = request.query_params
    try:
        wanted = parse_filter(query.get("$filter", ""))
    except FilterError as error:
        raise BadRequestError(f"$filter: {error}", "$filter") from None
    top = query.get("$top", str(DEFAULT_TOP))
    if not (top.isascii() and top.isdigit() and int(top) in TOP):
        raise BadRequestError(f"$top: {top!r} is not a whole number from {TOP.start} to {TOP.stop - 1}", "$top")
    token = query.get("continuationToken")
    try:
        return wanted, int(top), None if token is None else position_in(wanted, token)
    except TokenError as error:
        raise BadRequestError(str(error), "continuationToken") from None


def _page_body(request: Request, wanted: Filter, page: Page) -> bytes:
    links = b""
    if page.last is not None:
        links = b',"_links":{"next":{"href":%s}}' % msgspec.json.encode(_next(request, token_for(wanted, page.last)))
    elif chance("links", wanted.text, len(page.bodies)) < 0.5:
        links = b',"_links":{}'
    return b'{"jobs":[%s]%s}' % (b",".join(page.bodies), links)


def _next(request: Request, token: str) -> str:
    """The address of the next page: the same query with another token."""
    query = {key: value for key, value in request.query_params.items() if key != "continuationToken"}
    path = request.url.replace(query="")
    return f"{path}?{urlencode(query | {'continuationToken': token}, quote_via=quote)}"
