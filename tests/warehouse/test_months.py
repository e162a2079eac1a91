from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from warehouse.errors import WrongUsage
from warehouse.months import Window, month_of, months_between, next_month, previous_month, stretches, window


def test_a_window_is_its_month_in_utc_without_the_first_instant_of_the_next() -> None:
    assert [window(month) for month in ("2025-11", "2024-12", "9998-12", "0001-01")] == [
        Window("2025-11", datetime(2025, 11, 1, tzinfo=UTC), datetime(2025, 12, 1, tzinfo=UTC)),
        Window("2024-12", datetime(2024, 12, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)),
        Window("9998-12", datetime(9998, 12, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)),
        Window("0001-01", datetime(1, 1, 1, tzinfo=UTC), datetime(1, 2, 1, tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    "text", ["", "2025", "2025-1", "2025-13", "2025-00", "25-11", "2025-11-01", "0000-01", "9999-01", "2025-11\n", " "]
)
def test_what_is_no_month_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(WrongUsage) as refused:
        window(text)
    assert str(refused.value) == f"{text!r} is no month; write it as YYYY-MM, for example 2025-11."


@pytest.mark.parametrize(
    ("instant", "month"),
    [
        (datetime(2025, 11, 1, tzinfo=UTC), "2025-11"),
        (datetime(2025, 11, 30, 23, 59, 59, 999999, tzinfo=UTC), "2025-11"),
        (datetime(2025, 12, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "2025-11"),
        (datetime(2025, 10, 31, 23, 30, tzinfo=timezone(timedelta(hours=-1))), "2025-11"),
    ],
)
def test_an_instant_lies_in_its_month_of_utc(instant: datetime, month: str) -> None:
    assert month_of(instant) == month


def test_months_follow_each_other_over_the_turn_of_a_year() -> None:
    assert (next_month("2025-12"), next_month("2025-01")) == ("2026-01", "2025-02")
    assert (previous_month("2026-01"), previous_month("2025-12")) == ("2025-12", "2025-11")


def test_the_months_between_include_both_ends() -> None:
    assert months_between("2025-11", "2026-02") == ["2025-11", "2025-12", "2026-01", "2026-02"]
    assert months_between("2025-11", "2025-11") == ["2025-11"]


def test_months_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(WrongUsage, match=r"^The months 2025-12 to 2025-11 stand the wrong way round\.$"):
        months_between("2025-12", "2025-11")


@pytest.mark.parametrize(("first", "last"), [("2025-1", "2025-11"), ("2025-11", "never")])
def test_both_ends_have_to_be_months(first: str, last: str) -> None:
    with pytest.raises(WrongUsage, match="is no month"):
        months_between(first, last)


def test_stretches_have_no_gaps_and_no_month_twice() -> None:
    months = ["2026-02", "2025-12", "2025-11", "2026-01", "2025-08", "2025-11", "2024-05", "2024-04"]
    assert stretches(months) == [("2024-04", "2024-05"), ("2025-08", "2025-08"), ("2025-11", "2026-02")]
    assert stretches([]) == []
