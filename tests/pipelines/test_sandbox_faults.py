from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.utils import parsedate_to_datetime

import pytest
import requests

from pipelines.sandbox import KINDS, LASTING, TRANSIENT, Faults, FaultsError, FixedClock, Sandbox, World
from tests.pipelines.sandbox_client import GRANT, NOVEMBER, NOW, Client, client_of, query_of

WORLD = World(jobs_per_month=200, months=2, itwins=2)
FILTER = f"iTwinId eq {WORLD.itwins[0]} and {NOVEMBER}"
ELSEWHERE = "http://127.0.0.1:9"
FAULTS = Faults(0, 1, slow_seconds=0.02, drip_seconds=0.002, huge_megabytes=3, repeats=3)


@pytest.fixture(scope="module", autouse=True)
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(WORLD, clock=FixedClock(NOW), faults=FAULTS) as running:
        yield running


@pytest.fixture
def spoilt(sandbox: Sandbox) -> Iterator[Callable[..., Client]]:
    """Makes every request from now on meet one of these faults; gives a client with a token of its own."""
    with ExitStack() as stack:
        stack.callback(heal)

        def spoil(*kinds: str) -> Client:
            heal()
            token = requests.post(sandbox.token_url, data=GRANT, timeout=10).json()["access_token"]
            FAULTS.probability, FAULTS.kinds = 1, kinds
            return stack.enter_context(Client(sandbox, token))

        yield spoil


def heal() -> None:
    FAULTS.probability = 0
    FAULTS.forget()


@pytest.fixture(scope="module")
def right(sandbox: Sandbox) -> bytes:
    with Client(sandbox) as client:
        return client.ask(filter=FILTER, top=1000).content


@pytest.mark.parametrize(
    ("kind", "status", "retry_after"),
    [
        ("429", 429, "1"),
        ("429none", 429, None),
        ("429zero", 429, "0"),
        ("429garbage", 429, "soon-ish"),
        ("429day", 429, "86400"),
        ("500", 500, None),
        ("502", 502, None),
        ("503", 503, None),
        ("html", 200, None),
        ("revoked", 401, None),
        ("redirect", 302, None),
        ("dead", 401, None),
    ],
)
def test_a_status_fault_answers_so(
    spoilt: Callable[..., Client], kind: str, status: int, retry_after: str | None
) -> None:
    client = spoilt(kind)
    answer = client.ask(filter=FILTER)
    assert (answer.status_code, answer.headers.get("retry-after")) == (status, retry_after)
    assert "x-correlation-id" in answer.headers


def test_retry_after_can_be_a_date() -> None:
    faults = Faults(1, 1, ["429date"], retry_after_seconds=100)
    with client_of(Sandbox(WORLD, clock=FixedClock(NOW), faults=faults)) as client:
        answer = client.ask(filter=FILTER)
    wait = parsedate_to_datetime(answer.headers["retry-after"]) - parsedate_to_datetime(answer.headers["date"])
    assert 98 <= wait.total_seconds() <= 102


@pytest.mark.parametrize("kind", [kind for kind in TRANSIENT if kind not in ("cut", "revoked", "slow")])
def test_a_retry_after_a_transient_fault_gets_the_right_answer(
    spoilt: Callable[..., Client], kind: str, right: bytes
) -> None:
    client = spoilt(kind)
    spoilt_body, retried = (client.ask(filter=FILTER, top=1000).content for _ in range(2))
    assert spoilt_body != right
    assert retried == right


def test_a_slow_answer_is_right(spoilt: Callable[..., Client], right: bytes) -> None:
    client = spoilt("slow")
    assert client.ask(filter=FILTER, top=1000).content == right


def test_a_cut_connection_breaks_and_a_retry_is_right(spoilt: Callable[..., Client], right: bytes) -> None:
    client = spoilt("cut")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        client.ask(filter=FILTER, top=1000)
    assert client.ask(filter=FILTER, top=1000).content == right


def test_a_json_that_is_cut_has_the_right_length(spoilt: Callable[..., Client], right: bytes) -> None:
    client = spoilt("json")
    answer = client.ask(filter=FILTER, top=1000)
    assert answer.content == right[: len(right) * 2 // 3]
    assert answer.headers["content-length"] == str(len(answer.content))


def test_a_revoked_token_works_no_more(spoilt: Callable[..., Client]) -> None:
    client = spoilt("revoked")
    statuses = [client.ask(filter=FILTER).status_code for _ in range(3)]
    assert statuses == [401, 401, 401]


def test_the_ready_token_is_never_revoked() -> None:
    with Sandbox(WORLD, clock=FixedClock(NOW), faults=Faults(1, 1, ["revoked"])) as sandbox, Client(sandbox) as client:
        assert client.ask(filter=FILTER).status_code == 200


def test_a_next_link_and_a_redirect_lead_to_another_host(spoilt: Callable[..., Client]) -> None:
    client = spoilt("elsewhere")
    href = client.ask(filter=FILTER, top=5).json()["_links"]["next"]["href"]
    client = spoilt("redirect")
    location = client.ask(filter=FILTER, top=5).headers["location"]
    assert [address.split("?")[0] for address in (href, location)] == [f"{ELSEWHERE}/reality-analysis/jobs"] * 2


def test_a_loop_gives_the_pages_own_address(spoilt: Callable[..., Client]) -> None:
    client = spoilt("loop")
    answer = client.ask(filter=FILTER, top=5)
    assert query_of(answer.json()["_links"]["next"]["href"]) == query_of(answer.url)


def test_pages_come_without_jobs_or_with_an_object_of_jobs(spoilt: Callable[..., Client]) -> None:
    client = spoilt("nojobs")
    assert "jobs" not in client.ask(filter=FILTER).json()
    client = spoilt("object")
    assert isinstance(client.ask(filter=FILTER).json()["jobs"], dict)


def test_a_job_comes_twice_with_different_bodies(spoilt: Callable[..., Client]) -> None:
    client = spoilt("twice")
    jobs = client.ask(filter=FILTER, top=1000).json()["jobs"]
    assert jobs[0]["id"] == jobs[-1]["id"]
    assert jobs[0] != jobs[-1]


def test_endless_pages_stay_empty_and_never_repeat_their_token(spoilt: Callable[..., Client]) -> None:
    client = spoilt("endless")
    page = client.ask(filter=FILTER).json()
    links: set[str] = set()
    for _ in range(20):
        links.add(page["_links"]["next"]["href"])
        assert page["jobs"] == []
        page = client.get(page["_links"]["next"]["href"], timeout=10).json()
    assert len(links) == 20


def test_a_token_that_dies_for_good_is_refused_and_so_is_every_other(
    spoilt: Callable[..., Client], sandbox: Sandbox
) -> None:
    client = spoilt("dead")
    client.ask(filter=FILTER)
    FAULTS.probability = 0
    other = requests.post(sandbox.token_url, data=GRANT, timeout=10).json()["access_token"]
    with Client(sandbox, other) as another:
        statuses = [one.ask(filter=FILTER).status_code for one in (client, another)]
    FAULTS.forget()
    assert statuses == [401, 401]


def test_an_empty_page_leads_to_the_right_one(spoilt: Callable[..., Client], right: bytes) -> None:
    client = spoilt("empty")
    empty = client.ask(filter=FILTER, top=1000).json()
    assert empty["jobs"] == []
    assert client.get(empty["_links"]["next"]["href"], timeout=10).json() == json.loads(right)


def test_a_shuffled_list_shows_the_same_jobs_in_another_order_under_a_new_token_each_time(
    spoilt: Callable[..., Client],
) -> None:
    client = spoilt("shuffle")
    page = client.ask(filter=FILTER, top=1000).json()
    orders: list[list[str]] = []
    links: set[str] = set()
    for _ in range(10):
        links.add(page["_links"]["next"]["href"])
        page = client.get(page["_links"]["next"]["href"], timeout=10).json()
        orders.append([job["id"] for job in page["jobs"]])
    assert len(links) == 10
    assert len({tuple(order) for order in orders}) == 10
    assert len({frozenset(order) for order in orders}) == 1


def test_a_dripping_answer_is_right_and_takes_its_time(spoilt: Callable[..., Client]) -> None:
    job = WORLD.jobs_at(NOW)[0]
    client = spoilt("drip")
    began = time.monotonic()
    answer = client.ask(f"/{job['id']}")
    assert answer.json() == {"job": job}
    assert time.monotonic() - began > 0.002 * len(answer.content)


def test_a_client_that_has_had_enough_of_a_dripping_answer_costs_the_server_nothing_more(
    spoilt: Callable[..., Client],
) -> None:
    client = spoilt("drip")
    with client.get(client.base, params={"$filter": FILTER}, stream=True, timeout=10) as answer:
        assert next(answer.iter_content(1)) == b"{"
    FAULTS.probability = 0
    assert client.ask(f"/{WORLD.jobs_at(NOW)[0]['id']}").status_code == 200


def test_a_huge_page_is_right_but_for_its_size(spoilt: Callable[..., Client], right: bytes) -> None:
    client = spoilt("huge")
    answer = client.ask(filter=FILTER, top=1000)
    assert (answer.json(), len(answer.content)) == (json.loads(right), len(right) + 3_000_000)
    assert int(answer.headers["content-length"]) < len(right)


def test_messages_are_refused_and_nothing_else_is(spoilt: Callable[..., Client], right: bytes) -> None:
    client = spoilt("forbidden")
    job_id = WORLD.jobs_at(NOW)[0]["id"]
    statuses = [client.ask(path).status_code for path in (f"/{job_id}/messages", f"/{job_id}")]
    assert (statuses, client.ask(filter=FILTER, top=1000).content) == ([403, 200], right)


def test_what_is_to_be_spared_is_never_spoilt() -> None:
    faults = Faults(1, 1, ["500"], spared=["iTwinId eq", WORLD.jobs_at(NOW)[0]["id"]])
    with Sandbox(WORLD, clock=FixedClock(NOW), faults=faults) as sandbox, Client(sandbox) as client:
        spared = [client.ask(filter=FILTER), client.ask(f"/{WORLD.jobs_at(NOW)[0]['id']}")]
        spoilt_too = client.ask(f"/{WORLD.jobs_at(NOW)[1]['id']}")
    assert [answer.status_code for answer in (*spared, spoilt_too)] == [200, 200, 500]


def test_a_lasting_fault_meets_the_same_request_again_until_it_heals(
    spoilt: Callable[..., Client], right: bytes
) -> None:
    client = spoilt("nojobs")
    spoilt_pages = [client.ask(filter=FILTER, top=1000).json() for _ in range(3)]
    FAULTS.probability = 0
    assert ["jobs" in page for page in spoilt_pages] == [False] * 3
    assert client.ask(filter=FILTER, top=1000).content == right


def test_faults_of_listings_spare_other_requests(spoilt: Callable[..., Client]) -> None:
    job = WORLD.jobs_at(NOW)[0]
    client = spoilt("nojobs", "endless", "loop")
    assert client.ask(f"/{job['id']}").json() == {"job": job}


def test_the_same_seed_gives_the_same_faults() -> None:
    def statuses(seed: int) -> list[int]:
        faults = Faults(0.5, seed, ["429", "500", "503"])
        with Sandbox(WORLD, clock=FixedClock(NOW), faults=faults) as sandbox, Client(sandbox) as client:
            return [client.ask(filter=f"{FILTER} and name ne '{n}'").status_code for n in range(20)]

    first, again, other = statuses(1), statuses(1), statuses(2)
    assert first == again
    assert first != other
    assert set(first) == {200, 429, 500, 503}


def test_the_token_endpoint_misbehaves_too() -> None:
    with Sandbox(WORLD, clock=FixedClock(NOW), faults=Faults(1, 1, ["503"])) as sandbox:
        statuses = [requests.post(sandbox.token_url, data=GRANT, timeout=10).status_code for _ in range(30)]
    assert set(statuses) == {200, 503}
    assert statuses.count(503) < 15


def test_there_are_two_groups_of_at_least_fourteen_kinds() -> None:
    assert len(KINDS) >= 14
    assert not set(TRANSIENT) & set(LASTING)
    assert set(KINDS) == {*TRANSIENT, *LASTING}


def test_faults_are_read_from_a_word_on_the_command_line() -> None:
    faults = Faults.parse("p=0.2,seed=7,kinds=429+cut+html")
    assert (faults.probability, faults.seed, faults.kinds) == (0.2, 7, ("429", "cut", "html"))
    assert Faults.parse("p=1").kinds == KINDS
    assert Faults.parse("kinds=transient").kinds == tuple(TRANSIENT)


@pytest.mark.parametrize(
    ("text", "message"),
    [("p=2", "not between 0 and 1"), ("p=x", "x"), ("q=1", "q is none of"), ("kinds=flood", "unknown faults flood")],
)
def test_faults_that_cannot_be_read_are_refused(text: str, message: str) -> None:
    with pytest.raises(FaultsError, match=message):
        Faults.parse(text)
