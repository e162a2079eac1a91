"""A ledger of what is rare: cycles of names, ties and borders, open jobs, odd JSON, numbers, a clock that was wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from tests.warehouse import mart_worlds, test_marts_lineage, test_marts_options
from tests.warehouse.made_ledgers import made_ledger
from tests.warehouse.mart_worlds import AS_OF, HOUR, Row, job
from warehouse.lake import Lake
from warehouse.tables import WALKS

BORN: Final = datetime(2025, 3, 30, 12, tzinfo=AS_OF.tzinfo)
NUMBERS: Final = (
    "1.50",
    "-0.0",
    "0",
    "1E2",
    "5e-324",
    "0.1",
    "1e22",
    "1e999",
    "-1e999",
    "123456.654321",
    "1e9",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "123456789012345678901234567890",
    "0.30000000000000004",
    '"7"',
    '"NaN"',
    "null",
    "true",
    "[1]",
    '{"processingUnits": 3}',
    '"\\u00fc \\ud83d\\ude00"',
)
INFOS: Final = (
    *(f'{{"processingUnits": {number}}}' for number in NUMBERS),
    *(f'{{"estimatedUnits": 4, "processingUnits": {number}}}' for number in NUMBERS),
    '{"processingUnits": 1, "processingUnits": 2}',
    '{"ProcessingUnits": 1}',
    '{ "note" : "says \\"processingUnits\\": 7" ,\n"estimatedUnits"\t:\r 2 }',
    '{"a.b": {"processingUnits": 5}, "$": 1}',
    "[]",
    '"processingUnits"',
    "7",
    "null",
)
"""What executionInfo holds in the second version of a job each; in the first, 2.5 units."""

OPTIONS: Final = (1e22, 1e16, 1e15, 0.1, 0.30000000000000004, -0.0, 5e-324, 1.5e-7, 123456789.125, 1 / 3, 1e-5, 1e100)
TEXTS: Final = ("it's", "back\\slash", "%_", "ünï 😀", "", " ", "\n", "q1 [1, 2]")


def odd_ledger(data: Path) -> Path:
    """A data folder of this world; its marts are not made."""
    lineage_jobs, references = test_marts_lineage.world(2)
    options = test_marts_options.world(3, 150)
    read = [job(f"read-{number:02}", BORN + number * HOUR, versions=2) for number in range(len(INFOS))]
    valued = [
        job(f"valued-{number:02}", BORN, wait=HOUR, run=number * HOUR, units=value, units_source="estimatedUnits")
        for number, value in enumerate(OPTIONS)
    ]
    running = [
        job(f"running-{number:02}", AS_OF - number * HOUR, outcome="open", wait=number % 3 * HOUR, type="EvalO2D")
        for number in range(40)
    ]
    tables: dict[str, Any] = {
        "jobs": [*mart_worlds.world(1), *lineage_jobs, *options["jobs"], *read, *valued, *running],
        "job_references": [*references, *options["job_references"], *_cycle(valued)],
        "job_options": [*options["job_options"], *_options(valued)],
        "observations": list(_observations(read)),
        "job_states": [_state(row) for row in running],
        "job_messages": [_message(row, number) for row in lineage_jobs for number in (2, 1)],
        "detectors": [{"detector_name": "@bentley/cracks", "name": "Cracks", "latest_version": "2.0"}],
        "detector_versions": [_version(number) for number in range(3)],
    }
    made_ledger(data, tables, AS_OF)
    _write_wrong_walk(Lake(data))
    return data


def _cycle(jobs: list[Row]) -> Iterator[Row]:
    """Each job reads what the next one makes, and the last one what the first one makes."""
    for reader, maker in zip(jobs, [*jobs[1:], jobs[0]], strict=True):
        value = (f"bkt:{maker['job_id']}", "bucket_path", None, None)
        yield test_marts_lineage.reference(reader, "input", "photos", value)
        yield test_marts_lineage.reference(maker, "output", "photos", value)


def _options(jobs: list[Row]) -> Iterator[Row]:
    for owner, number in zip(jobs, OPTIONS, strict=True):
        yield test_marts_options.option(owner, "threshold", number)
        yield from (test_marts_options.option(owner, "srs", text, place) for place, text in enumerate(TEXTS))


def _observations(jobs: list[Row]) -> Iterator[Row]:
    for row, info in zip(jobs, INFOS, strict=True):
        of_row = {"job_id": row["job_id"], "http_status": 200, "source": "list", "walk_id": "wrong"}
        for minute, text in enumerate(('{"estimatedUnits": 2.5}', info)):
            body = f'{{"id": {json.dumps(row["job_id"])}, "executionInfo": {text}, "state": "Success"}}'
            yield {**of_row, "observed_at": AS_OF + timedelta(minutes=minute), "body": body}
    twice = '{"executionInfo": {"processingUnits": 1}, "executionInfo": {"processingUnits": 2}}'
    yield {**of_row, "observed_at": AS_OF + 2 * HOUR, "body": twice}
    yield {**of_row, "observed_at": AS_OF + 3 * HOUR, "body": None, "http_status": 404}


def _state(row: Row) -> Row:
    return {"job_id": row["job_id"], "state": row["state"], "first_seen_at": AS_OF - HOUR, "last_seen_at": AS_OF}


def _message(row: Row, number: int) -> Row:
    of_row = {"job_id": row["job_id"], "severity": "error", "ordinal": number}
    return {**of_row, "code": f"code {number % 2}", "message": TEXTS[number % len(TEXTS)]}


def _version(number: int) -> Row:
    made_at = test_marts_lineage.START + number * timedelta(days=1)
    return {
        "detector_name": "@bentley/cracks",
        "version": f"{number}.0",
        "status": "Ready",
        "created_at": made_at,
        "labels": ["crack", "ünï"],
    }


def _write_wrong_walk(lake: Lake) -> None:
    """Add a walk that was dated by a clock an hour and some microseconds behind."""
    month = f"{AS_OF:%Y-%m}"
    walks: list[Row] = [
        {"walk_id": "walk", "finished_at": AS_OF, "complete": True, "on_api_clock": True},
        {"walk_id": "wrong", "finished_at": AS_OF - HOUR, "complete": True, "clock_skew_seconds": 3600.000011},
    ]
    columns = [pa.array([walk.get(field.name) for walk in walks], field.type) for field in WALKS.arrow_schema]
    with lake.exclusive(month) as staging:
        staging.write(WALKS, month, pa.Table.from_arrays(columns, schema=WALKS.arrow_schema))
        staging.commit()
