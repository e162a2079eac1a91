from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from assets import messages
from assets.api.auth import FixedToken
from assets.api.budget import Budget
from assets.api.client import Client
from assets.api.errors import NotAuthorised
from assets.api.protocol import Answer, Tally
from assets.by_id import fetch_by_id
from assets.plan import Plan
from assets.sync import sync_month
from pipelines.sandbox import ScriptedWorld
from tests.faults.told import Told, ledger_that_is
from tests.faults.world import ITWINS, KNOWN, MONTH, Job, Ledger, client, job, ledger_of, stage
from tests.holding import held_by_another
from tests.servers import Reply, Request, json_reply, serving
from warehouse.errors import Busy
from warehouse.lake import Lake
from warehouse.months import month_of
from warehouse.tables import JOB_MESSAGES, JOBS, MESSAGE_OBSERVATIONS, OBSERVATIONS, REJECTED_RECORDS, WALKS

REFUSED = json_reply({"error": {"code": "HeaderNotFound", "message": "Access denied."}}, 401)
TOLD = {
    "errors": [{"code": "OutOfMemory", "title": "Full", "message": "More than %1 GB.", "params": ["64"]}],
    "warnings": [],
}


def moved(body: Job, month: str) -> Job:
    """The same job, created in another month."""
    return json.loads(json.dumps(body).replace(MONTH, month))


def text(body: Job) -> str:
    return json.dumps(body, separators=(",", ":"))


class HoursLater:
    """The time as it will be in some hours."""

    def __init__(self, hours: float) -> None:
        self.by = timedelta(hours=hours)

    def now(self, zone: tzinfo) -> datetime:
        return datetime.now(zone) + self.by


def test_jobs_that_are_fetched_by_id_land_in_their_months_and_those_not_found_are_listed(tmp_path: Path) -> None:
    world = ScriptedWorld(job("a"), moved(job("b"), "2024-02"), job("c", ITWINS[2]))
    with ledger_of(tmp_path, world) as ledger:
        ids = ["a", "nobody", "b", "c", "a", "never"]
        fetched = fetch_by_id(ledger.lake, ledger.api, ids, KNOWN, ledger.plan)
        rows = {
            month: ledger.rows(OBSERVATIONS, ["job_id", "source", "walk_id", "body"], month) for month in fetched.landed
        }
        walks = ledger.lake.months(WALKS)
        again = fetch_by_id(ledger.lake, ledger.api, ids, KNOWN, ledger.plan)
    by_id = {"source": "get", "walk_id": None}
    assert rows == {
        "2024-02": [{"job_id": "b", **by_id, "body": text(moved(job("b"), "2024-02"))}],
        MONTH: [
            {"job_id": "a", **by_id, "body": text(job("a"))},
            {"job_id": "c", **by_id, "body": text(job("c", ITWINS[2]))},
        ],
    }
    assert [(month, landed.new_versions) for month, landed in fetched.landed.items()] == [("2024-02", 1), (MONTH, 2)]
    assert (fetched.not_found, fetched.failed) == (["nobody", "never"], {})
    assert [(month, landed.new_versions) for month, landed in again.landed.items()] == [("2024-02", 0), (MONTH, 0)]
    assert walks == []


def test_ids_of_which_none_is_found_touch_no_month(tmp_path: Path) -> None:
    with ledger_of(tmp_path, ScriptedWorld()) as ledger:
        fetched = fetch_by_id(ledger.lake, ledger.api, ["a"], KNOWN, ledger.plan)
    assert (fetched.landed, fetched.not_found) == ({}, ["a"])


def test_an_answer_by_id_that_cannot_become_a_row_is_rejected_in_the_present_month(tmp_path: Path) -> None:
    said: list[str] = []
    with ledger_of(tmp_path, ScriptedWorld(b'{"id":"a"}', job("b")), tell=said.append) as ledger:
        present = month_of(datetime.now(UTC))
        fetched = fetch_by_id(ledger.lake, ledger.api, ["a", "b"], KNOWN, ledger.plan)
        rejected = ledger.rows(REJECTED_RECORDS, ["walk_id", "walked_itwin_id", "reason", "body"], present)
    assert rejected == [{"walk_id": None, "walked_itwin_id": None, "reason": "no_created_time", "body": '{"id":"a"}'}]
    assert list(fetched.landed) == [MONTH, present]
    assert said == [f"{present}: 1 answers cannot become a row; see rejected_records."]


def test_an_id_that_fails_or_gets_the_answer_of_another_is_told_and_costs_the_others_nothing(tmp_path: Path) -> None:
    told = Told()
    told.others = {"a": json_reply({"job": job("a")}), "b": Reply(503), "c": json_reply({"job": job("d")})}
    with ledger_that_is(tmp_path, told) as ledger:
        fetched = fetch_by_id(ledger.lake, ledger.api, ["a", "b", "c"], KNOWN, ledger.plan)
        kept = [job_id for job_id, _ in ledger.bodies()]
    assert kept == ["a", "d"]
    assert fetched.failed.pop("b").startswith("The API failed: 503: an empty body")
    assert (fetched.failed, fetched.not_found) == ({"c": "the API answered with another job, which was kept"}, [])


def test_a_token_that_is_refused_ends_the_fetch_after_what_was_seen_is_safe(tmp_path: Path) -> None:
    told = Told()
    told.others = {"a": json_reply({"job": job("a", state="Failed")}), "b": REFUSED}
    with ledger_that_is(tmp_path, told, threads=1) as ledger:
        fetched = fetch_by_id(ledger.lake, ledger.api, ["a", "b", "c", "d"], KNOWN, ledger.plan)
        assert isinstance(fetched.token_refusal, NotAuthorised)
        assert list(fetched.failed) == ["b", "c", "d"]
        assert [job_id for job_id, _ in ledger.bodies()] == ["a"]
    assert told.asked == ["a", "b"]


def test_open_jobs_that_came_by_id_are_refreshed_by_id_when_their_month_is_synced(tmp_path: Path) -> None:
    world = ScriptedWorld(job("open", ITWINS[1], state="Active"), job("done", ITWINS[1]), job("listed"))
    with ledger_of(tmp_path, world) as ledger:
        fetch_by_id(ledger.lake, ledger.api, ["open", "done"], KNOWN, ledger.plan)
        world.put(job("open", ITWINS[1]))
        world.put(job("done", ITWINS[1], name="not asked for, since it had ended"))
        first = ledger.sync()
        second = ledger.sync()
        rows = ledger.rows(OBSERVATIONS, ["job_id", "source", "http_status", "body"])
        complete = [row["complete"] for row in ledger.rows(WALKS)]
    assert rows == [
        {"job_id": "done", "source": "get", "http_status": 200, "body": text(job("done", ITWINS[1]))},
        {"job_id": "listed", "source": "list", "http_status": 200, "body": text(job("listed"))},
        {"job_id": "open", "source": "get", "http_status": 200, "body": text(job("open", ITWINS[1], state="Active"))},
        {"job_id": "open", "source": "get", "http_status": 200, "body": text(job("open", ITWINS[1]))},
    ]
    assert complete == [True, True]
    assert (first.new_versions, second.new_versions, first.missing_ids, second.missing_ids) == (2, 0, [], [])


def test_an_open_job_that_cannot_be_refreshed_stays_as_it_was_and_is_named(tmp_path: Path) -> None:
    world, said = ScriptedWorld(job("open", ITWINS[1], state="Active")), list[str]()
    with ledger_of(tmp_path, world, tell=said.append) as ledger:
        fetch_by_id(ledger.lake, ledger.api, ["open"], KNOWN, ledger.plan)
        world.remove("open")
        landed = ledger.sync()
        assert len(ledger.bodies()) == 1
        assert ledger.last_walk("complete") == {"complete": True}
    assert landed.missing_ids == ["open"]
    assert said == [
        f"{MONTH}: 1 open jobs that came by id could not be refreshed (first: open); they stay as they were."
    ]


def test_messages_of_failed_jobs_are_asked_for_once_and_their_parameters_put_in(tmp_path: Path) -> None:
    told = Told(job("bad", state="Failed"), job("good"), job("open", state="Active"))
    told.others["bad/messages"] = json_reply({"messages": TOLD})
    with ledger_that_is(tmp_path, told) as ledger:
        for _ in range(3):
            ledger.sync()
        ledger.flatten()
        messages = ledger.rows(JOB_MESSAGES)
    assert told.asked == ["bad/messages"]
    assert messages == [
        {
            "job_id": "bad",
            "severity": "error",
            "ordinal": 1,
            "code": "OutOfMemory",
            "title": "Full",
            "message": "More than 64 GB.",
            "message_template": "More than %1 GB.",
            "params": ["64"],
        }
    ]


class Escaping(Told):
    """A server that writes a state as JSON may be written, though nobody does."""

    def __call__(self, request: Request) -> Reply:
        told = super().__call__(request)
        return replace(told, body=told.body.replace(b"Failed", rb"F\u0061iled"))


def test_a_job_whose_failed_state_is_written_with_an_escape_is_asked_about_like_others(tmp_path: Path) -> None:
    told = Escaping(job("bad", state="Failed"), job("good"))
    with ledger_that_is(tmp_path, told) as ledger:
        ledger.sync()
        (body,) = [row["body"] for row in ledger.rows(OBSERVATIONS, ["job_id", "body"]) if row["job_id"] == "bad"]
    assert "Failed" not in body
    assert told.asked == ["bad/messages"]


def test_a_job_without_messages_is_remembered_as_asked(tmp_path: Path) -> None:
    told = Told(job("bad", state="Failed"))
    with ledger_that_is(tmp_path, told) as ledger:
        ledger.sync()
        ledger.sync()
        kept = ledger.rows(MESSAGE_OBSERVATIONS, ["job_id", "http_status", "body"])
    assert told.asked == ["bad/messages"]
    assert kept == [{"job_id": "bad", "http_status": 404, "body": None}]


def test_messages_that_a_passing_fault_kept_back_are_asked_for_again_by_the_next_run(tmp_path: Path) -> None:
    told, said = Told(job("bad", state="Failed"), job("worse", state="Failed")), list[str]()
    told.others = {"bad/messages": Reply(503), "worse/messages": json_reply({"messages": TOLD})}
    with ledger_that_is(tmp_path, told, tell=said.append) as ledger:
        ledger.sync()
        asked = [row["job_id"] for row in ledger.rows(MESSAGE_OBSERVATIONS)]
        told.others["bad/messages"] = json_reply({"messages": TOLD})
        told.asked.clear()
        ledger.sync()
        kept = ledger.rows(MESSAGE_OBSERVATIONS, ["job_id", "http_status", "body"])
    assert asked == ["worse"]
    assert told.asked == ["bad/messages"]
    assert kept == [
        {"job_id": job_id, "http_status": 200, "body": json.dumps({"messages": TOLD})} for job_id in ("bad", "worse")
    ]
    assert said == [f"{MONTH}: the messages of 1 failed jobs could not be fetched; next time."]


REFUSALS = [json_reply({}, 403), json_reply({}, 410), json_reply({}, 400), Reply(200, b"<html></html>"), json_reply([])]


def test_refused_messages_are_remembered_told_once_and_asked_for_again_after_growing_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, said = Told(*(job(f"bad-{number}", state="Failed") for number in range(20))), list[str]()
    told.others = {f"bad-{number}/messages": REFUSALS[number % len(REFUSALS)] for number in range(20)}
    with ledger_that_is(tmp_path, told, tell=said.append) as ledger:
        asked: list[int] = []
        for hours in (0, 0.5, 1.1, 2, 7.5, 24, 32, 100, 201, 922, 10_000, 20_000):
            monkeypatch.setattr(messages, "datetime", HoursLater(hours))
            told.asked.clear()
            ledger.sync()
            asked.append(len(set(told.asked)))
        kept = ledger.rows(MESSAGE_OBSERVATIONS, ["job_id", "http_status", "body"])
    assert asked == [20, 0, 20, 0, 20, 0, 20, 0, 20, 20, 0, 0]
    assert {(row["http_status"], row["body"]) for row in kept} == {(reply.status, None) for reply in REFUSALS}
    assert len(kept) == 20 * 6
    assert len(said) == 1
    assert said[0].startswith(f"{MONTH}: the API does not give the messages of 20 failed jobs (first: bad-0: ")


def test_refused_messages_that_the_api_gives_later_are_the_ones_that_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(job("bad", state="Failed"))
    told.others["bad/messages"] = json_reply({}, 403)
    with ledger_that_is(tmp_path, told) as ledger:
        ledger.sync()
        told.others["bad/messages"] = json_reply({"messages": TOLD})
        for hours in (2, 400):
            monkeypatch.setattr(messages, "datetime", HoursLater(hours))
            ledger.sync()
        ledger.flatten()
        assert [row["message"] for row in ledger.rows(JOB_MESSAGES)] == ["More than 64 GB."]
    assert told.asked == ["bad/messages", "bad/messages"]


def test_a_token_that_is_refused_among_the_messages_ends_the_asking_and_keeps_what_was_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "BATCH", 10)
    told = Told(*(job(f"bad-{number:02d}", state="Failed") for number in range(40)))
    told.others["bad-15/messages"] = REFUSED
    with ledger_that_is(tmp_path, told, threads=2) as ledger:
        ledger.sync()
        kept = [row["job_id"] for row in ledger.rows(MESSAGE_OBSERVATIONS)]
    assert isinstance(ledger.failure, NotAuthorised)
    assert kept[:15] == [f"bad-{number:02d}" for number in range(15)]
    assert len(told.asked) < 15 + 2 + 2


def test_an_interrupted_fetch_of_messages_keeps_the_batches_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "BATCH", 10)
    told = Told(*(job(f"bad-{number:02d}", state="Failed") for number in range(40)))
    with ledger_that_is(tmp_path, told) as ledger:
        asked = ledger.api.messages

        def interrupted(job_id: str, tally: Tally) -> Answer:
            if job_id == "bad-25":
                raise KeyboardInterrupt
            return asked(job_id, tally)

        monkeypatch.setattr(ledger.api, "messages", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ledger.sync()
        assert len(ledger.rows(MESSAGE_OBSERVATIONS)) == 20


def test_a_month_that_another_run_works_on_is_busy_and_is_not_even_asked_for(tmp_path: Path) -> None:
    with ledger_of(tmp_path, ScriptedWorld(job("a")), wait_seconds=0) as ledger:
        with held_by_another(tmp_path, MONTH), pytest.raises(Busy):
            ledger.sync()
        assert ledger.lake.months(WALKS) == []
        assert ledger.sync().new_versions == 1


def test_two_syncs_of_a_month_at_once_both_end_and_keep_each_version_once(tmp_path: Path) -> None:
    with ledger_of(tmp_path, ScriptedWorld(*(job(f"{n}") for n in range(20))), page_size=2) as ledger:
        both = [threading.Thread(target=ledger.sync) for _ in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        walks = ledger.rows(WALKS, ["complete", "new_jobs"])
        assert len(ledger.bodies()) == 20
    assert sorted((walk["complete"], walk["new_jobs"]) for walk in walks) == [(True, 0), (True, 20)]


def test_a_refused_token_ends_the_sync_after_what_was_seen_is_safe(tmp_path: Path) -> None:
    told = Told(job("bad", state="Failed"))
    with ledger_that_is(tmp_path, told) as ledger:
        ledger.sync()
        with serving(REFUSED) as server, Client(server.url, FixedToken("old"), Budget(1_000_000)) as refused:
            done = sync_month(ledger.lake, refused, MONTH, KNOWN, ledger.plan, "run-2")
            assert isinstance(done.failure, NotAuthorised)
            assert len(server.requests) == 1
        last = ledger.last_walk("complete", "records", "error")
    assert last.pop("error").startswith("ended after page 0 (0 records): Not authorised: 401 HeaderNotFound")
    assert last == {"complete": False, "records": 0}


def test_nothing_is_left_in_the_scratch_folder(tmp_path: Path) -> None:
    left = tmp_path / "scratch" / MONTH / "left by a run that died.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a file")
    with ledger_of(tmp_path, ScriptedWorld(job("a"))) as ledger:
        ledger.sync()
        fetch_by_id(ledger.lake, ledger.api, ["a"], KNOWN, ledger.plan)
    assert list((tmp_path / "scratch").rglob("*")) == []


def test_a_walk_without_a_list_of_itwins_is_of_the_callers_own_jobs(tmp_path: Path) -> None:
    with stage(ScriptedWorld(job("a"), job("b", ITWINS[1]))) as (_, sandbox), client(sandbox) as api:
        ledger = Ledger(Lake(tmp_path), api, Plan())
        ledger.sync()
        ledger.flatten()
        assert ledger.rows(JOBS, ["job_id", "itwin_id"]) == [
            {"job_id": "a", "itwin_id": ITWINS[0]},
            {"job_id": "b", "itwin_id": ITWINS[1]},
        ]
        assert ledger.last_walk("itwin_id", "complete", "new_jobs") == {
            "itwin_id": None,
            "complete": True,
            "new_jobs": 2,
        }
