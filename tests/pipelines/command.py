"""The command line in a process of its own that need not import everything anew.

Importing Dagster takes longer than most of what the tests ask for. So one process imports it all, and each command runs
in a fork of that one: it has its own memory, environment, folder, streams and exit code, as the installed command has.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Final

SECONDS: Final = 300
PRELOADED: Final = (
    "tests.pipelines.command",
    "pipelines.cli",
    "pipelines.answering",
    "pipelines.dagster_storage",
    "pipelines.definitions",
    "pipelines.home",
    "assets.replay",
)


@cache
def forks() -> ForkServerContext:
    """Return the process that forks, with everything imported; there is one in each process of the tests."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


def run_command(
    arguments: Sequence[str], env: Mapping[str, str], cwd: Path, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `jobledger` with these arguments to its end; raise subprocess.TimeoutExpired if it has none."""
    with tempfile.TemporaryDirectory() as folder:
        streams = tuple(Path(folder) / name for name in ("stdin", "stdout", "stderr"))
        streams[0].write_text(stdin or "", encoding="utf-8")
        process = forks().Process(target=_command, args=(list(arguments), dict(env), cwd, streams, _umask()))
        process.start()
        process.join(SECONDS)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(["jobledger", *arguments], SECONDS)
        _, stdout, stderr = (stream.read_text(encoding="utf-8") if stream.exists() else "" for stream in streams)
        return subprocess.CompletedProcess(["jobledger", *arguments], process.exitcode, stdout, stderr)


def _umask() -> int:
    """Return the umask of this process, which can be read only by setting it."""
    current = os.umask(0o077)
    os.umask(current)
    return current


def _command(arguments: list[str], env: dict[str, str], cwd: Path, streams: tuple[Path, ...], umask: int) -> None:
    gc.freeze()
    os.umask(umask)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    for number, (place, flags) in enumerate(
        zip(streams, (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT), strict=True)
    ):
        os.dup2(os.open(place, flags), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - they stay open as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.argv = ["jobledger", *arguments]
    from pipelines.cli import main

    main()
