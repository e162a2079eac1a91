from __future__ import annotations

import time
import tracemalloc
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pyarrow.parquet as pq
import pytest

from assets.api.auth import FixedToken
from assets.api.budget import Budget
from assets.api.client import Client
from assets.api.errors import Late, NotAuthorised, RefusedLink, Throttled, TooLarge, Unreachable
from assets.api.protocol import Answer, Page, Tally
from assets.api.transport import AnswerLimits
from assets.walk import IDLE_PAGES, Walk, walk
from pipelines.sandbox import Faults, ScriptedWorld
from tests.faults.world import ITWINS, MONTH, client, job, stage
from tests.servers import Reply, Request, Responder, Server, json_reply, serving
from warehouse.months import window

JOBS = [job(f"job-{number:04d}", day=1 + number % 28) for number in range(205)]
PATH = "/reality-analysis/jobs"
HTML = Reply(200, b"<html><body>Please stand by</body></html>", {"content-type": "text/html"})


def november() -> Walk:
    return Walk(window(MONTH), ITWINS[0], "run-1")


def records(file: Path) -> list[dict[str, Any]]:
    return pq.read_table(file).to_pylist()


def ids(file: Path) -> list[str]:
    return [msgspec.json.decode(row["body"])["id"] for row in records(file)]


def top_of(request: Request) -> int:
    return int(parse_qs(urlsplit(request.target).query)["$top"][0])


def page(number: int, link: str | None = None, *, jobs: Any = None) -> Reply:
    """Page `number` with one job, and the link to the next one if there is one."""
    body = {"jobs": [job(f"job-{number}")] if jobs is None else jobs}
    return json_reply(body | ({"_links": {"next": {"href": link}}} if link else {}))


def link_to(page: str) -> str:
    return f"{PATH}?$top=1000&continuationToken={page}"


@contextmanager
def asking(*replies: Reply, respond: Responder | None = None) -> Generator[tuple[Server, Client]]:
    with (
        serving(*replies, respond=respond) as server,
        Client(server.url, FixedToken("canary"), Budget(1_000_000), attempts=2, backoff_seconds=0) as api,
    ):
        yield server, api


def walked(folder: Path, *replies: Reply, respond: Responder | None = None) -> tuple[Walk, list[str]]:
    """A walk of what the server answers, and the ids that it kept."""
    with asking(*replies, respond=respond) as (_, api):
        done = walk(api, november(), folder / "r.parquet")
    return done, ids(folder / "r.parquet")


def test_a_walk_goes_page_by_page_to_the_end_and_sees_the_same_records_at_every_page_size(tmp_path: Path) -> None:
    seen: dict[int, list[dict[str, Any]]] = {}
    walks: dict[int, Walk] = {}
    with stage(ScriptedWorld(*JOBS)) as (_, sandbox), client(sandbox) as api:
        for size in (2, 100, 1000):
            file = tmp_path / f"{size}.parquet"
            walks[size] = walk(api, november(), file, page_size=size)
            seen[size] = records(file)
    bodies = {size: sorted(row["body"] for row in rows) for size, rows in seen.items()}
    assert bodies[2] == bodies[100] == bodies[1000] == sorted(msgspec.json.encode(body).decode() for body in JOBS)
    assert [done.complete for done in walks.values()] == [True, True, True]
    assert [done.records for done in walks.values()] == [205, 205, 205]
    assert all(walks[size].pages == walks[size].tally.requests == seen[size][-1]["page"] for size in walks)
    assert walks[2].pages >= 103


def test_a_record_says_which_walk_saw_it_where_and_when(tmp_path: Path) -> None:
    with asking(page(1, link_to("2"), jobs=[job("a"), job("b")]), page(2)) as (_, api):
        done = walk(api, november(), tmp_path / "r.parquet")
    rows = records(tmp_path / "r.parquet")
    assert [(row["walk_id"], row["walked_itwin_id"], row["source"], row["page"], row["ordinal"]) for row in rows] == [
        (done.walk_id, ITWINS[0], "list", 1, 1),
        (done.walk_id, ITWINS[0], "list", 1, 2),
        (done.walk_id, ITWINS[0], "list", 2, 1),
    ]
    assert rows[0]["observed_at"] == rows[1]["observed_at"] <= rows[2]["observed_at"] == done.finished_at
    assert (done.complete, done.faults, done.pages, done.records) == (True, [], 2, 3)
    assert done.clock_skew_seconds == pytest.approx(0, abs=2)


def test_a_walk_asks_for_its_month_and_itwin_and_for_own_jobs_without_one(tmp_path: Path) -> None:
    with asking(page(1)) as (server, api):
        walk(api, november(), tmp_path / "r.parquet")
        walk(api, replace(november(), itwin_id=None), tmp_path / "own.parquet", page_size=7)
    asked = [parse_qs(urlsplit(request.target).query) for request in server.requests]
    created = "createdDateTime ge 2025-11-01T00:00:00Z and createdDateTime lt 2025-12-01T00:00:00Z"
    assert asked == [
        {"$filter": [f"{created} and iTwinId eq {ITWINS[0]}"], "$top": ["1000"]},
        {"$filter": [created], "$top": ["7"]},
    ]


def test_a_month_without_jobs_is_complete(tmp_path: Path) -> None:
    done, seen = walked(tmp_path, page(1, jobs=[]))
    assert (done.complete, done.pages, done.records, seen) == (True, 1, 0, [])


def test_empty_and_short_pages_in_between_do_not_end_a_walk(tmp_path: Path) -> None:
    empty = [page(0, link_to(f"empty-{number}"), jobs=[]) for number in range(IDLE_PAGES)]
    done, seen = walked(tmp_path, page(1, link_to("2")), *empty, page(2))
    assert (done.complete, done.pages, seen) == (True, IDLE_PAGES + 2, ["job-1", "job-2"])


def test_each_page_is_told_while_the_walk_goes_on(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with asking(page(1, link_to("2")), page(2)) as (_, api):
        walk(api, november(), tmp_path / "r.parquet", on_page=lambda walk: told.append((walk.pages, walk.records)))
    assert told == [(1, 1), (2, 2)]


def test_a_page_that_keeps_failing_is_asked_for_smaller_and_later_pages_grow_again(tmp_path: Path) -> None:
    asked: list[int] = []

    def respond(request: Request) -> Reply:
        asked.append(top_of(request))
        if "continuationToken=2" in request.target:
            return page(2, link_to("3")) if top_of(request) <= 10 else Reply(502)
        return page(3, link_to("4")) if "=3" in request.target else page(4) if "=4" in request.target else first

    first = page(1, link_to("2"))
    done, seen = walked(tmp_path, respond=respond)
    assert asked == [1000, 1000, 1000, 100, 100, 10, 100, 1000]
    assert (done.complete, done.pages, done.tally) == (True, 4, Tally(requests=8, retries=2))
    assert seen == ["job-1", "job-2", "job-3", "job-4"]


@pytest.mark.parametrize("late", [False, True], ids=["too large", "late"])
def test_a_page_that_is_too_large_or_late_is_asked_for_smaller_and_so_are_those_after_it(
    tmp_path: Path, late: bool
) -> None:
    asked: list[int] = []
    limits = AnswerLimits(seconds=0.5, megabytes=0.2)

    def respond(request: Request) -> Reply:
        top = top_of(request)
        asked.append(top)
        number = int(parse_qs(urlsplit(request.target).query).get("continuationToken", ["0"])[0])
        jobs = [job(f"job-{number}", text="x" * (100 if late else 1000 * top))]
        following = None if number == 3 else link_to(str(number + 1))
        return replace(page(number, following, jobs=jobs), drip_seconds=0.1 if late and top > 100 else 0)

    with (
        serving(respond=respond) as server,
        Client(server.url, FixedToken("canary"), Budget(), limits=limits, backoff_seconds=0) as api,
    ):
        done = walk(api, november(), tmp_path / "r.parquet")
    assert asked == [1000, 100, 100, 100, 100]
    assert (done.complete, done.faults, done.records) == (True, [], 4)


def test_an_answer_that_drips_ends_its_walk_within_its_deadlines_and_says_so(tmp_path: Path) -> None:
    limits = AnswerLimits(seconds=0.3, megabytes=1)
    first, second = page(1, link_to("2")), replace(page(2), drip_seconds=0.05)
    with (
        serving(first, second) as server,
        Client(server.url, FixedToken("canary"), Budget(), limits=limits, read_timeout=1) as api,
    ):
        began = time.monotonic()
        done = walk(api, november(), tmp_path / "r.parquet")
    assert time.monotonic() - began < 4 * 0.3 + 1  # once for each size of a page
    assert done.faults == [
        "ended after page 1 (1 records): No whole answer came from 127.0.0.1 within 0.3 s (ITWIN_ANSWER_SECONDS) "
        f"[GET {PATH}]. Run again later; if the line is slow and the answers are good, raise ITWIN_ANSWER_SECONDS."
    ]


def test_a_page_that_fails_at_every_size_ends_the_walk_and_what_was_seen_is_kept(tmp_path: Path) -> None:
    asked: list[int] = []

    def respond(request: Request) -> Reply:
        asked.append(top_of(request))
        return Reply(500) if "continuationToken" in request.target else page(1, link_to("2"))

    done, seen = walked(tmp_path, respond=respond)
    assert asked == [1000, 1000, 1000, 100, 100, 10, 10, 2, 2]
    assert (done.complete, done.pages, seen) == (False, 1, ["job-1"])
    assert done.faults == [
        f"ended after page 1 (1 records): The API failed: 500: an empty body [GET {PATH}; 2 attempts]. "
        "Run again later; if it lasts, give the correlation id to the support desk."
    ]


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        pytest.param(page(2, link_to("2")), "a next link came again", id="a link that is repeated"),
        pytest.param(json_reply({"value": []}), "The answer is not what the API documents: 200", id="no jobs"),
        pytest.param(json_reply({"jobs": {"0": {}}}), "The answer is not what the API documents: 200", id="an object"),
        pytest.param(json_reply([]), "The answer is not what the API documents: 200", id="a list"),
        pytest.param(HTML, "The answer is not what the API documents: 200: ", id="a page of HTML"),
        pytest.param(Reply(200, b'{"jobs":[', missing=40), "No whole answer came from 127.0.0.1: ", id="a cut"),
        pytest.param(
            page(2, "http://127.0.0.2:9/reality-analysis/jobs?continuationToken=3"),
            "The next link leads to elsewhere: to 127.0.0.2",
            id="a link to another host",
        ),
        pytest.param(
            page(2, "/reality-analysis/other?continuationToken=3"),
            "The next link leads to elsewhere: to no host",
            id="a link to another path",
        ),
        pytest.param(
            Reply(302, headers={"location": "http://127.0.0.2:9/"}),
            "A link to elsewhere was not followed: 302: the redirect leads to 127.0.0.2",
            id="a redirect",
        ),
        pytest.param(
            json_reply({"error": {"code": "InvalidToken", "message": "Bad token."}}, 400),
            "The API refused the request: 400 InvalidToken: Bad token.",
            id="a token that the API does not know any more",
        ),
        pytest.param(Reply(404), "Not found: 404", id="404"),
        pytest.param(
            json_reply({}, 429, retry_after="86400"), "Too many requests: 429", id="a day to wait until the next page"
        ),
    ],
)
def test_a_chain_that_does_not_go_on_makes_the_walk_incomplete_and_what_was_seen_is_kept(
    tmp_path: Path, second: Reply, reason: str
) -> None:
    done, seen = walked(tmp_path, page(1, link_to("2")), second)
    pages = 2 if len(seen) == 2 else 1
    assert (done.complete, len(done.faults), done.pages, done.refusal) == (False, 1, pages, None)
    assert done.faults[0].startswith(f"ended after page {pages} ({pages} records): {reason}")
    assert seen == ["job-1", "job-2"][:pages]


def test_pages_that_go_round_under_new_links_are_ended(tmp_path: Path) -> None:
    numbers = iter(range(1000))
    done, seen = walked(tmp_path, respond=lambda _: page((count := next(numbers)) % 3, link_to(str(count))))
    assert done.faults == [
        f"ended after page {IDLE_PAGES + 4} ({IDLE_PAGES + 4} records): {IDLE_PAGES + 1} pages had nothing new and "
        "each named a next one"
    ]
    assert sorted(set(seen)) == ["job-0", "job-1", "job-2"]


def test_only_a_refused_token_ends_more_than_the_walk(tmp_path: Path) -> None:
    envelope = {"error": {"code": "InsufficientPermissions", "message": "No."}}
    refused, _ = walked(tmp_path, json_reply(envelope, 401))
    forbidden, _ = walked(tmp_path, json_reply(envelope, 403))
    assert isinstance(refused.refusal, NotAuthorised)
    assert (refused.complete, refused.refusal.status, forbidden.complete, forbidden.refusal) == (
        False,
        401,
        False,
        None,
    )
    assert [len(done.faults) for done in (refused, forbidden)] == [1, 1]
    assert forbidden.finished_at is not None


@pytest.mark.parametrize("kind", ["elsewhere", "loop", "nojobs", "object", "endless", "redirect", "429day"])
def test_a_walk_that_meets_a_lasting_fault_is_incomplete_and_says_where_it_ended(tmp_path: Path, kind: str) -> None:
    world, faults = ScriptedWorld(*JOBS[:20]), Faults(0, 1, [kind], repeats=50)
    with stage() as (playing, sandbox):
        playing.play(world, faults)
        with client(sandbox, attempts=2) as api:
            walk(api, november(), tmp_path / "r.parquet")  # the token comes before the faults
            faults.probability = 1
            done = walk(api, november(), tmp_path / "r.parquet", page_size=5)
    assert done.complete is False
    assert done.faults[0].startswith(f"ended after page {done.pages} ({done.records} records): ")
    assert len(ids(tmp_path / "r.parquet")) == done.records


class CountingApi:
    """A stand-in with `pages` pages of `size` jobs, made when they are asked for; it notes the memory in use."""

    def __init__(self, pages: int, size: int) -> None:
        self.pages, self.size = pages, size
        self.memory: list[int] = []

    def first_page(self, filter: str, top: int, tally: Tally) -> Page:
        return self._page(1)

    def next_page(self, link: str, tally: Tally, top: int | None = None) -> Page:
        return self._page(int(link))

    def job(self, job_id: str, tally: Tally) -> Answer:
        raise NotImplementedError

    def interrupt(self) -> None:
        pass

    def identity(self) -> str:
        return "somebody"

    def messages(self, job_id: str, tally: Tally) -> Answer:
        raise NotImplementedError

    def _page(self, number: int) -> Page:
        self.memory.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.reset_peak()
        text = '{"id":"%d-%d","text":"' + "x" * 1000 + '"}'
        found = [msgspec.Raw((text % (number, ordinal)).encode()) for ordinal in range(self.size)]
        following = str(number + 1) if number < self.pages else None
        return Page(found, following, datetime.now(UTC), None, 0)


def test_memory_does_not_grow_with_the_length_of_a_walk(tmp_path: Path) -> None:
    api = CountingApi(pages=300, size=100)
    tracemalloc.start()
    try:
        done = walk(api, november(), tmp_path / "r.parquet", page_size=100)
    finally:
        tracemalloc.stop()
    assert (done.complete, done.pages, done.records) == (True, 300, 30_000)
    body_bytes_of_a_page = 100 * 1000
    a_hash_of_each_record = 29_000 * 110
    grown = max(api.memory[10:]) - api.memory[10]
    assert grown < 10 * body_bytes_of_a_page + a_hash_of_each_record  # of 300 pages in all
    assert pq.ParquetFile(tmp_path / "r.parquet").metadata.num_rows == 30_000


class FailingApi(CountingApi):
    """Raises `error` from the second page on."""

    def __init__(self, error: Exception) -> None:
        super().__init__(pages=3, size=1)
        self.error = error
        self.tops: list[int | None] = []

    def next_page(self, link: str, tally: Tally, top: int | None = None) -> Page:
        self.tops.append(top)
        raise self.error


@pytest.mark.parametrize(
    ("error", "tops"),
    [
        (Unreachable(), [1000, 100, 10, 2]),
        (Late(), [1000, 100, 10, 2]),
        (TooLarge(), [1000, 100, 10, 2]),
        (Throttled(), [1000]),
        (RefusedLink(), [1000]),
        (NotAuthorised(), [1000]),
    ],
)
def test_only_a_fault_that_size_could_cure_is_met_with_smaller_pages(
    tmp_path: Path, error: Exception, tops: list[int]
) -> None:
    api = FailingApi(error)
    done = walk(api, november(), tmp_path / "r.parquet")
    assert (api.tops, done.faults) == (tops, [f"ended after page 1 (1 records): {error}"])


def test_an_error_of_the_program_itself_is_not_swallowed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        walk(FailingApi(ZeroDivisionError()), november(), tmp_path / "r.parquet")


def test_what_came_later_was_seen_later_even_if_the_clock_goes_back(tmp_path: Path) -> None:
    class BackwardApi(CountingApi):
        def _page(self, number: int) -> Page:
            return replace(super()._page(number), received_at=datetime(2025, 12, 1, tzinfo=UTC) - timedelta(number))

    tracemalloc.start()
    try:
        done = walk(BackwardApi(3, 1), november(), tmp_path / "r.parquet")
    finally:
        tracemalloc.stop()
    assert [row["observed_at"] for row in records(tmp_path / "r.parquet")] == [datetime(2025, 11, 30, tzinfo=UTC)] * 3
    assert done.finished_at == datetime(2025, 11, 30, tzinfo=UTC)
