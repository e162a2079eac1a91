"""The page on architecture names every room of the house, and no room that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = sorted(
    file.relative_to(ROOT)
    for folder in ("warehouse", "assets", "assets/api", "assets/report", "pipelines")
    for file in (ROOT / folder).glob("*.py")
    if file.name != "__init__.py"
)


@pytest.mark.parametrize("room", ROOMS, ids=str)
def test_every_room_is_named(room: Path) -> None:
    assert f"`{room.name}`" in PAGE or f"`{room.as_posix()}`" in PAGE


def test_no_room_is_named_that_is_not_there() -> None:
    named = set(re.findall(r"`(?:[a-z_]+/)*([a-z_]+\.py)`", PAGE))
    assert named - {room.name for room in ROOMS} - {"test_floors.py"} == set()
