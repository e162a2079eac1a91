"""Measuring a process from outside: wall, CPU of itself and its children, and peak memory.

The parent stays small, for a child's peak is never told as less than what its parent had when it was started.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CORES: Final = 2
ROOT: Final = Path(__file__).parents[2]
JOBLEDGER: Final = str(Path(sys.executable).with_name("jobledger"))
QUIET: Final = {"RUNTIME__DLTHUB_TELEMETRY": "false", "DO_NOT_TRACK": "1"}


@dataclass(frozen=True)
class Measured:
    """What a process took, in seconds and in MB (10^6 bytes), and what it printed to stdout."""

    wall: float
    cpu: float
    peak_mb: float
    output: str


class BenchError(RuntimeError):
    """A measured process failed, or did not do the work that it was measured for."""


def measure(command: Sequence[str], env: Mapping[str, str], cwd: Path = ROOT) -> Measured:
    """Runs a command on at most two cores and waits for it; raises BenchError with its words where it fails."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began = time.perf_counter()
        process = subprocess.Popen(command, env=dict(env), cwd=cwd, stdout=out, stderr=err)
        _keep_to_few_cores(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            words = (out.read() + err.read())[-3000:]
            raise BenchError(f"exit code {process.returncode} of {' '.join(command)}\n{words}")
        return Measured(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6, out.read())


def python(module: str, *arguments: object) -> list[str]:
    """The command for a module in a fresh interpreter."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def plain_environment(**more: str) -> dict[str, str]:
    """This environment without what would steer jobledger, Dagster or dlt."""
    steering = ("ITWIN_", "JOBLEDGER_", "DAGSTER", "DLT_")
    return {name: value for name, value in os.environ.items() if not name.startswith(steering)} | QUIET | more


def ledger_environment(url: str, data: Path, start: str, itwins: Sequence[str] = ()) -> dict[str, str]:
    """The settings of a ledger on the benchmark's server, which knows no names. The report is left out: no other client
    makes anything like it.
    """
    return plain_environment(
        JOBLEDGER_NAMES="",
        JOBLEDGER_REPORT="0",
        ITWIN_API_URL=url,
        ITWIN_ACCESS_TOKEN="bench",
        ITWIN_IDS=",".join(itwins),
        ITWIN_REQUESTS_PER_MINUTE="6000000",
        ITWIN_REQUESTS_PER_HOUR="0",
        JOBLEDGER_DATA=str(data),
        JOBLEDGER_START=start,
    )


def cores() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0))


def _keep_to_few_cores(pid: int) -> None:
    """Holds a process to the first cores; it is set before an interpreter is up, so its threads are as few."""
    os.sched_setaffinity(pid, cores()[:CORES])
