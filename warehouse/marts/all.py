"""Every mart, in an order in which each comes after those that it reads; and with them every table of the ledger."""

from __future__ import annotations

from typing import Final

from warehouse.contract import Contract
from warehouse.declaration import Table
from warehouse.marts import Mart
from warehouse.marts.consumption import CONSUMPTION_MARTS
from warehouse.marts.detectors import DETECTOR_MARTS
from warehouse.marts.durations import DURATION_MARTS
from warehouse.marts.estimation import ESTIMATION_MARTS
from warehouse.marts.failures import FAILURE_MARTS
from warehouse.marts.forecast import FORECAST_MARTS
from warehouse.marts.lineage import LINEAGE_MARTS
from warehouse.marts.options import OPTION_MARTS
from warehouse.tables import ledger_tables

MARTS: Final[tuple[Mart, ...]] = (
    *DURATION_MARTS,
    *CONSUMPTION_MARTS,
    *FAILURE_MARTS,
    *LINEAGE_MARTS,
    *FORECAST_MARTS,
    *OPTION_MARTS,
    *DETECTOR_MARTS,
    *ESTIMATION_MARTS,
)


def all_tables(known: Contract) -> tuple[Table, ...]:
    """Every table of the ledger, in the order of the data's flow."""
    return (*ledger_tables(known), *(mart.table for mart in MARTS))
