"""The Reality Analysis API over HTTP: one GET at a time, with its token, its budget and its retries.

What a walk asks for next, what it keeps and when it is complete is not decided here. Nothing is written anywhere.

Every request goes through one loop (`Client._ask`): take a slot of the budget, send, look at the whole answer, and
either read it or raise an error of `assets.api.errors`. Errors that are `transient` are tried again, whether they came
from the status, from the connection, or from a body that was cut or is no JSON. urllib3's Retry counts the attempts
and sets the back-off; the loop drives it, since an adapter with retries of its own sees nothing after the headers.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from typing import Self, TypeVar
from urllib.parse import quote, unquote_plus, urlencode, urljoin, urlsplit

import msgspec
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from assets.api.auth import TokenSource, is_loopback, no_redirect, secure_url
from assets.api.budget import Budget, Patience, http_date, retry_after_seconds
from assets.api.errors import (
    ApiError,
    Malformed,
    NotAuthorised,
    RefusedLink,
    Unreachable,
    WrongUsage,
    error_from_answer,
    first_words,
    host_of,
    innermost,
)
from assets.api.protocol import Answer, Page, Tally
from assets.records import cut_by_brackets

ACCEPT = "application/vnd.bentley.itwin-platform.v2+json"

T = TypeVar("T")


class Client:
    """The API at `api_url`, for all threads of a run. Times are in seconds.

    A call makes at most `attempts` requests, and one more if the token has to be renewed. Between them it waits as long
    as `Retry-After` asks, and then all threads that share `budget` do; or else `backoff_seconds`, doubled each time.
    It does not wait when `Retry-After` asks for more than `longest_wait_seconds`.

    Every method raises the errors of `assets.api.errors.ApiError` and those of the token source; the constructor raises
    WrongUsage for an address to which no token may go.
    """

    def __init__(
        self,
        api_url: str,
        tokens: TokenSource,
        budget: Budget,
        *,
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        attempts: int = 5,
        backoff_seconds: float = 0.5,
        longest_wait_seconds: float = 120.0,
        pool_size: int = 8,
    ) -> None:
        self._jobs_url = f"{secure_url(api_url)}/reality-analysis/jobs"
        self._tokens = tokens
        self._budget = budget
        self._timeout = (connect_timeout, read_timeout)
        self._longest_wait_seconds = longest_wait_seconds
        self._patience = Patience(total=attempts - 1, backoff_factor=backoff_seconds, backoff_max=longest_wait_seconds)
        self._session = _session(self._jobs_url, pool_size)

    def first_page(self, filter: str, top: int, tally: Tally) -> Page:
        """The first page of the jobs that `filter` (see `assets.api.filters`) asks for, of at most `top` jobs."""
        # %20 and not +: only the former means a space to every reader of a query.
        query = urlencode({"$filter": filter, "$top": top}, quote_via=quote, safe="$")
        return self._ask(f"{self._jobs_url}?{query}", tally, _read_page)

    def next_page(self, link: str, tally: Tally, top: int | None = None) -> Page:
        """The page that `link`, the `next_link` of another page, leads to; `top` replaces the `$top` in it.

        Raises RefusedLink unless the link leads to the list of jobs at the configured address.
        """
        query = self._query_of(link)
        if top is not None:
            query = _with_top(query, top)
        # Only the query is taken from the link, so the token cannot go elsewhere whatever the link says.
        return self._ask(f"{self._jobs_url}?{query}", tally, _read_page)

    def job(self, job_id: str, tally: Tally) -> Answer:
        """`GET /jobs/{id}`: the body is `{"job": {...}}`, or the API's error when the status is 404."""
        return self._ask(f"{self._jobs_url}/{_path_segment(job_id)}", tally, _read_job, absent_is_an_answer=True)

    def messages(self, job_id: str, tally: Tally) -> Answer:
        """`GET /jobs/{id}/messages`: the body is `{"messages": {...}}`, or the API's error when the status is 404."""
        url = f"{self._jobs_url}/{_path_segment(job_id)}/messages"
        return self._ask(url, tally, _read_messages, absent_is_an_answer=True)

    def close(self) -> None:
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _ask(
        self,
        url: str,
        tally: Tally,
        read: Callable[["_Reply"], T],
        absent_is_an_answer: bool = False,
    ) -> T:
        """GET `url` and `read` the answer, again and again while faults are transient and patience lasts."""
        patience, attempts, renewed = self._patience, 0, False
        while True:
            self._budget.acquire()
            token = self._tokens.token()  # after the wait, which may outlast a token
            attempts += 1
            tally.add(requests=1, retries=int(attempts > 1))
            try:
                reply = self._send(url, token)
                self._check(reply, tally, absent_is_an_answer)
                return read(reply)
            except ApiError as fault:
                fault.attempts = attempts
                if isinstance(fault, NotAuthorised) and fault.status == 401 and not renewed:
                    self._renew(token, fault)
                    renewed = True
                else:
                    patience = self._hold_off(fault, patience)

    def _send(self, url: str, token: str) -> "_Reply":
        """The whole answer to one GET, body included. Raises Unreachable or Malformed."""
        where = f"GET {urlsplit(url).path}"
        try:
            response = self._session.get(url, auth=_Bearer(token), timeout=self._timeout, allow_redirects=False)
        # The causes are told in `detail` and not chained: their own texts repeat what the server sent.
        except requests.exceptions.ContentDecodingError as error:
            raise Malformed(where=where, detail=innermost(error, [token])) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            what = f"No whole answer came from {host_of(self._jobs_url)}"
            raise Unreachable(what, where=where, detail=innermost(error, [token])) from None
        return _Reply(where, response, datetime.now(UTC), token)

    def _check(self, reply: "_Reply", tally: Tally, absent_is_an_answer: bool) -> None:
        """Raise the error that the status stands for."""
        response = reply.response
        tally.add(throttled=int(response.status_code == 429))
        if response.status_code == 200 or (response.status_code == 404 and absent_is_an_answer):
            return
        fault = error_from_answer(response.status_code, response.headers, response.content, reply.where, [reply.token])
        fault.retry_after_seconds = retry_after_seconds(response.headers)
        raise fault

    def _renew(self, token: str, refusal: NotAuthorised) -> None:
        try:
            self._tokens.renew(token)
        except NotAuthorised as error:
            # Without a status nobody was asked for a new token, and the API's own refusal says more.
            raise (refusal if error.status is None else error) from error

    def _hold_off(self, fault: ApiError, patience: Patience) -> Patience:
        """Wait before the next attempt, or raise `fault` if there is to be none. What is left of the patience."""
        asked = fault.retry_after_seconds
        if not fault.transient:
            raise fault
        if asked > self._longest_wait_seconds:
            fault.advice = (
                f"The API asks to wait {asked:.0f} s, longer than the {self._longest_wait_seconds:.0f} s that a run"
                " waits: run again after that."
            )
            raise fault
        if asked > 0:
            self._budget.pause(asked)  # the limit is everyone's: all wait, even if this call gives up
        if patience.total == 0:
            raise fault
        patience = patience.increment("GET", fault.where, error=fault)
        if asked == 0:
            time.sleep(patience.get_backoff_time())
        return patience

    def _query_of(self, link: str) -> str:
        """The query of a next link that leads to the configured list of jobs, untouched; else raises RefusedLink."""
        where = f"GET {urlsplit(self._jobs_url).path}"
        try:
            target = urljoin(self._jobs_url, link)
            here = _destination(target) == _destination(self._jobs_url)
        except ValueError:
            target, here = "", False
        query = urlsplit(target).query
        if not (here and query):
            raise RefusedLink("The next link leads to elsewhere", where=where, detail=f"to {host_of(link)}")
        return query


class _Bearer(AuthBase):
    """Sets the token on one request. Being an auth, it also keeps requests from taking one out of a .netrc file."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r


@dataclass(frozen=True)
class _Reply:
    where: str
    response: requests.Response
    received_at: datetime
    token: str = field(repr=False)  # the one that was sent, to be blotted out of what an error shows


class _Link(msgspec.Struct):
    href: str | None


class _Links(msgspec.Struct):
    next: _Link | None = None


class _PageBody(msgspec.Struct):
    jobs: list[msgspec.Raw]
    links: _Links | None = msgspec.field(default=None, name="_links")


class _JobBody(msgspec.Struct):
    job: dict[str, msgspec.Raw]


class _MessagesBody(msgspec.Struct):
    messages: dict[str, msgspec.Raw]


def _session(url: str, pool_size: int) -> requests.Session:
    """A session for one host that threads can share: nothing in it changes from request to request."""
    session = requests.Session()
    session.headers.update({"Accept": ACCEPT, "User-Agent": f"jobledger/{_version()}"})
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.trust_env = not is_loopback(url)  # what goes to this machine goes through no proxy
    session.get_redirect_target = no_redirect
    session.mount(url, HTTPAdapter(pool_connections=1, pool_maxsize=pool_size))
    return session


def _version() -> str:
    try:
        return version("jobledger")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0"


def _read_page(reply: _Reply) -> Page:
    body = reply.response.content
    page = _decoded_page(reply)
    following = page.links.next if page.links else None
    server_time = http_date(reply.response.headers.get("date", ""))
    return Page(
        records=page.jobs,
        next_link=following.href if following else None,
        received_at=reply.received_at,
        clock_skew_seconds=(server_time - reply.received_at).total_seconds() if server_time else None,
        size=len(body),
    )


def _decoded_page(reply: _Reply) -> _PageBody:
    """A page's records and link. A record that is no JSON is cut out as it is and costs its neighbours nothing."""
    try:
        return _decoded(reply, _PageBody)
    except Malformed:
        cut = cut_by_brackets(reply.response.content)
        if cut is None:
            raise
        records, rest = cut
        page = _decoded(reply, _PageBody, rest)
        page.jobs = [msgspec.Raw(record) for record in records]
        return page


def _read_job(reply: _Reply) -> Answer:
    return _read_answer(reply, _JobBody)


def _read_messages(reply: _Reply) -> Answer:
    return _read_answer(reply, _MessagesBody)


def _read_answer(reply: _Reply, shape: type[msgspec.Struct]) -> Answer:
    response = reply.response
    if response.status_code == 200:
        _decoded(reply, shape)
    correlation_id = response.headers.get("x-correlation-id")
    return Answer(response.status_code, response.content, reply.received_at, correlation_id)


def _decoded(reply: _Reply, shape: type[T], part: bytes | None = None) -> T:
    """The body, or a part of it, as `shape`. Raises Malformed, which says how the body begins."""
    body = reply.response.content
    try:
        return msgspec.json.decode(body if part is None else part, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(
            where=reply.where,
            status=reply.response.status_code,
            detail=f"{error}; it begins: {first_words(body, [reply.token])}",
            correlation_id=reply.response.headers.get("x-correlation-id"),
        ) from None


def _path_segment(job_id: str) -> str:
    """A job's id as one segment of a path. Raises WrongUsage for one that would lead to another path."""
    if job_id.strip(".") == "":
        raise WrongUsage(f"{job_id!r} is not a job id")
    return quote(job_id, safe="")


def _destination(url: str) -> tuple[str, str | None, int | None, str, bool]:
    """What must be equal for two URLs to lead to the same place. Raises ValueError for one that cannot be read."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, port, parts.path, "@" in parts.netloc


def _with_top(query: str, top: int) -> str:
    """`query` with its `$top` replaced and all else, the opaque token above all, left byte for byte."""
    others = [part for part in query.split("&") if unquote_plus(part.partition("=")[0]) != "$top"]
    return "&".join([*others, f"$top={top}"])
