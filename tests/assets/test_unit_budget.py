"""The budget of units: what the setting may say, and whose budget is whose."""

from __future__ import annotations

import pytest

from assets.unit_budget import UnitBudget, read_unit_budget
from warehouse.errors import WrongUsage

BRIDGE = "2c8e5a40-0000-4000-8000-00000000000a"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", UnitBudget()),
        ("5000", UnitBudget(5000.0)),
        ("0.5", UnitBudget(0.5)),
        (f"{BRIDGE}=800", UnitBudget(None, {BRIDGE: 800.0})),
        (
            f" {BRIDGE.upper()} = 800 , Bridge = South=1200,5000,",
            UnitBudget(5000.0, {BRIDGE: 800, "bridge = south": 1200}),
        ),
    ],
)
def test_a_budget_is_a_number_or_a_number_by_itwin(text: str, expected: UnitBudget) -> None:
    assert read_unit_budget(text) == expected
    assert bool(expected) is bool(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("many", "'many' is no number of units above 0"),
        ("0", "'0' is no number"),
        ("-1", "'-1' is no number"),
        ("nan", "'nan' is no number"),
        ("1,000", "two numbers for all iTwins.*A thousand is 1000, not 1,000"),
        ("5000, 6000", "two numbers for all iTwins"),
        ("=5", "'=5' names no iTwin"),
        ("A=1, a=2", "'a' stands there twice"),
        ("A=", "'' is no number"),
    ],
)
def test_a_budget_that_cannot_be_is_refused_in_words(text: str, why: str) -> None:
    with pytest.raises(WrongUsage, match=why):
        read_unit_budget(text)


def test_an_itwin_has_its_budget_by_id_or_by_name_and_all_have_theirs() -> None:
    budget = read_unit_budget(f"5000, {BRIDGE}=800, Tower=90")
    assert budget.of("all") == 5000
    assert budget.of(BRIDGE, "Tower") == 800
    assert budget.of("another", "TOWER") == 90
    assert budget.of("another", "Dam") is None
    assert budget.of("another") is None
