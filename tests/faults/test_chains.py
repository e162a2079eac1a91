"""Chains of pages with an end and without, as far as the tables: what was seen lands in either case. Real HTTP."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.api.errors import NotAuthorised
from assets.api.protocol import Page
from assets.records import GROUP_BYTES
from assets.walk import EMPTY_PAGES, IDLE_PAGES, Walk, walk
from pipelines.sandbox import ScriptedWorld
from tests.faults.chains import answers, chained, page, query, to
from tests.faults.pages import LongMonth, Pages
from tests.faults.world import ITWINS, MONTH, SECRET, job, ledger_of
from tests.servers import Reply, Request, serving
from warehouse.months import window

A, B, C = job("a"), job("b"), job("c")


def test_a_walk_goes_on_to_the_page_without_a_next_link(tmp_path: Path) -> None:
    world = ScriptedWorld(*(job(f"job-{number:02d}") for number in range(11)))
    with ledger_of(tmp_path, world, page_size=2) as ledger:
        ledger.sync()
        assert [row[0] for row in ledger.bodies()] == [f"job-{number:02d}" for number in range(11)]
        walked = ledger.last_walk()
    assert (walked["complete"], walked["error"], walked["records"], walked["new_jobs"]) == (True, None, 11, 11)
    assert walked["pages"] == walked["requests"] >= 6
    assert (walked["created_from"], walked["created_to"]) == (window(MONTH).start, window(MONTH).end)


@pytest.mark.parametrize(
    "last",
    [Reply(200, b'{"jobs":[]}'), Reply(200, b'{"jobs":[],"_links":{"next":null}}'), page(link=None), page(link="")],
)
def test_every_form_of_a_last_page_ends_a_walk(tmp_path: Path, last: Reply) -> None:
    with chained(tmp_path, answers({"": page(A, link=to("1")), "1": last})) as (ledger, _):
        ledger.sync()
        assert ledger.last_walk("complete", "pages", "records") == {"complete": True, "pages": 2, "records": 1}


def test_a_month_without_jobs_is_walked_completely(tmp_path: Path) -> None:
    with ledger_of(tmp_path, ScriptedWorld()) as ledger:
        ledger.sync()
        assert ledger.last_walk("complete", "pages", "records") == {"complete": True, "pages": 1, "records": 0}
        assert ledger.bodies() == []


BROKEN_CHAINS = {
    "a repeated token": ({"": page(A, link=to("1")), "1": page(B, link=to("1"))}, "a next link came again"),
    "a page whose jobs are an object": (
        {"": page(A, link=to("1")), "1": Reply(200, b'{"jobs":{"0":{}}}')},
        "not what the API documents",
    ),
    "a page without jobs": ({"": page(A, link=to("1")), "1": Reply(200, b"{}")}, "not what the API documents"),
    "a page cut short": (
        {"": page(A, link=to("1")), "1": Reply(200, b'{"jobs":[{"id":')},
        "not what the API documents",
    ),
    "an HTML page": ({"": page(A, link=to("1")), "1": Reply(200, b"<html>Hello</html>")}, "an HTML page: Hello"),
    "a link to nowhere": ({"": page(A, link=" ")}, "The next link leads to elsewhere"),
    "a link with a #": ({"": page(A, link=to("1#2"))}, "The next link has a #, after which nothing would be sent"),
    "a link to another path": ({"": page(A, link="/reality-analysis/others?x=1")}, "The next link leads to elsewhere"),
    "a link with another scheme": ({"": page(A, link=f"ftp://127.0.0.1{to('1')}")}, "The next link leads to elsewhere"),
    "a failing page": ({"": page(A, link=to("1")), "1": Reply(500)}, "The API failed: 500"),
    "a page cut off": ({"": page(A, link=to("1")), "1": Reply(200, b'{"jo', missing=9)}, "No whole answer came"),
}


@pytest.mark.parametrize(("pages", "reason"), BROKEN_CHAINS.values(), ids=BROKEN_CHAINS.keys())
def test_a_broken_chain_ends_the_walk_with_its_reason_and_what_was_seen_lands(
    tmp_path: Path, pages: dict[str, Reply], reason: str
) -> None:
    with chained(tmp_path, answers(pages)) as (ledger, _):
        ledger.sync()
        walked = ledger.last_walk("complete", "error")
        assert ("a", json.dumps(A)) in ledger.bodies()
    assert not walked["complete"]
    assert walked["error"].startswith("ended after page ")
    assert reason in walked["error"]


@pytest.mark.parametrize("how", ["next link", "redirect"])
def test_the_token_goes_to_no_other_host(tmp_path: Path, how: str) -> None:
    with serving(page(B)) as elsewhere:
        away = f"{elsewhere.url}{to('1')}"
        first = page(A, link=away) if how == "next link" else Reply(302, headers={"Location": away})
        with chained(tmp_path, answers({"": first})) as (ledger, _):
            ledger.sync()
            walked = ledger.last_walk("complete", "error")
    assert elsewhere.requests == []
    assert not walked["complete"]
    assert "127.0.0.1" in walked["error"]
    assert "A link to elsewhere" in walked["error"] or "The next link leads to elsewhere" in walked["error"]


def endless(pages: Callable[[int], Sequence[object]]) -> Callable[[Request], Reply]:
    """A list without end: the page of each number, always with a next link that was not there before."""

    def respond(request: Request) -> Reply:
        number = int(query(request).get("continuationToken", "0"))
        return page(*pages(number), link=to(str(number + 1)))

    return respond


def shuffled(number: int) -> Sequence[object]:
    return Random(number).sample([job(f"job-{place:02d}") for place in range(30)], 30)


@pytest.mark.parametrize(
    ("pages", "seen", "walked_pages", "reason"),
    [
        pytest.param(
            lambda _: (), 0, EMPTY_PAGES + 1, "301 pages were empty and each named a next one", id="empty pages"
        ),
        pytest.param(
            lambda _: (A,), 1, IDLE_PAGES + 2, "21 pages had nothing new and each named a next one", id="the same page"
        ),
        pytest.param(shuffled, 30, IDLE_PAGES + 2, "21 pages had nothing new and each named a next one", id="shuffled"),
        pytest.param(
            lambda number: (A,) if number % 10 == 0 else (),
            1,
            10 * (IDLE_PAGES + 1) + 1,
            "21 pages had nothing new and each named a next one",
            id="the same page among empty ones",
        ),
    ],
)
def test_a_chain_without_end_is_left_soon_after_its_last_new_record(
    tmp_path: Path, pages: Callable[[int], Sequence[object]], seen: int, walked_pages: int, reason: str
) -> None:
    with chained(tmp_path, endless(pages)) as (ledger, _):
        ledger.sync()
        walked = ledger.last_walk("complete", "error", "pages")
        assert len(ledger.bodies()) == seen
    assert (walked["complete"], walked["pages"]) == (False, walked_pages)
    assert reason in walked["error"]


def test_a_few_hundred_empty_pages_before_a_full_one_are_walked_through(tmp_path: Path) -> None:
    def respond(request: Request) -> Reply:
        number = int(query(request).get("continuationToken", "0"))
        full = number % EMPTY_PAGES == 0
        last = number == 2 * EMPTY_PAGES
        return page(*[job(f"job-{number}")] * full, link=None if last else to(str(number + 1)))

    with chained(tmp_path, respond) as (ledger, _):
        ledger.sync()
        assert ledger.last_walk("complete", "records") == {"complete": True, "records": 3}


def test_a_list_that_goes_on_for_ever_with_new_jobs_ends_at_a_ceiling_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.walk.MOST_PAGES", 40)
    with chained(tmp_path, endless(lambda number: [job(f"job-{number}")])) as (ledger, _):
        ledger.sync()
        walked = ledger.last_walk("complete", "error", "pages")
        assert len(ledger.bodies()) == 40
    assert (walked["complete"], walked["pages"]) == (False, 40)
    assert "the list goes on after 40 pages, which is as far as a walk follows it" in walked["error"]


def test_a_list_of_as_many_pages_as_a_walk_follows_is_walked_completely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.walk.MOST_PAGES", 40)
    done = walk(LongMonth(40), Walk(window(MONTH), None, "run"), tmp_path / "records.parquet")
    assert (done.complete, done.pages) == (True, 40)


def test_a_page_that_came_before_is_no_reason_to_end_while_others_follow(tmp_path: Path) -> None:
    pages = {"": page(A, link=to("1")), "1": page(A, link=to("2")), "2": page(B)}
    with chained(tmp_path, answers(pages)) as (ledger, _):
        ledger.sync()
        assert ledger.bodies() == [("a", json.dumps(A)), ("b", json.dumps(B))]
        assert ledger.last_walk("complete", "records", "new_jobs") == {"complete": True, "records": 3, "new_jobs": 2}


def test_two_answers_for_one_job_in_one_walk_flag_it_and_both_are_kept(tmp_path: Path) -> None:
    later = {**A, "name": "Renamed meanwhile"}
    pages = {"": page(A, B, link=to("1")), "1": page(later, C)}
    with chained(tmp_path, answers(pages)) as (ledger, _):
        ledger.sync()
        walked = ledger.last_walk("complete", "error", "new_jobs")
        assert ledger.bodies() == [(one["id"], json.dumps(one)) for one in (A, later, B, C)]
    assert walked == {
        "complete": False,
        "error": "job a was listed twice with different content: the list moved meanwhile",
        "new_jobs": 3,
    }


def test_a_walk_that_was_shown_jobs_of_another_itwin_says_so_and_keeps_them(tmp_path: Path) -> None:
    other = job("x", ITWINS[1])
    upper = {**A, "iTwinId": ITWINS[0].upper()}
    with chained(tmp_path, answers({"": page(upper, other)})) as (ledger, _):
        ledger.sync()
        assert ledger.bodies() == [("a", json.dumps(upper)), ("x", json.dumps(other))]
        assert ledger.last_walk("complete", "error") == {
            "complete": False,
            "error": "1 records belong to another iTwin than was asked for",
        }


def test_a_page_that_keeps_failing_is_asked_for_smaller_down_to_two_jobs(tmp_path: Path) -> None:
    jobs = [job(f"job-{number:02d}") for number in range(40)]
    sizes: list[int] = []

    def respond(request: Request) -> Reply:
        asked = query(request)
        start, top = int(asked.get("continuationToken", "0")), int(asked["$top"])
        sizes.append(top)
        shown = jobs[start : start + top]
        if top > 2 and jobs[13] in shown:
            return Reply(500)
        return page(*shown, link=to(str(start + top)) if start + top < len(jobs) else None)

    with chained(tmp_path, answers(respond), attempts=1) as (ledger, _):
        ledger.sync()
        assert ledger.bodies() == [(one["id"], json.dumps(one)) for one in jobs]
        assert ledger.last_walk("complete", "requests") == {"complete": True, "requests": len(sizes)}
    assert sizes == [1000, 100, 10, 100, 10, 2, 20, 2, 20, 200]


def test_one_bad_job_costs_a_walk_the_pages_after_it_and_says_where_it_ended(tmp_path: Path) -> None:
    pages = {"": page(A, B, link=to("1")), "1": Reply(500), "2": page(C)}
    with chained(tmp_path, answers(pages), attempts=1) as (ledger, server):
        ledger.sync()
        asked = [query(request)["$top"] for request in server.requests]
        walked = ledger.last_walk("complete", "error")
    assert asked == ["1000", "1000", "100", "10", "2"]
    assert walked["error"].startswith("ended after page 1 (2 records): The API failed: 500")


@pytest.mark.proof
def test_a_walk_of_three_hundred_pages_takes_the_memory_of_a_few(tmp_path: Path) -> None:
    held: list[tuple[int, int]] = []

    def look(_: Walk) -> None:
        held.append((sys.getallocatedblocks(), pa.total_allocated_bytes()))

    done = walk(LongMonth(300), Walk(window(MONTH), None, "run"), tmp_path / "records.parquet", on_page=look)
    assert (done.complete, done.pages, done.records) == (True, 300, 300_000)
    assert pq.read_metadata(tmp_path / "records.parquet").num_rows == 300_000
    blocks, arrow = (max(row[place] for row in held[10:]) - held[10][place] for place in (0, 1))
    assert blocks < 290_000 + 5_000  # a hash of each record, and less than five pages' worth besides
    assert arrow < GROUP_BYTES + 1_000_000


def test_what_came_later_was_seen_later_even_if_the_clock_was_set_back(tmp_path: Path) -> None:
    noon = datetime(2025, 12, 1, 12, tzinfo=UTC)
    first = Page([msgspec.Raw(b"1")], "1", noon, None, 0)
    second = Page([msgspec.Raw(b"2")], None, noon - timedelta(hours=1), None, 0)
    done = walk(Pages(first, second), Walk(window(MONTH), None, "run"), tmp_path / "records.parquet")
    seen = pq.read_table(tmp_path / "records.parquet", columns=["observed_at"])["observed_at"].to_pylist()
    assert (seen, done.finished_at) == ([noon, noon], noon)


def test_a_refused_token_ends_the_walk_and_no_secret_is_told(tmp_path: Path) -> None:
    refused = Reply(401, json.dumps({"error": {"code": "HeaderNotFound", "message": f"chain-token {SECRET}"}}).encode())
    with chained(tmp_path, answers({"": page(A, link=to("1")), "1": refused})) as (ledger, _):
        ledger.sync()
        assert isinstance(ledger.failure, NotAuthorised)
        assert ledger.bodies() == [("a", json.dumps(A))]
        walked = ledger.last_walk("complete", "error")
    assert not walked["complete"]
    assert "chain-token" not in walked["error"]
