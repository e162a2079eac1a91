"""The interval of unit_forecast holds what its declaration says, over simulated iTwins whose month ends as it happens.

`pytest -s` prints the coverage of each kind of world. `make soak` takes more worlds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from tests.warehouse.mart_ledger import ledger, rows
from warehouse.marts.forecast import FORECAST_MARTS

UNITS_BY_DAY, UNIT_FORECAST = FORECAST_MARTS
MONTH = datetime(2026, 3, 1, tzinfo=UTC)
DAYS_OF_MONTH = 31
DAY = timedelta(days=1)
WEEKDAYS = np.array([1.0, 1.1, 1.1, 1.0, 0.9, 0.4, 0.3])
DAY_US = 86_400_000_000


class Kind(NamedTuple):
    """How jobs come and what they cost; spreads are of logarithms. `days_open` are the mean days until a job ends."""

    jobs: float = 6
    day_spread: float = 0
    cost_spread: float = 0.5
    days_open: float = 0.1
    month_spread: float = 0
    growth: float = 0


class Moment(NamedTuple):
    """When the forecast is asked for: full days of the ledger before the month, and days of the month that are over."""

    history: int
    day: float


ALIKE: dict[str, tuple[Kind, Moment]] = {
    "even days, two weeks of history": (Kind(), Moment(8, 6)),
    "even days, within a day": (Kind(), Moment(56, 6.5)),
    "days differ": (Kind(day_spread=0.6), Moment(56, 20)),
    "days differ, three weeks of history": (Kind(day_spread=0.6), Moment(14, 7.3)),
    "few jobs, costs differ": (Kind(jobs=1, cost_spread=1), Moment(42, 10)),
    "jobs are open for days": (Kind(days_open=4), Moment(56, 15.7)),
    "with backtests": (Kind(day_spread=0.6), Moment(170, 12)),
}
"""Worlds whose days are like those of the eight weeks before."""

UNLIKE: dict[str, tuple[Kind, Moment, float, float]] = {
    "months differ by a fifth, no backtests": (Kind(month_spread=0.2), Moment(56, 6), 0.4, 0.6),
    "months differ by a fifth, early, with backtests": (Kind(month_spread=0.2), Moment(300, 6), 0.58, 0.75),
    "months differ by a fifth, late, with backtests": (Kind(month_spread=0.2), Moment(300, 20), 0.8, 0.92),
    "months grow by a twentieth, early, with backtests": (Kind(growth=0.05), Moment(300, 6), 0.7, 0.85),
    "months grow by a twentieth, late, with backtests": (Kind(growth=0.05), Moment(300, 20), 0.75, 0.87),
}
"""Worlds whose months differ as wholes, which days do not tell, and between which shares their months are held."""


def simulated(kind: Kind, moment: Moment, worlds: int, rng: np.random.Generator) -> dict[str, Any]:
    """The jobs of all worlds to the end of the month: world, created and ended in microseconds, and units."""
    first = MONTH - moment.history * DAY
    days = [first + number * DAY for number in range(moment.history + DAYS_OF_MONTH)]
    months = np.array([(day.year - first.year) * 12 + day.month - first.month for day in days])
    factors = (1 + kind.growth) ** months * of_mean_one(rng, kind.month_spread, (worlds, months[-1] + 1))[:, months]
    usual = kind.jobs * WEEKDAYS[[day.weekday() for day in days]] * factors
    counts = rng.poisson(usual * of_mean_one(rng, kind.day_spread, usual.shape)).ravel()
    starts = np.array([int(day.timestamp()) * 1_000_000 for day in days])
    total = counts.sum()
    created = np.repeat(np.tile(starts, worlds), counts) + rng.integers(0, DAY_US, total)
    return {
        "world": np.repeat(np.repeat(np.arange(worlds), len(days)), counts),
        "created": created,
        "ended": created + (rng.exponential(kind.days_open, total) * DAY_US).astype(np.int64),
        "units": np.round(10 * of_mean_one(rng, kind.cost_spread, total), 6),
    }


def of_mean_one(rng: np.random.Generator, spread: float, shape: Any) -> Any:
    return rng.lognormal(-spread * spread / 2, spread, shape)


LEDGER_OF_WORLDS = """
CREATE OR REPLACE TEMP TABLE jobs AS
SELECT CAST(job AS VARCHAR) AS job_id, 'itwin-' || world AS itwin_id, 'T' || world AS type,
    CASE WHEN ended < $now THEN 'success' ELSE 'open' END AS outcome,
    make_timestamptz(created) AS created_at, CASE WHEN ended < $now THEN make_timestamptz(ended) END AS ended_at,
    CASE WHEN ended < $now THEN units END AS units, CASE WHEN ended < $now THEN 'estimatedUnits' END AS units_source
FROM simulated WHERE created < $now
"""
"""Each world is an iTwin, and its jobs are of a type of their own."""


def coverage(kind: Kind, moment: Moment, worlds: int, seed: int) -> float:
    """How many of the worlds' months end within the interval that the forecast gives."""
    as_of = MONTH + moment.day * DAY
    world = simulated(kind, moment, worlds, np.random.default_rng(seed))
    con = ledger({}, as_of)
    con.register("simulated", pa.table({"job": np.arange(len(world["world"]))} | world))
    con.execute(LEDGER_OF_WORLDS.replace("$now", str(round(as_of.timestamp() * 1e6)))).fetchall()
    made = f"CREATE TEMP TABLE units_by_day AS SELECT {UNITS_BY_DAY.table.typed_select} FROM ({UNITS_BY_DAY.sql})"
    con.execute(made).fetchall()
    of_month = world["created"] >= int(MONTH.timestamp()) * 1_000_000
    actual = np.bincount(world["world"][of_month], world["units"][of_month], worlds)
    found = [row for row in rows(con, UNIT_FORECAST) if row["kind"] == "forecast" and row["itwin_id"] != "all"]
    assert len(found) == worlds
    held = sum(row["low_units"] <= actual[int(row["itwin_id"][6:])] <= row["high_units"] for row in found)
    return held / worlds


def test_students_t_for_80_percent_is_that_of_scipy_from_1_degree_of_freedom_on() -> None:
    freedoms = np.concatenate([np.linspace(1, 60, 5_001), np.geomspace(60, 1e9, 500)])
    con = ledger({}, None)
    con.register("freedoms", pa.table({"freedom": freedoms}))
    found = con.execute("SELECT student_t90(freedom) AS t FROM freedoms").fetchnumpy()["t"]
    assert np.abs(found - stats.t.ppf(0.9, freedoms)).max() < 1e-6


def shown(name: str, found: float) -> float:
    print(f"\n{name}: {found:.1%} of months end within the interval")
    return found


@pytest.mark.parametrize("name", ALIKE)
def test_the_interval_holds_80_of_100_months_whose_days_are_like_those_before(name: str) -> None:
    kind, moment = ALIKE[name]
    assert 0.75 <= shown(name, coverage(kind, moment, 300, seed=1)) <= 0.87


@pytest.mark.soak
@pytest.mark.parametrize("name", ALIKE)
def test_the_interval_holds_80_of_100_such_months_over_more_worlds(name: str) -> None:
    kind, moment = ALIKE[name]
    assert 0.775 <= shown(name, coverage(kind, moment, 3_000, seed=2)) <= 0.86


@pytest.mark.soak
@pytest.mark.parametrize("name", UNLIKE)
def test_the_interval_of_months_that_differ_as_wholes_holds_as_few_as_the_declaration_says(name: str) -> None:
    kind, moment, low, high = UNLIKE[name]
    assert low <= shown(name, coverage(kind, moment, 600, seed=3)) <= high
