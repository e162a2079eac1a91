from __future__ import annotations

import json
import socket
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from pipelines.sandbox import FixedClock, Sandbox, StepClock, World
from pipelines.sandbox.instants import parse_timestamp
from tests.pipelines.sandbox_client import GRANT, NOVEMBER, NOW, Client, client_of, query_of


@pytest.fixture(scope="module")
def world() -> World:
    return World(jobs_per_month=600, months=2, itwins=4, users=12)


@pytest.fixture(scope="module")
def sandbox(world: World) -> Iterator[Sandbox]:
    with Sandbox(world, clock=FixedClock(NOW)) as running:
        yield running


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Iterator[Client]:
    with Client(sandbox) as session:
        yield session


def by_id(jobs: list[Any]) -> list[Any]:
    return sorted(jobs, key=lambda job: job["id"])


def is_created_in(month: str, job: dict[str, Any]) -> bool:
    return job["executionInfo"]["createdDateTime"].startswith(month)


def test_a_walk_lists_every_job_of_its_window_once_and_whole(world: World, client: Client) -> None:
    itwin = world.itwins[0]
    expected = [job for job in world.jobs_at(NOW) if job["iTwinId"] == itwin and is_created_in("2025-11", job)]
    walked = client.walk(filter=f"iTwinId eq {itwin} and {NOVEMBER}", top=20)
    assert by_id(walked) == by_id(expected)


def test_the_order_is_stable_but_not_that_of_creation(world: World, client: Client) -> None:
    query = {"filter": f"iTwinId eq {world.itwins[0]}", "top": 50}
    first, second = client.walk(**query), client.walk(**query)
    created = [parse_timestamp(job["executionInfo"]["createdDateTime"]) for job in first]
    assert first == second
    assert created != sorted(created)


def test_without_an_itwin_only_the_callers_jobs_come(world: World, client: Client) -> None:
    expected = [job for job in world.jobs_at(NOW) if job["userId"] == world.caller and is_created_in("2025-11", job)]
    assert by_id(client.walk(filter=NOVEMBER)) == by_id(expected)
    assert len(expected) >= 20


def test_a_filter_over_several_itwins_and_states_is_obeyed(world: World, client: Client) -> None:
    one, other = world.itwins[:2]
    text = f"(iTwinId eq {one} or iTwinId eq {other}) and (state eq Failed or state eq Cancelled)"
    expected = [
        job for job in world.jobs_at(NOW) if job["iTwinId"] in (one, other) and job["state"] in ("Failed", "Cancelled")
    ]
    assert by_id(client.walk(filter=text, top=7)) == by_id(expected)


def test_a_filter_by_id_finds_the_job(world: World, client: Client) -> None:
    job = next(job for job in world.jobs_at(NOW) if job["iTwinId"] == world.itwins[1])
    assert client.walk(filter=f"iTwinId eq {job['iTwinId']} and id eq {job['id']}") == [job]


def test_pages_are_at_times_shorter_than_asked_and_go_on(world: World, client: Client) -> None:
    sizes = [len(page) for page in client.pages(filter=f"iTwinId eq {world.itwins[0]}", top=10)]
    assert max(sizes) == 10
    assert min(sizes[:-1]) < 10


def test_the_next_link_repeats_the_query_on_the_host_that_was_asked(world: World, client: Client) -> None:
    text = f"iTwinId eq {world.itwins[0]} and {NOVEMBER.replace('Z', '+00:00')}"
    href = client.ask(filter=text, top=5).json()["_links"]["next"]["href"]
    query = query_of(href)
    assert href.startswith(client.base + "?")
    assert (query["$filter"], query["$top"], list(query)) == (text, "5", ["$filter", "$top", "continuationToken"])


def test_last_pages_come_with_and_without_links(world: World, client: Client) -> None:
    last = [client.ask(filter=f"iTwinId eq {itwin} and state eq Failed", top=1000).json() for itwin in world.itwins]
    empty = [client.ask(filter=f"{NOVEMBER} and name eq 'no such {n}'").json() for n in range(8)]
    assert {page.get("_links", "none") == {} for page in last + empty if "next" not in page.get("_links", {})} == {
        True,
        False,
    }


def test_a_job_is_read_alone_as_it_is_listed(world: World, client: Client) -> None:
    job = world.jobs_at(NOW)[0]
    answer = client.ask(f"/{job['id']}")
    assert (answer.status_code, answer.json()) == (200, {"job": job})


def test_messages_tell_why_a_job_failed(world: World, client: Client) -> None:
    failed = next(job for job in world.jobs_at(NOW) if job["state"] == "Failed")
    messages = client.ask(f"/{failed['id']}/messages").json()["messages"]
    assert set(messages) == {"errors", "warnings"}
    assert {"code", "title", "message", "params"} == set(messages["errors"][0])


def test_progress_is_told_for_thirty_days(world: World, client: Client) -> None:
    old, new = (next(job for job in world.jobs_at(NOW)[at:] if job["state"] == "Success") for at in (0, -60))
    assert client.ask(f"/{new['id']}/progress").json() == {"progress": {"percentage": 100, "state": "Success"}}
    assert client.ask(f"/{old['id']}/progress").status_code == 404


def test_a_job_shows_its_newest_state_on_each_request(world: World) -> None:
    job = next(job for job in world.month("2025-11").jobs if job.outcome == "success" and job.started)
    clock = FixedClock(datetime.fromisoformat("2025-11-01T00:00:00+00:00"))
    with client_of(Sandbox(world, clock=clock)) as client:
        answers: list[Any] = []
        for instant in (job.created - 1, job.created, job.started, job.ended):
            clock.now = datetime.fromisoformat("1970-01-01T00:00:00+00:00") + timedelta(microseconds=instant or 0)
            answer = client.ask(f"/{job.id}")
            answers.append(answer.json().get("job", {}).get("state", answer.status_code))
    assert answers == [404, "Queued", "Active", "Success"]


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ({}, "$filter"),
        ({"filter": "state is Active"}, "$filter"),
        ({"filter": "state eq Active", "top": 1}, "$top"),
        ({"filter": "state eq Active", "top": 1001}, "$top"),
        ({"filter": "state eq Active", "top": "many"}, "$top"),
        ({"filter": "state eq Active", "continuationToken": "AAAA"}, "continuationToken"),
        ({"filter": "state eq Active", "continuationToken": "é%"}, "continuationToken"),
    ],
)
def test_a_bad_request_is_told_with_its_target(client: Client, query: dict[str, Any], target: str) -> None:
    answer = client.ask(**query)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["details"][0]["target"]) == (
        400,
        "InvalidRealityAnalysisRequest",
        target,
    )


def test_a_token_of_another_filter_is_refused(world: World, client: Client) -> None:
    page = client.ask(filter=f"iTwinId eq {world.itwins[0]}", top=5).json()
    token = query_of(page["_links"]["next"]["href"])["continuationToken"]
    assert client.ask(filter=f"iTwinId eq {world.itwins[1]}", continuationToken=token).status_code == 400


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/00000000-0000-4000-8000-000000000000", {}, "JobNotFound"),
        ("/00000000-0000-4000-8000-000000000000/messages", {}, "JobNotFound"),
        ("", {"filter": "iTwinId eq 00000000-0000-4000-8000-000000000000"}, "iTwinNotFound"),
    ],
)
def test_what_is_not_there_is_told(client: Client, path: str, query: dict[str, Any], code: str) -> None:
    answer = client.ask(path, **query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, code)


def test_a_token_is_issued_and_opens_the_api(sandbox: Sandbox) -> None:
    grant = requests.post(sandbox.token_url, data=GRANT, timeout=10).json()
    assert {**grant, "access_token": "..."} == {
        "access_token": "...",
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "itwin-platform",
    }
    with Client(sandbox, grant["access_token"]) as client:
        assert client.ask(filter="state eq Active").status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 400, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": "other"}, 400, "invalid_scope"),
    ],
)
def test_a_wrong_grant_is_refused(sandbox: Sandbox, changes: dict[str, str], status: int, error: str) -> None:
    answer = requests.post(sandbox.token_url, data=GRANT | changes, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_a_request_without_a_good_token_is_refused(sandbox: Sandbox, client: Client) -> None:
    missing = requests.get(client.base, timeout=10)
    with Client(sandbox, "made-up") as stranger:
        wrong = stranger.ask(filter="state eq Active")
    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in (missing, wrong)] == [
        (401, "HeaderNotFound")
    ] * 2


def test_a_token_runs_out(world: World) -> None:
    with Sandbox(world, clock=FixedClock(NOW), token_ttl=0.2) as sandbox:
        token = requests.post(sandbox.token_url, data=GRANT, timeout=10).json()["access_token"]
        with Client(sandbox, token) as client:
            before = client.ask(filter="state eq Active").status_code
            time.sleep(0.25)
            assert (before, client.ask(filter="state eq Active").status_code) == (200, 401)


def test_more_requests_than_allowed_are_told_to_wait(world: World) -> None:
    with client_of(Sandbox(world, clock=FixedClock(NOW), rate_per_minute=2)) as client:
        answers = [client.ask(filter="state eq Active") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["error"]["code"] == "RateLimitExceeded"
    assert 50 <= int(answers[2].headers["retry-after"]) <= 60
    limits = [answers[2].headers[f"ITwinPlatform-RateLimited-{part}"] for part in ("Tier", "API", "Operation")]
    assert limits == ["Entry", "reality-analysis", "get-jobs"]


def test_every_answer_has_a_correlation_id_of_its_own(client: Client) -> None:
    answers = [client.ask(filter="state eq Active"), client.ask(), client.ask("/x")]
    assert len({answer.headers["x-correlation-id"] for answer in answers}) == 3


def test_every_answer_has_one_date_which_is_that_of_the_answer(client: Client) -> None:
    for _ in range(12):  # more than a second: the whole one that each begins with is a different moment of it
        asked = datetime.now(UTC).replace(microsecond=0)
        (told,) = client.ask().raw.headers.getlist("date")
        assert asked <= parsedate_to_datetime(told) <= datetime.now(UTC)
        time.sleep(0.1)


def test_the_log_tells_what_was_asked(world: World) -> None:
    sandbox = Sandbox(world, clock=FixedClock(NOW))
    with client_of(sandbox) as client:
        client.ask(filter="state eq Active")
        requests.post(sandbox.token_url, data=GRANT, timeout=10)
        host = urlsplit(sandbox.url).netloc
    assert list(sandbox.app.state.log) == [
        ("GET", "/reality-analysis/jobs", 200, host, True),
        ("POST", "/connect/token", 200, host, False),
    ]


def test_the_sandbox_leaves_nothing_behind(world: World) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with client_of(Sandbox(world, clock=FixedClock(NOW))) as client:
            port = urlsplit(client.base).port or 0
            client.ask(filter="state eq Active")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_taken_port_is_told_at_once(world: World, sandbox: Sandbox) -> None:
    with pytest.raises(OSError, match="in use"), Sandbox(world, port=urlsplit(sandbox.url).port or 0):
        pass


def test_a_step_clock_goes_on_with_each_question() -> None:
    clock = StepClock(NOW, timedelta(minutes=1))
    assert [clock(), clock(), clock.now] == [NOW + timedelta(minutes=n) for n in range(3)]


def test_a_clock_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        FixedClock(NOW.replace(tzinfo=None))


def test_a_page_of_a_thousand_jobs_is_quick_once_rendered() -> None:
    world = World(jobs_per_month=2000, months=1, itwins=1)
    with client_of(Sandbox(world, clock=FixedClock(NOW.replace(day=28)))) as client:
        query: dict[str, Any] = {"filter": f"iTwinId eq {world.itwins[0]}", "top": 1000}
        client.ask(**query)
        answers = [client.ask(**query) for _ in range(3)]
    assert len(json.loads(answers[0].content)["jobs"]) == 1000
    assert min(answer.elapsed.total_seconds() for answer in answers) < 0.2
