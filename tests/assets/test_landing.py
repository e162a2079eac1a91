from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from assets.api.protocol import Tally
from assets.records import body_hash
from pipelines.sandbox import Faults, ScriptedWorld
from tests.assets.ledgers import ITWIN, SEEN
from tests.assets.ledgers import Ledger as HandMadeLedger
from tests.assets.ledgers import job as hand_made
from tests.faults.world import ITWINS, Job, files, job, ledger_of
from warehouse.tables import OBSERVATIONS, REJECTED_RECORDS, WALKS

WALKED = "lake/walks/created_month=2025-11/walks.parquet"
COUNTS = ("new_jobs", "changed_jobs", "unchanged_jobs", "rejected", "vanished", "complete", "error")


def with_units(body: Job, units: float) -> Job:
    return {**body, "executionInfo": {**body["executionInfo"], "estimatedUnits": units}}


def rewritten(body: Job) -> bytes:
    """The same job with its keys in another order and much white space."""
    return json.dumps(dict(reversed(body.items())), indent=4).encode()


def text(body: Job) -> str:
    return json.dumps(body, separators=(",", ":"))


def touched(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def counted(*counts: int, complete: bool = True, error: str | None = None) -> dict[str, Any]:
    return dict(zip(COUNTS, (*counts, complete, error), strict=True))


def test_a_version_is_kept_as_it_was_sent_with_what_is_needed_to_find_it(tmp_path: Path) -> None:
    with ledger_of(tmp_path, ScriptedWorld(job("a"))) as ledger:
        landed = ledger.sync()
        [row], [walk] = ledger.rows(OBSERVATIONS), ledger.rows(WALKS)
    assert row == {
        "job_id": "a",
        "itwin_id": ITWINS[0],
        "created_at": datetime(2025, 11, 5, 10, tzinfo=UTC),
        "observed_at": walk["finished_at"],
        "http_status": 200,
        "source": "list",
        "walk_id": walk["walk_id"],
        "body": text(job("a")),
        "body_hash": body_hash(text(job("a")).encode()),
    }
    assert (landed.month, landed.new_versions, landed.new_rejects, landed.vanished) == ("2025-11", 1, 0, 0)


def test_a_walk_leaves_a_row_that_tells_what_it_asked_for_and_how_it_went(tmp_path: Path) -> None:
    world = ScriptedWorld(*(job(f"{number}", day=number) for number in range(1, 6)))
    with ledger_of(tmp_path, world, page_size=1000) as ledger:
        landed = ledger.sync()
        [row] = ledger.rows(WALKS)
    [walk] = landed.walks
    assert abs(row.pop("clock_skew_seconds")) < 2
    assert row.pop("started_at") <= row.pop("finished_at")
    assert row == {
        "walk_id": walk.walk_id,
        "run_id": "run-1",
        "itwin_id": ITWINS[0],
        "identity": None,
        "on_api_clock": True,
        "created_from": datetime(2025, 11, 1, tzinfo=UTC),
        "created_to": datetime(2025, 12, 1, tzinfo=UTC),
        "requests": 1,
        "pages": 1,
        "records": 5,
        "retries": 0,
        "throttled": 0,
        **counted(5, 0, 0, 0, 0),
    }


def test_where_no_body_changed_nothing_is_added_and_no_file_is_touched_but_the_walks(tmp_path: Path) -> None:
    jobs = [job(f"{number}", day=number) for number in range(1, 6)]
    world = ScriptedWorld(*jobs, b'{"id":"without a creation time"}')
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync()
        ledger.flatten()
        before = files(tmp_path)
        for body in jobs:
            world.put(rewritten(body), body["id"])
        landed = ledger.sync()
        ledger.flatten()
        after = files(tmp_path)
        walk = ledger.last_walk(*COUNTS)
    assert touched(before, after) == [WALKED]
    assert (landed.new_versions, landed.new_rejects) == (0, 0)
    assert walk == counted(0, 0, 5, 1, 0)


def test_versions_are_kept_in_the_order_in_which_they_were_seen(tmp_path: Path) -> None:
    versions = [job("a", state="Active"), job("a"), with_units(job("a"), 2), with_units(job("a"), 0), job("a")]
    world = ScriptedWorld(job("b"))
    with ledger_of(tmp_path, world) as ledger:
        for version in versions:
            world.put(version)
            ledger.sync()
            ledger.sync()
        rows = ledger.rows(OBSERVATIONS)
        changes = sorted((row["run_id"], row["changed_jobs"]) for row in ledger.rows(WALKS))
    assert [(row["job_id"], row["body"]) for row in rows] == [
        *(("a", text(version)) for version in versions),
        ("b", text(job("b"))),
    ]
    assert [changed for _, changed in sorted(changes, key=lambda run: int(run[0][4:]))] == [0, 0, *[1, 0] * 4]


@pytest.mark.parametrize("step", [timedelta(0), timedelta(hours=-1), timedelta(microseconds=-1)])
def test_the_newest_version_is_the_one_that_came_last_even_if_the_clock_stands_or_goes_back(
    tmp_path: Path, step: timedelta
) -> None:
    ledger = HandMadeLedger(tmp_path)
    versions = [hand_made(id="a", name=f"version {number}") for number in range(4)]
    for number, version in enumerate(versions):
        ledger.show(version, at=SEEN + number * step)
    rows = ledger.rows("observations")
    ledger.flatten()
    assert [row["body"] for row in rows] == [json.dumps(version) for version in versions]
    assert [row["observed_at"] for row in rows] == [SEEN + timedelta(microseconds=number) for number in range(4)]
    assert ledger.rows("jobs", "name", "versions") == [{"name": "version 3", "versions": 4}]


STRANGE = {
    b"[1, 2]": "not_an_object",
    b'"text"': "not_an_object",
    b"null": "not_an_object",
    b'{"name":"no id"}': "no_id",
    b'{"id":""}': "no_id",
    b'{"id":["a"]}': "no_id",
    b'{"id":"b1"}': "no_created_time",
    b'{"id":"b2","executionInfo":{"createdDateTime":"yesterday"}}': "no_created_time",
    b'{"id":"b3","executionInfo":{"createdDateTime":1762336800}}': "no_created_time",
    b'{"id":"b4","executionInfo":[]}': "no_created_time",
    b'{"id": oops}': "unreadable",
}


def test_records_that_cannot_become_a_row_are_kept_whole_once_with_their_reason_and_their_neighbours_land(
    tmp_path: Path,
) -> None:
    neighbours = [job(f"good-{number}", day=number) for number in range(1, 10)]
    with ledger_of(tmp_path, ScriptedWorld(*neighbours, *STRANGE), page_size=1000) as ledger:
        first = ledger.sync()
        before = files(tmp_path)
        second = ledger.sync()
        after = files(tmp_path)
        rejected = ledger.rejected("walk_id", "walked_itwin_id", "page", "reason", "body")
        ledger.flatten()
        ids, walk = ledger.job_ids(), ledger.last_walk(*COUNTS)
    common = {"walk_id": first.walks[0].walk_id, "walked_itwin_id": ITWINS[0], "page": 1}
    assert sorted(rejected, key=lambda row: row["body"]) == [
        common | {"reason": STRANGE[body], "body": body.decode()} for body in sorted(STRANGE)
    ]
    assert ids == [body["id"] for body in neighbours]
    assert (first.new_rejects, second.new_rejects) == (len(STRANGE), 0)
    assert touched(before, after) == [WALKED]
    assert walk == counted(0, 0, 9, len(STRANGE), 0)


def test_bytes_that_are_no_text_are_kept_escaped(tmp_path: Path) -> None:
    with ledger_of(tmp_path, ScriptedWorld(job("a"), b'{"id":"\xff"}')) as ledger:
        ledger.sync()
        rejected, bodies = ledger.rejected("reason", "body"), ledger.bodies()
    assert rejected == [{"reason": "unreadable", "body": '{"id":"\\xff"}'}]
    assert bodies == [("a", text(job("a")))]


def test_a_rejected_record_that_is_mended_lands_and_what_was_rejected_stays_as_it_was(tmp_path: Path) -> None:
    world = ScriptedWorld()
    with ledger_of(tmp_path, world) as ledger:
        world.put({"id": "a", "iTwinId": ITWINS[0]})
        ledger.sync()
        rejected = ledger.rows(REJECTED_RECORDS)
        world.put(job("a"))
        landed = ledger.sync()
        assert ledger.rows(REJECTED_RECORDS) == rejected
        assert ledger.bodies() == [("a", text(job("a")))]
    assert (len(rejected), landed.new_versions) == (1, 1)


def test_one_job_of_a_new_kind_with_lists_and_objects_costs_its_999_neighbours_nothing(tmp_path: Path) -> None:
    specifications = {"inputs": {"clouds": [{"id": "x", "levels": [[1], {"deep": None}]}]}, "outputs": [1, "two"]}
    odd = {**job("odd"), "type": "Holograms4D", "state": "Dreaming", "specifications": specifications}
    neighbours = [job(f"job-{number:03d}", day=1 + number % 28) for number in range(999)]
    with ledger_of(tmp_path, ScriptedWorld(odd, *neighbours), page_size=1000) as ledger:
        landed = ledger.sync()
        ledger.flatten()
        assert ledger.job_ids() == [*(body["id"] for body in neighbours), "odd"]
        assert ledger.rejected() == []
        assert dict(ledger.bodies())["odd"] == text(odd)
        assert ledger.last_walk(*COUNTS) == counted(1000, 0, 0, 0, 0)
    assert landed.new_versions == 1000


def test_two_answers_for_one_id_flag_the_walk_and_both_are_kept(tmp_path: Path) -> None:
    faults = Faults(0, 1, ["twice"])
    with ledger_of(tmp_path, ScriptedWorld(job("a")), faults) as ledger:
        ledger.api.job("a", Tally())  # the token comes before the faults
        faults.probability = 1
        ledger.sync()
        rows, walk = ledger.rows(OBSERVATIONS), ledger.last_walk(*COUNTS)
        ledger.flatten()
    assert [json.loads(row["body"])["name"] for row in rows] == ["Job a", "Job a (other)"]
    assert rows[0]["observed_at"] < rows[1]["observed_at"]
    error = "job a was listed twice with different content: the list moved meanwhile"
    assert walk == counted(1, 0, 0, 0, 0, complete=False, error=error)


def test_the_same_answer_twice_is_one_version_and_no_reason_for_doubt(tmp_path: Path) -> None:
    world = ScriptedWorld(job("a"))
    world.put(rewritten(job("a")), "the same job at another place")
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync()
        assert len(ledger.bodies()) == 1
        assert ledger.last_walk("records", *COUNTS) == {"records": 2, **counted(1, 0, 0, 0, 0)}


OUTSIDE = [("2025-10-31T23:59:59.999999Z", 1), ("2025-11-01T00:00:00Z", 0), ("2025-11-30T23:59:59.9999999Z", 0)]


@pytest.mark.parametrize(("created", "outside"), [*OUTSIDE, ("2025-12-01T00:00:00Z", 1), ("2025-12-01T00:30+01:00", 0)])
def test_a_record_from_outside_the_month_is_rejected_and_flags_the_walk(
    tmp_path: Path, created: str, outside: int
) -> None:
    ledger = HandMadeLedger(tmp_path, "2025-11")
    ledger.show(hand_made(id="a", createdDateTime=created), hand_made(id="b", createdDateTime="2025-11-05T10:00:00Z"))
    [walk] = ledger.rows("walks", *COUNTS)
    error = "1 records were created outside the month that was asked for" if outside else None
    assert walk == counted(2 - outside, 0, 0, outside, 0, complete=not outside, error=error)
    assert ledger.rows("rejected_records", "reason") == [{"reason": "outside_window"}] * outside
    assert [row["job_id"] for row in ledger.rows("observations")] == ["a", "b"][outside:]


def test_a_record_of_another_itwin_is_kept_and_flags_the_walk(tmp_path: Path) -> None:
    ledger = HandMadeLedger(tmp_path)
    ledger.show(hand_made(id="a"), itwin_id=ITWINS[0])
    ledger.show(hand_made(id="b"), itwin_id=ITWIN.upper())
    walks = sorted(ledger.rows("walks", "itwin_id", *COUNTS), key=lambda walk: walk["itwin_id"])
    error = "1 records belong to another iTwin than was asked for"
    assert walks == [
        {"itwin_id": ITWINS[0], **counted(1, 0, 0, 0, 0, complete=False, error=error)},
        {"itwin_id": ITWIN.upper(), **counted(1, 0, 0, 0, 0)},
    ]
    assert [row["job_id"] for row in ledger.rows("observations")] == ["a", "b"]


def test_an_id_that_is_a_number_is_an_id_and_keeps_its_digits(tmp_path: Path) -> None:
    ledger = HandMadeLedger(tmp_path)
    ledger.show(hand_made(id=12345678901234567890))
    assert [row["job_id"] for row in ledger.rows("observations")] == ["12345678901234567890"]


def test_walks_of_several_itwins_land_together_each_with_its_own_row(tmp_path: Path) -> None:
    world = ScriptedWorld(job("a", ITWINS[0]), job("b", ITWINS[1]), job("c", ITWINS[1]))
    with ledger_of(tmp_path, world, itwin_ids=ITWINS) as ledger:
        landed = ledger.sync()
        walks = sorted(ledger.rows(WALKS, ["itwin_id", *COUNTS]), key=lambda walk: walk["itwin_id"])
    assert walks == [
        {"itwin_id": itwin, **counted(count, 0, 0, 0, 0)} for itwin, count in zip(ITWINS, (1, 2, 0), strict=True)
    ]
    assert landed.new_versions == 3


@pytest.mark.proof
@pytest.mark.parametrize("wide", ["name", "option", "unknown field"])
def test_records_too_wide_for_the_memory_of_a_month_land_and_are_flattened(
    wide: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.engine.MEGABYTES_OF_WORK", 8)
    monkeypatch.setattr("warehouse.engine.MEGABYTES_A_THREAD", 8)
    noise = Random(7)
    texts = [noise.randbytes(10_000).hex() for _ in range(2_000)]
    shown = {"name": lambda text: {"name": text}, "option": lambda text: {"options": {"minPhotos": text}}}
    bodies = [hand_made(**shown.get(wide, lambda text: {"extra": text})(text)) for text in texts]
    ledger = HandMadeLedger(tmp_path)
    ledger.show(*bodies)
    rows = ledger.flatten().rows
    kept = {row["job_id"]: json.loads(row["body"]) for row in ledger.rows("observations")}
    assert kept == {body["id"]: body for body in bodies}
    assert (rows["jobs"], rows["job_options"]) == (2_000, 2_000 if wide == "option" else 0)
