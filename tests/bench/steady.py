"""`steady`: a scheduled run that finds nothing new, on ledgers with much and with little history behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipelines.sandbox import World
from tests.bench.measuring import JOBLEDGER, Measured, ledger_environment, measure, plain_environment, python
from tests.bench.report import Row, ratio
from tests.bench.server import Server
from warehouse.contract import contract
from warehouse.lake import Lake
from warehouse.marts.all import all_tables

TIMES: Final = 3
OF_EMPTY, OF_SMALL = 1.2, 1.15
"""What an idle run may take, of the empty job and, with a thousand times the history, of one with little."""


@dataclass(frozen=True)
class Idle:
    """The idle runs on one ledger: the median one by CPU, its requests, and the files that it touched by group."""

    history: int
    took: Measured
    requests: int
    touched: dict[str, list[str]]
    files: int


def empty_runs(folder: Path, months: Sequence[str]) -> Measured:
    """The median of runs of a job of the same shape that does nothing, on Dagster's storage as it ships."""
    command = python("tests.bench.empty_job", folder, months[0], months[-1])
    measure(command, plain_environment())
    return sorted((measure(command, plain_environment()) for _ in range(TIMES)), key=lambda run: run.cpu)[TIMES // 2]


def idle_runs(server: Server, data: Path, history: int, start: str, months: Sequence[str]) -> Idle:
    """Syncs the months once, so that there is nothing new, and then again and again."""
    env = ledger_environment(server.url, data, start, World().itwins)
    command = [JOBLEDGER, "sync", "--from", months[0], "--to", months[-1]]
    measure(command, env)
    before, asked = _stamps(data), server.requests
    runs = sorted((measure(command, env) for _ in range(TIMES)), key=lambda run: run.cpu)
    after = _stamps(data)
    touched = _by_group(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return Idle(history, runs[TIMES // 2], (server.requests - asked) // TIMES, touched, len(after))


def head(found: Sequence[Idle]) -> Row:
    return ("jobs of history", *(f"{idle.history:,}" for idle in found), "ratio")


def rows(found: Sequence[Idle]) -> list[Row]:
    """A line for each measure, a column for each ledger."""
    small, large = found[0], found[-1]
    return [
        ("requests", *(f"{idle.requests}" for idle in found), ratio(large.requests, small.requests)),
        ("CPU s", *(f"{idle.took.cpu:.2f}" for idle in found), ratio(large.took.cpu, small.took.cpu)),
        ("wall s", *(f"{idle.took.wall:.2f}" for idle in found), ratio(large.took.wall, small.took.wall)),
        ("peak MB", *(f"{idle.took.peak_mb:.0f}" for idle in found), ratio(large.took.peak_mb, small.took.peak_mb)),
        ("files in the lake", *(f"{idle.files}" for idle in found), ratio(large.files, small.files)),
        *(
            (f"files touched: {group}", *(str(len(idle.touched.get(group, []))) for idle in found), "")
            for group in ("raw", "core", "specifications", "quality", "marts")
        ),
    ]


def notes(found: Sequence[Idle]) -> list[str]:
    """Which files were touched."""
    told = {f"{group}: {', '.join(dict.fromkeys(names))}" for idle in found for group, names in idle.touched.items()}
    return [f"Touched, {line}" for line in sorted(told)]


def _stamps(data: Path) -> dict[Path, tuple[int, int, int]]:
    """What tells whether a file of the lake was touched."""
    files = (path for path in Lake(data).root.rglob("*") if path.is_file())
    found = ((path, path.stat()) for path in files)
    return {path: (status.st_ino, status.st_mtime_ns, status.st_size) for path, status in found}


def _by_group(paths: Iterable[Path]) -> dict[str, list[str]]:
    """The tables whose files these are, by group; a table is named once for each file."""
    groups = {table.name: table.group for table in all_tables(contract())}
    found: dict[str, list[str]] = {}
    for path in sorted(paths):
        found.setdefault(groups[path.stem], []).append(path.stem)
    return found
