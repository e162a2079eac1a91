"""What the tests in a browser share: Chromium, and where their pictures go."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

CHROMIUM: Final = shutil.which("chromium")
NEEDS_BROWSER: Final = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="needs Chromium (Debian: apt-get install chromium)"
)
SCREENSHOTS: Final = os.environ.get("UI_SCREENSHOTS")
"""A folder in which screenshots are kept; without it they lie where pytest keeps the files of a test."""


def kept(name: str, folder: Path) -> Path:
    """Where a picture goes: into SCREENSHOTS if that is set, else into the folder."""
    place = Path(SCREENSHOTS or folder).absolute() / name
    place.parent.mkdir(parents=True, exist_ok=True)
    return place
