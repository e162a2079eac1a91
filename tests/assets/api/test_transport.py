"""Answers that would never end, or would never fit, from real servers on loopback."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import threading
import time
import tracemalloc
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from assets.api.auth import ClientCredentials, FixedToken
from assets.api.budget import Budget
from assets.api.client import Client
from assets.api.errors import Interrupted, Late, Malformed, ProxyRefused, TooLarge, Unreachable, WrongUsage
from assets.api.protocol import Page, Tally
from assets.api.transport import AnswerLimits
from tests.servers import Reply, Server, json_reply, serving

LIST = "/reality-analysis/jobs"
SMALL = AnswerLimits(seconds=20, megabytes=1)
SHORT = AnswerLimits(seconds=0.4, megabytes=1)


@contextmanager
def api(*replies: Reply, limits: AnswerLimits, read_timeout: float = 10.0) -> Generator[tuple[Client, Server]]:
    with (
        serving(*replies) as server,
        Client(
            server.url,
            FixedToken("canary"),
            Budget(),
            limits=limits,
            read_timeout=read_timeout,
            attempts=3,
            backoff_seconds=0,
        ) as client,
    ):
        yield client, server


def first_page(client: Client) -> Page:
    return client.first_page("f", 1000, Tally())


def page_of(size: int) -> bytes:
    return b'{"jobs": [{"id": "a", "text": "' + b"x" * size + b'"}]}'


def service(url: str, limits: AnswerLimits, stopped: threading.Event | None = None) -> ClientCredentials:
    return ClientCredentials(
        f"{url}/connect/token", "service-1", "canary", limits=limits, backoff_seconds=0, stopped=stopped
    )


@pytest.mark.parametrize("drip_head", [True, False], ids=["from the head on", "in the body"])
def test_an_answer_that_drips_ends_with_its_deadline_though_no_byte_is_late(drip_head: bool) -> None:
    reply = Reply(200, page_of(500), drip_seconds=0.05, drip_head=drip_head)
    with api(reply, limits=SHORT, read_timeout=5.0) as (client, server):
        began = time.monotonic()
        with pytest.raises(Late) as late:
            first_page(client)
        took = time.monotonic() - began
    assert 0.4 <= took < 2.0
    assert len(server.requests) == 1  # it had all the time there is: nobody asks for the same again at once
    assert str(late.value) == (
        "No whole answer came from 127.0.0.1 within 0.4 s (ITWIN_ANSWER_SECONDS) [GET /reality-analysis/jobs]. "
        "Run again later; if the line is slow and the answers are good, raise ITWIN_ANSWER_SECONDS."
    )


def test_an_answer_that_drips_and_ends_in_time_is_read() -> None:
    with api(Reply(200, b'{"jobs": []}', drip_seconds=0.005), limits=SHORT) as (client, _):
        assert first_page(client).records == []


def test_a_server_that_falls_silent_before_the_deadline_is_unreachable_and_asked_again() -> None:
    with api(
        Reply(200, delay_seconds=0.5), json_reply({"jobs": []}), limits=AnswerLimits(seconds=20), read_timeout=0.1
    ) as (client, server):
        assert first_page(client).records == []
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("reply", "limits", "kind", "said"),
    [
        (
            Reply(200, b'{"access_token": "t"}', drip_seconds=0.1),
            SHORT,
            Late,
            "gave no whole answer within 0.4 s (ITWIN_ANSWER_SECONDS)",
        ),
        (
            Reply(200, b'{"access_token": "%s"}' % (b"t" * 1_100_000)),
            SMALL,
            TooLarge,
            "is larger than 1 MB (ITWIN_ANSWER_MEGABYTES)",
        ),
    ],
)
def test_the_token_endpoint_has_the_same_limits(
    reply: Reply, limits: AnswerLimits, kind: type[Unreachable], said: str
) -> None:
    with serving(reply) as server, pytest.raises(kind) as failed:
        service(server.url, limits).token()
    assert said in str(failed.value)
    assert len(server.requests) == 1


BOMBS = {
    "told by its length": Reply(200, page_of(1_000_000)),
    "gzip": Reply(200, gzip.compress(page_of(200_000_000), 1), {"Content-Encoding": "gzip"}),
    "deflate": Reply(200, zlib.compress(page_of(200_000_000), 1), {"Content-Encoding": "deflate"}),
    "gzip in gzip": Reply(
        200, gzip.compress(gzip.compress(page_of(200_000_000), 1), 1), {"Content-Encoding": "gzip, gzip"}
    ),
    "an error": Reply(500, gzip.compress(b"x" * 200_000_000, 1), {"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("reply", BOMBS.values(), ids=BOMBS.keys())
def test_an_answer_that_is_too_large_is_left_before_it_takes_the_memory(reply: Reply) -> None:
    with api(reply, limits=SMALL) as (client, server):
        tracemalloc.start()
        with pytest.raises(TooLarge) as failed:
            first_page(client)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert str(failed.value).startswith("The answer of 127.0.0.1 is larger than 1 MB (ITWIN_ANSWER_MEGABYTES) [GET ")
    assert len(server.requests) == 1
    assert peak < 20_000_000


def test_an_answer_of_the_size_that_is_allowed_is_read_and_the_next_one_too() -> None:
    large, small = page_of(1_000_000 - len(page_of(0))), page_of(1)
    with api(Reply(200, large), Reply(200, large + b" "), Reply(200, small), limits=SMALL) as (client, _):
        assert first_page(client).size == 1_000_000
        with pytest.raises(TooLarge):
            first_page(client)
        assert first_page(client).size == len(small)


@pytest.mark.parametrize("reply", [Reply(200, delay_seconds=3.0), Reply(200, page_of(9), drip_seconds=0.3)])
def test_who_waits_for_an_answer_ends_at_once_when_the_run_is_interrupted(reply: Reply) -> None:
    ended: list[float] = []

    def wait() -> None:
        with pytest.raises(Interrupted):
            first_page(client)
        ended.append(time.monotonic())

    with api(reply, limits=SMALL) as (client, server):
        threads = [threading.Thread(target=wait) for _ in range(4)]
        for thread in threads:
            thread.start()
        while len(server.requests) < 4:
            time.sleep(0.01)
        interrupted = time.monotonic()
        client.interrupt()
        for thread in threads:
            thread.join(10)
    assert len(ended) == 4
    assert max(ended) - interrupted < 1.0


def test_who_waits_for_a_token_ends_at_once_when_the_run_is_interrupted() -> None:
    stopped = threading.Event()
    with serving(Reply(503, headers={"Retry-After": "50"})) as server:
        threading.Timer(0.3, stopped.set).start()
        began = time.monotonic()
        with pytest.raises(Interrupted):
            service(server.url, SMALL, stopped).token()
    assert time.monotonic() - began < 2.0


def test_a_proxy_that_wants_a_password_is_told_as_such_and_the_token_is_not_blamed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(Reply(407, b"who are you?")) as proxy:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("https_proxy", proxy.url)
        with (
            Client("https://api.example.com", FixedToken("canary"), Budget(), backoff_seconds=0) as client,
            pytest.raises(ProxyRefused, match="HTTPS_PROXY") as refused,
        ):
            first_page(client)
    assert (refused.value.attempts, "ITWIN_ACCESS_TOKEN" in str(refused.value)) == (1, False)


def test_a_407_without_a_tunnel_is_told_as_the_proxy_too() -> None:
    with api(Reply(407), limits=SMALL) as (client, server), pytest.raises(ProxyRefused):
        first_page(client)
    assert len(server.requests) == 1


def test_what_cannot_be_unpacked_is_malformed() -> None:
    with (
        api(Reply(200, b"no gzip", {"Content-Encoding": "gzip"}), limits=SMALL) as (client, _),
        pytest.raises(Malformed, match="decompressing"),
    ):
        first_page(client)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of localhost, which signs itself, and its key."""
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
    ]
    subprocess.run(["openssl", *words, "-out", paths[0], "-keyout", paths[1]], check=True, capture_output=True)
    return paths


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_over_tls_the_same_deadline_and_the_same_bound_hold(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.api.transport.is_loopback", lambda _: False)  # so that the environment counts
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    monkeypatch.setenv("no_proxy", "*")
    whole = Reply(200, page_of(500_000))
    replies = [
        whole,
        replace(whole, drip_seconds=0.05),
        Reply(200, page_of(1_000_000)),
        replace(whole, missing=9),
        whole,
    ]
    with (
        serving(*replies, certificate=certificate) as server,
        Client(server.url, FixedToken("t"), Budget(), limits=replace(SHORT, seconds=1.0), attempts=1) as client,
    ):
        assert first_page(client).size == len(whole.body)
        for kind in (Late, TooLarge, Unreachable):
            with pytest.raises(kind):
                first_page(client)
        assert first_page(client).size == len(whole.body)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_limits_that_allow_nothing_or_everything_are_refused(value: float) -> None:
    with pytest.raises(WrongUsage):
        AnswerLimits(seconds=value)
    with pytest.raises(WrongUsage):
        AnswerLimits(megabytes=value)
