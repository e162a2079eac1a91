"""What can go wrong, as a tree. Every error of the project says what happened, where, and what to do.

    JobledgerError
    ├── WrongUsage         bad ids, settings or arguments; nothing was asked of the network
    ├── Interrupted        somebody ended the run while it waited for the API
    └── ApiError           the API, or its token endpoint, did not give what was asked for
        ├── NotAuthorised  401 after one renewal of the token, 403, or a refusing token endpoint
        ├── NotFound       404
        ├── ProxyRefused   407: the proxy, not the API, wants to know who asks
        ├── BadRequest     any other 4xx
        ├── ClockFault     this machine's clock is a day or more off
        ├── RefusedLink    a redirect, or a next link to elsewhere: never followed
        ├── TooLarge       an answer of more than ITWIN_ANSWER_MEGABYTES                      (smaller)
        ├── Throttled      429 beyond patience                                     (transient)
        ├── ServerFault    5xx, 408 or 425 after all attempts                      (transient, smaller)
        ├── Malformed      HTML, empty, cut short, wrong                           (transient, smaller)
        └── Unreachable    refused, cut in the middle, silent                      (transient, smaller)
            └── Late       not whole after ITWIN_ANSWER_SECONDS                    (transient, smaller)

`transient` says that the same request may well succeed later. The client tries such a request again before it
raises the error, but for Late, which has already taken all the time that an answer gets; everything else is raised at
once. `smaller_helps` says that a page which failed so may succeed with fewer jobs on it. Which status is which error
stands in `STATUSES` and `FAMILIES`. No error ever holds a token or a secret.
"""

import html
import re
from collections.abc import Iterable, Mapping
from typing import ClassVar, Final
from urllib.parse import quote, quote_plus, urlsplit

import msgspec

from warehouse.errors import Interrupted, JobledgerError, WrongUsage

__all__ = [
    "ApiError",
    "BadRequest",
    "ClockFault",
    "Interrupted",
    "JobledgerError",
    "Late",
    "Malformed",
    "NotAuthorised",
    "NotFound",
    "ProxyRefused",
    "RefusedLink",
    "ServerFault",
    "Throttled",
    "TooLarge",
    "Unreachable",
    "WrongUsage",
]

LONGEST_TEXT = 200  # characters of an answer that are shown in an error


class ApiError(JobledgerError):
    """The API did not give what was asked for.

    `status` is the HTTP status, None when no answer came; `code` and `detail` are the API's own words, cut to 200
    characters; `where` is the method and the path. `retry_after_seconds` is what the answer asked to wait, 0 when it
    asked for nothing usable; `attempts` counts the requests that were made before giving up.
    """

    transient: ClassVar[bool] = False
    smaller_helps: ClassVar[bool] = False
    what: str = "The API did not answer as expected"
    advice: str = "Please report this with the correlation id."

    def __init__(
        self,
        what: str | None = None,
        *,
        where: str = "",
        status: int | None = None,
        code: str | None = None,
        detail: str | None = None,
        correlation_id: str | None = None,
        retry_after_seconds: float = 0.0,
        advice: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what or type(self).what
        self.advice = advice or type(self).advice
        self.where = where
        self.status = status
        self.code = code
        self.detail = detail
        self.correlation_id = correlation_id
        self.retry_after_seconds = retry_after_seconds
        self.attempts = 1

    def __str__(self) -> str:
        answer = " ".join(str(part) for part in (self.status, self.code) if part is not None)
        happened = ": ".join(part for part in (self.what, answer, self.detail) if part)
        context = [self.where] if self.where else []
        if self.attempts > 1:
            context.append(f"{self.attempts} attempts")
        if self.correlation_id:
            context.append(f"correlation id {self.correlation_id}")
        return f"{happened} [{'; '.join(context)}]. {self.advice}" if context else f"{happened}. {self.advice}"


class NotAuthorised(ApiError):
    what = "Not authorised"
    advice = (
        "Check ITWIN_CLIENT_ID and ITWIN_CLIENT_SECRET, or put a fresh token into ITWIN_ACCESS_TOKEN, and that the"
        " application has the scope itwin-platform and access to the iTwin."
    )


def refuses_token(error: BaseException) -> bool:
    """Whether an error ends all asking: the token is refused. A 403 refuses one iTwin or one request alone."""
    return isinstance(error, NotAuthorised) and error.status != 403


class NotFound(ApiError):
    what = "Not found"
    advice = "Check the ids, and that the API's address is right."


class ProxyRefused(ApiError):
    what = "The proxy refused the request"
    advice = (
        "The proxy between here and the API wants a user and a password: check HTTPS_PROXY (or HTTP_PROXY), or name the"
        " host in NO_PROXY if no proxy is needed. The token is not at fault."
    )


class BadRequest(ApiError):
    what = "The API refused the request"
    advice = "Check the ids and the months asked for; if they are right, report this with the correlation id."


class Throttled(ApiError):
    transient = True
    what = "Too many requests"
    advice = "Lower ITWIN_REQUESTS_PER_MINUTE, or run again later: what has landed is kept."


class ServerFault(ApiError):
    transient = True
    smaller_helps = True
    what = "The API failed"
    advice = "Run again later; if it lasts, give the correlation id to the support desk."


class Malformed(ApiError):
    transient = True
    smaller_helps = True
    what = "The answer is not what the API documents"
    advice = "Run again later; if it lasts, check that the address is the API's and that no proxy answers in its place."


class Unreachable(ApiError):
    transient = True
    smaller_helps = True
    what = "No whole answer came"
    advice = "Check the address, the network and the proxy settings, then run again."


class Late(Unreachable):
    what = "No whole answer came in time"
    advice = "Run again later; if the line is slow and the answers are good, raise ITWIN_ANSWER_SECONDS."


class TooLarge(ApiError):
    smaller_helps = True
    what = "The answer is too large"
    advice = "If the API really sends so much at once, raise ITWIN_ANSWER_MEGABYTES."


class ClockFault(ApiError):
    what = "This machine's clock and the API's differ by more than a day"
    advice = "Set this machine's clock, then run again: nothing of this answer was kept."


class RefusedLink(ApiError):
    what = "A link to elsewhere was not followed"
    advice = "The token goes to the configured address alone: check ITWIN_API_URL and ITWIN_TOKEN_URL."


STATUSES: Final[dict[int, type[ApiError]]] = {
    401: NotAuthorised,
    403: NotAuthorised,
    404: NotFound,
    407: ProxyRefused,
    408: ServerFault,
    425: ServerFault,
    429: Throttled,
}
"""The errors of single statuses. 408 and 425 say that the same request is welcome in a moment."""

FAMILIES: Final[dict[int, type[ApiError]]] = {3: RefusedLink, 4: BadRequest, 5: ServerFault}
"""The errors of all other statuses, by their first digit; what is in neither table is Malformed."""


class _Fault(msgspec.Struct):
    code: str | None = None
    message: str | None = None


class _FaultWithDetails(_Fault):
    details: list[_Fault] | None = None


class _Envelope(msgspec.Struct):
    """The API's `{"error": {...}}` and the token endpoint's `{"error": "code", "error_description": "..."}`."""

    error: _FaultWithDetails | str
    error_description: str | None = None


def error_from_answer(
    status: int, headers: Mapping[str, str], body: bytes, where: str, secrets: Iterable[str] = ()
) -> ApiError:
    """The error that an answer stands for, whatever shape its body has, with every secret blotted out.

    `headers` is looked up as given: pass a mapping that ignores case.
    """
    secrets = tuple(secrets)
    code, detail = _own_words(body, secrets)
    correlation_id = headers.get("x-correlation-id")
    kind = STATUSES.get(status) or FAMILIES.get(status // 100, Malformed)
    if kind is RefusedLink:
        code, detail = None, f"the redirect leads to {host_of(headers.get('location', ''))}"
    return kind(
        where=where,
        status=status,
        code=code and shown(code, secrets),
        detail=detail and shown(detail, secrets),
        correlation_id=correlation_id and shown(correlation_id, secrets),
    )


def _own_words(body: bytes, secrets: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Code and detail of an error's body; a body without the documented shape gives its first words."""
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, first_words(body, secrets)
    if isinstance(envelope.error, str):
        return envelope.error, envelope.error_description
    details = [fault.message for fault in envelope.error.details or () if fault.message]
    return envelope.error.code, "; ".join([envelope.error.message or "", *details]).strip("; ") or None


def first_words(body: bytes, secrets: Iterable[str] = ()) -> str:
    """How a body begins, readable: without tags, on one line, at most 200 characters."""
    secrets = tuple(secrets)
    text = redacted(body.decode("utf-8", "replace"), secrets)
    if text.lstrip().startswith("<"):
        text = html.unescape(re.sub(r"(?is)<(script|style)\b.*?</\1>|<[^>]*>", " ", text))
        text = "an HTML page: " + text
    return shown(text, secrets) or "an empty body"


def shown(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` fit for an error: secrets blotted out, on one line, at most 200 characters."""
    line = " ".join(redacted(text, secrets).split())
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 3] + "..."


def redacted(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret in it blotted out, also where it stands URL-encoded."""
    for secret in secrets:
        for form in (secret, quote(secret, safe=""), quote_plus(secret)):
            text = text.replace(form, "[redacted]") if form else text
    return text


def host_of(url: str) -> str:
    """The host that a link names, for messages: never its path, query or user."""
    try:
        return urlsplit(url).hostname or "no host"
    except ValueError:
        return "an unreadable address"


def innermost(error: BaseException, secrets: Iterable[str]) -> str:
    """What the network said, from under the layers that requests and urllib3 put around it."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return shown(f"{type(error).__name__}: {error}", secrets)
