"""A month without Dagster, checks and marts: walked, landed, flattened and published, in one process.

`python -m tests.bench.bare MONTH` works with the settings of its environment and prints how many jobs the ledger has.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from assets.flatten import flatten_months
from assets.plan import Plan, quiet
from assets.sync import sync_months
from pipelines.settings import prepare_data, read_settings
from warehouse.catalog import publish
from warehouse.contract import contract
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.tables import JOBS


def main() -> None:
    """Sync the month that the command line names."""
    month, settings, known = sys.argv[1], read_settings(), contract()
    prepare_data(settings)
    lake, plan = Lake(settings.data), replace(Plan(), itwin_ids=settings.itwin_ids)
    with settings.client() as api:
        done = [*sync_months(lake, api, [month], known, plan, "bare"), *flatten_months(lake, [month], known, quiet)]
    for failure in (each.failure for each in done if each.failure):
        raise failure
    publish(lake, all_tables(known), settings.publish)
    print(lake.row_count(JOBS))


if __name__ == "__main__":
    main()
