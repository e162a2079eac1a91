"""A small sandbox for the tests of a module; a module with another world has a fixture of its own."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from pipelines.sandbox import Sandbox, World
from tests.pipelines.ledger_of_sandbox import running, small_world


@pytest.fixture(scope="module")
def world() -> World:
    return small_world()


@pytest.fixture(scope="module")
def sandbox(world: World) -> Generator[Sandbox]:
    with running(world) as (sandbox, _):
        yield sandbox
