"""Answers that are right in what they say and broken in how they come over the wire."""

from __future__ import annotations

import asyncio
import zlib
from functools import lru_cache

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pipelines.sandbox.answers import JSON, json_answer


class CutResponse(Response):
    """Promises its whole body, sends half of it, and hangs up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(self.body)[: len(self.body) // 2], "more_body": True})
        # To return without the rest makes the server close the connection.


class DripResponse(Response):
    """Sends its body byte by byte, with so many seconds before each, until the client has had enough."""

    def __init__(self, body: bytes, seconds: float) -> None:
        super().__init__(body, media_type=JSON)
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        gone = asyncio.ensure_future(_disconnected(receive))
        for place in range(len(self.body)):
            done, _ = await asyncio.wait([gone], timeout=self._seconds)
            if done:
                return
            await send({"type": "http.response.body", "body": bytes(self.body)[place : place + 1], "more_body": True})
        gone.cancel()
        await send({"type": "http.response.body", "body": b""})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def huge_answer(body: bytes, megabytes: int) -> Response:
    """The body, followed by so many megabytes of white space, as gzip."""
    return json_answer(_folded(body, megabytes), headers={"content-encoding": "gzip"})


@lru_cache(maxsize=8)
def _folded(body: bytes, megabytes: int) -> bytes:
    gzip = zlib.compressobj(level=1, wbits=zlib.MAX_WBITS | 16)
    blank = b" " * 1_000_000
    return b"".join([gzip.compress(body), *(gzip.compress(blank) for _ in range(megabytes)), gzip.flush()])
