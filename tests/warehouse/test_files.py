"""Files and folders: one function renames, what is made is its owner's alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("warehouse", "assets", "pipelines")


def renames(tree: ast.AST) -> Iterator[str]:
    """The calls that rename a file, as written: of `os`, `shutil`, or a path (whose `replace` takes one argument)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            target = [*(word.arg for word in node.keywords), *("target" for _ in node.args)]
            of_path = node.func.attr == "replace" and target == ["target"]
            of_module = ast.unparse(node.func) in ("os.replace", "shutil.move")
            if of_path or of_module or node.func.attr in ("rename", "renames"):
                yield ast.unparse(node.func)
        elif isinstance(node, ast.ImportFrom) and node.module in ("os", "shutil"):
            yield from (name.name for name in node.names if name.name in ("rename", "renames", "replace", "move"))


@pytest.mark.parametrize(
    "line",
    [
        "os.replace(a, b)",
        "os.rename(a, b)",
        "os.renames(a, b)",
        "shutil.move(a, b)",
        "a.replace(b)",
        "a.replace(target=b)",
        "Path(a).rename(b)",
        "from os import replace as put",
        "from shutil import move",
    ],
)
def test_a_rename_is_found_however_it_is_written(line: str) -> None:
    assert len(list(renames(ast.parse(line)))) == 1


@pytest.mark.parametrize("line", ["text.replace(a, b)", "dataclasses.replace(row, a=1, b=2)", "moment.replace(hour=0)"])
def test_what_renames_no_file_is_not_taken_for_a_rename(line: str) -> None:
    assert list(renames(ast.parse(line))) == []


def test_the_product_renames_files_in_one_place_alone() -> None:
    files = [file for floor in FLOORS for file in sorted((ROOT / floor).rglob("*.py"))]
    found = {str(file.relative_to(ROOT)): list(renames(ast.parse(file.read_text(encoding="utf-8")))) for file in files}
    assert {file: calls for file, calls in found.items() if calls} == {"warehouse/files.py": ["os.replace"]}
