"""What the ledger claims of itself, as statements that are checked on the lake after a run.

A check is a SELECT of the rows that contradict its statement (`warehouse/sql/checks`); no rows, and it holds. What its
failure means is its `weight`; docs/decisions/0010 says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import duckdb
import pyarrow as pa

from warehouse.catalog import door
from warehouse.contract import Contract, typed_table
from warehouse.declaration import Table
from warehouse.engine import arrow, connection, run
from warehouse.lake import Lake, quote
from warehouse.sql import statement

Weight = Literal["blocking", "error", "warning"]

SHOWN: Final = 20
"""Offending rows that are shown at most."""


@dataclass(frozen=True)
class Check:
    """A statement about a table: `name` says it, `table` is the asset at which it is shown.

    `weight`: 'blocking' where the tables contradict what was sent: an error that stops what is downstream; 'error'
    where what was sent cannot be right, or is not whole; 'warning' where somebody should have a look.
    """

    name: str
    table: str
    meaning: str
    weight: Weight = "blocking"


@dataclass(frozen=True)
class Verdict:
    """Whether a statement holds: how many rows contradict it, and the first of them."""

    check: Check
    offending: int
    rows: pa.Table

    @property
    def holds(self) -> bool:
        return self.offending == 0


RAW_CHECKS: Final = (
    Check("nothing_is_rejected", "rejected_records", "Every record became a row.", "warning"),
    Check("walks_are_complete", "walks", "The newest walk of each month and iTwin is complete.", "error"),
)
"""The checks of what was walked."""

CORE_CHECKS: Final = (
    Check("job_ids_are_unique", "jobs", "A job has one row."),
    Check("a_job_is_in_one_month", "jobs", "All versions of a job have the same time of creation."),
    Check(
        "created_before_started_before_ended",
        "jobs",
        "A job starts after it was created and ends after it started.",
        "error",
    ),
    Check(
        "a_finished_job_has_its_end",
        "jobs",
        "A job that is not open tells when it ended.",
        "error",
    ),
    Check("units_are_not_negative", "jobs", "No job has less than 0 units.", "error"),
    Check(
        "each_job_is_in_the_table_of_its_type",
        "jobs",
        "A job of a known type has one row in the typed table of that type, and none in another one.",
    ),
    Check(
        "every_input_output_and_option_is_in_the_tables",
        "job_references",
        "The values in the newest bodies, counted in the JSON, are the rows of job_references and job_options.",
    ),
    Check(
        "types_states_and_fields_are_known",
        "contract_drift",
        "The contract knows every type, state and field, and values have its types.",
        "warning",
    ),
    Check(
        "a_month_speaks_one_edition",
        "jobs",
        "The records of a month that show their edition are all of the same one.",
        "warning",
    ),
    Check(
        "companions_are_present",
        "contract_drift",
        "Outputs that need another output have it.",
        "warning",
    ),
    Check(
        "names_and_paths_follow_their_patterns",
        "contract_drift",
        "Names and bucket paths are written as the contract says.",
        "warning",
    ),
)
"""The checks of what was flattened."""

AGREEMENT: Final = Check(
    "parquet_and_history_duckdb_agree",
    "history_duckdb",
    "history.duckdb has every table of the lake with as many rows.",
)


EVERY_MONTH_CAME_THROUGH: Final = Check(
    "every_month_came_through",
    "history_duckdb",
    "No month of the run failed. Months that did are named with their reasons; the others are whole in every table.",
    "error",
)
"""The check that fails a run last."""


def verify(
    lake: Lake, checks: Iterable[Check], months: Sequence[str], tables: Mapping[str, Table], known: Contract
) -> list[Verdict]:
    """Looks, in these months, for rows that contradict the checks' statements."""
    with connection() as con:
        for table in tables.values():
            if table.monthly:
                run(con, f"CREATE TEMP VIEW {table.name} AS SELECT * FROM {lake.source_of_months(table, months)}")
        run(con, f"CREATE TEMP VIEW typed_jobs AS {_typed_jobs(known)}")
        types = ", ".join(quote(job_type) for job_type in known.job_types)
        texts = ((check, statement(f"checks/{check.name}").replace("$job_types", types)) for check in checks)
        return [_verdict(con, check, text) for check, text in texts]


def verify_agreement(lake: Lake, tables: Sequence[Table]) -> Verdict:
    """Compares the rows of each table in the lake with those that history.duckdb shows."""
    with connection() as con:
        run(con, f"ATTACH {quote(str(door(lake.data)))} AS door (READ_ONLY)")
        counts = " UNION ALL ".join(
            f"SELECT '{table.name}' AS table_name, (SELECT count(*) FROM {lake.source(table)}) AS in_parquet, "
            f"(SELECT count(*) FROM door.{table.name}) AS in_duckdb"
            for table in tables
        )
        return _verdict(con, AGREEMENT, f"SELECT * FROM ({counts}) WHERE in_parquet <> in_duckdb")


def as_markdown(rows: pa.Table) -> str:
    """The offending rows as the UI shows them."""

    def cell(value: Any) -> str:
        return str(value).replace("|", "\\|").replace("\n", " ")[:120]

    lines = [" | ".join(rows.column_names), " | ".join("---" for _ in rows.column_names)]
    lines += [" | ".join(cell(value) for value in row.values()) for row in rows.to_pylist()]
    return "\n".join(lines)


def _verdict(con: duckdb.DuckDBPyConnection, check: Check, text: str) -> Verdict:
    run(con, f"CREATE OR REPLACE TEMP TABLE offending AS {text}")
    count = int(run(con, "SELECT count(*) FROM offending")[0][0])
    return Verdict(check, count, arrow(con, f"SELECT * FROM offending LIMIT {SHOWN}"))


def _typed_jobs(known: Contract) -> str:
    parts = (f"SELECT job_id, {quote(job_type)} AS type FROM {typed_table(job_type)}" for job_type in known.job_types)
    return " UNION ALL ".join(parts)
