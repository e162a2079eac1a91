"""Times are on the API's clock, and a walk of the caller's own jobs says nothing of somebody else's. Real HTTP."""

from __future__ import annotations

import base64
import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from assets.api.auth import ClientCredentials, FixedToken
from assets.api.budget import Budget
from assets.api.client import Client
from assets.marts import as_of, make_marts
from assets.plan import Plan
from assets.sync import sync_month
from tests.assets.ledgers import Ledger, history, observed, walked
from tests.assets.ledgers import job as a_job
from tests.faults.world import ITWINS, KNOWN, MONTH, job, rows
from tests.servers import Reply, Request, json_reply, serving
from warehouse.engine import arrow, connection
from warehouse.lake import Lake
from warehouse.marts.all import MARTS, all_tables
from warehouse.tables import JOBS, OBSERVATIONS, WALKS

TABLES = {table.name: table for table in all_tables(KNOWN)}
NOT_FOUND = json_reply({"error": {"code": "JobNotFound", "message": "gone"}}, 404)


class Own:
    """An API that lists the jobs of whoever asks, by token; `ahead` is how far its clock is ahead of this machine's."""

    def __init__(self, jobs: dict[str, list[dict[str, Any]]], ahead: timedelta = timedelta()) -> None:
        self.jobs, self.ahead = jobs, ahead

    def __call__(self, request: Request) -> Reply:
        date = format_datetime(datetime.now(UTC) + self.ahead, usegmt=True)
        if "filter" not in request.target:
            return Reply(404, NOT_FOUND.body, {"Date": date})
        token = request.headers["authorization"].removeprefix("Bearer ")
        return Reply(200, json.dumps({"jobs": self.jobs.get(token, [])}).encode(), {"Date": date})


def synced(data: Path, api: Own, *tokens: str, itwins: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Sync with one token after the other; the walks, in their order."""
    with ExitStack() as stack:
        server = stack.enter_context(serving(respond=api))
        for number, token in enumerate(tokens):
            client = stack.enter_context(Client(server.url, FixedToken(token), Budget(1_000_000)))
            sync_month(Lake(data), client, MONTH, KNOWN, Plan(itwin_ids=itwins), f"run-{number}")
    return sorted(rows(Lake(data), WALKS), key=lambda row: row["run_id"])


def vanished(data: Path) -> list[str]:
    return [row["job_id"] for row in rows(Lake(data), OBSERVATIONS) if row["http_status"] == 404]


def jwt(**claims: str) -> str:
    parts = ({"alg": "none"}, claims)
    return ".".join(
        [*(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts), "x"]
    )


def test_own_jobs_of_another_identity_are_not_missed(tmp_path: Path) -> None:
    jobs = {"token-a": [job("a1"), job("a2")], "token-b": [job("b1")]}
    walks = synced(tmp_path, Own(jobs), "token-a", "token-b", "token-a")
    assert [(walk["complete"], walk["vanished"]) for walk in walks] == [(True, 0)] * 3
    assert vanished(tmp_path) == []
    assert walks[0]["identity"] == walks[2]["identity"] != walks[1]["identity"]
    assert "token" not in "".join(walk["identity"] for walk in walks)


def test_own_jobs_that_the_same_identity_no_longer_lists_are_gone(tmp_path: Path) -> None:
    api = Own({"token-a": [job("a1"), job("a2")], "token-b": [job("b1")]})
    synced(tmp_path, api, "token-a", "token-b")
    api.jobs["token-a"].pop()
    synced(tmp_path, api, "token-a")
    assert vanished(tmp_path) == ["a2"]


@pytest.mark.parametrize("claims", [{"sub": "somebody"}, {"client_id": "an-app"}])
def test_two_tokens_of_one_subject_or_client_are_one_identity(claims: dict[str, str]) -> None:
    first, second = FixedToken(jwt(**claims, jti="1")), FixedToken(jwt(**claims, jti="2"))
    assert first.identity() == second.identity() != FixedToken("opaque").identity()
    app = ClientCredentials("https://ims.example.com/token", "an-app", "secret")
    assert (app.identity() == first.identity()) == ("client_id" in claims)


@pytest.mark.parametrize("ahead", [timedelta(hours=3), -timedelta(hours=3)])
def test_times_are_on_the_apis_clock_where_this_machines_is_off(tmp_path: Path, ahead: timedelta) -> None:
    api = Own({"t": [job("a"), job("b")]}, ahead)
    before = datetime.now(UTC) - timedelta(seconds=2)
    synced(tmp_path, api, "t")
    api.jobs["t"].pop()
    [_, walk] = synced(tmp_path, api, "t", "t")[:2]
    after = datetime.now(UTC) + timedelta(seconds=2)
    times = [row["observed_at"] for row in rows(Lake(tmp_path), OBSERVATIONS)]
    times += [walk["started_at"], walk["finished_at"]]
    with connection() as con:
        times.append(as_of(con, Lake(tmp_path)))
    assert vanished(tmp_path) == ["b"]
    assert all(before + ahead <= moment <= after + ahead for moment in times)
    assert walk["clock_skew_seconds"] == pytest.approx(ahead.total_seconds(), abs=3)


def test_an_answer_of_another_year_is_not_landed_and_told(tmp_path: Path) -> None:
    [walk] = synced(tmp_path, Own({"t": [job("a")]}, -timedelta(days=365)), "t")
    assert (walk["complete"], walk["records"]) == (False, 0)
    assert "This machine's clock is 365 days ahead of the API's" in walk["error"]
    assert "Set this machine's clock" in walk["error"]
    assert rows(Lake(tmp_path), OBSERVATIONS) == []
    with connection() as con:
        assert as_of(con, Lake(tmp_path)) is None


def test_a_ledger_that_a_clock_a_year_ahead_marked_heals_when_it_is_flattened_again(tmp_path: Path) -> None:
    """As release 0.1.0 left it: a walk by the wrong clock, and one by the right one, whose version it pushed."""
    year = timedelta(days=365)
    first, second = datetime(2025, 9, 1, 12, tzinfo=UTC), datetime(2025, 9, 1, 13, tzinfo=UTC)
    minute, tick = timedelta(minutes=1), timedelta(microseconds=1)
    body = a_job(id="a", state="Active")
    ended = body | {"state": "Success"}
    walks = [
        walked(first + year - minute, first + year, walk_id="wrong") | {"clock_skew_seconds": -year.total_seconds()},
        walked(second - minute, second, walk_id="right") | {"clock_skew_seconds": 0.0},
    ]
    seen = [
        observed(body, first + year - minute, walk_id="wrong"),
        observed(ended, first + year - minute + tick, walk_id="right"),
    ]
    ledger: Ledger = history(tmp_path, seen, walks)
    [row] = ledger.rows("jobs", "state", "first_observed_at", "changed_at", "versions")
    assert row == {
        "state": "Success",
        "first_observed_at": first - minute,
        "changed_at": second,
        "versions": 2,
    }
    with connection() as con:
        assert as_of(con, ledger.lake) == second
    assert [row["observed_at"] for row in ledger.rows("observations")] == [row["observed_at"] for row in seen]


def test_upper_and_lower_case_of_an_id_are_one_job(tmp_path: Path) -> None:
    low, high = "ab000001-0000-4000-8000-0000000000cd", "AB000001-0000-4000-8000-0000000000CD"
    api = Own({"t": [job(low, ITWINS[0])]})
    synced(tmp_path, api, "t", itwins=(ITWINS[0],))
    api.jobs["t"] = [job(high, ITWINS[0].upper(), state="Failed")]
    walks = synced(tmp_path, api, "t", "t", itwins=(ITWINS[0],))
    ledger = Ledger(tmp_path, MONTH)
    ledger.flatten()
    assert [(row["job_id"], row["itwin_id"], row["state"]) for row in rows(Lake(tmp_path), JOBS)] == [
        (low, ITWINS[0], "Failed")
    ]
    assert all(walk["complete"] for walk in walks)
    assert high in rows(Lake(tmp_path), OBSERVATIONS)[-1]["body"]


def test_marts_of_raw_tables_read_one_spelling_and_the_apis_clock(tmp_path: Path) -> None:
    """As release 0.1.0 left it: ids in capitals, and a walk by a clock that was a year ahead."""
    year, hour, minute = timedelta(days=365), timedelta(hours=1), timedelta(minutes=1)
    first = datetime(2025, 9, 1, 12, tzinfo=UTC)
    job_id, itwin_id = "ab000001-0000-4000-8000-0000000000cd", "cd000001-0000-4000-8000-0000000000ef"
    shown = [a_job(id=job_id.upper(), iTwinId=itwin_id.upper(), estimatedUnits=units) for units in (1.0, 2.0)]
    walks = [
        walked(first - minute, first, walk_id="right", itwin_id=itwin_id.upper()) | {"clock_skew_seconds": 0.0},
        walked(first + hour + year - minute, first + hour + year, walk_id="wrong", itwin_id=itwin_id.upper())
        | {"clock_skew_seconds": -year.total_seconds()},
    ]
    window = {"created_from": datetime(2025, 8, 1, tzinfo=UTC), "created_to": datetime(2025, 9, 1, tzinfo=UTC)}
    seen = [
        observed(shown[0], first - minute, walk_id="right"),
        observed(shown[1], first + hour + year - minute, walk_id="wrong"),
    ]
    ledger: Ledger = history(tmp_path, seen, [walk | window for walk in walks])
    make_marts(ledger.lake, MARTS, TABLES)
    [change] = rows_of(ledger.lake, "unit_changes")
    [waiting] = rows_of(ledger.lake, "open_jobs")
    found = [change[name] for name in ("job_id", "from_units", "to_units", "changed_at")]
    assert found == [job_id, 1.0, 2.0, first + hour - minute]
    assert [waiting["job_id"], waiting["last_seen_at"]] == [job_id, first + hour]


def rows_of(lake: Lake, mart: str) -> list[dict[str, Any]]:
    with connection() as con:
        return arrow(con, f"SELECT * FROM {lake.source(TABLES[mart])}").to_pylist()
