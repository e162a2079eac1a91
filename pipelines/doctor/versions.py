"""Which releases work together here."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import version
from typing import Final

from pipelines.doctor.finding import Finding, fine

PACKAGES: Final = ("jobledger", "dagster", "duckdb", "pyarrow", "requests")


def examine() -> Iterator[Finding]:
    told = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    yield fine("versions", f"{told}, Python {platform.python_version()} on {platform.system()}")
