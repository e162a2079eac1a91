from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assets.api.errors import NotAuthorised
from assets.api.protocol import Tally
from assets.by_id import fetch_by_id
from assets.plan import Plan
from pipelines.sandbox import Faults, ScriptedWorld
from pipelines.sandbox.interface import Bounds
from pipelines.sandbox.scripted import Record
from tests.faults.told import Told, ledger_that_is
from tests.faults.world import ITWINS, KNOWN, Job, Ledger, job, ledger_of
from tests.servers import Reply, json_reply
from warehouse.tables import JOBS, OBSERVATIONS, WALKS

HTML = Reply(404, b"<html><body>Nothing here</body></html>", {"content-type": "text/html"})
WALK = ("unchanged_jobs", "vanished", "complete", "error")


class Forgetful(ScriptedWorld):
    """A world whose listing leaves out the jobs in `hidden`, which it shows when asked for them by id."""

    hidden: frozenset[str] = frozenset()

    def candidates(self, bounds: Bounds, now: int, *, own: bool) -> Sequence[Record]:
        return [row for row in super().candidates(bounds, now, own=own) if row.id not in self.hidden]


def jobs(count: int) -> list[Job]:
    return [job(f"job-{number:02d}", day=1 + number % 28) for number in range(count)]


def vanished(ledger: Ledger) -> list[str]:
    """The jobs whose newest row says that they are gone."""
    newest = {row["job_id"]: row["http_status"] for row in ledger.rows(OBSERVATIONS)}
    return [job_id for job_id, status in newest.items() if status == 404]


def flattened(ledger: Ledger) -> list[str]:
    """The jobs that `jobs` shows as vanished."""
    ledger.flatten()
    return [row["job_id"] for row in ledger.rows(JOBS) if row["vanished_at"] is not None]


def walk(unchanged: int, gone: int, error: str | None = None) -> dict[str, Any]:
    return dict(zip(WALK, (unchanged, gone, error is None, error), strict=True))


def test_a_job_is_gone_after_a_complete_walk_without_it_and_a_404_for_its_id(tmp_path: Path) -> None:
    world = ScriptedWorld(job("a"), job("b"))
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync()
        [first] = [row for row in ledger.rows(OBSERVATIONS) if row["job_id"] == "a"]
        world.remove("a")
        landed = ledger.sync()
        [gone] = [row for row in ledger.rows(OBSERVATIONS) if row["job_id"] == "a" and row["http_status"] == 404]
        last = ledger.last_walk("finished_at", *WALK)
        assert ledger.job_ids() == []
        assert flattened(ledger) == ["a"]
        assert ledger.job_ids() == ["a", "b"]
    assert gone == {
        **first,
        "observed_at": last.pop("finished_at"),
        "http_status": 404,
        "source": "get",
        "walk_id": landed.walks[0].walk_id,
        "body": None,
        "body_hash": None,
    }
    assert last == walk(1, 1)
    assert (landed.vanished, ledger.failure) == (1, None)
    assert landed.walks[0].tally.requests == 2


def test_a_job_that_is_gone_is_not_asked_for_again(tmp_path: Path) -> None:
    shown = Told(job("a"), job("b"))
    with ledger_that_is(tmp_path, shown) as ledger:
        ledger.sync()
        del shown.jobs[0]
        for _ in range(3):
            ledger.sync()
        assert shown.asked == ["a"]
        assert [row["http_status"] for row in ledger.rows(OBSERVATIONS)] == [200, 404, 200]
        assert ledger.last_walk(*WALK) == walk(1, 0)


def test_a_job_that_is_only_not_listed_by_an_incomplete_walk_is_not_even_asked_for(tmp_path: Path) -> None:
    world, faults = ScriptedWorld(job("a"), job("b")), Faults(0, 1, ["elsewhere"])
    with ledger_of(tmp_path, world, faults) as ledger:
        ledger.sync()
        world.remove("a")
        faults.probability = 1
        landed = ledger.sync()
        assert landed.walks[0].tally.requests == 1
        assert ledger.last_walk("complete", "vanished") == {"complete": False, "vanished": 0}
        assert vanished(ledger) == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(HTML, id="HTML"),
        pytest.param(Reply(404), id="nothing"),
        pytest.param(json_reply({"error": {"code": "ResourceBlocked"}}, 404), id="another code"),
        pytest.param(json_reply({"error": "JobNotFound"}, 404), id="another shape"),
        pytest.param(json_reply({"message": "no route"}, 404), id="a gateway's JSON"),
    ],
)
def test_a_404_that_is_not_the_apis_own_does_not_count(tmp_path: Path, answer: Reply) -> None:
    shown = Told(job("a"), job("b"))
    with ledger_that_is(tmp_path, shown) as ledger:
        ledger.sync()
        del shown.jobs[0]
        shown.others["a"] = answer
        ledger.sync()
        error = "job a was not listed, and the 404 for its id does not come from the API"
        assert ledger.last_walk(*WALK) == walk(1, 0, error)
        assert vanished(ledger) == []


def test_a_job_that_cannot_be_asked_for_is_kept_and_named(tmp_path: Path) -> None:
    shown = Told(job("a"), job("b"))
    with ledger_that_is(tmp_path, shown) as ledger:
        ledger.sync()
        del shown.jobs[0]
        shown.others["a"] = Reply(503)
        ledger.sync()
        last = ledger.last_walk(*WALK)
        assert vanished(ledger) == []
    assert last.pop("error").startswith("job a was not listed, and asking for it by id failed: The API failed: 503")
    assert last == {"unchanged_jobs": 1, "vanished": 0, "complete": False}


def test_a_token_that_is_refused_while_asking_keeps_everything_names_each_job_and_ends_the_run(tmp_path: Path) -> None:
    shown = Told(job("a"), job("b"), job("c"))
    with ledger_that_is(tmp_path, shown, threads=1) as ledger:
        ledger.sync()
        del shown.jobs[:2]
        shown.others["a"] = json_reply({"error": {"code": "HeaderNotFound"}}, 401)
        ledger.sync()
        assert isinstance(ledger.failure, NotAuthorised)
        last = ledger.last_walk(*WALK)
        assert vanished(ledger) == []
    assert last.pop("error").startswith("job a was not listed, and asking for it by id failed: Not authorised: 401")
    assert (last, shown.asked) == ({"unchanged_jobs": 1, "vanished": 0, "complete": False}, ["a"])


def test_a_listing_that_leaves_out_a_job_that_is_there_makes_the_walk_incomplete_and_names_the_job(
    tmp_path: Path,
) -> None:
    world = Forgetful(job("a", state="Active"), job("b"))
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync()
        world.hidden = frozenset("a")
        ledger.sync()
        error = "the list left out job a, which is there when asked for by id"
        assert ledger.last_walk(*WALK) == walk(1, 0, error)
        assert len(ledger.bodies()) == 2
        world.put(job("a"))
        ledger.sync()
        assert ledger.last_walk(*WALK) == walk(1, 0, error)
        assert [(row["job_id"], row["source"]) for row in ledger.rows(OBSERVATIONS)] == [
            ("a", "list"),
            ("a", "get"),
            ("b", "list"),
        ]
        assert flattened(ledger) == []
        assert ledger.rows(JOBS, ["state"]) == [{"state": "Success"}, {"state": "Success"}]
        world.hidden = frozenset()
        ledger.sync()
        assert ledger.last_walk(*WALK) == walk(2, 0)


def test_a_month_that_would_lose_too_many_jobs_at_once_stops_loudly_and_keeps_everything(tmp_path: Path) -> None:
    shown = Told(*jobs(40))
    with ledger_that_is(tmp_path, shown) as ledger:
        ledger.sync()
        before = ledger.rows(OBSERVATIONS)
        del shown.jobs[:20]
        ledger.sync()
        last = ledger.last_walk(*WALK)
        assert ledger.rows(OBSERVATIONS) == before
        assert vanished(ledger) == []
    message = (
        "2025-11 would lose more than 10 of its 40 jobs at once: nothing was marked as gone and everything was kept. "
        "Check that the account still sees its iTwins (first missing job: job-00); if the jobs were really deleted, "
        "run `jobledger sync --accept-gone` with `--from 2025-11 --to 2025-11`."
    )
    assert str(ledger.failure) == message
    assert last.pop("error").endswith(message)
    assert last == {"unchanged_jobs": 20, "vanished": 0, "complete": False}
    assert set(shown.asked) >= {f"job-{number:02d}" for number in range(11)}
    assert len(shown.asked) < 11 + Plan().threads  # then there is nothing left to learn


def test_the_loss_is_believed_where_somebody_accepts_it(tmp_path: Path) -> None:
    shown = Told(*jobs(40))
    with ledger_that_is(tmp_path, shown) as ledger:
        ledger.sync()
        del shown.jobs[:20]
        ledger.plan = Plan(itwin_ids=ITWINS[:1], accept_gone=True)
        landed = ledger.sync()
        assert ledger.last_walk(*WALK) == walk(20, 20)
        assert vanished(ledger) == [f"job-{number:02d}" for number in range(20)]
    assert (landed.vanished, ledger.failure) == (20, None)


@pytest.mark.parametrize(("known", "gone"), [(10, 10), (11, 10), (120, 12)])
def test_ten_jobs_or_a_tenth_of_the_month_may_go_at_once(tmp_path: Path, known: int, gone: int) -> None:
    shown = Told(*jobs(known))
    with ledger_that_is(tmp_path, shown) as ledger:
        ledger.sync()
        del shown.jobs[:gone]
        ledger.sync()
        assert ledger.last_walk(*WALK) == walk(known - gone, gone)


@pytest.mark.parametrize(("known", "gone"), [(11, 11), (109, 11), (120, 13)])
def test_one_more_may_not(tmp_path: Path, known: int, gone: int) -> None:
    shown = Told(*jobs(known))
    with ledger_that_is(tmp_path, shown) as ledger:
        ledger.sync()
        del shown.jobs[:gone]
        ledger.sync()
        assert (ledger.failure is None, ledger.last_walk("vanished", "complete")) == (
            False,
            {"vanished": 0, "complete": False},
        )


def test_what_is_new_lands_although_a_loss_is_not_believed(tmp_path: Path) -> None:
    shown = Told(*jobs(20))
    with ledger_that_is(tmp_path, shown) as ledger:
        ledger.sync()
        shown.jobs = [job("new")]
        ledger.sync()
        assert len(ledger.bodies()) == 21
        assert "new" in dict(ledger.bodies())


def test_a_job_that_comes_back_unchanged_is_not_gone_any_more(tmp_path: Path) -> None:
    world = ScriptedWorld(job("a"), job("b"))
    with ledger_of(tmp_path, world) as ledger:
        ledger.sync()
        world.remove("a")
        ledger.sync()
        assert flattened(ledger) == ["a"]
        world.put(job("a"))
        ledger.sync()
        body = json.dumps(job("a"), separators=(",", ":"))
        rows = [row for row in ledger.rows(OBSERVATIONS) if row["job_id"] == "a"]
        assert [(row["http_status"], row["body"]) for row in rows] == [(200, body), (404, None), (200, body)]
        assert flattened(ledger) == []
        assert ledger.last_walk("new_jobs", "changed_jobs", *WALK) == {"new_jobs": 0, "changed_jobs": 1, **walk(1, 0)}
        world.remove("a")
        ledger.sync()
        assert vanished(ledger) == ["a"]


def test_a_walk_says_nothing_about_the_jobs_of_another_itwin(tmp_path: Path) -> None:
    world = ScriptedWorld(job("a", ITWINS[0]), job("b", ITWINS[1]))
    with ledger_of(tmp_path, world, itwin_ids=ITWINS[:2]) as ledger:
        ledger.sync()
        world.remove("b")
        ledger.plan = Plan(itwin_ids=ITWINS[:1])
        landed = ledger.sync()
        assert (landed.walks[0].complete, landed.walks[0].tally) == (True, Tally(requests=1))
        assert vanished(ledger) == []
        ledger.plan = Plan(itwin_ids=ITWINS[:2])
        ledger.sync()
        assert vanished(ledger) == ["b"]


def test_a_walk_of_the_callers_own_jobs_covers_those_that_such_a_walk_has_listed(tmp_path: Path) -> None:
    world = ScriptedWorld(job("a", ITWINS[0]), job("b", ITWINS[1]))
    with ledger_of(tmp_path, world, itwin_ids=()) as ledger:
        ledger.sync()
        world.remove("b")
        ledger.sync()
        assert vanished(ledger) == ["b"]
        walks = ledger.rows(WALKS, ["itwin_id", "complete"])
    assert walks == [{"itwin_id": None, "complete": True}] * 2


def test_a_walk_of_the_callers_own_jobs_covers_those_that_came_by_id_before_and_are_listed_unchanged(
    tmp_path: Path,
) -> None:
    world = Forgetful(job("a"), job("b"), job("c", userId="somebody else"))
    world.hidden = frozenset("c")
    with ledger_of(tmp_path, world, itwin_ids=()) as ledger:
        fetch_by_id(ledger.lake, ledger.api, ["a", "b", "c"], KNOWN, ledger.plan)
        ledger.sync()
        world.remove("b")
        ledger.sync()
        assert vanished(ledger) == ["b"]
        assert ledger.last_walk(*WALK) == walk(1, 1)
