"""The files in `deploy/`, by the programs that read them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines.settings import DEFAULTS

ROOT = Path(__file__).parents[1]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
NO_SYSTEMD = "systemd-analyze is not installed"


@pytest.mark.skipif(not shutil.which("systemd-analyze") and not os.environ.get("CI"), reason=NO_SYSTEMD)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_reads_a_unit_without_complaint(unit: Path, tmp_path: Path) -> None:
    """The programs that it starts lie elsewhere than here, so they are put where it looks for them."""
    text = unit.read_text(encoding="utf-8")
    here = tmp_path / unit.name
    here.write_text(re.sub(r"(?<=^ExecStart=)\S+", "/bin/true", text, flags=re.MULTILINE), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", here], capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, complaints) == (0, [])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_starts_what_is_installed_with_settings_that_are_there(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    (program,) = re.findall(r"^ExecStart=/opt/jobledger/\.venv/bin/(\S+)", text, re.MULTILINE)
    assert program in ("dagster-daemon", "dagster-webserver")
    set_here = re.findall(r"\b(JOBLEDGER_\w+|ITWIN_\w+)=", text)
    assert set(set_here) <= set(DEFAULTS)
    assert "-w workspace.yaml" in text
    assert (ROOT / "workspace.yaml").exists()
