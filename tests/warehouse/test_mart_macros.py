"""The macros of the marts' statements: sums that are exact in any order, numbers as text, hours."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.engine import connection, run
from warehouse.marts import mart_macros
from warehouse.sql import run_macros

HOUR = timedelta(hours=1)


def value_of(expression: str, **parameters: Any) -> Any:
    """What an expression is, its parameters being the columns of a row."""
    with connection() as con:
        run_macros(con, mart_macros())
        columns = ", ".join(f"${place} AS {name}" for place, name in enumerate(parameters, 1)) or "1"
        return run(con, f"SELECT {expression} FROM (SELECT {columns})", list(parameters.values()))[0][0]


@pytest.mark.parametrize("seed", range(3))
def test_a_sum_of_billionths_is_exact_in_whatever_order_it_is_added_up(seed: int) -> None:
    units = [0.1, 0.2, 1e-9, 999_999_999.0, *[round(random.Random(0).uniform(0, 1e7), 9) for _ in range(1000)]]
    random.Random(seed).shuffle(units)
    total = value_of("units_of((SELECT sum(billionths(x)) FROM unnest(amounts) AS each_unit(x)))", amounts=units)
    assert total == float(sum(Decimal(round(x * 1e9)) for x in units)) / 1e9


@pytest.mark.parametrize("units", [1e9, -1e9, 1e300, float("inf"), float("nan"), None])
def test_what_no_job_can_cost_is_no_amount(units: float | None) -> None:
    assert value_of("billionths(CAST(units AS DOUBLE))", units=units) is None


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(allow_nan=False), min_size=20))
def test_a_number_as_text_reads_as_the_same_number(numbers: list[float]) -> None:
    texts = value_of("(SELECT array_agg(number_text(x)) FROM unnest(numbers) AS each_number(x))", numbers=numbers)
    assert [float(text) for text in texts] == numbers


def test_a_month_as_text_is_that_of_utc() -> None:
    assert value_of("month_text(moment)", moment=datetime(2025, 2, 28, 23, 59, tzinfo=UTC)) == "2025-02"


@pytest.mark.parametrize(("size", "name"), [(HOUR, "hour"), (24 * HOUR, "day")])
@pytest.mark.parametrize("start", [datetime(2025, 3, 1, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)])
def test_the_number_of_a_day_or_hour_is_that_of_all_its_moments(start: datetime, size: timedelta, name: str) -> None:
    last = start + size - timedelta(microseconds=1)
    numbers = f"numbers_between({name}_number(first_moment), {name}_number(last_moment))"
    starts = f"list_transform({numbers}, lambda n: {name}_start(n))"
    assert value_of(starts, first_moment=start, last_moment=last) == [start]
    assert value_of(starts, first_moment=last, last_moment=start + 2 * size) == [start, start + size, start + 2 * size]
    assert value_of(starts, first_moment=start, last_moment=start - timedelta(microseconds=1)) == []
