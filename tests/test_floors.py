"""The house has three floors, and a floor imports only from those below it; the core knows nothing of Dagster."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("warehouse", "assets", "pipelines")
WIRING = "wiring.py"
"""The one kind of module below the upper floor that shows things to Dagster."""


def imports(file: Path) -> set[str]:
    """The top-level packages that a file imports anywhere, in its functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def files(floor: str) -> list[Path]:
    return sorted((ROOT / floor).rglob("*.py"))


def executed(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_from_those_below_it(floor: str) -> None:
    above = set(FLOORS[FLOORS.index(floor) + 1 :]) | {"tests"}
    climbing = {str(file.relative_to(ROOT)): imports(file) & above for file in files(floor)}
    assert {file: names for file, names in climbing.items() if names} == {}


def test_below_the_upper_floor_only_wiring_knows_dagster() -> None:
    users = {file.name for floor in FLOORS[:2] for file in files(floor) if "dagster" in imports(file)}
    assert users == {WIRING}


def test_the_core_imports_without_dagster() -> None:
    modules = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for floor in FLOORS[:2]
        for file in files(floor)
        if file.name not in ("__init__.py", WIRING)
    ]
    done = executed("import sys; sys.modules['dagster'] = None\n" + "\n".join(f"import {name}" for name in modules))
    assert done.returncode == 0, done.stderr


def test_the_command_line_imports_dagster_only_where_a_run_starts() -> None:
    without = "import sys; sys.modules['dagster'] = None\n"
    done = executed(without + "import pipelines.cli, pipelines.answering, pipelines.sync")
    assert done.returncode == 0, done.stderr
