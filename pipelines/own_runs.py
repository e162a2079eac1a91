"""Which runs are the ledger's: in a home of its own those of its jobs, in another team's those of its code location."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import dagster as dg

OF_ASSETS: Final = "__ASSET_JOB"
"""Dagster's job for what is materialised in the UI by hand."""

OWN_JOBS: Final = ("sync", "names", "prune", OF_ASSETS)


def of_ledger(location: str | None, *, own_home: bool) -> Callable[[dg.DagsterRun], bool]:
    """Return what says of a run whether it is the ledger's, whose code location Dagster knows by this name.

    A run of the command line has no location; one of assets by hand has one, or may be anybody's.
    """

    def is_ours(run: dg.DagsterRun) -> bool:
        if own_home or run.job_name not in OWN_JOBS:
            return run.job_name in OWN_JOBS
        origin = run.remote_job_origin
        return run.job_name != OF_ASSETS if origin is None else origin.location_name == location

    return is_ours
