"""The web server and the daemon as `make ui` starts them, and questions to them as the UI asks."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests

from tests.pipelines.ledger_of_sandbox import ROOT

T = TypeVar("T")


@dataclass(frozen=True)
class Ui:
    """The UI on a ledger of its own; what it prints lies in `log.txt`."""

    url: str
    home: Path
    process: subprocess.Popen[bytes]


@contextmanager
def serving_ui(env: Mapping[str, str], home: Path) -> Generator[Ui]:
    """Start them with these settings, wait until they answer, and end them."""
    port = free_port()
    command = [sys.executable, "-m", "pipelines.ui"]
    with _serving(command, ROOT, {**env, "JOBLEDGER_UI_PORT": str(port)}, home, port) as found:
        yield found


@contextmanager
def serving_workspace(folder: Path, env: Mapping[str, str], home: Path) -> Generator[Ui]:
    """Start Dagster's own web server and daemon on the `workspace.yaml` of a folder, as another team does."""
    port = free_port()
    dagster = str(Path(sys.executable).with_name("dagster"))
    command = [dagster, "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    with _serving(command, folder, env, home, port) as found:
        yield found


@contextmanager
def _serving(command: Sequence[str], cwd: Path, env: Mapping[str, str], home: Path, port: int) -> Generator[Ui]:
    with (home / "log.txt").open("w") as log:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}"), 240, "the web server")
            yield Ui(f"http://127.0.0.1:{port}", home, process)
        finally:
            process.terminate()
            process.wait(60)


def until(question: Callable[[], T], seconds: float, what: str) -> T:
    """Ask again and again until there is an answer; fail with what it waited for."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if answer := question():
            return answer
        time.sleep(0.3)
    raise AssertionError(f"waited {seconds} s for {what}")


def graphql(url: str, query: str, **variables: Any) -> Any:
    answer = requests.post(f"{url}/graphql", json={"query": query, "variables": variables}, timeout=30)
    return answer.json()["data"]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/server_info", timeout=2).ok
    except requests.ConnectionError:
        return False
