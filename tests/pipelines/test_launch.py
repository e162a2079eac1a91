"""How a process of the command line ends: at once, but with everything done that was promised."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MAIN = """
import atexit, gc, sys, threading, time
import duckdb

def main():
    assert gc.isenabled() and gc.get_freeze_count() > 10_000
    atexit.register(print, "registered")
    threading.Thread(target=lambda: (time.sleep(0.2), print("a thread"))).start()
    print("said", end=" ")
    {end}
"""
ENDS = {
    "done": ("sys.exit(0)", 0, ""),
    "incomplete": ("sys.exit(4)", 4, ""),
    "nothing": ("pass", 0, ""),
    "a sentence": ("sys.exit('No.')", 1, "No.\n"),
    "a fault": ("raise ValueError('unforeseen')", 1, "ValueError: unforeseen\n"),
}


def launched(tmp_path: Path, end: str, stdout: int | None = None) -> subprocess.CompletedProcess[str]:
    (tmp_path / "program.py").write_text(MAIN.format(end=end))
    command = [sys.executable, "-m", "pipelines.launch", "program"]
    out = subprocess.PIPE if stdout is None else stdout
    return subprocess.run(
        command, env={"PYTHONPATH": str(tmp_path)}, stdout=out, stderr=subprocess.PIPE, text=True, check=False
    )


@pytest.mark.parametrize(("end", "code", "told"), ENDS.values(), ids=ENDS.keys())
def test_all_that_was_begun_is_ended_before_the_process_is(tmp_path: Path, end: str, code: int, told: str) -> None:
    done = launched(tmp_path, end)
    assert (done.returncode, done.stdout) == (code, "said a thread\nregistered\n")
    assert done.stderr.endswith(told), done.stderr
    assert "leaked" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which only Linux has")
def test_what_could_not_be_written_at_the_end_is_told(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = launched(tmp_path, "sys.exit(0)", full.fileno())
    assert done.returncode != 0
    assert "No space left on device" in done.stderr
