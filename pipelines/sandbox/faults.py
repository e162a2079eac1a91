"""Misbehaviour on purpose: what services do on bad days, seeded, at a chosen probability.

Two groups. TRANSIENT: a retry of the same request gets the right answer (the request after a fault is always spared,
so a single retry is enough). LASTING: the same request meets the same fault again, `repeats` times in all, so who meets
it must go another way or say what is missing; only then does the address heal. `429day` is lasting because nobody waits
for a day, `twice` because nobody can say which of the two bodies is right, and `dead` lasts until `forget`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import Any, Final, cast
from urllib.parse import unquote_plus

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pipelines.sandbox.access import READY_TOKEN
from pipelines.sandbox.answers import error_answer, json_answer, no_access, too_many
from pipelines.sandbox.broken import CutResponse, DripResponse, huge_answer

TRANSIENT: Final = {
    "429": "too many requests, with seconds to wait",
    "429none": "too many requests, without retry-after",
    "429zero": "too many requests, retry-after 0",
    "429date": "too many requests, retry-after as an HTTP date",
    "429garbage": "too many requests, retry-after that cannot be read",
    "500": "server error in the documented envelope",
    "502": "bad gateway with an HTML body",
    "503": "service unavailable with an empty body",
    "html": "status 200 with a page of HTML",
    "json": "status 200 with JSON that is cut short, its length told right",
    "cut": "the connection ends in the middle of the body",
    "slow": "the right answer, late",
    "revoked": "401, and the token works no more",
    "empty": "an empty page, whose next link leads to the right one",
}
LASTING: Final = {
    "429day": "too many requests, to be tried again in a day",
    "elsewhere": "a next link to another host",
    "loop": "a next link that repeats the page's own address",
    "nojobs": "a page without jobs",
    "object": "a page whose jobs are an object",
    "twice": "the first job of the page once more, with a different body",
    "endless": "a chain of empty pages without end",
    "redirect": "302 to another host",
    "shuffle": "a list without end: the jobs of the page again, in another order under a new token each time",
    "drip": "the right answer, so slowly that nobody waits for its end",
    "huge": "the right answer in a body that unfolds to many times its size",
    "dead": "401 from now on, whatever the token",
    "forbidden": "403 for the messages of a job",
}
KINDS: Final = (*TRANSIENT, *LASTING)

_OF_LISTING: Final = ("elsewhere", "loop", "nojobs", "object", "twice", "endless", "empty", "shuffle", "huge")
_RECORDS: Final = {"list": "jobs", "reality_data_list": "realityData"}
"""The lists with next links, each with the key of its records."""

_OF_MESSAGES: Final = ("forbidden",)
_NOT_OF_TOKEN: Final = ("revoked", "dead")
_TOKEN_SHARE: Final = 0.25
_ENDLESS: Final = "endless-"
_HELD: Final = "held-"
_HTML: Final = b"<!DOCTYPE html><html><head><title>Oops</title></head><body><h1>Please stand by</h1></body></html>"


class FaultsError(ValueError):
    """A fault specification that cannot be read: says which part, and what is possible."""


@dataclass(frozen=True)
class _Visit:
    """A request that is to be spoilt, and the right answer to it."""

    request: Request
    right: Callable[[], Response]
    revoke: Callable[[], None]
    records: str


class Faults:
    """Spoils each request with `probability` by one of `kinds` (by default all), the token endpoint more rarely.

    `elsewhere` is the base address of the other host that links and redirects lead to. Requests whose address holds one
    of the texts of `spared` are not spoilt. Times are in seconds. `counts` tells how often each kind has happened;
    `probability` and `kinds` may be set while it runs. Errors: FaultsError for unknown kinds or a probability outside 0
    to 1.
    """

    def __init__(
        self,
        probability: float,
        seed: int,
        kinds: Sequence[str] | None = None,
        *,
        slow_seconds: float = 0.05,
        drip_seconds: float = 0.05,
        huge_megabytes: int = 300,
        retry_after_seconds: int = 1,
        elsewhere: str = "http://127.0.0.1:9",
        repeats: int = 8,
        spared: Sequence[str] = (),
    ) -> None:
        self.kinds = tuple(KINDS if kinds is None else kinds)
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            raise FaultsError(f"unknown faults {', '.join(unknown)}; there are {', '.join(KINDS)}")
        if not 0 <= probability <= 1:
            raise FaultsError(f"probability {probability} is not between 0 and 1")
        self.probability = probability
        self.seed = seed
        self.counts: dict[str, int] = dict.fromkeys(KINDS, 0)
        self._slow_seconds = slow_seconds
        self._drip_seconds = drip_seconds
        self._huge_megabytes = huge_megabytes
        self._retry_after = retry_after_seconds
        self._elsewhere = elsewhere.rstrip("/")
        self._repeats = repeats
        self._spared_texts = tuple(spared)
        self._rng = Random(seed)
        self._dead = False
        self._held: list[dict[str, Any]] = []
        self._spared: set[str] = set()
        self._lasting: dict[str, tuple[str, int]] = {}

    @classmethod
    def parse(cls, text: str) -> Faults:
        """From `p=0.2,seed=7,kinds=429+cut+html` (also `transient` and `lasting` as kinds). Errors: FaultsError."""
        parts = {name: value for name, _, value in (part.partition("=") for part in text.split(",") if part)}
        unknown = set(parts) - {"p", "seed", "kinds"}
        if unknown:
            raise FaultsError(f"{text!r}: {', '.join(sorted(unknown))} is none of p, seed, kinds")
        try:
            probability, seed = float(parts.get("p", "0.1")), int(parts.get("seed", "1"))
        except ValueError as error:
            raise FaultsError(f"{text!r}: {error}") from None
        return cls(probability, seed, _kinds(parts["kinds"]) if "kinds" in parts else None)

    def forget(self) -> None:
        """Lasting faults heal, and nothing is spared any more: as at the start, but for the seed's next draw."""
        self._spared.clear()
        self._lasting.clear()
        self._dead = False

    async def answer(
        self, request: Request, operation: str, right: Callable[[], Response], revoke: Callable[[], None]
    ) -> Response:
        """The right answer, or a spoilt one; `operation` is token, list, get, messages, progress, or one
        about names.
        """
        if self._dead and operation != "token":
            return _refused_token()
        token = request.query_params.get("continuationToken", "")
        records = _RECORDS.get(operation, "jobs")
        if operation in _RECORDS and token.startswith(_ENDLESS):
            return _empty_page(request, records)
        if operation in _RECORDS and token.startswith(_HELD):
            return self._held_page(request, token, records)
        kind = self._drawn(request, operation)
        if kind is None:
            return right()
        self.counts[kind] += 1
        return await self._spoilt(kind, _Visit(request, right, revoke, records))

    def _drawn(self, request: Request, operation: str) -> str | None:
        """The kind that this request meets, if any; remembers what a repetition of it is to meet."""
        key = f"{request.method} {request.url}"
        if any(text in unquote_plus(str(request.url)) for text in self._spared_texts):
            return None
        if key in self._lasting:
            return self._again(key)
        if key in self._spared:
            self._spared.discard(key)
            return None
        share = _TOKEN_SHARE if operation == "token" else 1
        possible = [kind for kind in self.kinds if _applies(kind, operation, request)]
        if self._rng.random() >= self.probability * share or not possible:
            return None
        kind = self._rng.choice(possible)
        if kind in LASTING:
            self._lasting[key] = (kind, self._repeats - 1)
        else:
            self._spared.add(key)
        return kind

    def _again(self, key: str) -> str:
        kind, left = self._lasting.pop(key)
        if left > 1:
            self._lasting[key] = (kind, left - 1)
        return kind

    async def _spoilt(self, kind: str, visit: _Visit) -> Response:
        if kind.startswith("429"):
            return too_many(self._wait(kind))
        if kind == "slow":
            await asyncio.sleep(self._slow_seconds)
            return visit.right()
        if kind in ("revoked", "dead"):
            visit.revoke()
            self._dead = kind == "dead"
            return _refused_token()
        if kind == "redirect":
            return RedirectResponse(self._on_other_host(visit.request), 302)
        return _broken(kind) or self._changed(kind, visit)

    def _wait(self, kind: str) -> str | None:
        seconds = self._retry_after
        if kind == "429date":
            return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
        return {"429": str(seconds), "429none": None, "429zero": "0", "429garbage": "soon-ish", "429day": "86400"}[kind]

    def _changed(self, kind: str, visit: _Visit) -> Response:
        """The right answer with something done to it; one that is not 200 stays as it is."""
        right = visit.right()
        body = bytes(right.body)
        if right.status_code != 200:
            return right
        if kind == "json":
            return json_answer(body[: len(body) * 2 // 3])
        if kind == "cut":
            return CutResponse(body, media_type="application/json")
        if kind == "drip":
            return DripResponse(body, self._drip_seconds)
        if kind == "huge":
            return huge_answer(body, self._huge_megabytes)
        try:
            page = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError:  # a scripted record that is no JSON spoils its page by itself
            return right
        return json_answer(msgspec.json.encode(self._page(kind, visit, page)))

    def _page(self, kind: str, visit: _Visit, page: dict[str, Any]) -> dict[str, Any]:
        request, records = visit.request, visit.records
        if kind == "elsewhere":
            return page | _links(self._on_other_host(request))
        if kind == "loop":
            return page | _links(str(request.url))
        if kind == "endless":
            return {records: [], **_links(_link(request, f"{_ENDLESS}1"))}
        if kind in ("empty", "shuffle"):
            return {records: [], **_links(self._hold(kind, request, page))}
        if kind == "nojobs":
            return {key: value for key, value in page.items() if key != records}
        if kind == "object":
            return {**page, records: {str(number): job for number, job in enumerate(page[records])}}
        return {**page, records: _with_twin(page[records])}

    def _hold(self, kind: str, request: Request, page: dict[str, Any]) -> str:
        """Keep a page for later; return the link to it."""
        self._held.append(page)
        return _link(request, f"{_HELD}{kind}-{len(self._held) - 1}-0")

    def _held_page(self, request: Request, token: str, records: str) -> Response:
        """The page that was kept: as it was, or shuffled and with a link to itself under another token."""
        kind, place, count = token.removeprefix(_HELD).split("-")
        page = self._held[int(place)]
        if kind == "shuffle":
            jobs = self._rng.sample(page[records], len(page[records]))
            page = {records: jobs, **_links(_link(request, f"{_HELD}{kind}-{place}-{int(count) + 1}"))}
        return json_answer(msgspec.json.encode(page))

    def _on_other_host(self, request: Request) -> str:
        query = f"?{request.url.query}" if request.url.query else ""
        return f"{self._elsewhere}{request.url.path}{query}"


def _broken(kind: str) -> Response | None:
    """Answers that have nothing of the right one."""
    match kind:
        case "500":
            return error_answer(500, "InternalServerError", "Something went wrong.")
        case "502":
            return Response(_HTML, 502, media_type="text/html")
        case "503":
            return Response(b"", 503)
        case "html":
            return Response(_HTML, 200, media_type="text/html")
        case "forbidden":
            return error_answer(403, "InsufficientPermissions", "The messages of this job are not for you.")
        case _:
            return None


def _kinds(text: str) -> list[str]:
    groups = {"transient": list(TRANSIENT), "lasting": list(LASTING)}
    return [kind for word in text.split("+") for kind in groups.get(word, [word])]


def _applies(kind: str, operation: str, request: Request) -> bool:
    # Who comes with a ready token cannot ask for another one, so no retry would help after revoking it.
    if kind == "revoked" and request.headers.get("authorization") == f"Bearer {READY_TOKEN}":
        return False
    if kind in _OF_LISTING or kind in _OF_MESSAGES:
        return operation in _RECORDS if kind in _OF_LISTING else operation == "messages"
    return operation != "token" or kind not in _NOT_OF_TOKEN


def _with_twin(jobs: list[Any]) -> list[Any]:
    """The jobs and, at the end, the first one again under another name."""
    if not jobs or not isinstance(jobs[0], dict):
        return jobs
    first = cast(dict[str, Any], jobs[0])
    return [*jobs, {**first, "name": f"{first.get('name')} (other)"}]


def _empty_page(request: Request, records: str) -> Response:
    number = request.query_params["continuationToken"].removeprefix(_ENDLESS)
    following = int(number) + 1 if number.isdigit() else 1
    return json_answer(msgspec.json.encode({records: []} | _links(_link(request, f"{_ENDLESS}{following}"))))


def _refused_token() -> Response:
    return no_access("The access token is invalid, expired or revoked. Access denied.")


def _link(request: Request, token: str) -> str:
    """The address of the request with another token."""
    return str(request.url.include_query_params(continuationToken=token))


def _links(href: str) -> dict[str, Any]:
    return {"_links": {"next": {"href": href}}}
