"""The bodies and error envelopes that the API answers with."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.responses import Response

JSON: Final = "application/json"


def json_answer(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON as it is."""
    return Response(body, status, headers, media_type=JSON)


def error_answer(
    status: int, code: str, message: str, target: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """The documented envelope of a failure; a `target` is told in the details, as the API does for bad requests."""
    error: dict[str, object] = {"code": code, "message": message}
    if target is not None:
        error["details"] = [{"code": "InvalidValue", "message": message, "target": target}]
    return json_answer(msgspec.json.encode({"error": error}), status, headers)


def too_many(retry_after: str | None) -> Response:
    """A 429; `retry_after` is the header's text, None leaves it out."""
    headers = {
        "ITwinPlatform-RateLimited-Tier": "Entry",
        "ITwinPlatform-RateLimited-API": "reality-analysis",
        "ITwinPlatform-RateLimited-Operation": "get-jobs",
    }
    if retry_after is not None:
        headers["retry-after"] = retry_after
    return error_answer(429, "RateLimitExceeded", "The client sent more requests than allowed.", headers=headers)


def no_access(message: str) -> Response:
    """A 401, which is the same for a missing, wrong, expired or revoked token."""
    return error_answer(401, "HeaderNotFound", message, headers={"www-authenticate": "Bearer"})
