"""The house has three floors, and a floor imports only from those below it; the core knows nothing of Dagster."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("warehouse", "assets", "pipelines")
DAGSTER_ONLY_IN = {"assets/wiring.py", "pipelines/definitions.py", "pipelines/schedules.py", "pipelines/runs.py"}
DAGSTER_ONLY_IN |= {"pipelines/console.py"}


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def files(floor: str) -> list[Path]:
    return sorted((ROOT / floor).rglob("*.py"))


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_from_those_below_it(floor: str) -> None:
    above = set(FLOORS[FLOORS.index(floor) + 1 :]) | {"tests"}
    climbing = {str(file.relative_to(ROOT)): imports(file) & above for file in files(floor)}
    assert {file: names for file, names in climbing.items() if names} == {}


def test_dagster_is_wiring_and_nothing_else() -> None:
    users = {str(file.relative_to(ROOT)) for floor in FLOORS for file in files(floor) if "dagster" in imports(file)}
    assert users == DAGSTER_ONLY_IN


def test_the_core_imports_without_dagster() -> None:
    modules = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for floor in FLOORS[:2]
        for file in files(floor)
        if file.name not in ("__init__.py", "wiring.py")
    ]
    code = "import sys; sys.modules['dagster'] = None\n" + "\n".join(f"import {module}" for module in modules)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
