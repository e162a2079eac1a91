"""Syncs against a server on which each request fails with probability 0.2, in every way that the sandbox knows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.sandbox import KINDS
from tests.faults.soak import LONGEST_SYNC_SECONDS, soak, soak_side_by_side


@pytest.mark.proof
def test_a_few_syncs_that_meet_faults_prove_that_they_saw_everything_or_say_where_not(tmp_path: Path) -> None:
    figures = soak(tmp_path, range(24))
    assert figures.complete + figures.incomplete == figures.syncs == 24
    assert figures.transient_complete >= 10
    assert figures.quiet_months >= 4


SYNCS = int(os.environ.get("SOAK_SYNCS", "1000"))


@pytest.mark.soak
def test_a_thousand_syncs_that_meet_faults_prove_that_they_saw_everything_or_say_where_not(tmp_path: Path) -> None:
    figures = soak_side_by_side(tmp_path, range(SYNCS))
    print(f"\n{figures}")
    assert figures.complete + figures.incomplete == figures.syncs == SYNCS
    assert SYNCS < 1000 or set(figures.kinds) == set(KINDS)  # a shorter soak need not meet the rare ones
    assert figures.transient_complete >= 0.95 * figures.transient_syncs
    assert figures.longest_seconds < LONGEST_SYNC_SECONDS
    assert figures.quiet_months >= SYNCS / 6
