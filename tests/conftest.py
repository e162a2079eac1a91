"""What several tests share."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests import buckets
from tests import docs_ledger as docs
from tests import report_ledger as report


@pytest.fixture(scope="session")
def docs_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the docs' ledger. It is shared: write nothing there but a report."""
    return docs.build(tmp_path_factory.mktemp("docs"))


@pytest.fixture(scope="session")
def report_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the report's ledger. It is shared: write nothing there but a report."""
    return report.build(tmp_path_factory.mktemp("report"))


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
