"""Records that are odd, and jobs that are missing, over real HTTP and as far as the tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from pipelines.sandbox import ScriptedWorld
from pipelines.sandbox.interface import Bounds
from pipelines.sandbox.scripted import Record
from tests.faults.chains import answers, chained, page
from tests.faults.world import ITWINS, Ledger, job, ledger_of
from warehouse.tables import OBSERVATIONS, REJECTED_RECORDS, WALKS

A, B = job("a"), job("b")


def statuses(ledger: Ledger) -> list[tuple[str, int]]:
    return [(row["job_id"], row["http_status"]) for row in ledger.rows(OBSERVATIONS)]


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
}


def test_records_that_cannot_become_rows_are_kept_whole_and_their_neighbours_land(tmp_path: Path) -> None:
    odd = [raw for raw, _, _ in REJECTS.values()]
    with chained(tmp_path, answers({"": page(A, *odd, B)})) as (ledger, _):
        ledger.sync()
        walked = ledger.last_walk()
        kept = ledger.rejected()
        ledger.sync()
        assert ledger.rejected() == kept
        assert ledger.last_walk("rejected", "records") == {"rejected": len(odd), "records": len(odd) + 2}
        assert statuses(ledger) == [("a", 200), ("b", 200)]
    assert sorted(kept, key=lambda row: row["ordinal"]) == [
        {
            "walk_id": walked["walk_id"],
            "walked_itwin_id": ITWINS[0],
            "observed_at": walked["finished_at"],
            "page": 1,
            "ordinal": ordinal,
            "reason": reason,
            "body": raw.decode() if text is None else text,
            "body_hash": next(row["body_hash"] for row in kept if row["ordinal"] == ordinal),
        }
        for ordinal, (raw, reason, text) in enumerate(REJECTS.values(), 2)
    ]
    assert (walked["records"], walked["new_jobs"], walked["rejected"]) == (len(odd) + 2, 2, len(odd))
    assert walked["complete"]


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


def test_a_walk_whose_missing_jobs_were_not_asked_for_is_not_complete(tmp_path: Path) -> None:
    world = ScriptedWorld(*(job(f"job-{number:03d}") for number in range(12)), job("zzz", ITWINS[1]))
    with ledger_of(tmp_path, world, itwin_ids=ITWINS[:2], threads=1) as ledger:
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


def test_a_rejected_record_is_kept_once_for_each_itwin_that_showed_it(tmp_path: Path) -> None:
    with chained(tmp_path, answers({"": page(b"7", b"7", b"8")}), itwin_ids=ITWINS[:2]) as (ledger, _):
        assert ledger.sync().new_rejects == 4
        assert ledger.sync().new_rejects == 0
        kept = [(row["walked_itwin_id"], row["body"]) for row in ledger.rows(REJECTED_RECORDS)]
    assert sorted(kept) == [(ITWINS[0], "7"), (ITWINS[0], "8"), (ITWINS[1], "7"), (ITWINS[1], "8")]
