"""A Dagster job of the same shape as `sync` whose functions do nothing, on Dagster's storage as it ships: a yardstick.

`python -m tests.bench.empty_job HOME FIRST LAST` runs it once on the months from FIRST to LAST.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from assets.wiring import build_assets, build_last_check
from pipelines.sync import range_tags

JOB = "empty"


def definitions(start: str) -> dg.Definitions:
    """The same assets and checks, in the same steps, made by functions that do nothing."""
    job = dg.define_asset_job(JOB, selection=dg.AssetSelection.all())
    assets = [_emptied(asset) for asset in build_assets(start) if asset.is_executable]
    checks = [_emptied_checks(build_last_check())]
    return dg.Definitions(assets=assets, asset_checks=checks, jobs=[job], executor=dg.in_process_executor)


def run(home: Path, first: str, last: str) -> None:
    """Run the job once in a home of Dagster's."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        job = definitions(first).resolve_job_def(JOB)
        if not job.execute_in_process(instance=instance, tags=range_tags(first, last)).success:
            raise RuntimeError("the empty job failed")


def _emptied(asset: dg.AssetsDefinition) -> dg.AssetsDefinition:
    keys = [spec.key for spec in asset.specs]
    checks = list(asset.check_specs)

    @dg.multi_asset(
        name=asset.node_def.name,
        specs=list(asset.specs),
        check_specs=checks,
        partitions_def=asset.partitions_def,
        backfill_policy=asset.backfill_policy,
    )
    def nothing() -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        for key in keys:
            yield dg.MaterializeResult(asset_key=key, data_version=dg.DataVersion("1"))
        for check in checks:
            yield dg.AssetCheckResult(passed=True, asset_key=check.asset_key, check_name=check.name)

    return nothing


def _emptied_checks(found: dg.AssetChecksDefinition) -> dg.AssetChecksDefinition:
    specs = list(found.check_specs)

    @dg.multi_asset_check(name=found.node_def.name, specs=specs)
    def nothing() -> Iterator[dg.AssetCheckResult]:
        for check in specs:
            yield dg.AssetCheckResult(passed=True, asset_key=check.asset_key, check_name=check.name)

    return nothing


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
