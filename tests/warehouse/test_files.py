"""Files and folders: one function renames, what is made is its owner's alone."""

from __future__ import annotations

import ast
import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.warehouse.test_lake import COUNTS, SUMS, rows
from tests.warehouse.test_lake import put as put_counts
from warehouse.catalog import export, publish
from warehouse.engine import connection
from warehouse.files import SHARED_SETTING, keep_private
from warehouse.lake import Lake

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


@contextmanager
def umask(mask: int) -> Generator[None]:
    """The umask of this process, for a while."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """What is in a folder with the bits of its mode, as `ls` and `chmod` write them."""
    return {str(path.relative_to(folder)): oct(path.stat().st_mode & 0o777)[2:] for path in folder.rglob("*")}


MADE = {
    "data": "folder",
    "data/lake": "folder",
    "data/lake/counts": "folder",
    "data/lake/counts/created_month=2025-08": "folder",
    "data/lake/counts/created_month=2025-08/counts.parquet": "file",
    "data/lake/sums": "folder",
    "data/lake/sums/created_month=2025-08": "folder",
    "data/lake/sums/created_month=2025-08/sums.parquet": "file",
    "data/locks": "folder",
    "data/locks/2025-08.lock": "file",
    "data/locks/publish.lock": "file",
    "data/locks/export.lock": "file",
    "data/journal": "folder",
    "data/staged": "folder",
    "data/scratch": "folder",
    "data/history.duckdb": "file",
    "data/ledger.json": "file",
    "out": "folder",
    "out/carry.duckdb": "file",
}


@pytest.mark.parametrize(
    ("setting", "mask", "of_folders", "of_files"),
    [("0", 0o022, "700", "600"), ("", 0o000, "700", "600"), ("1", 0o027, "750", "640"), ("1", 0o002, "775", "664")],
)
def test_what_is_made_is_its_owners_alone_or_follows_the_umask_where_it_is_shared(
    setting: str, mask: int, of_folders: str, of_files: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SHARED_SETTING, setting)
    lake = Lake(tmp_path / "data")
    with umask(mask):
        with lake.exclusive("2025-08") as staging:
            for table in (COUNTS, SUMS):
                staging.write(table, "2025-08", rows(1))
            assert set(modes(lake.data / "staged").values()) >= {of_folders}
            staging.commit()
        with lake.scratch("2025-08") as scratch:
            assert modes(lake.data)[f"scratch/{scratch.name}"] == of_folders
        publish(lake, [COUNTS], "views")
        export(lake, [COUNTS], tmp_path / "out" / "carry.duckdb")
    assert modes(tmp_path) == {name: of_folders if kind == "folder" else of_files for name, kind in MADE.items()}


def test_a_folder_that_the_user_made_keeps_its_mode_and_a_file_is_tightened_when_it_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SHARED_SETTING, raising=False)
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o755)
    place = put_counts(Lake(tmp_path / "data"), 1)
    place.chmod(0o644)
    put_counts(Lake(tmp_path / "data"), 2)
    assert [oct(path.stat().st_mode & 0o777) for path in (tmp_path / "data", place)] == ["0o755", "0o600"]


def test_a_connection_spills_where_nobody_else_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with connection():
        assert list(modes(tmp_path).values()) == ["700"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("setting", "mode"), [("0", "600"), ("1", "644")])
def test_libraries_make_private_files_too_once_a_command_began(
    setting: str, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SHARED_SETTING, setting)
    with umask(0o022):
        keep_private()
        (tmp_path / "file").touch()
    assert modes(tmp_path) == {"file": mode}
