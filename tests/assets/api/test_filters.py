from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.api.errors import WrongUsage
from assets.api.filters import plain_id, window_filter

NOVEMBER = datetime(2025, 11, 1, tzinfo=UTC)
DECEMBER = datetime(2025, 12, 1, tzinfo=UTC)
ITWIN = "2C8e5a40-1111-4222-8333-0123456789ab"


def test_a_window_takes_its_start_and_leaves_its_end() -> None:
    assert window_filter(NOVEMBER, DECEMBER, None) == (
        "createdDateTime ge 2025-11-01T00:00:00Z and createdDateTime lt 2025-12-01T00:00:00Z"
    )


def test_a_window_may_be_that_of_one_itwin() -> None:
    assert window_filter(NOVEMBER, DECEMBER, ITWIN) == (
        "createdDateTime ge 2025-11-01T00:00:00Z and createdDateTime lt 2025-12-01T00:00:00Z"
        " and iTwinId eq 2c8e5a40-1111-4222-8333-0123456789ab"
    )


def test_times_are_told_in_utc_and_to_the_microsecond() -> None:
    zone = timezone(timedelta(hours=2))
    start = datetime(2025, 11, 1, 1, 30, 0, 5, tzinfo=zone)
    assert window_filter(start, DECEMBER, None).startswith("createdDateTime ge 2025-10-31T23:30:00.000005Z and")


@pytest.mark.parametrize("end", [NOVEMBER, datetime(2025, 10, 1, tzinfo=UTC)])
def test_an_empty_window_is_refused(end: datetime) -> None:
    with pytest.raises(WrongUsage, match="is empty"):
        window_filter(NOVEMBER, end, None)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(WrongUsage, match="no time zone"):
        window_filter(datetime(2025, 11, 1), DECEMBER, None)


@given(st.uuids(), st.booleans())
def test_every_guid_is_kept_in_lower_case(guid: object, upper: bool) -> None:
    assert plain_id(str(guid).upper() if upper else str(guid)) == str(guid)


@pytest.mark.parametrize(
    "text", ["abc", "Harbour", "{" + ITWIN + "}", ITWIN.replace("-", ""), "O'Hara & sons/2", "\u0661-\u00e9", "a b"]
)
def test_an_id_that_is_no_guid_is_taken_as_it_is(text: str) -> None:
    assert plain_id(text) == text


@pytest.mark.parametrize("text", ["", " ", ITWIN + "\n", "a\x00b"])
def test_what_cannot_be_an_id_is_refused(text: str) -> None:
    with pytest.raises(WrongUsage, match="is not an id: give one such as 2c8e5a40-"):
        plain_id(text)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).filter(lambda text: text.strip() != ""))
def test_no_operator_gets_into_a_filter_through_an_id(text: str) -> None:
    """The id is one literal: a quote inside it is doubled, so that the literal ends where the id ends."""
    head, _, literal = window_filter(NOVEMBER, DECEMBER, text).partition(" and iTwinId eq ")
    assert head == window_filter(NOVEMBER, DECEMBER, None)
    if literal != plain_id(text):
        assert (literal[0], literal[-1], literal[1:-1].replace("''", "'")) == ("'", "'", text)
        assert "'" not in literal[1:-1].replace("''", "")
