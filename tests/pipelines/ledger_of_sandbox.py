"""A sandbox API and a ledger on it, for tests of the command line and of Dagster: real HTTP, real files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pipelines.sandbox import FixedClock, Sandbox, World
from pipelines.trial import sandbox_environment
from tests.pipelines.command import run_command

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
JOBLEDGER = str(Path(sys.executable).with_name("jobledger"))
ROOT = Path(__file__).parents[2]


def small_world(edition: str = "2025-08") -> World:
    """Three months of some 250 jobs in three iTwins."""
    return World(seed=3, jobs_per_month=250, months=3, itwins=3, users=5, edition=edition)


@contextmanager
def running(world: World, now: datetime = NOW) -> Generator[tuple[Sandbox, FixedClock]]:
    """The world served on loopback, its clock standing at `now` until it is moved."""
    clock = FixedClock(now)
    with Sandbox(world, clock=clock) as sandbox:
        yield sandbox, clock


def environment(sandbox: Sandbox, world: World, data: Path, **more: str) -> dict[str, str]:
    """The settings of a ledger on a sandbox: the months of the world, all its iTwins."""
    start = world.months_at(NOW)[0]
    own = {"JOBLEDGER_DATA": str(data), "JOBLEDGER_NAMES": "", "JOBLEDGER_REPORT": "0"}  # it has tests of its own
    return {**without_settings(), **sandbox_environment(sandbox.url, world.itwins, start), **own, **more}


def without_settings() -> dict[str, str]:
    """The environment of the tests without a setting of a ledger."""
    own = ("ITWIN_", "JOBLEDGER_", "DAGSTER")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


def jobledger(
    *arguments: str, env: Mapping[str, str], cwd: Path, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, as a user would; the installed command is JOBLEDGER."""
    return run_command(arguments, env, cwd, stdin)


def imported_by(*arguments: str, env: Mapping[str, str], cwd: Path) -> set[str]:
    """The libraries, of those that cost most to import, that a command imports in a process of its own."""
    script = (
        "import sys; from pipelines.cli import main\n"
        f"try: main({list(arguments)!r})\n"
        "except SystemExit as done: assert not done.code\n"
        "print(*({'numpy', 'pandas', 'pyarrow', 'dagster', 'requests'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())
