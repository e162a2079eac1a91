"""What the benchmarks print: the machine, the versions, and a table each."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, TypeAlias

from tests.bench.measuring import CORES, cores

Row: TypeAlias = Sequence[str]
PACKAGES: Final = ("duckdb", "dagster", "pyarrow", "msgspec", "dlt")


def machine() -> str:
    """Processor, cores and memory; and the versions that matter."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    count = len(cores())
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return (
        f"{_processor()}, {count} cores ({min(count, CORES)} for each measured process), {memory:.0f} GB, "
        f"{platform.system()} {platform.release()}\n"
        f"Python {platform.python_version()}, {versions}"
    )


def table(title: str, head: Row, rows: Sequence[Row], notes: Sequence[str] = ()) -> str:
    """A table as text: the first column to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    shown = [
        "  ".join(
            text.rjust(width) if place else text.ljust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join(["", title, shown[0], "-" * (sum(widths) + 2 * len(widths) - 2), *shown[1:], *notes])


def ratio(value: float, other: float | None) -> str:
    """A value as a share of another; `-` where there is none."""
    return f"{value / other:.2f}" if other else "-"


def met(holds: bool) -> str:
    return "met" if holds else "MISSED"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
