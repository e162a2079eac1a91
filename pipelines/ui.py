"""`make ui`: Dagster's web server and daemon, on loopback, with the home that `jobledger sync` writes its runs to."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from dotenv import load_dotenv

from pipelines.runs import dagster_home
from pipelines.trial import DATA as SANDBOX_DATA

ADDRESS: Final = ("127.0.0.1", "3000")


def main() -> None:
    """Becomes `dagster dev`. Without a data folder of its own but with the sandbox's, it shows the sandbox's runs."""
    load_dotenv(".env")
    data = Path(os.environ.get("JOBLEDGER_DATA") or "data")
    if "JOBLEDGER_DATA" not in os.environ and not (data / "dagster").exists() and SANDBOX_DATA.exists():
        data = SANDBOX_DATA
        print(f"Showing the sandbox's runs ({data}); set JOBLEDGER_DATA for others.", file=sys.stderr)
    os.environ["JOBLEDGER_DATA"] = str(data)
    os.environ.setdefault("DAGSTER_HOME", str(dagster_home(data)))
    host, port = ADDRESS
    print(f"http://{host}:{port}  (Ctrl-C ends it; launched runs stay queued without it)", file=sys.stderr)
    arguments = ["dagster", "dev", "--workspace", "workspace.yaml", "--host", host, "--port", port]
    os.execv(str(Path(sys.executable).with_name("dagster")), arguments)


if __name__ == "__main__":
    main()
