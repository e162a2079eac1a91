"""The alerts as the daemon sends them: once over two ticks, and once more when it is over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.ledger_of_sandbox import environment, jobledger, running, small_world
from tests.pipelines.ui_server import Ui, graphql, serving_ui, until
from tests.servers import Reply, Server, serving

SENSOR = {"repositoryLocationName": "jobledger", "repositoryName": "__repository__", "sensorName": "alerts"}
SWITCH_ON = """
mutation On($selector: SensorSelector!) {
  startSensor(sensorSelector: $selector) { ... on Sensor { sensorState { status } } ... on PythonError { message } }
}
"""
TICKS = """
query Ticks($selector: SensorSelector!) {
  sensorOrError(sensorSelector: $selector) {
    ... on Sensor { sensorState { ticks { status skipReason error { message } } } }
  }
}
"""
MONTHS = ("--from", "2026-02", "--to", "2026-03")
CANARY = "canary"


def ended_ticks(ui: Ui) -> list[dict[str, Any]]:
    """The ticks that ended, the newest first."""
    state = graphql(ui.url, TICKS, selector=SENSOR)["sensorOrError"]["sensorState"]
    return [tick for tick in state["ticks"] if tick["status"] != "STARTED"]


def posts(server: Server) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in server.requests]


@pytest.mark.proof
def test_the_daemon_tells_a_failed_run_once_over_two_ticks_and_once_that_it_is_over(tmp_path: Path) -> None:
    """A tick comes each minute, so this takes three."""
    world, data = small_world(), tmp_path / "data"
    with running(world) as (sandbox, _), serving(Reply(200)) as server:
        url = f"json://{CANARY}-user:{CANARY}-password@{server.url.removeprefix('http://')}/{CANARY}-path"
        env = environment(sandbox, world, data, JOBLEDGER_ALERT_URLS=url)
        in_the_way = data / "scratch" / "2026-02"
        in_the_way.parent.mkdir(parents=True)
        in_the_way.write_text("in the way")
        assert jobledger("sync", *MONTHS, env=env, cwd=tmp_path).returncode == 1
        with serving_ui(env, tmp_path) as ui:
            switched = graphql(ui.url, SWITCH_ON, selector=SENSOR)["startSensor"]
            assert switched["sensorState"]["status"] == "RUNNING"
            until(lambda: len(ended_ticks(ui)) >= 2, 180, "two ticks")
            assert [post["title"] for post in posts(server)] == ["jobledger: 1 new"]
            in_the_way.unlink()
            assert jobledger("sync", *MONTHS, env=env, cwd=tmp_path).returncode == 0
            until(lambda: len(posts(server)) == 2, 120, "the all-clear")
            ticks = ended_ticks(ui)
    first, last = posts(server)
    assert "2026-02" in first["message"]
    assert str(in_the_way) in first["message"]
    assert last["title"] == "jobledger: 1 over"
    assert [tick["error"] for tick in ticks if tick["error"]] == []
    files = [file.read_bytes().decode(errors="ignore") for file in tmp_path.rglob("*") if file.is_file()]
    for text in (json.dumps(first), json.dumps(last), json.dumps(ticks), *files):
        assert CANARY not in text
