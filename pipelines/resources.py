"""The resource behind the assets: the settings, read when a run begins and not before."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import dagster as dg

from assets.api.protocol import Api
from assets.plan import Plan, PushPlan
from assets.progress import PartDone
from assets.unit_budget import UnitBudget
from assets.wiring import LedgerResource
from pipelines.home import hold
from pipelines.progress import note_page, note_part
from pipelines.settings import Settings, prepare_data, read_settings
from warehouse.catalog import Publish
from warehouse.lake import Lake


class SettingsResource(LedgerResource):
    """Works with the settings of the process that the run is in."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Say by a lock file that the run's process lives."""
        if context.run and context.instance:
            hold(context.instance, context.run.run_id)

    def settings(self) -> Settings:
        """The settings; raises WrongUsage with all their faults, or where the data folder cannot be written."""
        settings = read_settings()
        prepare_data(settings)
        return settings

    def lake(self) -> Lake:
        return Lake(self.settings().data)

    @contextmanager
    def api(self) -> Generator[Api]:
        with self.settings().client() as client:
            yield client

    def plan(self, tell: Callable[[str], None], accept_gone: bool) -> Plan:
        return replace(self.settings().plan(tell, accept_gone=accept_gone), on_page=note_page)

    def how_to_publish(self) -> Publish:
        return self.settings().publish

    def unit_budget(self) -> UnitBudget:
        return self.settings().unit_budget

    def runs_report(self) -> bool:
        return self.settings().runs_report

    def on_part(self, done: PartDone) -> None:
        note_part(done)

    def push_plan(self) -> PushPlan:
        settings = self.settings()
        return PushPlan(settings.push_url, timedelta(days=settings.push_keep_days))
