"""The Reality Analysis API over HTTP: one GET at a time, with its token, its budget and its retries.

What a walk asks for next, what it keeps and when it is complete is not decided here. Nothing is written anywhere.

Every request goes through one loop (`Client._ask`): take a slot of the budget, send, look at the whole answer, and
either read it or raise an error of `assets.api.errors`, which `Patience` tries again or lets pass.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Self, TypeVar
from urllib.parse import quote, unquote_plus, urlencode, urljoin, urlsplit

import msgspec
import requests

from assets.api.addresses import secure_url
from assets.api.auth import TokenSource, scopes_of
from assets.api.bodies import decoded, mended, without_signed_urls
from assets.api.budget import Budget
from assets.api.errors import (
    ApiError,
    ClockFault,
    Malformed,
    NotAuthorised,
    RefusedLink,
    Throttled,
    WrongUsage,
    error_from_answer,
    first_words,
    host_of,
)
from assets.api.patience import Patience, http_date, retry_after_seconds
from assets.api.protocol import Answer, Page, Tally, clock_correction
from assets.api.questions import Question
from assets.api.transport import AnswerLimits, Line, Reply, Sign
from assets.records import cut_by_brackets

ACCEPT = "application/vnd.bentley.itwin-platform.v2+json"

T = TypeVar("T")

ABSURD_SKEW_SECONDS = 86_400.0


class Client:
    """The API at `api_url`, for all threads of a run. Times are in seconds.

    A call makes at most `attempts` requests, and one more if the token has to be renewed. Between them it waits as long
    as `Retry-After` asks, and then all that share `budget` do; or else `backoff_seconds`, doubled each time. It does
    not wait when `Retry-After` asks for more than `longest_wait_seconds`. `limits` hold for each answer.

    Every method raises the errors of `assets.api.errors.ApiError` and those of the token source, and Interrupted once
    `interrupt` was called; the constructor raises WrongUsage for an address to which no token may go.
    """

    def __init__(
        self,
        api_url: str,
        tokens: TokenSource,
        budget: Budget,
        *,
        limits: AnswerLimits = AnswerLimits(),  # noqa: B008 - it never changes
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        attempts: int = 5,
        backoff_seconds: float = 0.5,
        longest_wait_seconds: float = 120.0,
        pool_size: int = 8,
    ) -> None:
        self._api_url = secure_url(api_url)
        self._jobs_url = f"{self._api_url}/reality-analysis/jobs"
        self._tokens = tokens
        self._budget = budget
        self._patience = (attempts, backoff_seconds, longest_wait_seconds)
        self._headers = {"Accept": ACCEPT, "User-Agent": f"jobledger/{_version()}"}
        self._line = Line(
            self._jobs_url,
            f"No whole answer came from {host_of(api_url)}",
            limits,
            budget.stopped,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            pool_size=pool_size,
        )

    def first_page(self, filter: str, top: int, tally: Tally) -> Page:
        """The first page of the jobs that `filter` (see `assets.api.filters`) asks for, of at most `top` jobs."""
        # %20 and not +: only the former means a space to every reader of a query.
        query = urlencode({"$filter": filter, "$top": top}, quote_via=quote, safe="$")
        return self._ask(f"{self._jobs_url}?{query}", tally, _read_page)

    def next_page(self, link: str, tally: Tally, top: int | None = None) -> Page:
        """The page that `link`, the `next_link` of another page, leads to; `top` replaces the `$top` in it.

        Raises RefusedLink unless the link leads to the list of jobs at the configured address.
        """
        query = self._query_of(link, self._jobs_url)
        if top is not None:
            query = _with_top(query, top)
        # Only the query is taken from the link, so the token cannot go elsewhere whatever the link says.
        return self._ask(f"{self._jobs_url}?{query}", tally, _read_page)

    def job(self, job_id: str, tally: Tally) -> Answer:
        """`GET /jobs/{id}`: the body is `{"job": {...}}`, or the API's error when the status is 404."""
        return self._ask(f"{self._jobs_url}/{_path_segment(job_id)}", tally, _read_job, (200, 404))

    def messages(self, job_id: str, tally: Tally) -> Answer:
        """`GET /jobs/{id}/messages`: the body is `{"messages": {...}}`, or the API's error when the status is 404."""
        url = f"{self._jobs_url}/{_path_segment(job_id)}/messages"
        return self._ask(url, tally, _read_messages, (200, 404))

    def look_up(self, question: Question, tally: Tally) -> Answer:
        """Ask about names: 403 and 404 are answers, and what comes has no signed URL in it any more.

        Raises Throttled, without a request, where the budget is used up for longer than a run waits.
        """
        ahead = self._budget.wait_ahead()
        if ahead > self._patience[2]:
            raise Throttled(f"The budget of requests is used up for {ahead / 60:.0f} min", where=question.path)
        url = f"{self._api_url}{question.path}"
        query = urlencode(question.query, quote_via=quote, safe="$:/")
        if question.link is not None:
            query = self._query_of(question.link, url)
        return self._ask(
            f"{url}?{query}" if query else url,
            tally,
            partial(_read_named, question),
            (200, 403, 404),
            headers=dict(question.headers),
            posted=msgspec.json.encode(question.ids) if question.ids else None,
            clean=True,
        )

    def interrupt(self) -> None:
        """Let every thread that waits for the budget or for an answer raise Interrupted, now and from now on."""
        self._budget.stop()

    def identity(self) -> str:
        """A digest of whoever asks: whose jobs a list without an iTwin shows."""
        return self._tokens.identity()

    def scopes(self) -> frozenset[str] | None:
        """The scopes that the token shows; None where it shows none."""
        return scopes_of(self._tokens.token())

    def wait_ahead_seconds(self) -> float:
        """How long the next request would have to wait for the budget."""
        return self._budget.wait_ahead()

    def close(self) -> None:
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _ask(
        self,
        url: str,
        tally: Tally,
        read: Callable[[Reply], T],
        answers: Sequence[int] = (200,),
        *,
        headers: Mapping[str, str] = {},
        posted: bytes | None = None,
        clean: bool = False,
    ) -> T:
        """GET `url`, or POST to it, and `read` the answer, again while faults are transient and patience lasts.

        Statuses but `answers` are errors. A `clean` answer has no signed URLs, nor do the errors that quote it.
        """
        method = "GET" if posted is None else "POST"
        more = headers if posted is None else {**headers, "Content-Type": "application/json"}
        patience = Patience(*self._patience, pause=self._budget.pause, wait=self._budget.wait)
        attempts, renewed = 0, False
        while True:
            self._budget.acquire()
            token = self._tokens.token()  # after the wait, which may outlast a token
            attempts += 1
            tally.add(requests=1, retries=int(attempts > 1))
            try:
                reply = self._line.ask(method, url, self._signed_with(token, more), (token,), posted)
                if clean:
                    reply = replace(reply, body=without_signed_urls(mended(reply.body)))
                _check(reply, tally, answers)
                return read(reply)
            except ApiError as fault:
                fault.attempts = attempts
                if isinstance(fault, NotAuthorised) and fault.status == 401 and not renewed:
                    self._renew(token, fault)
                    renewed = True
                else:
                    patience.hold_off(fault)

    def _signed_with(self, token: str, more: Mapping[str, str]) -> Sign:
        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers.update(self._headers | dict(more) | {"Authorization": f"Bearer {token}"})
            return request

        return sign

    def _renew(self, token: str, refusal: NotAuthorised) -> None:
        try:
            self._tokens.renew(token)
        except NotAuthorised as error:
            # Without a status nobody was asked for a new token, and the API's own refusal says more.
            raise (refusal if error.status is None else error) from error

    def _query_of(self, link: str, url: str) -> str:
        """The query of a next link that leads to the list at `url`, untouched; else raises RefusedLink.

        A link may leave out the slash that `url` ends with.
        """
        where = f"GET {urlsplit(url).path}"
        try:
            target = urlsplit(urljoin(url, link))
            here = _destination(target.geturl()) in (_destination(url), _destination(url.rstrip("/")))
        except ValueError:
            target, here = urlsplit(""), False
        if "#" in link:
            # What follows would not be sent, and it may be a part of the token.
            raise RefusedLink(
                "The next link has a #, after which nothing would be sent", where=where, advice=_MALFORMED
            )
        if not (here and target.query):
            raise RefusedLink("The next link leads to elsewhere", where=where, detail=f"to {host_of(link)}")
        return target.query


_MALFORMED = "The walk ends here, as half a link could lead to other jobs. Please report this to the API's support."


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


def _version() -> str:
    try:
        return version("jobledger")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0"


def _check(reply: Reply, tally: Tally, answers: Sequence[int]) -> None:
    """Raise the error that the status stands for."""
    tally.add(throttled=int(reply.status == 429))
    if reply.status in answers:
        return
    fault = error_from_answer(reply.status, reply.headers, reply.body, reply.where, reply.secrets)
    fault.retry_after_seconds = retry_after_seconds(reply.headers)
    raise fault


def _read_page(reply: Reply) -> Page:
    page = _page_of(reply)
    following = page.links.next if page.links else None
    skew = _clock_skew_seconds(reply)
    return Page(
        records=page.jobs,
        next_link=(following.href or None) if following else None,
        received_at=_on_api_clock(reply, skew),
        clock_skew_seconds=skew,
        size=len(reply.body),
    )


def _clock_skew_seconds(reply: Reply) -> float | None:
    """How far the API's clock is ahead of this machine's, to about a second; None where the API does not tell its time.

    Raises ClockFault if no time could be believed.
    """
    told = http_date(reply.headers.get("date", ""))
    skew = None if told is None else (told - reply.received_at).total_seconds()
    if skew is not None and abs(skew) > ABSURD_SKEW_SECONDS:
        ahead = "ahead of" if skew < 0 else "behind"
        what = f"This machine's clock is {abs(skew) / 86400:.0f} days {ahead} the API's"
        raise ClockFault(what, where=reply.where, status=reply.status)
    return skew


def _on_api_clock(reply: Reply, skew: float | None) -> datetime:
    """When an answer arrived, on the API's clock."""
    return reply.received_at + clock_correction(skew)


def _page_of(reply: Reply) -> _PageBody:
    """A page's records and link. A record that is no JSON is cut out as it is and costs its neighbours nothing."""
    try:
        return decoded(reply.body, _PageBody)
    except ValueError as error:
        cut = cut_by_brackets(reply.body)
        if cut is None:
            raise _malformed(reply, error) from None
        records, rest = cut
        page = _decoded(reply, rest, _PageBody)
        page.jobs = [msgspec.Raw(record) for record in records]
        return page


def _read_job(reply: Reply) -> Answer:
    if reply.status == 200:
        _decoded(reply, reply.body, _JobBody)
    return _answer(reply, reply.body)


def _read_messages(reply: Reply) -> Answer:
    body = mended(reply.body)
    if reply.status == 200:
        _decoded(reply, body, _MessagesBody)
    return _answer(reply, body)


def _read_named(question: Question, reply: Reply) -> Answer:
    """An answer about names, with what the question says it holds. One that cannot be read is not quoted: it may be of
    people.
    """
    if reply.status == 200:
        try:
            found = decoded(reply.body, dict[str, msgspec.Raw])
        except ValueError as error:
            raise Malformed(where=reply.where, status=reply.status, detail=str(error)) from None
        if bytes(found.get(question.holds, b"null"))[:1] != (b"[" if question.many else b"{"):
            raise Malformed(where=reply.where, status=reply.status, detail=f"it has no {question.holds!r}")
    return _answer(reply, reply.body)


def _answer(reply: Reply, body: bytes) -> Answer:
    moment = _on_api_clock(reply, _clock_skew_seconds(reply))
    return Answer(reply.status, body, moment, reply.headers.get("x-correlation-id"))


def _decoded(reply: Reply, body: bytes, shape: type[T]) -> T:
    """A body, or a part of it, as `shape`. Raises Malformed."""
    try:
        return decoded(body, shape)
    except ValueError as error:
        raise _malformed(reply, error) from None


def _malformed(reply: Reply, error: ValueError) -> Malformed:
    """The error that says why a body cannot be read and how it begins."""
    return Malformed(
        where=reply.where,
        status=reply.status,
        detail=f"{error}; it begins: {first_words(reply.body, reply.secrets)}",
        correlation_id=reply.headers.get("x-correlation-id"),
    )


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
