"""`commands`: what people wait for, beside the imports that any such command needs."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.measuring import JOBLEDGER, ledger_environment, measure
from tests.bench.report import Row, ratio

HEAD: Final = ("command", "CPU s", "ratio")
TIMES: Final = 5
LIMIT: Final = 2.5
"""What a command may take, as a ratio to the imports."""

IMPORTS: Final = "import duckdb, rich.console, click"
COMMANDS: Final = {
    "--help": ("--help",),
    "sql": ("sql", "select count(*) from jobs"),
    "status": ("status",),
}


def time_commands(data: Path, month: str) -> dict[str, float]:
    """The seconds of CPU of the imports and of each command on a ledger, the median of some runs in turns."""
    env = ledger_environment("http://127.0.0.1:9", data, month)
    commands = {IMPORTS: [sys.executable, "-c", IMPORTS]}
    commands |= {name: [JOBLEDGER, *arguments] for name, arguments in COMMANDS.items()}
    took: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        measure(command, env)  # bytecode is written, files are in memory
    for _ in range(TIMES):
        for name, command in commands.items():
            took[name].append(measure(command, env).cpu)
    return {name: median(seconds) for name, seconds in took.items()}


def ratios(took: dict[str, float]) -> dict[str, float]:
    """Each command beside the imports."""
    return {name: took[name] / took[IMPORTS] for name in COMMANDS}


def rows(took: dict[str, float]) -> list[Row]:
    return [(name, f"{seconds:.2f}", ratio(seconds, took[IMPORTS])) for name, seconds in took.items()]
