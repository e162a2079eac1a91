import pickle
import re

import pytest
from requests.structures import CaseInsensitiveDict

from assets.api import errors
from assets.api.errors import (
    ApiError,
    BadRequest,
    ClockFault,
    Interrupted,
    JobledgerError,
    Late,
    Malformed,
    NotAuthorised,
    NotFound,
    ProxyRefused,
    RefusedLink,
    ServerFault,
    Throttled,
    TooLarge,
    Unreachable,
    WrongUsage,
    error_from_answer,
    first_words,
)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, Malformed),
        (302, RefusedLink),
        (400, BadRequest),
        (401, NotAuthorised),
        (403, NotAuthorised),
        (404, NotFound),
        (407, ProxyRefused),
        (408, ServerFault),
        (409, BadRequest),
        (425, ServerFault),
        (429, Throttled),
        (500, ServerFault),
        (504, ServerFault),
    ],
)
def test_the_status_tells_the_kind_of_error(status: int, kind: type[ApiError]) -> None:
    assert type(error_from_answer(status, {}, b"", "GET /jobs")) is kind


def test_only_what_may_pass_by_itself_is_transient_and_only_what_is_large_is_asked_for_smaller() -> None:
    kinds = {*ApiError.__subclasses__(), *Unreachable.__subclasses__()}
    assert {kind for kind in kinds if kind.transient} == {Throttled, ServerFault, Malformed, Unreachable, Late}
    assert {kind for kind in kinds if kind.smaller_helps} == {ServerFault, Malformed, Unreachable, Late, TooLarge}
    assert {kind for kind in kinds if not (kind.transient or kind.smaller_helps)} == {
        NotAuthorised,
        NotFound,
        ProxyRefused,
        BadRequest,
        ClockFault,
        RefusedLink,
    }


def test_the_tree_in_the_docs_is_the_tree_of_the_classes() -> None:
    def drawn(kind: type[Exception]) -> str:
        marks = [mark for mark in ("transient", "smaller_helps") if getattr(kind, mark, False)]
        return " ".join([kind.__name__, *marks]).replace("_helps", "")

    shown = [line for line in (errors.__doc__ or "").splitlines() if "── " in line]
    words = [re.findall(r"── (\w+)|\b(transient|smaller)\b", line) for line in shown]
    classes = [WrongUsage, Interrupted, ApiError, *ApiError.__subclasses__(), *Unreachable.__subclasses__()]
    assert sorted(" ".join(a or b for a, b in line) for line in words) == sorted(drawn(kind) for kind in classes)


def test_wrong_usage_is_not_a_fault_of_the_api() -> None:
    assert issubclass(WrongUsage, JobledgerError)
    assert not issubclass(WrongUsage, ApiError)


def test_an_error_says_what_happened_where_and_what_to_do() -> None:
    body = b"""{"error": {"code": "InvalidRealityAnalysisRequest", "message": "Cannot list jobs.", "extra": 1,
        "details": [{"code": "InvalidParameter", "message": "$top is out of range.", "target": "$top"}]}}"""
    headers = CaseInsensitiveDict({"X-Correlation-Id": "c-1"})
    error = error_from_answer(400, headers, body, "GET /reality-analysis/jobs")
    error.attempts = 2
    assert str(error) == (
        "The API refused the request: 400 InvalidRealityAnalysisRequest: Cannot list jobs.; $top is out of range."
        " [GET /reality-analysis/jobs; 2 attempts; correlation id c-1]. Check the ids and the months asked for;"
        " if they are right, report this with the correlation id."
    )


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "an empty body"),
        (b"upstream  timed\nout", "upstream timed out"),
        (b'{"fault": 1}', '{"fault": 1}'),
        (b'{"error": {"code": 7}}', '{"error": {"code": 7}}'),
        (
            b"<html><style>p {x: y}</style><h1>502</h1><p>Bad &amp; gone</p></html>",
            "an HTML page: 502 Bad & gone",
        ),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_a_body_without_the_documented_shape_gives_its_first_words(body: bytes, detail: str) -> None:
    error = error_from_answer(500, {}, body, "GET /jobs")
    assert (error.code, error.detail) == (None, detail)


def test_the_token_endpoints_shape_is_understood_too() -> None:
    body = b'{"error": "invalid_client", "error_description": "no such client"}'
    error = error_from_answer(401, {}, body, "POST /connect/token")
    assert (error.code, error.detail) == ("invalid_client", "no such client")


def test_a_long_body_is_cut_to_200_characters() -> None:
    assert first_words(b"x" * 100_000) == "x" * 197 + "..."


def test_a_redirect_names_only_the_host_it_leads_to() -> None:
    headers = {"location": "https://user:word@elsewhere.example/path?secret=1"}
    error = error_from_answer(302, headers, b"moved: secret", "GET /jobs")
    assert (error.code, error.detail) == (None, "the redirect leads to elsewhere.example")


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"code": "a/canary b", "message": "got a/canary b", "details": [{"message": "a/canary b"}]}}',
        b'{"error": "x", "error_description": "client_secret=a%2Fcanary%20b and a%2Fcanary+b"}',
        b"<p>a/canary b</p>",
        b"<p>a/can&#97;ry b</p>",
    ],
)
def test_secrets_are_blotted_out_wherever_the_answer_repeats_them(body: bytes) -> None:
    headers = {"x-correlation-id": "a/canary b"}
    text = str(error_from_answer(400, headers, body, "GET /jobs", ["a/canary b", ""]))
    assert "canary" not in text
    assert "[redacted]" in text


def test_an_error_survives_the_way_to_another_process() -> None:
    error = error_from_answer(500, {"x-correlation-id": "c-1"}, b"oops", "GET /jobs")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (ServerFault, str(error))
