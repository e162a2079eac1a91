"""A real HTTP server on loopback that answers by a script, misbehaving where the script says so."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer. `missing` bytes are promised by Content-Length and never sent: the connection is cut instead.

    With `drip_seconds`, the body comes byte by byte with such a pause before each; with `drip_head` the head does too.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    missing: int = 0
    delay_seconds: float = 0.0
    drip_seconds: float = 0.0
    drip_head: bool = False


@dataclass(frozen=True)
class Request:
    """What the server got."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


Responder = Callable[[Request], Reply]


@dataclass(frozen=True)
class Server:
    url: str
    requests: list[Request]


def json_reply(content: Any, status: int = 200, **headers: str) -> Reply:
    """A JSON answer; `retry_after="1"` gives the header `retry-after: 1`."""
    return Reply(status, json.dumps(content).encode(), {k.replace("_", "-"): v for k, v in headers.items()})


def script(replies: Sequence[Reply]) -> Responder:
    """Answers with one reply after the other; the last one again and again."""
    waiting, lock = list(replies), threading.Lock()

    def respond(request: Request) -> Reply:
        with lock:
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return respond


@contextmanager
def serving(
    *replies: Reply, respond: Responder | None = None, certificate: tuple[Path, Path] | None = None
) -> Generator[Server]:
    """A server on 127.0.0.1 that answers by `replies` in order, or by `respond`.

    With a certificate and its key it is a server on localhost that speaks TLS.
    """
    answer = respond or script(replies)
    seen: list[Request] = []
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answer, seen))
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        address = "http://127.0.0.1" if certificate is None else "https://localhost"
        yield Server(f"{address}:{httpd.server_port}", seen)
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def _handler(respond: Responder, seen: list[Request]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            request = Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            seen.append(request)
            reply = respond(request)
            time.sleep(reply.delay_seconds)
            self.send_answer(reply)

        def send_answer(self, reply: Reply) -> None:
            if any(name.lower() == "date" for name in reply.headers):
                self.send_response_only(reply.status)
            else:
                self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body) + reply.missing))
            try:
                self.send_head(reply)
                if self.command != "HEAD":  # its answer has no body; one would be read as the next answer's head
                    self.send_bytes(reply.body, reply.drip_seconds)
            except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                self.close_connection = True  # the client has given up, as a test of a time-out wants
            self.close_connection = self.close_connection or reply.missing > 0

        def send_head(self, reply: Reply) -> None:
            whole, self._headers_buffer = [*self._headers_buffer, b"\r\n"], []
            self.send_bytes(b"".join(whole), reply.drip_seconds if reply.drip_head else 0)

        def send_bytes(self, content: bytes, drip_seconds: float) -> None:
            for place in range(0, len(content), 1 if drip_seconds else max(1, len(content))):
                time.sleep(drip_seconds)
                self.wfile.write(content[place : place + 1] if drip_seconds else content)

        do_GET = answer
        do_POST = answer
        do_PUT = answer
        do_HEAD = answer
        do_CONNECT = answer

    return Handler
