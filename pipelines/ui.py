"""`make ui`: Dagster's web server and daemon, on loopback, with the home that `jobledger sync` writes its runs to.

Without credentials and without a ledger of one's own it shows the sandbox's runs, and serves the sandbox API beside
them, so that a run that is launched there finds its jobs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final

from dotenv import load_dotenv

from pipelines.exits import Exit, run_as_program
from pipelines.home import EVENTS, EVENTS_AT_ONCE, HOST, PORT, UI, home_of, instance
from pipelines.sandbox import Sandbox, World
from pipelines.settings import Settings, read_settings
from pipelines.trial import DATA as SANDBOX_DATA
from pipelines.trial import sandbox_environment

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECONDS_TO_END: Final = 10.0
"""How long what the UI began may take to end when asked, before it is asked harder."""


def main() -> Exit:
    """Run the UI until it is ended."""
    settings = read_settings()
    load_dotenv(".env", encoding="utf-8-sig")
    if settings.has_credentials or (settings.data / "lake").exists() or not SANDBOX_DATA.exists():
        return show(settings)
    world = World()
    with Sandbox(world) as sandbox:
        print(f"No credentials: showing the sandbox's ledger ({SANDBOX_DATA}) and serving its API.", file=sys.stderr)
        start = world.months_at(datetime.now(UTC))[0]
        os.environ.update(sandbox_environment(sandbox.url, world.itwins, start))
        return show(read_settings())


def show(settings: Settings) -> Exit:
    """Run `dagster dev` with the Dagster home of a ledger until it ends, or until a signal ends it."""
    with instance(
        settings
    ):  # makes the databases, and ends dead runs, before the first process of the UI asks for them
        home = home_of(settings)
    environment = {**os.environ, "JOBLEDGER_DATA": str(settings.data), "DAGSTER_HOME": str(home)}
    environment.setdefault(EVENTS_AT_ONCE, EVENTS)
    print(f"{UI}  (Ctrl-C ends it; launched runs stay queued without it)", file=sys.stderr)
    dagster = str(Path(sys.executable).with_name("dagster"))
    command = [dagster, "dev", "-w", "workspace.yaml", "-h", HOST, "-p", PORT]
    for number in ENDING:
        signal.signal(number, _raise_ended)
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        return Exit.FAILED if process.wait() else Exit.DONE
    except _EndedError:
        return Exit.DONE
    finally:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it began in its session: asked first, and killed if that does not do."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)  # what `dagster dev` takes as the wish to end in good order
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        if _is_gone(process, SECONDS_TO_END):
            return


def _is_gone(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether nothing is left of a process's group after at most so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        process.poll()
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


class _EndedError(Exception):
    """A signal asked the UI to end."""


def _raise_ended(number: int, frame: FrameType | None) -> None:
    raise _EndedError


if __name__ == "__main__":
    run_as_program(main)
