"""Where access tokens come from. Nothing here ever shows a token or a secret: not in repr, not in an error.

A token source is shared by all threads. `token()` gives the token to send; `renew(stale)` is for the one that the API
just refused, and asks for a new one only if no other thread has done so meanwhile.
"""

import base64
import contextlib
import hashlib
import math
import threading
import time
from collections.abc import Callable
from threading import Lock
from typing import Protocol
from urllib.parse import urlsplit

import msgspec
import requests

from assets.api.addresses import secure_url
from assets.api.bodies import decoded
from assets.api.errors import (
    ApiError,
    Interrupted,
    Malformed,
    NotAuthorised,
    WrongUsage,
    error_from_answer,
    host_of,
)
from assets.api.patience import Patience, retry_after_seconds
from assets.api.transport import AnswerLimits, Line, Reply

SCOPE = "itwin-platform"
USUAL_LIFETIME_SECONDS = 3600.0  # for a token endpoint that does not say


class TokenSource(Protocol):
    def token(self) -> str:
        """The token to send now. Raises an ApiError when there is none to be had."""
        ...

    def renew(self, stale: str) -> str:
        """A token other than `stale`, which the API refused. Raises NotAuthorised when there is none."""
        ...

    def identity(self) -> str:
        """A digest of whoever the token speaks for, the same for all tokens of theirs as far as they show it."""
        ...


class FixedToken:
    """A ready token. It cannot be renewed. Raises WrongUsage for text that cannot be a token."""

    def __init__(self, token: str) -> None:
        if not _is_token(token):
            raise WrongUsage(
                "the access token is empty or has spaces, line ends or other characters that no token has:"
                " give the token alone, without `Bearer`"
            )
        self._token = token

    def __repr__(self) -> str:
        return "FixedToken(...)"

    def token(self) -> str:
        return self._token

    def renew(self, stale: str) -> str:
        """Raises NotAuthorised, with no status as nobody was asked."""
        raise NotAuthorised("The access token was refused, and a ready token cannot be renewed")

    def identity(self) -> str:
        """The digest of the token's subject or client, or of the token itself where it shows none."""
        return _digest(_subject(self._token) or f"token {self._token}")


class ClientCredentials:
    """Tokens for a service application, by the OAuth 2 grant `client_credentials` (form fields, `client_secret_post`).

    A token is fetched when first needed and kept until `leeway_seconds` before it expires, or for half of its life if
    that is shorter. One thread fetches while the others wait. The secret goes to `token_url` alone: redirects are not
    followed, and plain http is refused (WrongUsage) except to a loopback address.

    `token()` and `renew()` raise NotAuthorised when the endpoint refuses, and otherwise the errors of
    `assets.api.errors.ApiError`, or Interrupted once `stopped` is set.
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: str,
        *,
        limits: AnswerLimits = AnswerLimits(),  # noqa: B008 - it never changes
        stopped: threading.Event | None = None,
        leeway_seconds: float = 60.0,
        connect_timeout: float = 10.0,
        read_timeout: float = 30.0,
        attempts: int = 4,
        backoff_seconds: float = 0.5,
        longest_wait_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._token_url = secure_url(token_url)
        self._client_id = client_id
        self._client_secret = client_secret
        self._limits = limits
        self._stopped = stopped or threading.Event()
        self._leeway_seconds = leeway_seconds
        self._timeouts = (connect_timeout, read_timeout)
        self._patience = (attempts, backoff_seconds, longest_wait_seconds)
        self._clock = clock
        self._sleep = sleep or self._stopped.wait
        self._lock = Lock()
        self._token: str | None = None
        self._fresh_until = 0.0

    def __repr__(self) -> str:
        return f"ClientCredentials({self._token_url!r}, {self._client_id!r}, ...)"

    def token(self) -> str:
        with self._lock:
            if self._token is None or self._clock() >= self._fresh_until:
                return self._fetch()
            return self._token

    def renew(self, stale: str) -> str:
        with self._lock:
            if self._token is None or self._token == stale:
                return self._fetch()
            return self._token

    def identity(self) -> str:
        """The digest of the client id."""
        return _digest(f"client {self._client_id}")

    def _fetch(self) -> str:
        """Ask for a token and keep it. The caller holds the lock, so that one thread asks for all."""
        asked_at = self._clock()
        grant = self._ask()
        lifetime = grant.lifetime_seconds
        self._fresh_until = asked_at + lifetime - min(self._leeway_seconds, lifetime / 2)
        self._token = grant.access_token
        return grant.access_token

    def _ask(self) -> "_Grant":
        """A grant, asked for again while faults are transient and patience lasts: asking twice does no harm."""
        patience = Patience(*self._patience, pause=self._wait, wait=self._wait)
        attempts = 0
        with self._line() as line:
            while True:
                attempts += 1
                try:
                    return self._grant(line.ask("POST", self._token_url, _unsigned, (self._client_secret,), self._form))
                except ApiError as fault:
                    fault.attempts = attempts
                    patience.hold_off(fault)

    @property
    def _form(self) -> dict[str, str]:
        return {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "scope": SCOPE,
        }

    def _line(self) -> Line:
        """A line for one fetch: tokens are asked for too seldom to keep a connection."""
        connect_timeout, read_timeout = self._timeouts
        return Line(
            self._token_url,
            f"The token endpoint at {host_of(self._token_url)} gave no whole answer",
            self._limits,
            self._stopped,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
        )

    def _wait(self, seconds: float) -> None:
        self._sleep(seconds)
        if self._stopped.is_set():
            raise Interrupted("The run was interrupted while it waited for a token.")

    def _grant(self, reply: Reply) -> "_Grant":
        """The grant in an answer of the token endpoint; an error of this project if there is none."""
        if reply.status != 200:
            raise self._refusal(reply)
        try:
            grant = decoded(reply.body, _Grant)
        except ValueError:
            grant = None
        if grant is None or not _is_token(grant.access_token):
            # The body may hold a token in a shape that is not understood, so none of it is shown.
            problem = "no usable access_token" if reply.body.lstrip().startswith(b"{") else "no JSON object"
            raise Malformed(where=self._where, status=200, detail=f"the token endpoint's answer has {problem}")
        return grant

    def _refusal(self, reply: Reply) -> ApiError:
        error = error_from_answer(reply.status, reply.headers, reply.body, reply.where, reply.secrets)
        error.retry_after_seconds = retry_after_seconds(reply.headers)
        if error.status not in (400, 401, 403):
            return error
        return NotAuthorised(
            "The token endpoint refused the application",
            where=error.where,
            status=error.status,
            code=error.code,
            detail=error.detail,
            correlation_id=error.correlation_id,
        )

    @property
    def _where(self) -> str:
        return f"POST {urlsplit(self._token_url).path}"


class _Grant(msgspec.Struct):
    access_token: str
    expires_in: object = None

    @property
    def lifetime_seconds(self) -> float:
        """What `expires_in` tells, as a number or as text; the usual lifetime where it tells nothing of use."""
        told = 0.0
        if isinstance(self.expires_in, (int, float, str)):
            with contextlib.suppress(ValueError, OverflowError):
                told = float(self.expires_in)
        return told if 0 < told < math.inf else USUAL_LIFETIME_SECONDS


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """For the token endpoint: the secret stands in the form."""
    return request


class _Claims(msgspec.Struct):
    """What a token says of itself, which is not verified here; empty for one that is no JSON Web Token."""

    sub: str | None = None
    client_id: str | None = None
    scope: str | list[str] | None = None


def scopes_of(token: str) -> frozenset[str] | None:
    """The scopes that a token shows; None where it shows none."""
    scope = _claims(token).scope
    words = scope.split() if isinstance(scope, str) else scope
    return None if words is None else frozenset(words)


def _claims(token: str) -> _Claims:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token.split(".")[1] + "=="), type=_Claims)
    except (IndexError, ValueError):
        return _Claims()


def _subject(token: str) -> str | None:
    """Whom a token speaks for, by its own claims; None where it shows none."""
    claims = _claims(token)
    if claims.sub:
        return f"subject {claims.sub}"
    return f"client {claims.client_id}" if claims.client_id else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _is_token(text: str) -> bool:
    # requests quotes a header value that it refuses in its error, so such a token must not get that far.
    return bool(text) and text.isascii() and text.isprintable() and " " not in text
