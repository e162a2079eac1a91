"""Where access tokens come from. Nothing here ever shows a token or a secret: not in repr, not in an error.

A token source is shared by all threads. `token()` gives the token to send; `renew(stale)` is for the one that the API
just refused, and asks for a new one only if no other thread has done so meanwhile.
"""

import ipaddress
import time
from collections.abc import Callable
from threading import Lock
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3
from authlib.integrations.requests_client import (  # pyright: ignore[reportMissingTypeStubs]
    OAuth2Session,  # pyright: ignore[reportUnknownVariableType]
)
from requests.adapters import HTTPAdapter

from assets.api.budget import Patience
from assets.api.errors import (
    JobledgerError,
    Malformed,
    NotAuthorised,
    Unreachable,
    WrongUsage,
    error_from_answer,
    host_of,
    innermost,
)

SCOPE = "itwin-platform"
USUAL_LIFETIME_SECONDS = 3600.0  # for a token endpoint that does not say


class TokenSource(Protocol):
    def token(self) -> str:
        """The token to send now. Raises an ApiError when there is none to be had."""
        ...

    def renew(self, stale: str) -> str:
        """A token other than `stale`, which the API refused. Raises NotAuthorised when there is none."""
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


class ClientCredentials:
    """Tokens for a service application, by the OAuth 2 grant `client_credentials` (form fields, `client_secret_post`).

    A token is fetched when first needed and kept until `leeway_seconds` before it expires, or for half of its life if
    that is shorter. One thread fetches while the others wait. The secret goes to `token_url` alone: redirects are not
    followed, and plain http is refused (WrongUsage) except to a loopback address.

    `token()` and `renew()` raise NotAuthorised when the endpoint refuses, and otherwise Throttled, ServerFault,
    Malformed, Unreachable, RefusedLink, NotFound or BadRequest.
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: str,
        *,
        leeway_seconds: float = 60.0,
        connect_timeout: float = 10.0,
        read_timeout: float = 30.0,
        attempts: int = 4,
        backoff_seconds: float = 0.5,
        longest_wait_seconds: int = 60,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token_url = secure_url(token_url)
        self._client_id = client_id
        self._client_secret = client_secret
        self._leeway_seconds = leeway_seconds
        self._timeout = (connect_timeout, read_timeout)
        self._retries = Patience(
            total=attempts - 1,
            allowed_methods={"POST"},  # asking for a token twice does no harm
            status_forcelist={429, 500, 502, 503, 504},
            backoff_factor=backoff_seconds,
            retry_after_max=longest_wait_seconds,
            raise_on_status=False,
        )
        self._clock = clock
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

    def _fetch(self) -> str:
        """Ask for a token and keep it. The caller holds the lock, so that one thread asks for all."""
        asked_at = self._clock()
        grant = self._ask()
        told = grant.expires_in or 0.0
        lifetime = told if told > 0 else USUAL_LIFETIME_SECONDS
        self._fresh_until = asked_at + lifetime - min(self._leeway_seconds, lifetime / 2)
        self._token = grant.access_token
        return grant.access_token

    def _ask(self) -> "_Grant":
        grants: list[_Grant] = []

        def check(response: requests.Response) -> requests.Response:
            grants.append(self._grant(response))
            return response

        with self._session(check) as session:
            try:
                cast(Any, session).fetch_token(
                    self._token_url, grant_type="client_credentials", timeout=self._timeout, allow_redirects=False
                )
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                raise Unreachable(
                    f"The token endpoint at {host_of(self._token_url)} gave no whole answer",
                    where=self._where,
                    detail=innermost(error, [self._client_secret]),
                ) from None
        return grants[0]

    def _session(self, check: Callable[[requests.Response], requests.Response]) -> requests.Session:
        """A session of Authlib's that lives for one fetch; `check` sees the answer before Authlib does."""
        oauth: Any = OAuth2Session(
            client_id=self._client_id,
            client_secret=self._client_secret,
            token_endpoint_auth_method="client_secret_post",
            scope=SCOPE,
        )
        oauth.register_compliance_hook("access_token_response", check)
        session = cast(requests.Session, oauth)
        session.trust_env = not is_loopback(self._token_url)
        session.get_redirect_target = no_redirect
        session.mount(self._token_url, HTTPAdapter(max_retries=self._retries))
        return session

    def _grant(self, response: requests.Response) -> "_Grant":
        """The grant in an answer of the token endpoint; an error of this project if there is none."""
        if response.status_code != 200:
            raise self._refusal(response)
        try:
            grant = msgspec.json.decode(response.content, type=_Grant, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError):
            grant = None
        if grant is None or not _is_token(grant.access_token):
            # The body may hold a token in a shape that is not understood, so none of it is shown.
            problem = "no usable access_token" if response.content.lstrip().startswith(b"{") else "no JSON object"
            raise Malformed(where=self._where, status=200, detail=f"the token endpoint's answer has {problem}")
        return grant

    def _refusal(self, response: requests.Response) -> JobledgerError:
        error = error_from_answer(
            response.status_code, response.headers, response.content, self._where, [self._client_secret]
        )
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
    expires_in: float | None = None


def _is_token(text: str) -> bool:
    # requests quotes a header value that it refuses in its error, so such a token must not get that far.
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def no_redirect(resp: requests.Response) -> None:
    """For `Session.get_redirect_target`: requests reads a redirect's target, and may fail at it, even unfollowed."""


def secure_url(url: str) -> str:
    """`url` without a slash at its end, if a secret may be sent there; else raises WrongUsage.

    It must be https, or http to a loopback address, and hold no user, query or fragment.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
        parts = urlsplit("")
    if not host or parts.scheme not in ("https", "http"):
        raise WrongUsage("an address is not readable: give one such as https://api.bentley.com")
    if parts.username is not None or parts.query or parts.fragment:
        raise WrongUsage(f"the address at {host} must have no user, query or fragment")
    if parts.scheme == "http" and not is_loopback(url):
        raise WrongUsage(f"plain http would show the token to everyone on the way to {host}: use https")
    return url.rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
