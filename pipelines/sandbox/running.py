"""Running the sandbox API on loopback: in a thread beside a test or a demonstration, or in the foreground."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Final, Self

import uvicorn
from starlette.applications import Starlette

from pipelines.sandbox.clocks import system_clock
from pipelines.sandbox.faults import Faults
from pipelines.sandbox.interface import ApiWorld
from pipelines.sandbox.name_book import NameBook
from pipelines.sandbox.server import LogEntry, create_app

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 10.0


class SandboxError(RuntimeError):
    """The sandbox API did not come up: says why."""


class Sandbox:
    """The sandbox API in a thread of this process, as long as the `with` block lasts.

    `port` 0 takes a free one; `url` is the address without a slash at its end. Errors: OSError when the port is taken,
    SandboxError when the server does not come up.
    """

    def __init__(
        self,
        world: ApiWorld,
        port: int = 0,
        *,
        clock: Callable[[], datetime] = system_clock,
        token_ttl: float = 3600,
        client_id: str = "sandbox",
        client_secret: str = "sandbox-secret",
        rate_per_minute: float | None = None,
        faults: Faults | None = None,
        names: NameBook | None = None,
    ) -> None:
        self.app = create_app(
            world,
            names=names,
            clock=clock,
            token_ttl=token_ttl,
            client_id=client_id,
            client_secret=client_secret,
            rate_per_minute=rate_per_minute,
            faults=faults,
        )
        self._wanted_port = port
        self.url = ""

    @property
    def token_url(self) -> str:
        return f"{self.url}/connect/token"

    @property
    def log(self) -> deque[LogEntry]:
        """The requests that came in, oldest first."""
        return self.app.state.log

    def __enter__(self) -> Self:
        listener = socket.create_server((HOST, self._wanted_port), backlog=128)
        self.url = f"http://{HOST}:{listener.getsockname()[1]}"
        self._server = uvicorn.Server(_config(self.app))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True
        )
        self._thread.start()
        self._wait_until_started(listener)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()

    def _wait_until_started(self, listener: socket.socket) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self._server.should_exit = True
                listener.close()
                raise SandboxError(f"the sandbox API did not come up at {self.url} within {START_SECONDS:.0f} s")
            time.sleep(0.005)


def serve(
    world: ApiWorld,
    port: int = 8765,
    *,
    clock: Callable[[], datetime] = system_clock,
    rate_per_minute: float | None = None,
    faults: Faults | None = None,
) -> None:
    """Serve in the foreground until interrupted. Errors: OSError when the port is taken."""
    app = create_app(world, clock=clock, rate_per_minute=rate_per_minute, faults=faults)
    with socket.create_server((HOST, port), backlog=128) as listener:
        uvicorn.Server(_config(app)).run(sockets=[listener])


def _config(app: Starlette) -> uvicorn.Config:
    # Connections cut on purpose would fill the log, and nobody reads it: answers say what there is to say.
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        date_header=False,
        timeout_graceful_shutdown=1,
    )
