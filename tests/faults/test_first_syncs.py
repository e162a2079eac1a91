"""Many first syncs at once, on a data folder that is not there yet: real processes, one API."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from pipelines.sandbox import World
from tests.pipelines.ledger_of_sandbox import JOBLEDGER, NOW, environment, jobledger, running

SYNC = [JOBLEDGER, "sync", "--from", "2026-03", "--to", "2026-03"]
SYNCS = int(os.environ.get("SOAK_AT_ONCE", "20"))
JOBS = "select count(*) as n, count(distinct job_id) as jobs, min(versions) as least, max(versions) as most from jobs"
WALKS = "select count(distinct run_id) as runs, count(*) as walks, bool_and(complete) as complete from walks"


@pytest.mark.soak
def test_first_syncs_at_once_all_end_well_and_keep_each_job_once(tmp_path: Path) -> None:
    world = World(seed=3, jobs_per_month=40, months=1, itwins=2, users=3)
    with running(world) as (sandbox, _):
        env = environment(sandbox, world, tmp_path / "data")
        said = [(tmp_path / f"{number}.txt").open("w+") for number in range(SYNCS)]
        syncs = [subprocess.Popen(SYNC, env=env, cwd=tmp_path, stdout=file, stderr=file) for file in said]
        codes = [sync.wait(600) for sync in syncs]
        for file in said:
            file.close()
        texts = [Path(file.name).read_text() for file in said]
        assert codes == [0] * SYNCS, "\n".join(text for text, code in zip(texts, codes, strict=True) if code)
        assert [text for text in texts if "Every walk is complete." not in text or "Traceback" in text] == []
        held = len(world.jobs_at(NOW))
        assert asked(JOBS, env, tmp_path) == {"n": held, "jobs": held, "least": 1, "most": 1}
        assert asked(WALKS, env, tmp_path) == {"runs": SYNCS, "walks": 2 * SYNCS, "complete": True}
        last = jobledger(*SYNC[1:], env=env, cwd=tmp_path)
        assert last.returncode == 0, last.stderr


def asked(text: str, env: dict[str, str], home: Path) -> dict[str, object]:
    done = jobledger("sql", text, "--format", "json", env=env, cwd=home)
    (row,) = json.loads(done.stdout)
    return row
