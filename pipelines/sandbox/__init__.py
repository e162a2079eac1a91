"""The sandbox API: a stand-in for the Reality Analysis API on loopback, with made-up jobs that live on a clock.

For demonstrations, tests and benchmarks. What it answers follows the contract in every edition; nothing of it ever
goes into a ledger of real jobs. `World` is generated, `ScriptedWorld` is written by a test; `Sandbox` and `serve` run
either, and `Faults` makes them misbehave.
"""

from __future__ import annotations

from pipelines.sandbox.access import READY_TOKEN
from pipelines.sandbox.clocks import FixedClock, StepClock, system_clock
from pipelines.sandbox.faults import KINDS, LASTING, TRANSIENT, Faults, FaultsError
from pipelines.sandbox.interface import ApiWorld
from pipelines.sandbox.name_book import NameBook
from pipelines.sandbox.running import Sandbox, SandboxError, serve
from pipelines.sandbox.scripted import ScriptedWorld
from pipelines.sandbox.server import LogEntry, create_app
from pipelines.sandbox.world import World

__all__ = [
    "KINDS",
    "LASTING",
    "READY_TOKEN",
    "TRANSIENT",
    "ApiWorld",
    "Faults",
    "FaultsError",
    "FixedClock",
    "LogEntry",
    "NameBook",
    "Sandbox",
    "SandboxError",
    "ScriptedWorld",
    "StepClock",
    "World",
    "create_app",
    "serve",
    "system_clock",
]
