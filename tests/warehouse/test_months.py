from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.errors import WrongUsage
from warehouse.months import Window, month_of, months_between, next_month, previous_month, stretches, window

INSTANTS = st.datetimes(datetime(1000, 1, 2), datetime(9998, 12, 30), timezones=st.just(UTC))


def test_a_window_holds_the_instants_of_its_month() -> None:
    assert window("2025-12") == Window("2025-12", datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))


@given(INSTANTS)
def test_every_instant_lies_in_the_window_of_its_month_and_in_no_other(instant: datetime) -> None:
    month = month_of(instant)
    assert window(month).start <= instant < window(month).end
    assert window(previous_month(month)).end == window(month).start
    assert window(month).end == window(next_month(month)).start


@pytest.mark.parametrize(
    "text", ["", "2025", "2025-13", "2025-00", "0000-01", "9999-12", "2025-1", "2025-11-01", "٢٠٢٥-11"]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(WrongUsage, match="is no month"):
        window(text)


def test_the_month_of_an_instant_is_that_in_utc() -> None:
    west = timezone(timedelta(hours=-5))
    assert month_of(datetime(2025, 11, 30, 19, tzinfo=west)) == "2025-12"


def test_months_between_are_in_order_and_hold_both_ends() -> None:
    assert months_between("2025-11", "2026-02") == ["2025-11", "2025-12", "2026-01", "2026-02"]
    assert months_between("2025-11", "2025-11") == ["2025-11"]
    with pytest.raises(WrongUsage, match="the wrong way round"):
        months_between("2025-12", "2025-11")


def test_stretches_have_no_gaps() -> None:
    months = ["2026-01", "2025-11", "2025-12", "2025-08", "2025-12"]
    assert stretches(months) == [("2025-08", "2025-08"), ("2025-11", "2026-01")]
    assert stretches([]) == []
