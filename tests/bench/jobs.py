"""The jobs of the benchmarks: the sandbox's, as many of a month as are wanted."""

from __future__ import annotations

from math import ceil
from typing import Final

from pipelines.sandbox import World
from pipelines.sandbox.skeleton import Job

MORE: Final = 1.15
"""A world also makes jobs of types that its edition does not show; a little more of them than that."""


def jobs_of(month: str, count: int) -> list[Job]:
    """`count` jobs of a month, in order of listing, which has nothing to do with when they were created."""
    found = World(jobs_per_month=ceil(count * MORE) + 20).month(month).in_order[:count]
    if len(found) < count:
        raise ValueError(f"{month} has {len(found)} jobs to show, not {count}")
    return found
