import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from assets.api.addresses import is_loopback, secure_url
from assets.api.auth import ClientCredentials, FixedToken, TokenSource
from assets.api.errors import (
    ApiError,
    Malformed,
    NotAuthorised,
    NotFound,
    RefusedLink,
    ServerFault,
    Throttled,
    Unreachable,
    WrongUsage,
)
from tests.servers import Reply, Request, Server, json_reply, serving

CANARY = "canary/secret with+signs"
DISGUISES = (CANARY, "canary%2Fsecret%20with%2Bsigns", "canary%2Fsecret+with%2Bsigns", "canary")


def granted(token: str, **extra: object) -> Reply:
    return json_reply({"access_token": token, "token_type": "Bearer", **extra})


def service(server: Server, clock: Callable[[], float] | None = None) -> ClientCredentials:
    url = f"{server.url}/connect/token"
    if clock:
        return ClientCredentials(url, "service-1", CANARY, attempts=3, backoff_seconds=0, clock=clock)
    return ClientCredentials(url, "service-1", CANARY, attempts=3, backoff_seconds=0, read_timeout=0.2)


def assert_hides_secrets(error: BaseException) -> None:
    told = "".join(traceback.format_exception(error)) + repr(error) + str(error)
    assert not [form for form in DISGUISES if form in told]


def test_a_token_is_asked_for_by_form_fields() -> None:
    with serving(granted("token-1", expires_in=3600)) as server:
        assert service(server).token() == "token-1"
    [request] = server.requests
    assert (request.method, request.target) == ("POST", "/connect/token")
    assert dict(parse_qsl(request.body.decode())) == {
        "grant_type": "client_credentials",
        "client_id": "service-1",
        "client_secret": CANARY,
        "scope": "itwin-platform",
    }
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("extra", "kept_seconds"),
    [
        ({"expires_in": 3600}, 3540.0),
        ({"expires_in": "3600"}, 3540.0),
        ({"expires_in": "1800.0"}, 1740.0),
        ({"expires_in": 1800.5}, 1740.5),
        ({"expires_in": 80}, 40.0),
        *(
            ({"expires_in": told}, 3540.0)
            for told in (None, "", "never", 0, -5, "-5", "nan", "inf", "1e999", 10**400, [3600], {"seconds": 3600})
        ),
        ({}, 3540.0),
    ],
)
def test_a_token_is_kept_until_shortly_before_it_expires(extra: dict[str, object], kept_seconds: float) -> None:
    now = [1000.0]
    with serving(granted("token-1", **extra), granted("token-2", **extra)) as server:
        tokens = service(server, clock=lambda: now[0])
        seen = [tokens.token()]
        now[0] += kept_seconds - 0.1
        seen.append(tokens.token())
        now[0] += 0.2
        seen.append(tokens.token())
    assert seen == ["token-1", "token-1", "token-2"]


def test_a_byte_order_mark_before_a_token_is_read_over() -> None:
    with serving(Reply(200, b'\xef\xbb\xbf{"access_token": "token-1"}')) as server:
        assert service(server).token() == "token-1"
    assert len(server.requests) == 1


def test_threads_that_need_a_token_cause_one_request() -> None:
    slow = Reply(body=b'{"access_token": "token-1", "expires_in": 3600}', delay_seconds=0.05)
    with serving(slow) as server:
        tokens = service(server)
        seen = in_threads(tokens.token)
    assert (seen, len(server.requests)) == (["token-1"] * 8, 1)


def test_threads_that_hold_the_same_stale_token_cause_one_renewal() -> None:
    slow = Reply(body=b'{"access_token": "token-2", "expires_in": 3600}', delay_seconds=0.05)
    with serving(granted("token-1", expires_in=3600), slow, granted("token-3")) as server:
        tokens = service(server)
        stale = tokens.token()
        seen = in_threads(lambda: tokens.renew(stale))
        assert tokens.token() == "token-2"
    assert (seen, len(server.requests)) == (["token-2"] * 8, 2)


def in_threads(call: Callable[[], str]) -> list[str]:
    seen: list[str] = []
    threads = [threading.Thread(target=lambda: seen.append(call())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_passing_fault_of_the_endpoint_is_tried_again(status: int) -> None:
    fault = Reply(status, b"busy", {"Retry-After": "whenever"})
    with serving(fault, fault, granted("token-1")) as server:
        assert service(server).token() == "token-1"
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_is_told_in_the_endpoints_words(status: int) -> None:
    refusal = json_reply(
        {"error": "invalid_client", "error_description": f"secret {CANARY} is wrong"}, status, x_correlation_id="c-9"
    )
    with serving(refusal) as server, pytest.raises(NotAuthorised) as refused:
        service(server).token()
    error = refused.value
    assert (error.status, error.code, error.detail, error.correlation_id, error.where) == (
        status,
        "invalid_client",
        "secret [redacted] is wrong",
        "c-9",
        "POST /connect/token",
    )
    assert len(server.requests) == 1
    assert_hides_secrets(error)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(429, CANARY.encode()), Throttled),
        (Reply(500, CANARY.encode()), ServerFault),
        (Reply(404, CANARY.encode()), NotFound),
        (Reply(307, b"", {"Location": f"https://elsewhere.example/{CANARY}"}), RefusedLink),
        (Reply(302, b"", {"Location": f"http://[{CANARY}"}), RefusedLink),
        (Reply(200, f"<html>{CANARY}".encode()), Malformed),
        (Reply(200, b""), Malformed),
        (json_reply([CANARY]), Malformed),
        (json_reply({"access_token": 5, "note": CANARY}), Malformed),
        (granted(CANARY), Malformed),
        (granted("canary\nX-Injected: 1"), Malformed),
        (Reply(200, CANARY.encode(), missing=7), Unreachable),
        (Reply(200, b"", delay_seconds=0.3), Unreachable),
        (Reply(200, CANARY.encode(), {"Content-Encoding": "gzip"}), Malformed),
    ],
)
def test_no_error_shows_the_secret(reply: Reply, kind: type[ApiError]) -> None:
    with serving(reply) as server, pytest.raises(kind) as failed:
        service(server).token()
    assert type(failed.value) is kind
    assert_hides_secrets(failed.value)


def test_the_secret_does_not_follow_a_redirect() -> None:
    with serving(granted("token-1")) as elsewhere:
        redirect = Reply(307, b"", {"Location": f"{elsewhere.url}/connect/token"})
        with serving(redirect) as server, pytest.raises(RefusedLink):
            service(server).token()
    assert elsewhere.requests == []


def test_an_endpoint_that_is_not_there_is_unreachable() -> None:
    with serving(Reply()) as gone:
        pass
    with pytest.raises(Unreachable, match="gave no whole answer") as failed:
        service(gone).token()
    assert_hides_secrets(failed.value)


def test_after_a_failure_the_next_call_asks_again() -> None:
    with serving(Reply(404), granted("token-1")) as server:
        tokens = service(server)
        with pytest.raises(NotFound):
            tokens.token()
        assert tokens.token() == "token-1"


def test_what_goes_to_this_machine_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving(Reply(500)) as proxy, serving(granted("token-1")) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert service(server).token() == "token-1"
    assert proxy.requests == []


def test_a_netrc_file_does_not_come_between(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    def respond(request: Request) -> Reply:
        return granted(request.headers.get("authorization", "none"))

    with serving(respond=respond) as server:
        assert service(server).token() == "none"


def test_a_fixed_token_is_given_as_it_is_and_cannot_be_renewed() -> None:
    tokens: TokenSource = FixedToken(CANARY.partition(" ")[0])
    token = tokens.token()
    assert token == "canary/secret"
    with pytest.raises(NotAuthorised) as refused:
        tokens.renew(token)
    assert refused.value.status is None
    assert_hides_secrets(refused.value)


@pytest.mark.parametrize("text", ["", "canary\n", "Bearer canary", "canary\u00e9", "canary\x00"])
def test_text_that_cannot_be_a_token_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(WrongUsage) as refused:
        FixedToken(text)
    assert_hides_secrets(refused.value)


def test_a_token_source_shows_no_secret() -> None:
    with serving(granted("canary-token")) as server:
        service_tokens = service(server)
        service_tokens.token()
    assert repr(service_tokens) == f"ClientCredentials('{server.url}/connect/token', 'service-1', ...)"
    assert str(FixedToken("canary-token")) == "FixedToken(...)"


@pytest.mark.parametrize(
    "url",
    ["https://api.bentley.com", "https://gateway.example:8443/itwin", "http://localhost:80", "http://[::1]:9"],
)
def test_a_secret_may_go_by_https_or_to_this_machine(url: str) -> None:
    assert (secure_url(url), secure_url(url + "/")) == (url, url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.bentley.com",
        "ftp://api.bentley.com",
        "http://api.bentley.com",
        "http://localhost.example",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "https://",
        "https://[::1",
        "https://api.bentley.com:port",
        "https://someone:canary@api.bentley.com",
        "https://api.bentley.com?canary=1",
        "https://api.bentley.com#canary",
    ],
)
def test_a_secret_goes_nowhere_else(url: str) -> None:
    with pytest.raises(WrongUsage) as refused:
        ClientCredentials(url, "service-1", CANARY)
    assert_hides_secrets(refused.value)


def test_a_loopback_address_is_this_machine() -> None:
    urls = ["http://127.0.0.1:8000/x", "http://127.9.9.9", "http://LOCALHOST", "http://[::1]", "http://example.com"]
    assert [is_loopback(url) for url in urls] == [True, True, True, True, False]
