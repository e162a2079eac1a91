"""A store that refuses, does not answer, is slow, full or gone: a sentence each, and no credential in it."""

from __future__ import annotations

import http.client
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.buckets import (
    READER_KEY,
    READER_SECRET,
    SECRET,
    Bucket,
    environment,
    free_ports,
    numbers_of,
    objects,
    push_numbers,
)
from tests.servers import Reply, Request, serving
from warehouse.errors import WrongUsage
from warehouse.lake import Lake
from warehouse.snapshots import store as module
from warehouse.snapshots.snapshot import read_snapshot
from warehouse.snapshots.store import Store, StoreFailed, Swapped, plain_url

ROOT = Path(__file__).parents[2]
FULL = b"<Error><Code>InsufficientStorage</Code><Message>No space left on the server</Message></Error>"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "data")


def use(monkeypatch: pytest.MonkeyPatch, endpoint: str, key: str = "AKIA", secret: str = SECRET) -> None:
    for name, value in environment(endpoint, key, secret).items():
        monkeypatch.setenv(name, value)


def refusal(push: Callable[[], object]) -> str:
    with pytest.raises(StoreFailed) as refused:
        push()
    told = str(refused.value)
    assert SECRET not in told
    assert READER_SECRET not in told
    assert "\n" not in told
    return told


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.org/ledger", "no address of a store"),
        ("ledger", "no address of a store"),
        ("s3://AKIA:secret@bucket/ledger", "is not shown for that"),
        ("az://container/ledger?sig=secret", "is not shown for that"),
        ("s3:///ledger", "names no bucket"),
        ("file://folder/ledger", "three slashes"),
        ("file:///", "three slashes"),
    ],
)
def test_an_address_that_cannot_be_is_refused_and_shows_no_secret(url: str, why: str) -> None:
    with pytest.raises(WrongUsage, match=why) as refused:
        plain_url(url)
    assert "secret" not in str(refused.value)


def test_a_slash_at_the_end_says_nothing() -> None:
    assert plain_url("s3://bucket/ledger/") == "s3://bucket/ledger"


def test_who_may_only_read_is_refused_and_changes_nothing(
    lake: Lake, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_numbers(lake, bucket.url, 1)
    before = objects(Store(bucket.url))
    use(monkeypatch, bucket.endpoint, READER_KEY, READER_SECRET)
    told = refusal(lambda: push_numbers(lake, bucket.url, 2))
    assert "Access is refused: 403 Forbidden: AccessDenied: Access Denied. Check the credentials" in told
    assert objects(Store(bucket.url)) == before
    assert numbers_of(Store(bucket.url), read_snapshot(Store(bucket.url))) == [1, 1, 1]


def test_wrong_credentials_are_refused(lake: Lake, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, bucket.endpoint, "AKIANOBODY")
    assert "Access is refused: 403 Forbidden" in refusal(lambda: push_numbers(lake, bucket.url, 1))


def test_a_server_that_is_gone_is_told_within_seconds(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, f"http://127.0.0.1:{free_ports(1)[0]}")
    assert "It does not answer" in refusal(lambda: push_numbers(lake, "s3://ledger/gone", 1))


def test_a_server_that_lets_wait_is_told(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLIENT", {**module.CLIENT, "timeout": "200ms"})
    monkeypatch.setattr(module, "RETRIES", {**module.RETRIES, "max_retries": 1})
    with serving(Reply(200, delay_seconds=0.5)) as server:
        use(monkeypatch, server.url)
        assert "It does not answer" in refusal(lambda: push_numbers(lake, "s3://ledger/slow", 1))


def test_a_bucket_that_is_full_is_told(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def respond(request: Request) -> Reply:
        return Reply(404) if request.method == "GET" else Reply(507, FULL)

    monkeypatch.setattr(module, "RETRIES", {**module.RETRIES, "max_retries": 0})
    with serving(respond=respond) as server:
        use(monkeypatch, server.url)
        told = refusal(lambda: push_numbers(lake, "s3://ledger/full", 1))
    assert "There is no space left: 507 Insufficient Storage: InsufficientStorage" in told


@pytest.mark.proof
def test_a_slow_bucket_and_one_that_stumbles_take_longer_and_no_more(
    lake: Lake, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def respond(request: Request) -> Reply:
        nonlocal count
        count += 1
        if count % 3 == 0:
            return Reply(503, b"<Error><Code>SlowDown</Code><Message>Please reduce your rate</Message></Error>")
        return forwarded(request, bucket.endpoint)

    with serving(respond=respond) as server:
        use(
            monkeypatch,
            server.url,
            *(bucket.environment[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")),
        )
        for number in (1, 2):
            push_numbers(lake, bucket.url, number)
        store = Store(bucket.url)
        assert numbers_of(store, read_snapshot(store)) == [2, 2, 2]
    assert count > 20


def forwarded(request: Request, endpoint: str) -> Reply:
    """What the real server says, after a moment; the signature is of the host that was asked."""
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc)
    try:
        connection.request(request.method, request.target, request.body, dict(request.headers))
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() in ("etag", "last-modified")}
        body = bytes(int(answer.headers["content-length"] or 0)) if request.method == "HEAD" else answer.read()
        return Reply(answer.status, body, kept, delay_seconds=0.01)
    finally:
        connection.close()


def test_a_swap_is_for_who_saw_the_version_that_is_there(url: str, tmp_path: Path) -> None:
    store = Store(url, make=True)
    store.swap("x", b"1", None)
    with pytest.raises(Swapped):
        store.swap("x", b"2", None)
    first = store.read("x")
    assert first is not None
    store.swap("x", b"3", first[1])
    with pytest.raises(Swapped):
        store.swap("x", b"4", first[1])
    found = store.read("x")
    assert found is not None
    assert found[0] == b"3"


def test_a_folder_whose_disk_is_not_connected_is_not_made(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="Make it, or check that its disk is connected"):
        push_numbers(lake, f"file://{tmp_path}/mnt/backup/ledger", 1)
    assert not (tmp_path / "mnt").exists()


def test_a_folder_with_an_odd_name_is_a_folder(lake: Lake, tmp_path: Path) -> None:
    push_numbers(lake, f"file://{tmp_path}/a b%20ü", 1)
    assert (tmp_path / "a b ü" / "snapshot.json").exists()


def test_nothing_of_it_is_imported_where_it_is_not_used() -> None:
    code = (
        "import sys, pipelines.cli, pipelines.sync, pipelines.pushing, warehouse.snapshots.push\n"
        "assert not {'obstore', 'deltalake'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("obstore", "obstore.store"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(WrongUsage, match=r"pip install 'jobledger\[push\]'"):
        Store("s3://bucket/ledger")
