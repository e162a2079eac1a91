import json
import socket
import threading
import traceback
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from assets.api.auth import FixedToken, TokenSource
from assets.api.budget import ALLOWANCE_SECONDS, SHARE_USED, Budget
from assets.api.client import Client
from assets.api.errors import (
    ApiError,
    BadRequest,
    Malformed,
    NotAuthorised,
    NotFound,
    RefusedLink,
    ServerFault,
    Throttled,
    Unreachable,
    WrongUsage,
)
from assets.api.protocol import Answer, Page, Tally
from tests.servers import Reply, Request, Responder, Server, json_reply, serving

JOBS = "/reality-analysis/jobs"
TOKEN = "canary.token"
JOB_ID = "2c8e5a40-1111-4222-8333-0123456789ab"
EMPTY_PAGE = json_reply({"jobs": []})
NO_SUCH_JOB = {"error": {"code": "JobNotFound", "message": "Requested job is not available."}}
EXPIRED = json_reply({"error": {"code": "HeaderNotFound", "message": "expired"}}, 401, x_correlation_id="c-7")


class Waits:
    """The budget's clock: it stands still but for sleeping, which takes no time, and notes the waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waited: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waited.append(round(seconds, 3))
        self.now += seconds


class Renewing:
    """A token source that gives another token each time it is renewed."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)

    def token(self) -> str:
        return self.tokens[0]

    def identity(self) -> str:
        return "somebody"

    def renew(self, stale: str) -> str:
        assert stale == self.tokens.pop(0)
        return self.tokens[0]


def client_of(url: str, tokens: TokenSource | None = None, waits: Waits | None = None, **options: Any) -> Client:
    budget = Budget(60_000_000, waits.clock, waits.sleep) if waits else Budget(60_000_000)
    options = {"backoff_seconds": 0.0, "attempts": 3, **options}
    return Client(url, tokens or FixedToken(TOKEN), budget, **options)


@contextmanager
def api(*replies: Reply, respond: Responder | None = None, **options: Any) -> Generator[tuple[Client, Server]]:
    with serving(*replies, respond=respond) as server, client_of(server.url, **options) as client:
        yield client, server


def raws(page: Page) -> list[bytes]:
    return [bytes(record) for record in page.records]


def assert_hides_the_token(error: BaseException) -> None:
    assert "canary" not in "".join(traceback.format_exception(error)) + repr(error)


def test_the_first_page_is_asked_for_by_filter_and_size() -> None:
    with api(EMPTY_PAGE) as (client, server):
        client.first_page("iTwinId eq 1 and createdDateTime ge 2025-11-01T00:00:00Z", 1000, Tally())
    [request] = server.requests
    assert request.method == "GET"
    assert request.target == (
        f"{JOBS}?$filter=iTwinId%20eq%201%20and%20createdDateTime%20ge%202025-11-01T00%3A00%3A00Z&$top=1000"
    )
    headers = {name: request.headers[name] for name in ("authorization", "accept")}
    assert headers == {
        "authorization": "Bearer canary.token",
        "accept": "application/vnd.bentley.itwin-platform.v2+json",
    }
    assert request.headers["user-agent"].startswith("jobledger/")


def test_a_page_is_its_records_as_they_were_sent() -> None:
    body = (
        b'{"jobs": [{"id":"a",  "x":1.0}, {"id":"b"}, 7],'
        b' "_links": {"self": 1, "next": {"href": "https://x/y?z"}}, "more": []}'
    )
    sent = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=90)
    with api(Reply(200, body, {"Date": format_datetime(sent, usegmt=True)})) as (client, _):
        before = datetime.now(UTC)
        page = client.first_page("f", 2, Tally())
        after = datetime.now(UTC)
    assert raws(page) == [b'{"id":"a",  "x":1.0}', b'{"id":"b"}', b"7"]
    assert (page.next_link, page.size) == ("https://x/y?z", len(body))
    assert page.received_at == sent  # the time is the API's
    assert (sent - after).total_seconds() <= (page.clock_skew_seconds or 0) <= (sent - before).total_seconds()


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b', "_links": null',
        b', "_links": {}',
        b', "_links": {"next": null}',
        b', "_links": {"next": {"href":null}}',
        b', "_links": {"next": {"href":""}}',
    ],
)
def test_the_last_page_has_no_next_link_in_any_of_its_shapes(rest: bytes) -> None:
    with api(Reply(200, b'{"jobs": []' + rest + b"}", {"Date": "nonsense"})) as (client, _):
        page = client.first_page("f", 2, Tally())
    assert (page.records, page.next_link, page.clock_skew_seconds) == ([], None, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><h1>Sign in</h1></html>",
        b'{"jobs": [{"id": "a"}, {"id',
        b'{"jobs": null}',
        b'{"jobs": {}}',
        b'{"value": []}',
        b"[]",
        b"null",
        b'{"jobs": []} trailing',
        b'{"jobs": [], "_links": []}',
        b'{"jobs": [], "_links": {"next": "https://x"}}',
        b'{"jobs": [], "_links": {"next": {}}}',
        b"\xff\xfe",
    ],
)
def test_a_page_of_another_shape_is_malformed_after_all_attempts(body: bytes) -> None:
    tally = Tally()
    with api(Reply(200, body)) as (client, _), pytest.raises(Malformed) as failed:
        client.first_page("f", 2, tally)
    assert (failed.value.status, failed.value.attempts, failed.value.where) == (200, 3, f"GET {JOBS}")
    assert tally == Tally(requests=3, retries=2)


def test_a_malformed_page_tells_its_first_words_but_not_the_token() -> None:
    with (
        api(Reply(200, f"<html><h1>Sign in, {TOKEN}</h1>".encode())) as (client, _),
        pytest.raises(Malformed, match=r"it begins: an HTML page: Sign in, \[redacted\]") as failed,
    ):
        client.first_page("f", 2, Tally())
    assert_hides_the_token(failed.value)


@pytest.mark.parametrize(
    "fault",
    [
        Reply(408),
        Reply(425),
        Reply(429),
        Reply(500),
        Reply(502, b"<html>Bad gateway</html>"),
        Reply(503),
        Reply(504),
        Reply(520),
        Reply(200, b'{"jobs": [', missing=50),
        Reply(200, b"<html>wait</html>"),
        Reply(200, b'{"jobs": [{"id'),
        Reply(200, b"not gzip", {"Content-Encoding": "gzip"}),
        Reply(200, b'{"jobs": []}', delay_seconds=0.5),
        Reply(204),
    ],
)
def test_a_passing_fault_is_tried_again_and_every_attempt_is_counted(fault: Reply) -> None:
    tally, waits = Tally(), Waits()
    with api(fault, fault, EMPTY_PAGE, waits=waits, read_timeout=0.2) as (client, server):
        assert client.first_page("f", 2, tally).records == []
    assert tally == Tally(requests=3, retries=2, throttled=2 if fault.status == 429 else 0)
    assert len(server.requests) == 3


def test_every_attempt_takes_a_slot_of_the_budget() -> None:
    waits = Waits()
    with serving(Reply(500), Reply(200, b"cut", missing=9), EMPTY_PAGE) as server:
        budget = Budget(60 / SHARE_USED, waits.clock, waits.sleep)
        with Client(server.url, FixedToken(TOKEN), budget, attempts=3, backoff_seconds=0) as client:
            client.first_page("f", 2, Tally())
            client.first_page("f", 2, Tally())
    assert waits.waited == [1.0 - ALLOWANCE_SECONDS, 1.0, 1.0]


@pytest.mark.parametrize(
    ("reply", "kind", "status", "attempts"),
    [
        (Reply(400), BadRequest, 400, 1),
        (Reply(403), NotAuthorised, 403, 1),
        (Reply(404), NotFound, 404, 1),
        (Reply(422), BadRequest, 422, 1),
        (Reply(429), Throttled, 429, 3),
        (Reply(500), ServerFault, 500, 3),
        (Reply(200, b"{", missing=1), Unreachable, None, 3),
        (Reply(200, b"", {"Content-Encoding": "gzip"}), Malformed, 200, 3),
    ],
)
def test_what_does_not_pass_is_raised(reply: Reply, kind: type[ApiError], status: int | None, attempts: int) -> None:
    with api(reply) as (client, server), pytest.raises(kind) as failed:
        client.first_page("f", 2, Tally())
    error = failed.value
    assert (type(error), error.status, error.attempts, len(server.requests)) == (kind, status, attempts, attempts)
    assert_hides_the_token(error)


def test_an_error_carries_the_apis_words_without_the_token() -> None:
    content = {"error": {"code": "InvalidRealityAnalysisRequest", "message": f"not with {TOKEN}", "target": "$top"}}
    with (
        api(json_reply(content, 400, x_correlation_id="c-1")) as (client, _),
        pytest.raises(BadRequest) as failed,
    ):
        client.first_page("f", 2, Tally())
    error = failed.value
    assert (error.code, error.detail, error.correlation_id, error.where) == (
        "InvalidRealityAnalysisRequest",
        "not with [redacted]",
        "c-1",
        f"GET {JOBS}",
    )
    assert_hides_the_token(error)


def test_an_api_that_is_not_there_is_unreachable() -> None:
    tally = Tally()
    with serving(EMPTY_PAGE) as gone:
        pass
    with client_of(gone.url) as client, pytest.raises(Unreachable) as failed:
        client.first_page("f", 2, tally)
    assert str(failed.value).startswith("No whole answer came from 127.0.0.1: ConnectionRefusedError:")
    assert (failed.value.status, tally) == (None, Tally(requests=3, retries=2))


def test_a_server_that_does_not_speak_http_is_unreachable_and_shows_no_token() -> None:
    with echoing_server() as url, client_of(url, attempts=1) as client, pytest.raises(Unreachable) as failed:
        client.first_page("f", 2, Tally())
    assert "[redacted]" in str(failed.value)
    assert_hides_the_token(failed.value)


@contextmanager
def echoing_server() -> Generator[str]:
    """Answers one request with the token that it got instead of a status line."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(f"{TOKEN}\r\n\r\n".encode())

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_pauses_the_budget_of_all_threads(status: int) -> None:
    waits = Waits()
    busy = Reply(status, b"", {"Retry-After": "7"})
    with api(busy, EMPTY_PAGE, waits=waits) as (client, _):
        client.first_page("f", 2, Tally())
    assert waits.waited == [7.0]


def test_who_gives_up_still_holds_off_the_others() -> None:
    waits = Waits()
    with api(Reply(429, b"", {"Retry-After": "7"}), EMPTY_PAGE, waits=waits, attempts=1) as (client, _):
        with pytest.raises(Throttled):
            client.first_page("f", 2, Tally())
        client.first_page("f", 2, Tally())
    assert waits.waited == [7.0]


@pytest.mark.parametrize("text", ["0", "-5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_after_of_no_use_counts_as_missing(text: str) -> None:
    waits = Waits()
    with api(Reply(429, b"", {"Retry-After": text}), EMPTY_PAGE, waits=waits) as (client, _):
        client.first_page("f", 2, Tally())
    assert sum(waits.waited) < 0.01


def test_retry_after_may_be_a_date() -> None:
    waits = Waits()
    dates = {"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"}
    with api(Reply(429, b"", dates), EMPTY_PAGE, waits=waits) as (client, _):
        client.first_page("f", 2, Tally())
    assert waits.waited == [30.0]


@pytest.mark.parametrize(("text", "told"), [("3600", "3600 s"), ("9" * 400, "inf s")])
def test_nobody_waits_for_a_retry_after_beyond_patience(text: str, told: str) -> None:
    waits, tally = Waits(), Tally()
    with (
        api(Reply(429, b"", {"Retry-After": text}), waits=waits) as (client, _),
        pytest.raises(Throttled, match=f"asks to wait {told}, longer than the 120 s that a run waits"),
    ):
        client.first_page("f", 2, tally)
    assert (tally, waits.waited) == (Tally(requests=1, throttled=1), [])


def test_without_retry_after_the_wait_is_the_back_off() -> None:
    with api(Reply(429), Reply(500), EMPTY_PAGE, backoff_seconds=0.05) as (client, _):
        before = datetime.now(UTC)
        client.first_page("f", 2, Tally())
        took = (datetime.now(UTC) - before).total_seconds()
    assert 0.15 <= took < 1.0


def test_a_token_that_the_api_refuses_is_renewed_once() -> None:
    tally = Tally()
    with api(EXPIRED, EMPTY_PAGE, tokens=Renewing("old", "new")) as (client, server):
        client.first_page("f", 2, tally)
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer old", "Bearer new"]
    assert tally == Tally(requests=2, retries=1)


def test_a_renewed_token_that_the_api_refuses_too_is_not_authorised() -> None:
    tokens = Renewing("one", "two", "three")
    with api(EXPIRED, tokens=tokens) as (client, server), pytest.raises(NotAuthorised) as failed:
        client.first_page("f", 2, Tally())
    error = failed.value
    assert (error.status, error.code, error.detail, error.correlation_id, error.attempts) == (
        401,
        "HeaderNotFound",
        "expired",
        "c-7",
        2,
    )
    assert (len(server.requests), tokens.tokens) == (2, ["two", "three"])


def test_a_fixed_token_that_the_api_refuses_is_told_in_the_apis_words() -> None:
    with api(EXPIRED) as (client, _), pytest.raises(NotAuthorised) as failed:
        client.first_page("f", 2, Tally())
    assert (failed.value.status, failed.value.code, failed.value.correlation_id) == (401, "HeaderNotFound", "c-7")
    assert_hides_the_token(failed.value)


def test_a_next_link_is_followed_with_its_query_untouched() -> None:
    query = "continuationToken=a%2Bb%2F%3D&$filter=x%20eq%20y&%24top=100"
    with api(EMPTY_PAGE) as (client, server):
        client.next_page(f"{server.url}{JOBS}?{query}", Tally())
        client.next_page(f"{JOBS}?{query}", Tally())
        client.next_page(f"{server.url}{JOBS}?{query}", Tally(), top=10)
    assert [urlsplit(request.target).path for request in server.requests] == [JOBS] * 3
    assert [parse_qsl(urlsplit(request.target).query) for request in server.requests] == [
        [("continuationToken", "a+b/="), ("$filter", "x eq y"), ("$top", "100")],
        [("continuationToken", "a+b/="), ("$filter", "x eq y"), ("$top", "100")],
        [("continuationToken", "a+b/="), ("$filter", "x eq y"), ("$top", "10")],
    ]


@pytest.mark.parametrize(
    "link",
    [
        "",
        "https://elsewhere.example/reality-analysis/jobs?t=1",
        "//elsewhere.example/reality-analysis/jobs?t=1",
        "http://127.0.0.1:1/reality-analysis/jobs?t=1",
        "https://127.0.0.1:{port}/reality-analysis/jobs?t=1",
        "http://127.0.0.1:{port}/reality-analysis/jobs",
        "http://127.0.0.1:{port}/reality-analysis/jobs/?t=1",
        "http://127.0.0.1:{port}/reality-analysis/jobs/../secrets?t=1",
        "http://127.0.0.1:{port}@elsewhere.example/reality-analysis/jobs?t=1",
        "http://elsewhere.example\\@127.0.0.1:{port}/reality-analysis/jobs?t=1",
        "http://127.0.0.1:{port}.elsewhere.example/reality-analysis/jobs?t=1",
        "http://127.0.0.1:nine/reality-analysis/jobs?t=1",
        "http://[::1/reality-analysis/jobs?t=1",
        "javascript:alert(1)",
    ],
)
def test_a_next_link_to_elsewhere_is_refused_before_anything_is_sent(link: str) -> None:
    with api(EMPTY_PAGE) as (client, server):
        port = str(urlsplit(server.url).port)
        with pytest.raises(RefusedLink, match="The next link leads to elsewhere"):
            client.next_page(link.replace("{port}", port), Tally())
    assert server.requests == []


def test_a_next_link_with_a_fragment_is_refused_in_words_and_nothing_is_sent() -> None:
    said = "The next link has a #, after which nothing would be sent"
    with api(EMPTY_PAGE) as (client, server), pytest.raises(RefusedLink, match=said) as refused:
        client.next_page(f"{JOBS}?continuationToken=opaque#1", Tally())
    assert server.requests == []
    assert "opaque" not in str(refused.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with serving(EMPTY_PAGE) as elsewhere:
        redirect = Reply(status, b"", {"Location": f"{elsewhere.url}/{TOKEN}"})
        with api(redirect) as (client, server), pytest.raises(RefusedLink) as refused:
            client.first_page("f", 2, Tally())
    assert refused.value.detail == "the redirect leads to 127.0.0.1"
    assert (len(server.requests), elsewhere.requests) == (1, [])
    assert_hides_the_token(refused.value)


@pytest.mark.parametrize("location", ["http://[canary", "http://canary:port/", "", "gopher://canary.example"])
def test_a_redirect_that_cannot_be_read_is_refused_too(location: str) -> None:
    with api(Reply(302, b"", {"Location": location})) as (client, _), pytest.raises(RefusedLink):
        client.first_page("f", 2, Tally())


@pytest.mark.parametrize(
    ("ask", "path", "body"),
    [
        (Client.job, f"{JOBS}/{JOB_ID}", b'{"job": {"id": "a", "new": [1]}}'),
        (Client.messages, f"{JOBS}/{JOB_ID}/messages", b'{"messages": {"errors": [], "warnings": []}}'),
    ],
)
def test_the_answer_about_a_job_is_kept_as_it_was_sent(
    ask: Callable[[Client, str, Tally], Answer], path: str, body: bytes
) -> None:
    with api(Reply(200, body, {"X-Correlation-Id": "c-2"})) as (client, server):
        answer = ask(client, JOB_ID, Tally())
    assert (answer.status, answer.body, answer.correlation_id) == (200, body, "c-2")
    assert answer.received_at.tzinfo is UTC
    assert [request.target for request in server.requests] == [path]


def test_a_byte_order_mark_before_an_answer_is_not_a_part_of_it() -> None:
    mark = b"\xef\xbb\xbf"
    job, page = b'{"job": {"id": "a"}}', b'{"jobs": [{"id": "a"}, oops]}'
    refusal = b'{"error": {"code": "InvalidRealityAnalysisRequest", "message": "no"}}'
    with api(Reply(200, mark + page), Reply(200, mark + job), Reply(400, mark + refusal)) as (client, server):
        assert raws(client.first_page("f", 2, Tally())) == [b'{"id": "a"}', b"oops"]
        assert client.job(JOB_ID, Tally()).body == job
        with pytest.raises(BadRequest) as refused:
            client.job(JOB_ID, Tally())
    assert (refused.value.code, len(server.requests)) == ("InvalidRealityAnalysisRequest", 3)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (rb"half \ud83d an emoji", rb"half \ufffd an emoji"),
        (rb"\uDC00\ud83d", rb"\ufffd\ufffd"),
        (b"half \xed\xa0\xbd an emoji", "half \ufffd\ufffd\ufffd an emoji".encode()),
        (b"no \xff text", "no \ufffd text".encode()),
        (rb"\\ud83d a \\\ud83d\ude00 whole one \u00e9", rb"\\ud83d a \\\ud83d\ude00 whole one \u00e9"),
    ],
)
def test_messages_with_half_an_emoji_are_kept_with_a_sign_in_its_place(sent: bytes, kept: bytes) -> None:
    body = b'{"messages": {"errors": [{"title": "%s"}],  "warnings": []}}'
    with api(Reply(200, body % sent)) as (client, server):
        answer = client.messages(JOB_ID, Tally())
    assert (answer.status, answer.body, len(server.requests)) == (200, body % kept, 1)
    json.loads(answer.body)


@pytest.mark.parametrize("ask", [Client.job, Client.messages])
def test_a_job_that_is_gone_is_an_answer(ask: Callable[[Client, str, Tally], Answer]) -> None:
    tally = Tally()
    with api(json_reply(NO_SUCH_JOB, 404)) as (client, _):
        answer = ask(client, JOB_ID, tally)
    assert (answer.status, b"JobNotFound" in answer.body, tally) == (404, True, Tally(requests=1))


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"job": null}', b'{"job": []}', b'{"job": {"id', b"{}"])
def test_an_answer_about_a_job_of_another_shape_is_malformed(body: bytes) -> None:
    with api(Reply(200, body)) as (client, _), pytest.raises(Malformed):
        client.job(JOB_ID, Tally())


def test_an_odd_job_id_stays_one_segment_of_the_path() -> None:
    with api(json_reply(NO_SUCH_JOB, 404)) as (client, server):
        client.job("../a b?c#d%2e", Tally())
        for nothing in ("", ".", ".."):
            with pytest.raises(WrongUsage):
                client.job(nothing, Tally())
    assert [request.target for request in server.requests] == [f"{JOBS}/..%2Fa%20b%3Fc%23d%252e"]


def nowhere(url: str) -> bool:
    return False


def test_a_netrc_file_does_not_replace_the_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setattr("assets.api.transport.is_loopback", nowhere)  # so that the environment counts
    monkeypatch.setenv("no_proxy", "*")
    with api(EMPTY_PAGE) as (client, server):
        client.first_page("f", 2, Tally())
    assert server.requests[0].headers["authorization"] == "Bearer canary.token"


def test_what_goes_to_this_machine_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving(Reply(500)) as proxy, api(EMPTY_PAGE) as (client, server):
        monkeypatch.setenv("http_proxy", proxy.url)
        client.first_page("f", 2, Tally())
    assert (len(proxy.requests), len(server.requests)) == (0, 1)


def test_the_api_sets_no_cookies() -> None:
    with api(json_reply({"jobs": []}, set_cookie="session=1")) as (client, server):
        client.first_page("f", 2, Tally())
        client.first_page("f", 2, Tally())
    assert ["cookie" in request.headers for request in server.requests] == [False, False]


@pytest.mark.parametrize("url", ["http://api.bentley.com", "api.bentley.com", "https://a:b@api.bentley.com"])
def test_an_address_to_which_no_token_may_go_is_refused(url: str) -> None:
    with pytest.raises(WrongUsage):
        client_of(url)


def test_threads_share_a_client() -> None:
    def respond(request: Request) -> Reply:
        job_id = request.target.rpartition("/")[2]
        return json_reply({"job": {"id": job_id}})

    tally = Tally()
    ids = [f"job-{number}" for number in range(60)]
    with api(respond=respond, pool_size=4) as (client, server), ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(client.job, ids, [tally] * len(ids)))
    assert [answer.body for answer in answers] == [f'{{"job": {{"id": "{job_id}"}}}}'.encode() for job_id in ids]
    assert (tally, len(server.requests)) == (Tally(requests=60), 60)


def test_connections_are_kept_between_requests() -> None:
    with api(EMPTY_PAGE) as (client, server):
        for _ in range(3):
            client.first_page("f", 2, Tally())
    assert [request.headers["connection"] for request in server.requests] == ["keep-alive"] * 3
