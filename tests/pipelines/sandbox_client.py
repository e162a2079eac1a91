"""A client for the sandbox's own tests, as small as it can be: it trusts every answer."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests

from pipelines.sandbox import READY_TOKEN, Sandbox

NOW = datetime(2025, 12, 10, 15, tzinfo=UTC)
NOVEMBER = "createdDateTime ge 2025-11-01T00:00:00Z and createdDateTime lt 2025-12-01T00:00:00Z"

GRANT = {
    "grant_type": "client_credentials",
    "client_id": "sandbox",
    "client_secret": "sandbox-secret",
    "scope": "itwin-platform",
}


class Client(requests.Session):
    """Asks one sandbox with the ready token, and follows no redirect."""

    def __init__(self, sandbox: Sandbox, token: str = READY_TOKEN) -> None:
        super().__init__()
        self.trust_env = False
        self.base = f"{sandbox.url}/reality-analysis/jobs"
        self.headers["Authorization"] = f"Bearer {token}"

    def ask(self, path: str = "", **query: Any) -> requests.Response:
        """GET below `/jobs`; `filter` and `top` become `$filter` and `$top`."""
        params = {f"${key}" if key in ("filter", "top") else key: value for key, value in query.items()}
        return self.get(self.base + path, params=params, allow_redirects=False, timeout=10)

    def pages(self, **query: Any) -> Iterator[list[Any]]:
        """The jobs of each page of a walk."""
        page = self.ask(**query).json()
        yield page["jobs"]
        while "next" in page.get("_links", {}):
            page = self.get(page["_links"]["next"]["href"], timeout=10).json()
            yield page["jobs"]

    def walk(self, **query: Any) -> list[Any]:
        """All jobs of a walk, in the order they came."""
        return [job for page in self.pages(**query) for job in page]


def query_of(address: str) -> dict[str, str]:
    """The query of an address, decoded."""
    return dict(parse_qsl(urlsplit(address).query))


@contextmanager
def client_of(sandbox: Sandbox, token: str = READY_TOKEN) -> Generator[Client]:
    """A client of a sandbox that is not running yet, both closed afterwards."""
    with sandbox, Client(sandbox, token) as client:
        yield client
