"""`names`: asking for the names of many reality data in 20 iTwins, for the first time and a day later.

`python -m tests.bench.names serve PIECES CHANGED` serves them, `... ask URL DATA` asks for them and prints what came.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any, Final

from assets.api.auth import FixedToken
from assets.api.budget import Budget
from assets.api.client import Client
from assets.api.questions import TOP
from assets.names import ask_for_names
from assets.plan import Plan
from pipelines.sandbox import READY_TOKEN, NameBook, Sandbox, ScriptedWorld
from pipelines.sandbox.skeleton import guid
from tests.bench.measuring import BenchError, Measured, measure, plain_environment, python
from tests.bench.report import Row
from warehouse.engine import connection, run
from warehouse.lake import Lake
from warehouse.name_tables import NAME_WALKS, REALITY_DATA

ITWINS: Final = tuple(guid("bench", number) for number in range(20))
DETECTORS: Final = 15
CHANGED_SHARE: Final = 100
"""One of so many reality data is renamed between the first run and the daily one."""

HEAD: Final = ("run", "requests", "names", "CPU s", "wall s", "peak MB")


@dataclass(frozen=True)
class NamesRun:
    """A run that asked for names: how many requests it sent, and how many reality data have their newest name."""

    which: str
    took: Measured
    requests: int
    named: int


def first_and_daily(data: Path, pieces: int) -> list[NamesRun]:
    """Ask for everything, and then again when some were renamed; raises BenchError where a name is missing."""
    changed = ceil(pieces / CHANGED_SHARE)
    runs = [_ask("first", data, pieces, 0), _ask("daily", data, pieces, changed)]
    if [run.named for run in runs] != [pieces, changed]:
        raise BenchError(f"of {pieces} names and {changed} new ones, {[run.named for run in runs]} came")
    return runs


def requests(pieces: int) -> int:
    """The most requests of a run: a list of iTwins and each of them, the detectors, and the pages of each iTwin."""
    return 1 + len(ITWINS) + 1 + DETECTORS + len(ITWINS) * max(1, ceil(pieces / len(ITWINS) / TOP))


def rows(runs: Sequence[NamesRun]) -> list[Row]:
    return [
        (
            run.which,
            f"{run.requests:,}",
            f"{run.named:,}",
            f"{run.took.cpu:.2f}",
            f"{run.took.wall:.2f}",
            f"{run.took.peak_mb:.0f}",
        )
        for run in runs
    ]


def notes(pieces: int) -> list[str]:
    """What the two runs differ in."""
    return [f"Before the daily run {ceil(pieces / CHANGED_SHARE):,} were renamed. Imports are in both, Dagster is not."]


def _ask(which: str, data: Path, pieces: int, changed: int) -> NamesRun:
    with _served(pieces, changed) as url:
        took = measure(python("tests.bench.names", "ask", url, data), plain_environment())
    told = json.loads(took.output)
    return NamesRun(which, took, told["requests"], told["changed" if changed else "named"])


@contextmanager
def _served(pieces: int, changed: int) -> Generator[str]:
    command = python("tests.bench.names", "serve", pieces, changed)
    process = subprocess.Popen(command, env=plain_environment(), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        if not url:
            raise BenchError(f"the server ended with exit code {process.wait()}")
        yield url
    finally:
        process.terminate()
        process.communicate()


def book(pieces: int, changed: int) -> NameBook:
    """So many reality data in 20 iTwins, the first of which were renamed just now."""
    found: dict[str, dict[str, dict[str, Any]]] = {itwin_id: {} for itwin_id in ITWINS}
    for number in range(pieces):
        piece = _piece(number, renamed=number < changed)
        found[ITWINS[number % len(ITWINS)]][piece["id"]] = piece
    versions = [{"versionNumber": "1.0", "status": "Ready", "capabilities": {"labels": ["crack"]}}]
    detectors = {
        name: {"name": name, "type": "PhotoObjectDetector", "versions": versions}
        for name in (f"detector-{number}" for number in range(DETECTORS))
    }
    itwins = {one: {"id": one, "class": "Endeavor", "displayName": f"Site {one[:4]}"} for one in ITWINS}
    return NameBook(itwins, found, detectors)


def _piece(number: int, *, renamed: bool) -> dict[str, Any]:
    changed = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" if renamed else "2026-01-02T00:00:00Z"
    corner = {"latitude": number % 60, "longitude": number % 170}
    return {
        "id": guid("piece", number),
        "displayName": f"{'Renamed' if renamed else 'Survey'} {number}",
        "type": "LAS",
        "description": "A survey of the pavement between two interchanges, second campaign.",
        "tags": ["drone", "winter"],
        "size": 1000 + number,
        "classification": "Model",
        "extent": {"southWest": corner, "northEast": {name: value + 0.01 for name, value in corner.items()}},
        "crs": {"id": "EPSG:32632"},
        "dataCenterLocation": "East US",
        "createdDateTime": "2026-01-01T00:00:00Z",
        "modifiedDateTime": changed,
        "ownerId": guid("owner", number % 50),
    }


def serve(pieces: int, changed: int) -> None:
    """Serve the names until the process is ended."""
    with Sandbox(ScriptedWorld(), names=book(pieces, changed)) as sandbox:
        print(sandbox.url, flush=True)
        while True:
            time.sleep(60)


def ask(url: str, data: Path) -> None:
    """Ask for all names that there are, and print how many came, as JSON."""
    lake, said = Lake(data), list[str]()
    plan = Plan(ITWINS, names=("itwin", "reality_data", "detector"), names_every_hours=1e-6, tell=said.append)
    began = datetime.now(UTC)
    with Client(url, FixedToken(READY_TOKEN), Budget()) as client:
        ask_for_names(lake, client, plan, "bench")
    if said:
        raise BenchError(" ".join(said))
    with connection() as con:
        named, changed = run(
            con, f"SELECT count(*), count(*) FILTER (WHERE name LIKE 'Renamed%') FROM {lake.source(REALITY_DATA)}"
        )[0]
        asked = run(con, f"SELECT sum(requests)::BIGINT FROM {lake.source(NAME_WALKS)} WHERE started_at >= ?", [began])
    print(json.dumps({"requests": asked[0][0], "named": named, "changed": changed}))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]), int(sys.argv[3]))
    else:
        ask(sys.argv[2], Path(sys.argv[3]))
