"""A token and a secret show nowhere: not in what is printed, not in events, metadata, files or Parquet footers."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.sandbox import KINDS, READY_TOKEN, Faults, FixedClock, Sandbox
from tests.pipelines.ledger_of_sandbox import NOW, environment, jobledger, small_world

SECRET = "canary-7f3a-secret"


def holds(folder: Path, canary: str) -> list[str]:
    found = canary.encode()
    return [str(file) for file in folder.rglob("*") if file.is_file() and found in file.read_bytes()]


@pytest.mark.proof
@pytest.mark.parametrize(
    ("canary", "credentials"),
    [
        (SECRET, {"ITWIN_CLIENT_ID": "sandbox", "ITWIN_CLIENT_SECRET": SECRET}),
        (READY_TOKEN, {"ITWIN_ACCESS_TOKEN": READY_TOKEN}),
    ],
)
def test_after_a_run_that_met_every_fault_no_secret_is_anywhere(
    canary: str, credentials: dict[str, str], tmp_path: Path
) -> None:
    world = small_world()
    kinds = [kind for kind in KINDS if kind != "dead"]  # after which there would be no other
    faults = Faults(0.5, 11, kinds, slow_seconds=0.01, retry_after_seconds=0)
    with Sandbox(world, clock=FixedClock(NOW), client_secret=SECRET, faults=faults) as sandbox:
        env = environment(sandbox, world, tmp_path / "data", ITWIN_ANSWER_SECONDS="1", **credentials)
        done = jobledger("sync", "--from", "2026-03", "--to", "2026-03", env=env, cwd=tmp_path)
    assert done.returncode in (0, 1, 3, 4), done.stderr
    assert sum(faults.counts.values()) > 5
    assert canary not in done.stdout + done.stderr
    assert any((tmp_path / "data" / "dagster").rglob("*.db"))
    assert holds(tmp_path, canary) == []
