"""Golden files: `golden/<case>.json` holds payloads as the API sends them, `<case>.rows.json` the rows that they give.

A table that the rows leave out is empty, a column that a row leaves out is null. Adding a case is adding the two files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tests.assets.ledgers import Row, ledger_of, written
from warehouse.contract import contract, typed_table
from warehouse.tables import CONTRACT_DRIFT, JOB_OPTIONS, JOB_REFERENCES, JOBS, REJECTED_RECORDS

GOLDEN: Final = Path(__file__).parent / "golden"
CASES: Final = sorted(path.name.removesuffix(".rows.json") for path in GOLDEN.glob("*.rows.json"))
TABLES: Final = (
    *(table.name for table in (JOBS, JOB_REFERENCES, JOB_OPTIONS, CONTRACT_DRIFT, REJECTED_RECORDS)),
    *(typed_table(job_type) for job_type in contract().job_types),
)
UNFORESEEN: Final = {"walk_id"}


@pytest.mark.parametrize("case", CASES)
def test_payloads_give_exactly_these_rows(case: str, tmp_path: Path) -> None:
    payloads = msgspec.json.decode((GOLDEN / f"{case}.json").read_bytes(), type=list[msgspec.Raw])
    ledger = ledger_of(tmp_path, [bytes(payload) for payload in payloads])
    found = {table: in_order(told(row) for row in written(ledger.rows(table))) for table in TABLES}
    expected = json.loads((GOLDEN / f"{case}.rows.json").read_text(encoding="utf-8"))
    assert {table: rows for table, rows in found.items() if rows} == {
        table: in_order(rows) for table, rows in expected.items()
    }


def test_every_type_has_a_case_in_each_edition_that_knows_it_and_so_has_every_state() -> None:
    pairs = {
        f"{typed_table(job_type).removesuffix('_jobs')}-{edition}"
        for edition in contract().editions
        for job_type in contract().job_types_of(edition)
    }
    assert pairs | {f"state-{state.name}" for state in contract().states} <= set(CASES)


def told(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None and name not in UNFORESEEN}


def in_order(rows: Any) -> list[Row]:
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))
