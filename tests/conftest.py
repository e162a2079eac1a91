"""What several tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

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
