"""How long jobs really run and wait, while the longest are still at it: duration_stats against a known truth.

`pytest -s` prints the table: for each world, how far off the percentiles of finished jobs alone and those of
Kaplan-Meier are, in per cent of the truth.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.warehouse.mart_ledger import Row, ledger, rows
from warehouse.marts.durations import DURATION_MARTS

DURATION_STATS = DURATION_MARTS[0]
AS_OF = datetime(2025, 6, 1, tzinfo=UTC)
SEEDS = range(20)
JOBS = 40_000
QUANTILES = (50, 90, 95)
SHAPE = 0.75
"""Of the Weibull distribution that runs and waits have: below 1, many short ones and a long tail."""

MEAN_RUN, MEAN_WAIT = 3 * 3_600e6, 1 * 3_600e6
WINDOW = 20 * MEAN_RUN
"""Microseconds in which the jobs were created: a twentieth of them is still running at its end."""


def true_spans(rng: np.random.Generator, mean: float) -> Any:
    """Durations in whole microseconds."""
    return np.ceil(rng.weibull(SHAPE, JOBS) * mean / 1.19064).astype(np.int64)


def jobs_at_as_of(created: Any, waits: Any, runs: Any) -> pa.Table:
    """What the API tells at AS_OF (time 0): a start and an end only where they have come."""
    started, ended = created + waits, created + waits + runs
    instant = pa.timestamp("us", tz="UTC")
    zero = int(AS_OF.timestamp()) * 1_000_000
    return pa.table(
        {
            "job_id": pa.array(np.arange(len(created))).cast(pa.string()),
            "type": pa.array(["Objects2D"] * len(created)),
            "outcome": pa.array(np.where(ended <= 0, "success", "open")),
            "created_at": pa.array(created + zero, instant),
            "started_at": pa.array(started + zero, instant, mask=started > 0),
            "ended_at": pa.array(ended + zero, instant, mask=ended > 0),
        }
    )


def stats_of(jobs: pa.Table) -> Row:
    con = ledger({}, AS_OF)
    con.register("incoming", jobs)
    con.execute("CREATE TEMP TABLE jobs AS FROM jobs UNION ALL BY NAME FROM incoming").fetchall()
    return next(row for row in rows(con, DURATION_STATS) if row["month"] == row["type"] == "all")


def errors(stats: Row, kind: str, truth: Any, method: str) -> list[float]:
    """How far off each quantile is, in per cent of the truth."""
    known = {p: float(np.quantile(truth, p / 100)) / 1e6 for p in QUANTILES}
    return [100 * (stats[f"{kind}_seconds_{method}p{p}"] / known[p] - 1) for p in QUANTILES]


def off_by(seed: int) -> dict[str, Any]:
    """One world: the share of jobs that run at AS_OF, and the errors of both methods for runs and waits."""
    rng = np.random.default_rng(seed)
    created = -rng.integers(0, int(WINDOW), JOBS)
    # Waits are a third of runs: in a third of the window, as many still wait at its end as run in the other.
    waits, runs = true_spans(rng, MEAN_WAIT), true_spans(rng, MEAN_RUN)
    run_stats = stats_of(jobs_at_as_of(created, waits, runs))
    queue_stats = stats_of(jobs_at_as_of(created // 3, waits, runs // 100))
    return {
        "running": run_stats["run_censored"] / JOBS,
        "waiting": queue_stats["queue_censored"] / JOBS,
        "run finished": errors(run_stats, "run", runs, ""),
        "run km": errors(run_stats, "run", runs, "km_"),
        "queue finished": errors(queue_stats, "queue", waits, ""),
        "queue km": errors(queue_stats, "queue", waits, "km_"),
    }


@cache
def world_of(seed: int) -> dict[str, Any]:
    world = off_by(seed)
    cells = [" ".join(f"{error:+6.2f}" for error in world[name]) for name in list(world)[2:]]
    print(
        "\n% off the truth at p50, p90, p95\n"
        "seed | running | finished alone        | Kaplan-Meier          | same for waits\n"
        f"{seed:4} | {world['running']:7.1%} | " + " | ".join(cells) + f" | {world['waiting']:.1%} wait"
    )
    return world


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.proof) for seed in SEEDS[2:])])
@pytest.mark.parametrize(("kind", "still"), [("run", "running"), ("queue", "waiting")])
def test_kaplan_meier_is_right_where_finished_jobs_alone_mislead(seed: int, kind: str, still: str) -> None:
    world = world_of(seed)
    assert 0.045 < world[still] < 0.055
    assert all(abs(error) < 1 for error in world[f"{kind} km"])
    assert all(-15 < error < -5 for error in world[f"{kind} finished"])
