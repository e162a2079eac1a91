"""`month`: a month of jobs listed, flattened and landed, Dagster included, and walked again; beside it dlt and the
floor on the same server and bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.bench.measuring import (
    JOBLEDGER,
    BenchError,
    Measured,
    ledger_environment,
    measure,
    plain_environment,
    python,
)
from tests.bench.report import Row, ratio
from tests.bench.server import Server
from warehouse.engine import connection, run
from warehouse.lake import Lake
from warehouse.tables import JOBS, MESSAGE_OBSERVATIONS

HEAD: Final = ("client", "jobs", "requests", "CPU s", "wall s", "peak MB", "CPU / best dlt", "CPU / floor")
LEDGER: Final = "month"
MANY: Final = "many"
"""Folders of the ledgers that the month, and the one of many jobs, was synced into."""

TIMES: Final = 3
"""How often the month is measured by each client."""

NO_DLT: Final = "dlt is not installed: make bench installs it"
OF_DLT, OF_FIRST, MEMORY_LIMIT_MB = 0.5, 0.3, 600.0
"""What jobledger may take for 100,000 new jobs, of dlt's best; for the same unchanged, of the first; and in all."""

MILLION_OF_DLT, MILLION_OF_FLOOR, BARE_OF_FLOOR = 0.4, 5.0, 3.5
"""The same for ten times as many: of dlt's best, of the floor, and without marts of the floor."""

FIRST: Final = "jobledger"
BARE: Final = "jobledger, without marts, checks and Dagster"
TEN_CHANGED: Final = "jobledger, again: ten jobs changed"
AGAIN: Final = "jobledger, again: nothing changed"
FLOOR: Final = "the floor"
BEST_DLT: Final = "dlt rest_api, parquet files"


@dataclass(frozen=True)
class Client:
    """One client on the server: what it is, what it did and what it took."""

    name: str
    jobs: int
    requests: int
    took: Measured


def has_dlt() -> bool:
    return find_spec("dlt") is not None


def by_jobledger(server: Server, month: str, data: Path, *, messages_of: Path | None = None) -> Client:
    """`jobledger sync` of the month in a fresh process, into an empty ledger.

    With `messages_of`, a ledger of the same month, it has the failed jobs' messages already: dlt never asks for them.
    """
    if messages_of is not None:
        _take_messages(month, messages_of, data)
    return _sync(server, month, data, f"{FIRST}, and a request for each failed job" if messages_of is None else FIRST)


def by_jobledger_again(server: Server, month: str, data: Path) -> Client:
    """`jobledger sync` of the month into the ledger that has all of it."""
    return _sync(server, month, data, AGAIN)


def _sync(server: Server, month: str, data: Path, name: str) -> Client:
    before = server.requests
    took = measure([JOBLEDGER, "sync", "--from", month, "--to", month], ledger_environment(server.url, data, month))
    with connection() as con:
        jobs = run(con, f"SELECT count(*) FROM {Lake(data).source(JOBS)}")[0][0]
    return Client(name, jobs, server.requests - before, took)


def by_jobledger_after_changes(server: Server, month: str, data: Path) -> Client:
    """`jobledger sync` of the month into a ledger of it, from a server on which a few jobs have changed."""
    return _sync(server, month, data, TEN_CHANGED)


def by_bare(server: Server, month: str, data: Path, *, messages_of: Path | None = None) -> Client:
    """The month walked, landed, flattened and published without Dagster, in a fresh process, into an empty ledger."""
    if messages_of is not None:
        _take_messages(month, messages_of, data)
    before = server.requests
    took = measure(python("tests.bench.bare", month), ledger_environment(server.url, data, month))
    return Client(BARE, int(took.output), server.requests - before, took)


def by_floor(server: Server, month: str, folder: Path) -> Client:
    """The floor, in a fresh process."""
    folder.mkdir()
    before = server.requests
    took = measure(python("tests.bench.floor", server.url, month, folder / "jobs.parquet"), plain_environment())
    return Client(FLOOR, int(took.output), server.requests - before, took)


def by_dlt(server: Server, month: str, folder: Path, loader_files: str | None = None) -> Client:
    """dlt's `rest_api` source into DuckDB in a fresh process, into an empty database."""
    folder.mkdir()
    env = plain_environment(DLT_DATA_DIR=str(folder), DLT_PROJECT_DIR=str(folder))
    before = server.requests
    command = python("tests.bench.dlt_client", server.url, month, folder, *([loader_files] if loader_files else []))
    took = measure(command, env)
    with connection(folder / "jobs.duckdb", read_only=True) as con:
        jobs = run(con, "SELECT count(DISTINCT id) FROM bench.jobs")[0][0]
    return Client(f"dlt rest_api, {loader_files or 'default'} files", jobs, server.requests - before, took)


def compare(server: Server, month: str, folder: Path, jobs: int, *, quick: bool = False) -> list[Client]:
    """Every client in turn, TIMES times, each with its median; `quick`: once, and without the slowest.

    What takes minutes, and what no limit is about, is measured once. Raises BenchError unless each client has the
    server's jobs.
    """
    asking = by_jobledger(server, month, folder / "asking")
    rounds = [_round(server, month, folder) for _ in range(1 if quick else TIMES)]
    first, again, *others = (_median(runs) for runs in zip(*rounds, strict=True))
    slowest = [by_dlt(server, month, folder / "dlt_default")] if has_dlt() and not quick else []
    return _whole([first, again, asking, *others, *slowest], jobs)


def _round(server: Server, month: str, folder: Path) -> list[Client]:
    """The clients that a limit is about, side by side in time, each into an empty place."""
    for name in (LEDGER, "floor", "dlt_parquet"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return [
        by_jobledger(server, month, folder / LEDGER, messages_of=folder / "asking"),
        by_jobledger_again(server, month, folder / LEDGER),
        by_floor(server, month, folder / "floor"),
        *([by_dlt(server, month, folder / "dlt_parquet", "parquet")] if has_dlt() else []),
    ]


def _median(runs: Sequence[Client]) -> Client:
    """The run with the median CPU; its memory is the most that any of them took."""
    middle = sorted(runs, key=lambda run: run.took.cpu)[len(runs) // 2]
    return replace(middle, took=replace(middle.took, peak_mb=max(run.took.peak_mb for run in runs)))


def compare_many(server: Server, changed: Server, month: str, folder: Path, jobs: int) -> list[Client]:
    """The same for a month of many jobs, with messages known; then a few of them `changed`."""
    asking = folder / "many_asking"
    by_bare(server, month, asking)
    clients = [
        by_jobledger(server, month, folder / MANY, messages_of=asking),
        by_jobledger_after_changes(changed, month, folder / MANY),
        by_bare(server, month, folder / "many_bare", messages_of=asking),
        by_floor(server, month, folder / "many_floor"),
    ]
    if has_dlt():
        clients.append(by_dlt(server, month, folder / "many_dlt", "parquet"))
    return _whole(clients, jobs)


def _whole(clients: list[Client], jobs: int) -> list[Client]:
    wrong = [f"{client.name} has {client.jobs}" for client in clients if client.jobs != jobs]
    if wrong:
        raise BenchError(f"of {jobs} jobs, {'; '.join(wrong)}")
    return clients


def rows(clients: list[Client]) -> list[Row]:
    """The table, with ratios against dlt's best configuration, where it ran, and against the floor."""
    took = {client.name: client.took for client in clients}
    dlt, floor = took.get(BEST_DLT), took.get(FLOOR)
    return [
        (
            client.name,
            f"{client.jobs:,}",
            f"{client.requests:,}",
            f"{client.took.cpu:.1f}",
            f"{client.took.wall:.1f}",
            f"{client.took.peak_mb:.0f}",
            ratio(client.took.cpu, dlt and dlt.cpu),
            ratio(client.took.cpu, floor and floor.cpu),
        )
        for client in clients
    ]


def ratios_of_many(clients: list[Client]) -> dict[str, float]:
    """What is held to a limit of the month of many jobs."""
    took = {client.name: client.took for client in clients}
    floor = took[FLOOR].cpu
    found = {"many / floor": took[FIRST].cpu / floor, "many, without marts / floor": took[BARE].cpu / floor}
    return found | ({"many / best dlt": took[FIRST].cpu / took[BEST_DLT].cpu} if BEST_DLT in took else {})


def ratios(clients: list[Client]) -> dict[str, float]:
    """What is held to a limit."""
    took = {client.name: client.took for client in clients}
    found = {
        "month / floor": took[FIRST].cpu / took[FLOOR].cpu,
        "month again / first": took[AGAIN].cpu / took[FIRST].cpu,
    }
    return found | ({"month / best dlt": took[FIRST].cpu / took[BEST_DLT].cpu} if BEST_DLT in took else {})


def _take_messages(month: str, ledger: Path, data: Path) -> None:
    """Puts the messages that another ledger has of a month into an empty one."""
    place = Lake(data).path(MESSAGE_OBSERVATIONS, month)
    place.parent.mkdir(parents=True)
    shutil.copyfile(Lake(ledger).path(MESSAGE_OBSERVATIONS, month), place)
