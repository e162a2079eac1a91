"""`make ui`: Dagster's web server and daemon, on loopback, with the home that `jobledger sync` writes its runs to.

Without credentials and without a ledger of one's own it shows the sandbox's runs, and serves the sandbox API beside
them, so that a run that is launched there finds its jobs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from dotenv import load_dotenv

from pipelines.exits import Exit, run_as_program
from pipelines.home import dagster_home
from pipelines.sandbox import Sandbox, World
from pipelines.settings import read_settings
from pipelines.trial import DATA as SANDBOX_DATA
from pipelines.trial import sandbox_environment

HOST: Final = "127.0.0.1"
PORT: Final = os.environ.get("JOBLEDGER_UI_PORT", "3000")


def main() -> Exit:
    """Run the UI until it is ended."""
    settings = read_settings()
    load_dotenv(".env", encoding="utf-8-sig")
    if settings.has_credentials or (settings.data / "lake").exists() or not SANDBOX_DATA.exists():
        return show(settings.data)
    world = World()
    with Sandbox(world) as sandbox:
        print(f"No credentials: showing the sandbox's ledger ({SANDBOX_DATA}) and serving its API.", file=sys.stderr)
        start = world.months_at(datetime.now(UTC))[0]
        os.environ.update(sandbox_environment(sandbox.url, world.itwins, start))
        return show(SANDBOX_DATA)


def show(data: Path) -> Exit:
    """Runs `dagster dev` with the Dagster home of a data folder."""
    environment = {**os.environ, "JOBLEDGER_DATA": str(data)}
    environment.setdefault("DAGSTER_HOME", str(dagster_home(data)))
    print(f"http://{HOST}:{PORT}  (Ctrl-C ends it; launched runs stay queued without it)", file=sys.stderr)
    dagster = str(Path(sys.executable).with_name("dagster"))
    process = subprocess.Popen([dagster, "dev", "-w", "workspace.yaml", "-h", HOST, "-p", PORT], env=environment)
    while True:
        try:
            return Exit.FAILED if process.wait() else Exit.DONE
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)


if __name__ == "__main__":
    run_as_program(main)
