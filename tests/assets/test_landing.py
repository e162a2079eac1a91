"""What a sync keeps of what it was shown: versions, rejects, and jobs that are gone. Real HTTP, real files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from assets.client import Page
from assets.landing import Landed, land
from assets.walk import Walk, walk
from pipelines.sandbox import ScriptedWorld
from pipelines.sandbox.interface import Bounds
from pipelines.sandbox.scripted import Record
from tests.assets.servers import Reply, json_reply
from tests.assets.test_walk import Pages
from tests.faults.chains import Script, answers, chained, found, page, to
from tests.faults.world import ITWINS, KNOWN, MONTH, Ledger, files, job, ledger_of, rows
from warehouse.lake import Lake
from warehouse.months import window
from warehouse.tables import JOBS, OBSERVATIONS, REJECTED_RECORDS, WALKS

A, B = job("a"), job("b")
GONE_HTML = Reply(404, b"<html>No such page</html>")


def statuses(ledger: Ledger) -> list[tuple[str, int]]:
    return [(row["job_id"], row["http_status"]) for row in ledger.rows(OBSERVATIONS)]


def test_a_version_is_kept_as_sent_with_where_and_when_it_was_seen(tmp_path: Path) -> None:
    raw = json.dumps(A, indent=2).encode()
    before = datetime.now(UTC)
    with ledger_of(tmp_path, ScriptedWorld(raw)) as ledger:
        ledger.sync()
        row, walked = ledger.rows(OBSERVATIONS)[0], ledger.last_walk()
    assert before < row.pop("observed_at") == walked["finished_at"] < datetime.now(UTC)
    assert len(row.pop("body_hash")) == 32
    assert row == {
        "job_id": "a",
        "itwin_id": ITWINS[0],
        "created_at": datetime(2025, 11, 5, 10, tzinfo=UTC),
        "http_status": 200,
        "source": "list",
        "walk_id": walked["walk_id"],
        "body": raw.decode(),
    }


def test_where_nothing_changed_no_file_but_the_walks_is_touched(tmp_path: Path) -> None:
    world = ScriptedWorld(A, B, job("c", state="Failed"), b'"strange"')
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync()
        ledger.flatten()
        before = files(tmp_path / "lake")
        ledger.sync()
        ledger.flatten()
        after = files(tmp_path / "lake")
        assert [name for name, content in after.items() if before.get(name) != content] == [
            f"walks/created_month={MONTH}/walks.parquet"
        ]
        assert ledger.last_walk("new_jobs", "changed_jobs", "unchanged_jobs", "rejected") == {
            "new_jobs": 0,
            "changed_jobs": 0,
            "unchanged_jobs": 3,
            "rejected": 1,
        }


def test_key_order_and_white_space_are_no_change(tmp_path: Path) -> None:
    world = ScriptedWorld(A)
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync()
        world.put(json.dumps(dict(reversed(A.items())), indent=1).encode())
        assert ledger.sync().new_versions == 0
        assert ledger.bodies() == [("a", msgspec.json.encode(A).decode())]


def test_units_that_change_after_the_end_are_a_version(tmp_path: Path) -> None:
    world = ScriptedWorld(A)
    restated = {**A, "executionInfo": {**A["executionInfo"], "estimatedUnits": 0}}
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync()
        world.put(restated)
        ledger.sync()
        world.put(A)
        ledger.sync()
        ledger.flatten()
        bodies = [msgspec.json.decode(body or "") for _, body in ledger.bodies()]
        assert bodies == [A, restated, A]
        assert ledger.rows(JOBS, ["job_id", "units", "versions"]) == [{"job_id": "a", "units": 1.5, "versions": 3}]


def test_one_job_of_a_new_kind_in_a_page_of_a_thousand_costs_no_other_job(tmp_path: Path) -> None:
    strange = job("new-kind", type="HologramX", state="Dreaming") | {
        "specifications": {"inputs": [{"a": [1]}], "outputs": {"x": [{"y": {"z": None}}]}, "more": [[]], "options": 7}
    }
    jobs = [job(f"job-{number:04d}") for number in range(999)]
    with ledger_of(tmp_path, ScriptedWorld(strange, *jobs)) as ledger:
        ledger.sync()
        ledger.flatten()
        assert ledger.job_ids() == sorted(["new-kind", *(one["id"] for one in jobs)])
        kept = [row for row in ledger.rows(JOBS, ["job_id", "type", "state", "outcome"]) if row["job_id"] == "new-kind"]
        assert kept == [{"job_id": "new-kind", "type": "HologramX", "state": "Dreaming", "outcome": "open"}]
        assert ledger.last_walk("complete", "records", "rejected") == {"complete": True, "records": 1000, "rejected": 0}


def created(text: Any) -> bytes:
    return json.dumps({**job("x"), "executionInfo": {"createdDateTime": text}}).encode()


REJECTS: dict[str, tuple[bytes, str, str | None]] = {
    "null": (b"null", "not_an_object", None),
    "a list": (b'[{"id":"a"}]', "not_an_object", None),
    "a text": (b'"job"', "not_an_object", None),
    "no id": (b'{"state":"Active"}', "no_id", None),
    "an empty id": (json.dumps({**A, "id": ""}).encode(), "no_id", None),
    "an id that is an object": (json.dumps({**A, "id": {"x": 1}}).encode(), "no_id", None),
    "no created time": (json.dumps({**A, "executionInfo": {}}).encode(), "no_created_time", None),
    "no execution info": (b'{"id":"x","executionInfo":[]}', "no_created_time", None),
    "a created time that is none": (created("soon"), "no_created_time", None),
    "a created time that is a number": (created(1762336800), "no_created_time", None),
    "an infinite created time": (created("infinity"), "no_created_time", None),
    "a day that is none": (created("2025-11-31T00:00:00Z"), "no_created_time", None),
    "invalid UTF-8": (b'{"id":"x","name":"\xff\xfe"}', "unreadable", '{"id":"x","name":"\\xff\\xfe"}'),
    "a lone surrogate": (b'{"id":"x","name":"\\ud800"}', "unreadable", None),
    "a number out of range": (b'{"id":"x","n":1e999}', "unreadable", None),
    "a number that is none": (b'{"id":"x","n":NaN}', "unreadable", None),
    "nested too deep": (b'{"id":"x","n":' + b"[" * 3000 + b"]" * 3000 + b"}", "unreadable", None),
    "another month": (created("2025-12-01T00:00:00Z"), "outside_window", None),
}


@pytest.mark.parametrize(("raw", "reason", "text"), REJECTS.values(), ids=REJECTS.keys())
def test_a_record_that_cannot_become_a_row_is_kept_whole_and_its_neighbours_land(
    tmp_path: Path, raw: bytes, reason: str, text: str | None
) -> None:
    with chained(tmp_path, answers({"": page(A, raw, B)})) as (ledger, _):
        ledger.sync()
        walked = ledger.last_walk()
        kept = ledger.rejected()
        ledger.sync()
        assert ledger.rejected() == kept
        assert ledger.last_walk("rejected", "records") == {"rejected": 1, "records": 3}
        assert statuses(ledger) == [("a", 200), ("b", 200)]
    assert len(kept[0].pop("body_hash")) == 32
    assert kept == [
        {
            "walk_id": walked["walk_id"],
            "walked_itwin_id": ITWINS[0],
            "observed_at": walked["finished_at"],
            "page": 1,
            "ordinal": 2,
            "reason": reason,
            "body": raw.decode() if text is None else text,
        }
    ]
    assert (walked["records"], walked["new_jobs"], walked["rejected"]) == (3, 2, 1)
    assert walked["complete"] is (reason != "outside_window")


def test_strange_but_readable_jobs_become_rows(tmp_path: Path) -> None:
    jobs = [
        {**A, "id": 7},
        {**A, "id": "umlaut-ü", "name": "\x00 and \U0001f6e0"},
        {"id": "bare", "executionInfo": {"createdDateTime": "2025-11-30T23:59:59.9999999+00:00"}},
        {"id": "offset", "executionInfo": {"createdDateTime": "2025-12-01T01:30:00+02:00"}},
        {**A, "id": "big", "n": 12345678901234567890123, "m": 1e308},
    ]
    with chained(tmp_path, answers({"": page(*jobs)})) as (ledger, _):
        ledger.sync()
        ledger.flatten()
        assert [row[0] for row in ledger.bodies()] == ["7", "bare", "big", "offset", "umlaut-ü"]
        assert ledger.job_ids() == ["7", "bare", "big", "offset", "umlaut-ü"]
        assert ledger.last_walk("complete", "rejected") == {"complete": True, "rejected": 0}


def test_a_job_that_is_gone_is_kept_as_gone_and_comes_back(tmp_path: Path) -> None:
    world = ScriptedWorld(A, B)
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync()
        world.remove("a")
        assert ledger.sync().vanished == 1
        assert ledger.last_walk("complete", "vanished") == {"complete": True, "vanished": 1}
        ledger.flatten()
        gone_at = ledger.rows(OBSERVATIONS)[1]["observed_at"]
        assert [row["vanished_at"] for row in ledger.rows(JOBS)] == [gone_at, None]
        assert ledger.sync().vanished == 0
        world.put(A)
        ledger.sync()
        ledger.flatten()
        assert statuses(ledger) == [("a", 200), ("a", 404), ("a", 200), ("b", 200)]
        assert [row["vanished_at"] for row in ledger.rows(JOBS)] == [None, None]
        assert ledger.last_walk("new_jobs", "changed_jobs", "unchanged_jobs") == {
            "new_jobs": 0,
            "changed_jobs": 1,
            "unchanged_jobs": 1,
        }


def test_the_row_of_a_job_that_is_gone_says_who_missed_it(tmp_path: Path) -> None:
    world = ScriptedWorld(A)
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync()
        world.remove("a")
        ledger.sync()
        seen, gone = ledger.rows(OBSERVATIONS)
        walked = ledger.last_walk()
    assert gone == seen | {
        "observed_at": walked["finished_at"],
        "http_status": 404,
        "source": "get",
        "walk_id": walked["walk_id"],
        "body": None,
        "body_hash": None,
    }


def test_no_job_is_gone_after_an_incomplete_walk(tmp_path: Path) -> None:
    script = Script(answers({"": page(A, link=to("1")), "1": page(B)}))
    with chained(tmp_path, script) as (ledger, server):
        ledger.sync()
        script.respond = answers({"": page(A, link=to("1")), "1": Reply(500)})
        ledger.sync()
        assert statuses(ledger) == [("a", 200), ("b", 200)]
        assert ledger.last_walk("complete", "vanished") == {"complete": False, "vanished": 0}
        assert [request.target for request in server.requests if "/jobs/" in request.target] == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (GONE_HTML, "job b was not listed, and the 404 for its id does not come from the API"),
        (Reply(404), "job b was not listed, and the 404 for its id does not come from the API"),
        (json_reply({"error": "JobNotFound"}, 404), "the 404 for its id does not come from the API"),
        (json_reply({"error": {"code": "ResourceGone"}}, 404), "the 404 for its id does not come from the API"),
        (Reply(500), "job b was not listed, and asking for it by id failed: The API failed: 500"),
        (found(B), "the list left out job b, which is there when asked for by id"),
        (found(A), "job b was not listed, and the answer for its id is about another job"),
    ],
)
def test_a_job_that_is_not_listed_and_not_surely_gone_stays_and_the_walk_says_so(
    tmp_path: Path, answer: Reply, reason: str
) -> None:
    script = Script(answers({"": page(A, B)}))
    with chained(tmp_path, script) as (ledger, _):
        ledger.sync()
        script.respond = answers({"": page(A)}, {"b": answer})
        ledger.sync()
        assert statuses(ledger) == [("a", 200), ("b", 200)]
        walked = ledger.last_walk("complete", "error", "vanished")
    assert (walked["complete"], walked["vanished"]) == (False, 0)
    assert reason in walked["error"]


class Hiding(ScriptedWorld):
    """A world whose list leaves out jobs that are there."""

    hidden: frozenset[str] = frozenset()

    def candidates(self, bounds: Bounds, now: int, *, own: bool) -> Sequence[Record]:
        return [one for one in super().candidates(bounds, now, own=own) if one.key not in self.hidden]


def test_a_job_that_the_list_left_out_is_kept_up_to_date_by_id(tmp_path: Path) -> None:
    world = Hiding(A, B)
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync()
        world.hidden = frozenset("b")
        later = {**B, "name": "Renamed"}
        world.put(later)
        ledger.sync()
        newest = ledger.rows(OBSERVATIONS, ["job_id", "source", "body"])[-1]
        assert newest == {"job_id": "b", "source": "get", "body": msgspec.json.encode(later).decode()}
        assert ledger.last_walk("complete", "error", "unchanged_jobs") == {
            "complete": False,
            "error": "the list left out job b, which is there when asked for by id",
            "unchanged_jobs": 1,
        }


def lose(data: Path, known: int, lost: int, accept_gone: bool = False) -> tuple[Landed, dict[str, Any], int, int]:
    """A month that loses jobs: what landed, the walk's row, the jobs marked as gone, and the requests by id."""
    world = ScriptedWorld(*(job(f"job-{number:03d}") for number in range(known)))
    with ledger_of(data, world, accept_gone=accept_gone) as ledger:
        ledger.sync()
        for number in range(lost):
            world.remove(f"job-{number:03d}")
        landed = ledger.sync()
        walked = ledger.last_walk()
        gone = [job_id for job_id, status in statuses(ledger) if status == 404]
    return landed, walked, len(gone), walked["requests"] - walked["pages"]


@pytest.mark.parametrize(("known", "lost"), [(20, 10), (120, 12), (10, 10)])
def test_a_loss_of_a_tenth_or_of_ten_jobs_is_believed(tmp_path: Path, known: int, lost: int) -> None:
    landed, walked, gone, _ = lose(tmp_path, known, lost)
    assert (landed.gone_refused, walked["complete"], walked["vanished"], gone) == (None, True, lost, lost)


@pytest.mark.parametrize(("known", "lost"), [(20, 11), (20, 20), (119, 12)])
def test_a_loss_of_more_keeps_everything_and_says_so(tmp_path: Path, known: int, lost: int) -> None:
    landed, walked, gone, asked = lose(tmp_path, known, lost)
    assert (walked["complete"], walked["vanished"], landed.vanished, gone) == (False, 0, 0, 0)
    assert asked <= 12  # no more are asked for than are needed to see it
    assert f"{MONTH} would lose more than" in str(landed.gone_refused)
    assert "--accept-gone" in walked["error"]


def test_a_loss_of_more_can_be_accepted(tmp_path: Path) -> None:
    landed, walked, gone, _ = lose(tmp_path, 20, 20, accept_gone=True)
    assert (landed.gone_refused, walked["complete"], walked["vanished"], gone) == (None, True, 20, 20)


def test_a_walk_whose_missing_jobs_were_not_asked_for_is_not_complete(tmp_path: Path) -> None:
    world = ScriptedWorld(*(job(f"job-{number:03d}") for number in range(12)), job("zzz", ITWINS[1]))
    with ledger_of(tmp_path, world, itwin_ids=ITWINS[:2]) as ledger:
        ledger.sync()
        for job_id in ledger.bodies():
            world.remove(job_id[0])
        ledger.sync()
        walks = [row for row in ledger.rows(WALKS) if row["run_id"] == "run-2"]
        errors = {row["itwin_id"]: row["error"] for row in walks}
        assert set(statuses(ledger)) == {(job_id, 200) for job_id, _ in ledger.bodies()}
    assert "would lose more than 10 of its 13 jobs" in errors[ITWINS[0]]
    assert errors[ITWINS[1]] == "job zzz was not listed, and it was not asked for by id any more"


def test_itwin_ids_match_in_any_case(tmp_path: Path) -> None:
    itwin = "abcdef00-0000-4000-8000-000000000000"
    world = ScriptedWorld(job("a", itwin), job("b", itwin))
    with ledger_of(tmp_path, world, itwin_ids=(itwin.upper(),)) as ledger:
        ledger.sync()
        world.remove("a")
        assert ledger.sync().vanished == 1


def test_jobs_of_an_itwin_that_is_not_walked_are_left_alone(tmp_path: Path) -> None:
    world = ScriptedWorld(A, job("b", ITWINS[1]))
    with ledger_of(tmp_path, world, itwin_ids=ITWINS[:2]) as ledger:
        ledger.sync()
        world.remove("b")
        narrower = Ledger(ledger.lake, ledger.api, syncs=1)
        assert narrower.sync().vanished == 0
        assert narrower.last_walk("complete", "requests") == {"complete": True, "requests": 1}
        assert ledger.sync().vanished == 1


def test_a_walk_of_the_callers_own_jobs_misses_those_that_such_walks_have_shown(tmp_path: Path) -> None:
    world = ScriptedWorld(A, job("b", ITWINS[1]))
    with ledger_of(tmp_path, world, itwin_ids=()) as ledger:
        ledger.sync()
        world.remove("b")
        assert ledger.sync().vanished == 1
        assert ledger.last_walk("itwin_id", "complete") == {"itwin_id": None, "complete": True}


def walked_at(lake: Lake, scratch: Path, *seen: tuple[datetime, list[dict[str, Any]]]) -> None:
    """Lands a walk whose pages arrived at these times by the machine's clock."""
    pages = [
        Page([msgspec.Raw(json.dumps(one).encode()) for one in jobs], str(number), at, None, 0)
        for number, (at, jobs) in enumerate(seen, 1)
    ]
    pages[-1] = Page(pages[-1].records, None, pages[-1].received_at, None, 0)
    done = walk(Pages(*pages), Walk(window(MONTH), ITWINS[0], "run"), scratch / "walk.parquet")
    land(lake, window(MONTH), [done], [scratch / "walk.parquet"], KNOWN)


NOON = datetime(2025, 12, 1, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def named(*names: str) -> list[dict[str, Any]]:
    return [{**A, "name": name} for name in names]


def times_and_names(lake: Lake) -> list[tuple[datetime, str]]:
    found = rows(lake, OBSERVATIONS, ["observed_at", "body"])
    return [(row["observed_at"], json.loads(row["body"])["name"]) for row in found]


def test_times_grow_when_the_clock_goes_backwards_between_walks(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for hours, name in ((0, "one"), (-2, "two"), (-1, "three"), (1, "four")):
        walked_at(lake, tmp_path, (NOON + timedelta(hours=hours), named(name)))
    assert times_and_names(lake) == [
        (NOON, "one"),
        (NOON + MICROSECOND, "two"),
        (NOON + 2 * MICROSECOND, "three"),
        (NOON + timedelta(hours=1), "four"),
    ]


def test_times_grow_when_versions_come_on_one_page_or_the_clock_goes_backwards_in_a_walk(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    earlier = NOON - timedelta(hours=1)
    walked_at(lake, tmp_path, (NOON, named("one", "two", "two")), (earlier, named("three")))
    assert times_and_names(lake) == [(NOON, "one"), (NOON + MICROSECOND, "two"), (NOON + 2 * MICROSECOND, "three")]


def test_a_rejected_record_is_kept_once_for_each_itwin_that_showed_it(tmp_path: Path) -> None:
    with chained(tmp_path, answers({"": page(b"7", b"7", b"8")}), itwin_ids=ITWINS[:2]) as (ledger, _):
        assert ledger.sync().new_rejects == 4
        assert ledger.sync().new_rejects == 0
        kept = [(row["walked_itwin_id"], row["body"]) for row in ledger.rows(REJECTED_RECORDS)]
    assert sorted(kept) == [(ITWINS[0], "7"), (ITWINS[0], "8"), (ITWINS[1], "7"), (ITWINS[1], "8")]
