"""Syncs of a month, fetches by id, and messages: what they keep and what they tell. Real HTTP, real files."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from assets.api.errors import NotAuthorised
from assets.api.protocol import Page, Tally
from assets.by_id import Fetched, fetch_by_id
from assets.plan import Plan
from assets.sync import sync_month
from pipelines.sandbox import Faults, ScriptedWorld
from tests.faults.chains import LIST, Script, answers, chained, found, page
from tests.faults.pages import LongMonth
from tests.faults.world import ITWINS, KNOWN, MONTH, Ledger, files, job, ledger_of
from tests.holding import held_by_another
from tests.servers import Reply, json_reply
from warehouse.errors import Busy
from warehouse.lake import Lake
from warehouse.months import month_of
from warehouse.tables import JOB_MESSAGES, JOBS, MESSAGE_OBSERVATIONS, OBSERVATIONS, REJECTED_RECORDS, WALKS

TOLD = {
    "errors": [{"code": "E1", "title": "Failed", "message": "Job %1 failed at %2", "params": ["a", "noon"]}],
    "warnings": [{"code": "W1", "title": "Odd", "message": "No params, 100 %", "params": []}],
}


def fetched(ledger: Ledger, *ids: str, **plan: Any) -> Fetched:
    return fetch_by_id(ledger.lake, ledger.api, ids, KNOWN, Plan(**plan))


def in_month(job_id: str, month: str, **more: Any) -> dict[str, Any]:
    return job(job_id, **more) | {"executionInfo": {"createdDateTime": f"{month}-02T00:00:00Z"}}


def test_each_job_that_is_fetched_by_id_lands_in_its_month(tmp_path: Path) -> None:
    old, new = in_month("old", "2024-02"), in_month("new", "2025-11")
    with ledger_of(tmp_path, ScriptedWorld(old, new, in_month("unasked", "2025-11"))) as ledger:
        result = fetched(ledger, "new", "nobody", "old", "new")
        assert (result.not_found, result.failed) == (["nobody"], {})
        assert {month: landed.new_versions for month, landed in result.landed.items()} == {"2024-02": 1, "2025-11": 1}
        for month, one in (("2024-02", old), ("2025-11", new)):
            columns = ["job_id", "source", "walk_id", "http_status", "body"]
            assert ledger.rows(OBSERVATIONS, columns, month) == [
                {
                    "job_id": one["id"],
                    "source": "get",
                    "walk_id": None,
                    "http_status": 200,
                    "body": msgspec.json.encode(one).decode(),
                }
            ]
            assert ledger.rows(WALKS, month=month) == []


def test_a_job_that_is_fetched_by_id_again_adds_nothing_unless_it_changed(tmp_path: Path) -> None:
    world = ScriptedWorld(job("a"))
    with ledger_of(tmp_path, world) as ledger:
        fetched(ledger, "a")
        before = files(tmp_path / "lake")
        assert fetched(ledger, "a").landed[MONTH].new_versions == 0
        assert files(tmp_path / "lake") == before
        world.put(job("a", name="Renamed"))
        assert fetched(ledger, "a").landed[MONTH].new_versions == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Reply(500), "The API failed: 500"),
        (json_reply({"error": {"code": "Forbidden"}}, 403), "Not authorised: 403"),
        (Reply(200, b'{"job":{"id":"\\ud800"}}'), "not what the API documents"),
        (Reply(200, b'{"job":{"id":"b","x":' + b"[" * 3000 + b"]" * 3000 + b"}}"), "not what the API documents"),
        (found(job("c")), "the API answered with another job, which was kept"),
    ],
)
def test_an_id_that_could_not_be_fetched_is_told_with_the_reason_and_the_others_land(
    tmp_path: Path, answer: Reply, said: str
) -> None:
    respond = answers({}, {"a": found(job("a")), "bad": answer, "z": found(job("z"))})
    with chained(tmp_path, respond) as (ledger, _):
        result = fetched(ledger, "a", "bad", "z")
        kept = [row[0] for row in ledger.bodies()]
    assert (list(result.failed), result.not_found) == (["bad"], [])
    assert said in result.failed["bad"]
    assert kept == (["a", "c", "z"] if "another job" in said else ["a", "z"])


def test_a_refused_token_ends_a_fetch_by_id_at_once_and_what_was_seen_is_safe(tmp_path: Path) -> None:
    refused = json_reply({"error": {"code": "HeaderNotFound"}}, 401)
    ids = [f"job-{number}" for number in range(50)]
    respond = answers({}, {"a": found(job("a")), **dict.fromkeys(ids, refused)})
    with chained(tmp_path, respond) as (ledger, server):
        assert isinstance(fetched(ledger, "a", *ids, threads=2).token_refusal, NotAuthorised)
        assert [row[0] for row in ledger.bodies()] == ["a"]
    assert len(server.requests) <= 4


NEVER = (None, "soon", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z")


@pytest.mark.parametrize("written", NEVER)
def test_a_job_that_no_month_can_hold_is_rejected_in_the_present_one_and_told(
    tmp_path: Path, written: str | None
) -> None:
    strange = job("a") | {"executionInfo": {"createdDateTime": written}}
    said: list[str] = []
    with chained(tmp_path, answers({}, {"a": found(strange), "b": found(job("b"))})) as (ledger, _):
        fetched(ledger, "a", "b", tell=said.append)
        present = month_of(datetime.now(UTC))
        kept = ledger.rows(REJECTED_RECORDS, ["walked_itwin_id", "body"], present)
        assert kept == [{"walked_itwin_id": None, "body": json.dumps(strange)}]
        assert [row[0] for row in ledger.bodies()] == ["b"]
    assert said == [f"{present}: 1 answers cannot become a row; see rejected_records."]


def test_open_jobs_that_came_by_id_are_refreshed_by_id_when_their_month_is_synced(tmp_path: Path) -> None:
    by_id = (job("open", ITWINS[1], state="Active"), job("done", ITWINS[1]), job("lost", ITWINS[1], state="Dozing"))
    world = ScriptedWorld(job("listed"), *by_id)
    said: list[str] = []
    with ledger_of(tmp_path, world, tell=said.append) as ledger:
        fetched(ledger, "open", "done", "lost")
        world.put(job("open", ITWINS[1], state="Success"))
        world.put(job("done", ITWINS[1], name="Renamed"))
        world.remove("lost")
        landed = ledger.sync()
        ledger.flatten()
        states = [(row["job_id"], row["state"], row["vanished_at"]) for row in ledger.rows(JOBS)]
        assert states == [
            ("done", "Success", None),
            ("listed", "Success", None),
            ("lost", "Dozing", None),
            ("open", "Success", None),
        ]
        assert (landed.missing_ids, ledger.last_walk("complete")) == (["lost"], {"complete": True})
    assert said == [
        "2025-11: 1 open jobs that came by id could not be refreshed (first: lost); they stay as they were."
    ]


def test_a_job_that_came_by_id_is_the_walks_own_once_its_itwin_is_walked(tmp_path: Path) -> None:
    world = ScriptedWorld(job("a"))
    with ledger_of(tmp_path, world) as ledger:
        fetched(ledger, "a")
        world.remove("a")
        assert ledger.sync().vanished == 1


def test_the_messages_of_a_failed_job_are_asked_for_once(tmp_path: Path) -> None:
    world = ScriptedWorld(job("a", state="Failed"), job("fine"), job("open", state="Active"))
    world.set_messages("a", TOLD)
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync()
        ledger.flatten()
        kept = [(row["job_id"], row["http_status"]) for row in ledger.rows(MESSAGE_OBSERVATIONS)]
        assert kept == [("a", 200)]
        error = {"job_id": "a", "severity": "error", "ordinal": 1, "code": "E1", "title": "Failed"}
        warning = {"job_id": "a", "severity": "warning", "ordinal": 1, "code": "W1", "title": "Odd"}
        odd = "No params, 100 %"
        assert ledger.rows(JOB_MESSAGES) == [
            error
            | {"message": "Job a failed at noon", "message_template": "Job %1 failed at %2", "params": ["a", "noon"]},
            warning | {"message": odd, "message_template": odd, "params": []},
        ]


def test_messages_are_asked_for_once_a_404_is_remembered_and_a_fault_is_asked_again(tmp_path: Path) -> None:
    asked: list[str] = []
    told = {"b": [Reply(500), json_reply({"messages": TOLD})], "c": [json_reply({"messages": TOLD})]}

    def respond(request: Any) -> Reply:
        path = request.target.partition("?")[0]
        if not path.endswith("/messages"):
            return listed(request)
        job_id = path.split("/")[-2]
        asked.append(job_id)
        return told[job_id].pop(0) if job_id in told else json_reply({"error": {"code": "JobNotFound"}}, 404)

    listed = answers({"": page(*(job(job_id, state="Failed") for job_id in "abc"))})
    said: list[str] = []
    with chained(tmp_path, respond, attempts=1, tell=said.append) as (ledger, _):
        for _ in range(3):
            ledger.sync()
        kept = [(row["job_id"], row["http_status"]) for row in ledger.rows(MESSAGE_OBSERVATIONS)]
    assert sorted(asked) == ["a", "b", "b", "c"]
    assert kept == [("a", 404), ("b", 200), ("c", 200)]
    assert said == ["2025-11: the messages of 1 failed jobs could not be fetched; next time."]


def test_a_job_that_fails_later_is_asked_then(tmp_path: Path) -> None:
    world = ScriptedWorld(job("a", state="Active"))
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync()
        assert ledger.rows(MESSAGE_OBSERVATIONS) == []
        world.put(job("a", state="Failed"))
        ledger.sync()
        assert [row["job_id"] for row in ledger.rows(MESSAGE_OBSERVATIONS)] == ["a"]


def test_several_itwins_are_walked_side_by_side_and_each_has_its_row(tmp_path: Path) -> None:
    world = ScriptedWorld(*(job(f"job-{number}", ITWINS[number % 3]) for number in range(7)))
    with ledger_of(tmp_path, world, itwin_ids=ITWINS, page_size=2) as ledger:
        ledger.sync()
        walks = [(row["itwin_id"], row["new_jobs"], row["complete"], row["run_id"]) for row in ledger.rows(WALKS)]
    assert sorted(walks) == list(zip(ITWINS, (3, 2, 2), (True,) * 3, ("run-1",) * 3, strict=True))


def test_one_itwin_that_fails_does_not_hold_back_the_others(tmp_path: Path) -> None:
    def respond(request: Any) -> Reply:
        return Reply(500) if ITWINS[0] in request.target else page(job("b", ITWINS[1]))

    with chained(tmp_path, respond, itwin_ids=ITWINS[:2], attempts=1) as (ledger, _):
        ledger.sync()
        walks = {row["itwin_id"]: row["complete"] for row in ledger.rows(WALKS)}
        assert (walks, len(ledger.bodies())) == ({ITWINS[0]: False, ITWINS[1]: True}, 1)


def test_a_busy_month_is_left_as_it_is(tmp_path: Path) -> None:
    with ledger_of(tmp_path, ScriptedWorld(job("a")), wait_seconds=0) as ledger:
        with held_by_another(tmp_path, MONTH), pytest.raises(Busy, match=MONTH):
            ledger.sync()
        assert ledger.bodies() == []
        ledger.sync()
        assert len(ledger.bodies()) == 1


def test_what_a_run_that_died_left_behind_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / "scratch" / MONTH / "records.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"cut sho")
    with ledger_of(tmp_path, ScriptedWorld(job("a"))) as ledger:
        ledger.sync()
        fetched(ledger, "a")
    assert list((tmp_path / "scratch").rglob("*")) == []


class Interrupted(LongMonth):
    """A long month for one iTwin; for the other, somebody presses Ctrl-C."""

    def __init__(self) -> None:
        super().__init__(1_000_000)
        self.asked = threading.Event()

    def first_page(self, filter: str, top: int, tally: Tally) -> Page:
        if ITWINS[0] in filter:
            assert self.asked.wait(10)
            raise KeyboardInterrupt
        return super().first_page(filter, top, tally)

    def next_page(self, link: str, tally: Tally, top: int | None = None) -> Page:
        self.asked.set()
        time.sleep(0.01)
        return super().next_page(link, tally, top)


def test_an_interrupted_sync_ends_at_once_and_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    with ledger_of(tmp_path, ScriptedWorld(job("a"))) as ledger:
        ledger.sync()
    before = files(tmp_path / "lake")
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        sync_month(Lake(tmp_path), Interrupted(), MONTH, KNOWN, Plan(itwin_ids=ITWINS[:2]), "run")
    assert time.monotonic() - began < 5
    assert files(tmp_path / "lake") == before
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_retry_after_of_a_day_costs_the_walk_and_not_the_night(tmp_path: Path) -> None:
    with chained(tmp_path, answers({"": json_reply({}, 429, retry_after="86400")})) as (ledger, _):
        ledger.sync()
        walked = ledger.last_walk("complete", "error", "requests", "throttled")
    assert (walked["complete"], walked["requests"], walked["throttled"]) == (False, 1, 1)
    assert "The API asks to wait 86400 s" in walked["error"]


def test_a_token_that_is_revoked_in_the_middle_of_a_walk_is_asked_for_once_more(tmp_path: Path) -> None:
    world = ScriptedWorld(*(job(f"job-{number}") for number in range(6)))
    with ledger_of(tmp_path, world, Faults(0.5, 3, ["revoked"]), page_size=2) as ledger:
        ledger.sync()
        walked = ledger.last_walk("complete", "records", "retries")
    assert (walked["complete"], walked["records"]) == (True, 6)
    assert walked["retries"] >= 1


def test_the_requests_are_the_documented_ones(tmp_path: Path) -> None:
    script = Script(answers({"": page(job("a", state="Failed"))}))
    with chained(tmp_path, script) as (ledger, server):
        ledger.sync()
    wanted = (
        f"{LIST}?$filter=createdDateTime%20ge%202025-11-01T00%3A00%3A00Z%20and%20createdDateTime%20lt%20"
        f"2025-12-01T00%3A00%3A00Z%20and%20iTwinId%20eq%20{ITWINS[0]}&$top=1000"
    )
    assert [request.target for request in server.requests] == [wanted, f"{LIST}/a/messages"]
