"""What several tests share."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from filelock import FileLock

from tests import buckets
from tests import docs_ledger as docs
from tests import report_ledger as report


def pytest_configure() -> None:
    """Let Ctrl-C be heard by what the tests begin, also where a shell began the tests in the background.

    There it is ignored, and Dagster gives SIGTERM the same meaning, which child processes inherit: nothing would end.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Keep all that was imported from Python's collector, as `pipelines.launch` does: it stays until the end."""
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()


@pytest.fixture(scope="session")
def docs_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the docs' ledger. It is shared: write nothing there but a report."""
    return _built_once(tmp_path_factory, "docs", docs.build)


@pytest.fixture(scope="session")
def report_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the report's ledger. It is shared: write nothing there but a report."""
    return _built_once(tmp_path_factory, "report", report.build)


@pytest.fixture(scope="session")
def server_of_buckets(tmp_path_factory: pytest.TempPathFactory) -> Generator[buckets.Bucket]:
    """A server of S3 with the bucket `ledger`."""
    with buckets.serving(tmp_path_factory.mktemp("buckets")) as bucket:
        yield bucket


@pytest.fixture
def bucket(server_of_buckets: buckets.Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> buckets.Bucket:
    """A path of the bucket that is this test's own, with the environment in which it is asked."""
    for name, value in server_of_buckets.environment.items():
        monkeypatch.setenv(name, value)
    return buckets.Bucket(server_of_buckets.endpoint, f"s3://ledger/{tmp_path.parent.name}-{tmp_path.name}")


@pytest.fixture(params=["file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store, once a folder and once a bucket."""
    return f"file://{tmp_path}/store" if request.param == "file" else request.getfixturevalue("bucket").url


def _built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], Path]) -> Path:
    """Build a ledger for all processes of this run of the tests: the first that needs it does, the others wait."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    place, done = shared / name, shared / f"{name}.done"
    with FileLock(shared / f"{name}.lock"):
        if not done.exists():
            build(place)
            done.touch()
    return place
