"""The intervals of option_impact hold what they say: against exact probabilities, simulated worlds and scipy.

`pytest -s` prints the coverage of each mix of spreads and sizes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from tests.warehouse.mart_ledger import Row, ledger, rows
from warehouse.marts.options import OPTION_MARTS

(OPTION_IMPACT,) = OPTION_MARTS
WORLDS = 2_000


class Side(NamedTuple):
    """Jobs of one detector, with the value or without it: how many, and the spread of their log run seconds."""

    jobs: int
    spread: float


Detector = tuple[Side, Side]
"""The side with the value and the one without."""

MIXES: dict[str, tuple[Detector, ...]] = {
    "equal spreads, equal sizes": ((Side(40, 0.9), Side(40, 0.9)), (Side(40, 0.9), Side(40, 0.9))),
    "equal spreads, unequal sizes": ((Side(25, 0.9), Side(300, 0.9)), (Side(90, 0.9), Side(8, 0.9))),
    "unequal spreads, equal sizes": ((Side(30, 1.5), Side(30, 0.3)), (Side(30, 0.2), Side(30, 1.0))),
    "case 23": ((Side(200, 1.2), Side(60, 1.2)), (Side(30, 0.4), Side(1500, 0.4))),
    "the value spreads, and few have it": ((Side(20, 1.5), Side(400, 0.3)),),
    "one small detector rules": ((Side(60, 0.3), Side(60, 0.3)), (Side(100, 1.5), Side(5, 1.5))),
    "many of the smallest": tuple((Side(5, 0.2 + 0.3 * number), Side(5, 1.2)) for number in range(6)),
}


LEDGER_OF_WORLDS = """
CREATE OR REPLACE TEMP TABLE jobs AS
SELECT CAST(job AS VARCHAR) AS job_id, 'T' || world AS type, 'success' AS outcome, run_seconds,
    CAST(NULL AS DOUBLE) AS units, CAST(NULL AS VARCHAR) AS units_source
FROM simulated;
CREATE OR REPLACE TEMP TABLE job_references AS
SELECT CAST(job AS VARCHAR) AS job_id, 'input' AS direction, 'detector' AS kind, 'photo_object_detector' AS role,
    CAST(detector AS VARCHAR) AS reference
FROM simulated WHERE detector > 0;
CREATE OR REPLACE TEMP TABLE job_options AS
SELECT CAST(job AS VARCHAR) AS job_id, 'T' || world AS type, 'fine' AS option, 'true' AS value, true AS boolean,
    CAST(NULL AS DOUBLE) AS number
FROM simulated WHERE has_value
"""
"""Each world is a type, detector 0 stands for no detector, and jobs without the value do not have the option."""


def impact(mix: Sequence[Detector], effect: float, seed: int) -> list[Row]:
    """The mart over many worlds of a mix; the value multiplies run seconds by `effect`."""
    rng = np.random.default_rng(seed)
    sides = [(number, *found) for number, pair in enumerate(mix) for found in zip((True, False), pair, strict=True)]
    sizes = [WORLDS * side.jobs for _, _, side in sides]
    logs = [rng.normal(5 + number, side.spread, size) for (number, _, side), size in zip(sides, sizes, strict=True)]
    has_value = np.repeat([has_value for _, has_value, _ in sides], sizes)
    con = ledger({}, None)
    con.register(
        "simulated",
        pa.table(
            {
                "job": np.arange(sum(sizes)),
                "world": np.concatenate([np.repeat(np.arange(WORLDS), side.jobs) for _, _, side in sides]),
                "detector": np.repeat([number for number, _, _ in sides], sizes),
                "has_value": has_value,
                "run_seconds": np.exp(np.concatenate(logs)) * np.where(has_value, effect, 1),
            }
        ),
    )
    for statement in con.extract_statements(LEDGER_OF_WORLDS):
        con.execute(statement).fetchall()
    return rows(con, OPTION_IMPACT)


@pytest.mark.proof
@pytest.mark.parametrize(("name", "effect"), [(name, 2.0 if "equal sizes" in name else 1.0) for name in MIXES])
def test_the_interval_of_a_ratio_holds_the_truth_in_95_of_100_worlds(name: str, effect: float) -> None:
    found = impact(MIXES[name], effect, seed=1 + list(MIXES).index(name))
    held = sum(row["run_seconds_ratio_low"] <= effect <= row["run_seconds_ratio_high"] for row in found)
    print(f"\n{name}: {held / WORLDS:.1%} of {len(found):,} intervals hold the ratio {effect}")
    assert len(found) == WORLDS
    assert 0.93 <= held / WORLDS <= 0.97


def one_detector(logs_of_worlds: Sequence[tuple[Any, Any]]) -> list[Row]:
    """The mart over worlds with one detector each: log run seconds with the value, and without it."""
    con = ledger({}, None)
    parts = [
        pa.table({"world": np.full(len(logs), number), "has_value": np.full(len(logs), has_value), "logs": logs})
        for number, pair in enumerate(logs_of_worlds)
        for has_value, logs in zip((True, False), pair, strict=True)
    ]
    con.register("logs", pa.concat_tables(parts))
    con.execute(
        """CREATE TEMP TABLE simulated AS
        SELECT row_number() OVER () AS job, world, 0 AS detector, has_value, exp(logs) AS run_seconds FROM logs"""
    ).fetchall()
    for statement in con.extract_statements(LEDGER_OF_WORLDS):
        con.execute(statement).fetchall()
    return sorted(rows(con, OPTION_IMPACT), key=lambda row: int(row["type"][1:]))


def test_with_one_detector_the_interval_is_that_of_scipys_welch_test() -> None:
    rng = np.random.default_rng(3)
    sizes = [(20, 20), (20, 1000), (1000, 20), (21, 37), (400, 300)]
    pairs = [
        (rng.normal(4, rng.uniform(0.05, 2), ours), rng.normal(4.5, rng.uniform(0.05, 2), others))
        for ours, others in sizes * 20
    ]
    for row, (ours, others) in zip(one_detector(pairs), pairs, strict=True):
        expected = stats.ttest_ind(ours, others, equal_var=False).confidence_interval(0.95)
        found = [row["run_seconds_ratio_low"], row["run_seconds_ratio_high"]]
        assert found == pytest.approx(np.exp([expected.low, expected.high]), rel=1e-7, abs=1e-6)


def test_where_all_jobs_of_each_side_run_equally_long_the_ratio_has_no_interval() -> None:
    constant = [(np.full(30, math.log(600)), np.full(70, math.log(200))), (np.full(30, 1.1), np.full(70, 1.1))]
    found = [
        [row[name] for name in ("run_seconds_ratio", "run_seconds_ratio_low", "run_seconds_ratio_high", "too_thin")]
        for row in one_detector(constant)
    ]
    assert found == [[3.0, None, None, False], [1.0, None, None, False]]


def test_where_one_side_runs_equally_long_the_spread_of_the_other_makes_the_interval() -> None:
    others = np.random.default_rng(4).normal(5, 1, 50)
    (row,) = one_detector([(np.full(30, 5.0), others)])
    margin = stats.t.ppf(0.975, 49) * np.std(others, ddof=1) / math.sqrt(50)
    expected = np.exp([5 - np.mean(others) - margin, 5 - np.mean(others) + margin])
    assert [row["run_seconds_ratio_low"], row["run_seconds_ratio_high"]] == pytest.approx(expected, abs=1e-6)


def test_student_t_is_that_of_scipy_from_4_degrees_of_freedom_on() -> None:
    freedoms = np.concatenate([np.linspace(4, 60, 5_001), np.geomspace(60, 1e9, 500)])
    con = ledger({}, None)
    con.register("freedoms", pa.table({"freedom": freedoms}))
    found = con.execute("SELECT student_t(freedom) AS t FROM freedoms").fetchnumpy()["t"]
    assert np.abs(found - stats.t.ppf(0.975, freedoms)).max() < 1e-8


def test_the_interval_of_a_median_holds_it_with_at_least_95_percent_and_is_no_wider_than_that_takes() -> None:
    """Of n values 1 to n, the interval shows its ranks; how often these hold the median is a matter of coin tosses."""
    sizes = range(1, 500)
    found = one_detector([(np.log(np.arange(1, size + 1)), np.empty(0)) for size in sizes])
    for size, row in zip(sizes, found, strict=True):
        if size < 20:
            assert (row["run_seconds_low"], row["run_seconds_high"]) == (None, None)
            continue
        low, high = round(row["run_seconds_low"]), round(row["run_seconds_high"])
        holds, narrower_holds = (1 - 2 * stats.binom.cdf(rank - 1, size, 0.5) for rank in (low, low + 1))
        assert low + high == size + 1
        assert holds >= 0.95
        assert narrower_holds < 0.952
