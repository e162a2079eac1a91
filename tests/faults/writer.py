"""What another process does to a ledger, to be run, raced and killed by a test."""

from __future__ import annotations

import sys
from pathlib import Path

from assets.api.auth import FixedToken
from assets.api.budget import Budget
from assets.api.client import Client
from assets.flatten import flatten_month
from assets.plan import Plan
from assets.sync import sync_month
from pipelines.sandbox import READY_TOKEN
from tests.faults.world import ITWINS, KNOWN, MONTH
from warehouse.errors import Busy
from warehouse.lake import Lake

BUSY = 75


def work(url: str, data: str, wait_seconds: float, times: int = 1) -> None:
    """Syncs the month and flattens it; ends with the code BUSY where somebody else holds it."""
    lake = Lake(Path(data))
    plan = Plan(itwin_ids=ITWINS[:2], page_size=3, wait_seconds=wait_seconds)
    try:
        with Client(url, FixedToken(READY_TOKEN), Budget(1_000_000), backoff_seconds=0) as api:
            for time in range(times):
                sync_month(lake, api, MONTH, KNOWN, plan, f"run-{time}")
                with lake.exclusive(MONTH, wait_seconds=wait_seconds):
                    flatten_month(lake, MONTH, KNOWN)
    except Busy:
        sys.exit(BUSY)
