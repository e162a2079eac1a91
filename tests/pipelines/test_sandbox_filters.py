from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pipelines.sandbox.filter_grammar import FilterError, parse_filter
from pipelines.sandbox.instants import parse_timestamp, with_offset, with_z
from pipelines.sandbox.interface import Bounds
from pipelines.sandbox.scripted import Record

GUID = "2c8e3a10-0000-4000-8000-000000000001"


def record(**changes: Any) -> Record:
    body: dict[str, Any] = {
        "id": GUID,
        "iTwinId": "ab",
        "name": "Bridge 1",
        "type": "T",
        "state": "Active",
        "executionInfo": {"createdDateTime": "2025-08-05T12:38:12Z"},
    }
    return Record("key", msgspec.json.encode(body | changes))


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (f"id eq {GUID}", True),
        (f"id eq {GUID.upper()}", True),
        ("iTwinId ne ab", False),
        ("name eq 'Bridge 1'", True),
        ("name eq 'it''s'", False),
        ("name ge 'Bridge' and name lt 'Bridgf'", True),
        ("state eq Active", True),
        ("state ne 'Active'", False),
        ("createdDateTime eq 2025-08-05T12:38:12Z", True),
        ("createdDateTime ge 2025-08-05T14:38:12+02:00", True),
        ("createdDateTime gt 2025-08-05T12:38:12Z", False),
        ("createdDateTime lt 2025-08-05T12:38:12.0000010Z", True),
        ("createdDateTime le 2025-08-05T12:38:11.9999999+00:00", False),
        ("type eq T or type eq U and state eq Queued", True),
        ("(type eq T or type eq U) and state eq Queued", False),
        ("((type eq T))", True),
    ],
)
def test_a_filter_tests_a_row(text: str, fits: bool) -> None:
    assert parse_filter(text).test(record(), 0) is fits


def test_a_row_without_a_property_is_never_refused_for_it() -> None:
    assert parse_filter("state eq Queued and createdDateTime lt 2000-01-01T00:00:00Z").test(Record("key", b"[1]"), 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at 0: expected a property (id, iTwinId, name, email, type, state, createdDateTime), found 'the end'"),
        (
            "size eq 3",
            "at 0: expected a property (id, iTwinId, name, email, type, state, createdDateTime), found 'size'",
        ),
        ("id in (a)", "at 3: expected an operator (eq, ne, lt, le, gt, ge), found 'in'"),
        ("id eq", "at 5: expected a value for id, found 'the end'"),
        ("id eq 'abc'", "at 6: id takes an unquoted GUID, found 'abc'"),
        ("(id eq a", "at 8: expected ')', found 'the end'"),
        ("id eq a b", "at 8: expected 'and', 'or' or the end, found 'b'"),
        ("name eq 'open", 'at 7: cannot read " \'open"'),
        (
            "createdDateTime ge 2025-08-05",
            "at 19: '2025-08-05' is not a timestamp with an offset, like 2025-08-05T12:38:12Z",
        ),
    ],
)
def test_a_filter_outside_the_grammar_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("iTwinId eq A and createdDateTime ge 1970-01-01T00:00:01Z", Bounds(since=1_000_000, itwins=frozenset("a"))),
        ("iTwinId eq a or iTwinId eq b", Bounds(itwins=frozenset("ab"))),
        ("iTwinId eq a or state eq Active", Bounds()),
        ("id eq a and (id eq a or id eq b)", Bounds(ids=frozenset("a"))),
        (
            "createdDateTime lt 1970-01-01T00:00:03Z and createdDateTime le 1970-01-01T00:00:02Z",
            Bounds(until=2_000_000),
        ),
    ],
)
def test_bounds_say_what_a_filter_surely_demands(text: str, bounds: Bounds) -> None:
    assert parse_filter(text).bounds == bounds


def test_a_filter_that_names_an_itwin_is_not_about_the_callers_own_jobs() -> None:
    assert [parse_filter(text).own for text in ("state eq Active", "iTwinId eq a")] == [True, False]


def test_both_forms_of_a_timestamp_survive_reading() -> None:
    instants = (0, 1_754_397_492_000_000, 1_754_397_492_250_000, 1_754_397_492_000_001)
    assert [parse_timestamp(with_z(instant)) for instant in instants] == list(instants)
    assert [parse_timestamp(with_offset(instant)) for instant in instants] == list(instants)
    assert with_z(instants[2]) == "2025-08-05T12:38:12.25Z"
    assert with_offset(instants[1]) == "2025-08-05T12:38:12.0000000+00:00"
