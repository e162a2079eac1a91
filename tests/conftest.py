"""What several tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs_ledger import build


@pytest.fixture(scope="session")
def docs_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the docs' ledger. It is shared: read it only."""
    return build(tmp_path_factory.mktemp("docs"))
