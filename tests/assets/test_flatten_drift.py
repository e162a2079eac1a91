"""Drift and what grows the contract: a field, an alias or a job type is added in one place and fills at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from tests.assets.ledgers import GUID, Ledger, Row, job, ledger_of
from warehouse.contract import Contract, Field, contract, typed_table

KNOWN: Final = contract()
ALL: Final = KNOWN.editions


def detection(job_id: str, day: int = 5, **changes: Any) -> Row:
    """A job of a known type and edition in which nothing is odd but the changes."""
    plain = {"inputs": {"photos": GUID}, "createdDateTime": f"2025-08-{day:02d}T12:00:00Z", "estimatedUnits": 1}
    return job("Objects2D", id=job_id, **{**plain, **changes})


def drift(path: Path, *bodies: Row) -> list[Row]:
    return ledger_of(path, bodies).rows("contract_drift")


KINDS: Final = [
    ("unknown_type", "$.type", {"type": "Dreaming"}, '"Dreaming"'),
    ("unknown_state", "$.state", {"state": "Paused"}, '"Paused"'),
    ("unknown_field", "$.colour", {"colour": {"r": 1}}, '{"r":1}'),
    ("unknown_field", '$."odd key"', {"odd key": 1}, "1"),
    ("unknown_field", "$.specifications.options.haste", {"options": {"haste": [1, 2]}}, "[1,2]"),
    ("unknown_field", '$.specifications.options."a\\"b"', {"options": {'a"b': 1}}, "1"),
    ("wrong_type", "$.userId", {"userId": 5}, "5"),
    ("wrong_type", "$.specifications.options", {"options": "none"}, '"none"'),
    ("wrong_type", "$.specifications.options.minPhotos", {"options": {"minPhotos": "10"}}, '"10"'),
    ("wrong_type", "$.specifications.options.minPhotos", {"options": {"minPhotos": 2.5}}, "2.5"),
    ("wrong_type", "$.specifications.options.minPhotos", {"options": {"minPhotos": 2**63}}, str(2**63)),
    ("missing_required", "$.state", {"state": None}, "null"),
    ("missing_required", "$.specifications.inputs.photos", {"inputs": {}}, None),
    ("pattern", "$.name", {"name": "a?"}, '"a?"'),
    ("pattern", "$.executionInfo.endedDateTime", {"endedDateTime": "soon"}, '"soon"'),
    (
        "missing_companion",
        "$.specifications.outputs.locations3DAsSHP",
        {"outputs": {"locations3DAsSHP": GUID}},
        f'"{GUID}"',
    ),
]


@pytest.mark.parametrize(("kind", "path", "changes", "example"), KINDS)
def test_each_kind_tells_its_jobs_the_first_and_the_last_of_them_and_an_example(
    kind: str, path: str, changes: Row, example: str | None, tmp_path: Path
) -> None:
    odd = [detection(job_id, day, **changes) for job_id, day in (("b", 9), ("z", 3), ("a", 27))]
    (row,) = drift(tmp_path, detection("fine", 1), *odd, detection("also-fine", 30))
    assert row == {
        "type": changes.get("type", "Objects2D"),
        "path": path,
        "kind": kind,
        "edition": "2025-08",
        "jobs": 3,
        "first_job_id": "z",
        "last_job_id": "a",
        "example": example,
    }


def test_an_example_is_cut_at_200_characters(tmp_path: Path) -> None:
    (row,) = drift(tmp_path, detection("long", colour="x" * 5000))
    assert row["example"] == '"' + "x" * 199


def test_what_one_edition_has_and_another_lacks_is_no_drift(tmp_path: Path) -> None:
    mixed = {"removeSmallComponents": 1, "removeSmallLines": 2}
    assert drift(tmp_path, job("Segmentation3D", inputs={"model3D": GUID}, options=mixed)) == []


def test_null_values_are_no_drift_where_they_are_not_required(tmp_path: Path) -> None:
    nulls = {"inputs": {"photos": GUID, "model3D": None}, "options": {"crs": None, "minPhotos": None}}
    nulls |= {"name": None, "startedDateTime": None, "estimatedUnits": None, "processingUnits": None}
    assert drift(tmp_path, detection("a", **nulls)) == []


def test_a_job_keeps_what_the_contract_does_not_know(tmp_path: Path) -> None:
    body = job("Dreaming", id="d", inputs={"cloud": GUID, "list": ["x", None, {"y": 1}]}, options={"depth": 3.5})
    ledger = ledger_of(tmp_path, [body])
    assert [(row["role"], row["ordinal"], row["reference"]) for row in ledger.rows("job_references")] == [
        ("cloud", 1, GUID),
        ("list", 1, "x"),
        ("list", 3, '{"y":1}'),
    ]
    assert [(row["option"], row["number"]) for row in ledger.rows("job_options")] == [("depth", 3.5)]
    assert [(row["type"], row["outcome"]) for row in ledger.rows("jobs")] == [("Dreaming", "open")]


def field(job_type: str, part: str, name: str, json_type: str = "number", **changes: Any) -> Field:
    row = Field(job_type, part, name, name, ALL, json_type, False, None, None, None, "A test's own")
    return replace(row, **changes)


def grown(ledger: Ledger, known: Contract) -> Ledger:
    """The same lake under a contract that knows more, flattened."""
    ledger.known = known
    assert ledger.flatten().made is True
    return ledger


def test_a_new_field_fills_its_column_for_old_jobs_and_is_drift_no_more(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, [detection("old", options={"haste": 2})])
    assert [row["kind"] for row in ledger.rows("contract_drift")] == ["unknown_field"]
    grown(ledger, KNOWN.with_fields(field("Objects2D", "options", "haste")))
    assert ledger.rows("objects2d_jobs", "job_id", "option_haste") == [{"job_id": "old", "option_haste": 2.0}]
    assert ledger.rows("contract_drift") == []


def test_an_alias_fills_the_column_that_it_means_for_old_jobs(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, [detection("old", options={"minimumPhotos": 4}), detection("two", 6)])
    assert ledger.rows("objects2d_jobs", "option_min_photos") == [{"option_min_photos": None}] * 2
    alias = field("Objects2D", "options", "min_photos", "integer", api_field="minimumPhotos")
    grown(ledger, KNOWN.with_fields(alias))
    assert ledger.rows("objects2d_jobs", "job_id", "option_min_photos") == [
        {"job_id": "old", "option_min_photos": 4},
        {"job_id": "two", "option_min_photos": None},
    ]
    assert [(row["option"], row["api_field"]) for row in ledger.rows("job_options")] == [
        ("min_photos", "minimumPhotos")
    ]


def test_a_whole_new_type_gets_its_table_for_old_jobs(tmp_path: Path) -> None:
    body = job("Dreaming", id="d", inputs={"pillow": GUID, "sheep": ["one", "two"]}, options={"deep": True})
    ledger = ledger_of(tmp_path, [body])
    assert [row["kind"] for row in ledger.rows("contract_drift")] == ["unknown_type"]
    known = KNOWN.with_fields(
        field("Dreaming", "inputs", "pillow", "string"),
        field("Dreaming", "inputs", "sheep", "array<string>"),
        field("Dreaming", "options", "deep", "boolean"),
    )
    grown(ledger, known)
    assert ledger.rows(typed_table("Dreaming")) == [
        {"job_id": "d", "input_pillow": GUID, "input_sheep": ["one", "two"], "option_deep": True}
    ]
    assert ledger.rows("contract_drift") == []


def test_another_contract_makes_the_tables_anew_and_the_same_one_does_not(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, [detection("a")])
    assert ledger.flatten().made is False
    grown(ledger, KNOWN.with_fields(field("Objects2D", "options", "haste")))
    assert ledger.flatten().made is False
