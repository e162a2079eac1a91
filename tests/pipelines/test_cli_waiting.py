"""The command line against an API that keeps it waiting: real processes, a real server, the clock of the wall."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from random import Random

import pytest

from tests.faults.chains import page, query, to
from tests.faults.world import ITWINS, job
from tests.pipelines.ledger_of_sandbox import JOBLEDGER, jobledger
from tests.servers import Reply, Request, Server, serving

pytestmark = pytest.mark.proof

SYNC = ("sync", "--from", "2025-11", "--to", "2025-11")
SHUFFLED, DRIPPING, WHOLE = ITWINS


def environment(server: Server, data: Path, **more: str) -> dict[str, str]:
    others = {
        name: text for name, text in os.environ.items() if not name.startswith(("ITWIN_", "JOBLEDGER_", "DAGSTER"))
    }
    return {
        **others,
        "ITWIN_API_URL": server.url,
        "ITWIN_ACCESS_TOKEN": "ready-token",
        "ITWIN_IDS": ",".join(ITWINS),
        "JOBLEDGER_DATA": str(data),
        "JOBLEDGER_START": "2025-11",
        **more,
    }


def answer(request: Request) -> Reply:
    """A list that goes on for ever in another order, one that drips, and one that is whole."""
    asked = query(request)
    if SHUFFLED in asked["$filter"]:
        number = int(asked.get("continuationToken", "0"))
        jobs = Random(number).sample([job(f"shuffled-{place:02d}", SHUFFLED) for place in range(30)], 30)
        return page(*jobs, link=f"{to(str(number + 1))}&$filter={SHUFFLED}")
    if DRIPPING in asked["$filter"]:
        return Reply(200, b'{"jobs": [' + b" " * 1000 + b"]}", drip_seconds=0.05)
    return page(job("whole", WHOLE))


def test_lists_and_answers_without_end_cost_their_walks_and_nothing_besides(tmp_path: Path) -> None:
    with serving(respond=answer) as server:
        env = environment(server, tmp_path / "data", ITWIN_ANSWER_SECONDS="0.5")
        done = jobledger(*SYNC, env=env, cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    told = " ".join(done.stderr.split())
    assert f"INCOMPLETE: 2025-11, {SHUFFLED}: ended after page 22 (660 records): 21 pages had nothing new" in told
    assert f"INCOMPLETE: 2025-11, {DRIPPING}: ended after page 0 (0 records): No whole answer came" in told
    assert "within 0.5 s (ITWIN_ANSWER_SECONDS)" in told
    counted = "select itwin_id, count(*) as jobs from jobs group by 1 order by 1"
    rows = jobledger("sql", counted, "--format", "json", env=env, cwd=tmp_path).stdout
    assert json.loads(rows) == [{"itwin_id": SHUFFLED, "jobs": 30}, {"itwin_id": WHOLE, "jobs": 1}]


def test_ctrl_c_ends_a_sync_that_waits_for_the_budget_of_the_hour(tmp_path: Path) -> None:
    with serving(page(job("a"))) as server:
        env = environment(server, tmp_path / "data", ITWIN_REQUESTS_PER_HOUR="2")
        process = subprocess.Popen([JOBLEDGER, *SYNC], env=env, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        said = next(line for line in process.stderr if "is used up" in line)
        interrupted = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        code = process.wait(60)
        process.stderr.close()
    assert "The budget of 2 requests in 60 min (ITWIN_REQUESTS_PER_HOUR) is used up" in said
    assert (code, "Traceback" in rest) == (1, False), rest
    assert time.monotonic() - interrupted < 60  # of the hour that it would have waited
    assert len(server.requests) == 2
