"""How an answer comes over the wire: whole, in time and of a bounded size, or not at all.

requests and urllib3 bound each wait for bytes, but not the answer: a server that sends a byte now and then would hold
a month for ever, and a small compressed body may unfold to gigabytes. Here one deadline holds for connecting, headers
and body together, and a body is counted while it is read and unfolded, part by part.

The deadline is kept where bytes come in: `_Reader` stands between the socket and http.client and waits for no byte
beyond it. Two steps are out of its reach: looking up the host's name, and a host with several addresses of which each
gets the whole time to connect.
"""

import http.client
import io
import math
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from socket import socket
from typing import Any, Final, Self
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from assets.api.addresses import is_loopback
from assets.api.bodies import without_mark
from assets.api.errors import (
    Interrupted,
    Late,
    Malformed,
    ProxyRefused,
    TooLarge,
    Unreachable,
    WrongUsage,
    host_of,
    innermost,
)

PART: Final = 1 << 18
"""Bytes of a body that are read and unfolded at a time."""

LOOK_SECONDS: Final = 0.2
"""How long a read may wait before it looks whether the run was interrupted."""

Sign = Callable[[requests.PreparedRequest], requests.PreparedRequest]


@dataclass(frozen=True)
class AnswerLimits:
    """How long an answer may take, from connecting to its last byte, and how large it may be once unfolded.

    Raises WrongUsage for a limit that allows nothing.
    """

    seconds: float = 120.0
    megabytes: float = 256.0

    def __post_init__(self) -> None:
        for value in (self.seconds, self.megabytes):
            if not 0 < value < math.inf:
                raise WrongUsage(f"give a number above 0, not {value!r}")


@dataclass(frozen=True)
class Reply:
    """A whole answer. `body` is unfolded and has no byte order mark; `received_at` is UTC.

    `secrets` went out with the request and are blotted out of what an error shows.
    """

    where: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    secrets: tuple[str, ...] = field(repr=False)


class Line:
    """A line to one host, over kept connections that all threads share. Times are in seconds.

    `silence` begins the message where no whole answer came. Once `stopped` is set, whoever waits for an answer raises
    Interrupted.
    """

    def __init__(
        self,
        url: str,
        silence: str,
        limits: AnswerLimits,
        stopped: threading.Event,
        *,
        connect_timeout: float,
        read_timeout: float,
        pool_size: int = 1,
    ) -> None:
        self._host = host_of(url)
        self._silence = silence
        self._limits = limits
        self._stopped = stopped
        self._timeout = (min(connect_timeout, limits.seconds), min(read_timeout, limits.seconds))
        self._session = _session(url, _Adapter(pool_connections=1, pool_maxsize=pool_size))

    def ask(
        self,
        method: str,
        url: str,
        sign: Sign,
        secrets: tuple[str, ...],
        form: Mapping[str, str] | bytes | None = None,
    ) -> Reply:
        """The whole answer to one request, whatever its status.

        `sign` adds what says who asks; `form` is sent as form fields, or as it is. Raises Unreachable, Late, TooLarge,
        Malformed, ProxyRefused or Interrupted.
        """
        where = f"{method} {urlsplit(url).path}"
        with self._told_as_ours(where, secrets):
            _now.begin(self._limits, self._stopped)
            response = self._session.request(
                method, url, data=form, auth=_Signed(sign), timeout=self._timeout, allow_redirects=False
            )
        body = without_mark(response.content)
        return Reply(where, response.status_code, response.headers, body, datetime.now(UTC), secrets)

    def close(self) -> None:
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @contextmanager
    def _told_as_ours(self, where: str, secrets: tuple[str, ...]) -> Generator[None]:
        """Turn the errors of the libraries into ours.

        Their texts are told in `detail` and not chained, since they repeat what was sent.
        """
        try:
            yield
        except _Overflow:
            what = f"The answer of {self._host} is larger than {self._limits.megabytes:g} MB (ITWIN_ANSWER_MEGABYTES)"
            raise TooLarge(what, where=where) from None
        except requests.exceptions.ContentDecodingError as error:
            raise Malformed(where=where, detail=innermost(error, secrets)) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            detail = innermost(error, secrets)
            if isinstance(error, requests.exceptions.ProxyError) and " 407 " in detail:
                raise ProxyRefused(where=where, status=407, detail=detail) from None
            if time.monotonic() >= _now.due:
                what = f"{self._silence} within {self._limits.seconds:g} s (ITWIN_ANSWER_SECONDS)"
                raise Late(what, where=where) from None
            raise Unreachable(self._silence, where=where, detail=detail) from None


class _Overflow(Exception):
    """A body is longer than it may be."""


class _Asking(threading.local):
    """What holds for the answer that this thread waits for."""

    due: float = math.inf
    most_bytes: float = math.inf
    stopped: threading.Event

    def begin(self, limits: AnswerLimits, stopped: threading.Event) -> None:
        self.due = time.monotonic() + limits.seconds
        self.most_bytes = limits.megabytes * 1e6
        self.stopped = stopped


_now = _Asking()


class _Signed(AuthBase):
    """Signs one request. Being an auth, it also keeps requests from taking one out of a .netrc file."""

    def __init__(self, sign: Sign) -> None:
        self._sign = sign

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        return self._sign(r)


def _session(url: str, adapter: HTTPAdapter) -> requests.Session:
    """A session for one host that threads can share: nothing in it changes from request to request."""
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.trust_env = not is_loopback(url)  # what goes to this machine goes through no proxy
    session.get_redirect_target = _no_redirect
    session.mount(url, adapter)
    return session


def _no_redirect(resp: requests.Response) -> None:
    """For `Session.get_redirect_target`: requests reads a redirect's target, and may fail at it, even unfollowed."""


class _Adapter(HTTPAdapter):
    """Answers whose bytes are waited for until the deadline and counted."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        if isinstance(manager, urllib3.ProxyManager):  # SOCKS has connections of its own
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **kwargs)
        response.raw = _Counted(response.raw)
        return response


class _Counted:
    """urllib3's response, whose body is counted as it unfolds; raises _Overflow once it is longer than it may be."""

    def __init__(self, raw: urllib3.BaseHTTPResponse) -> None:
        self._raw = raw

    def stream(self, amt: int, decode_content: bool) -> Generator[bytes]:
        told, count = self._raw.headers.get("content-length", ""), 0
        if told.isdecimal() and int(told[:20]) > _now.most_bytes:
            self._refuse()
        for part in self._raw.stream(PART, decode_content):
            count += len(part)
            if count > _now.most_bytes:
                self._refuse()
            yield part

    def _refuse(self) -> None:
        self._raw.close()  # the rest would have to be read before the connection could serve another request
        raise _Overflow

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class _Reader(io.RawIOBase):
    """The bytes of a socket. No read waits beyond the deadline, the socket's own time-out, or an interruption."""

    def __init__(self, sock: socket, made: io.BufferedReader) -> None:
        self._sock = sock
        self._made = made  # keeps the socket open until the answer is closed
        self._longest_silence = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._sock.fileno()

    def readinto(self, buffer: Any) -> int:
        until = min(_now.due, time.monotonic() + (self._longest_silence or math.inf))
        try:
            while True:
                if _now.stopped.is_set():
                    raise Interrupted("The run was interrupted while it waited for an answer.")
                left = until - time.monotonic()
                if left <= 0:
                    raise TimeoutError("no byte came in time")
                self._sock.settimeout(min(left, LOOK_SECONDS))
                try:
                    return self._sock.recv_into(buffer)
                except TimeoutError:
                    continue
        finally:
            self._sock.settimeout(self._longest_silence)

    def close(self) -> None:
        super().close()
        self._made.close()


class _TimedResponse(http.client.HTTPResponse):
    """http.client's response on a reader that keeps the deadline."""

    def __init__(self, sock: socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(sock, self.fp), 1 << 16)


class _TimedHTTP(HTTPConnection):
    response_class = _TimedResponse


class _TimedHTTPS(HTTPSConnection):
    response_class = _TimedResponse


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls: Any = _TimedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls: Any = _TimedHTTPS


_POOLS: Final[dict[str, type[HTTPConnectionPool] | type[HTTPSConnectionPool]]] = {
    "http": _HTTPPool,
    "https": _HTTPSPool,
}
