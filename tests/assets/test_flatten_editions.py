"""Editions: the same jobs give the same columns in each of them, and none is taken for another one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from pipelines.sandbox import World
from tests.assets.ledgers import GUID, Ledger, Row, job, ledger_of
from warehouse.contract import contract, typed_table

KNOWN: Final = contract()
CLOCK: Final = datetime(2025, 8, 28, 12, tzinfo=UTC)
OLD, MIDDLE, NEW = KNOWN.editions

LACKING: Final = {
    ("Segmentation3D", "2026-07"): {
        "option_crs",
        "option_keep_input_resolution",
        "output_segmentation3d_as_las",
        "output_segmentation3d_as_laz",
        "output_segmentation3d_as_ply",
        "output_segmentation3d_as_pod",
    },
    ("ChangeDetection", "2025-08"): {
        "input_extent",
        "input_preset",
        "output_changes_in_model_a",
        "output_changes_in_model_b",
        "output_locations3d_a",
        "output_locations3d_a_as_geojson",
        "output_locations3d_a_as_shp",
        "output_locations3d_b",
        "output_locations3d_b_as_geojson",
        "output_locations3d_b_as_shp",
        "output_segmentation3d_a",
        "output_segmentation3d_b",
        "output_segmented_model3d_a",
        "output_segmented_model3d_b",
    },
    ("ChangeDetection", "2026-04"): {
        "input_extent",
        "input_preset",
        "output_added",
        "output_locations3d_a",
        "output_locations3d_a_as_geojson",
        "output_locations3d_a_as_shp",
        "output_locations3d_b",
        "output_locations3d_b_as_geojson",
        "output_locations3d_b_as_shp",
        "output_removed",
        "output_segmentation3d_a",
        "output_segmentation3d_b",
        "output_segmented_model3d_a",
        "output_segmented_model3d_b",
    },
    ("ChangeDetection", "2026-07"): {
        "option_output_crs",
        "output_added",
        "output_changes_in_model_a",
        "output_changes_in_model_b",
        "output_locations3d_as_geojson",
        "output_locations3d_as_shp",
        "output_objects3d",
        "output_removed",
    },
    ("TrainingS3D", "2025-08"): {
        "input_detector_name",
        "input_preset",
        "input_segmentations3d",
        "option_features",
        "option_model",
        "option_version_number",
    },
    ("TrainingS3D", "2026-07"): {"input_scene", "option_max_training_split"},
}
NO_SUCH_TYPE: Final = {
    "2025-08": {"ClearanceCalculation"},
    "2026-04": {"TrainingO2D", "TrainingS3D"},
    "2026-07": {"TrainingO2D", "ClearanceCalculation"},
}
OWN_TO_THE_EDITION: Final = {"edition", "state", "units_source"}
"""Columns of `jobs` that tell the edition's own words: which edition, which ending state, which units."""


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ledger]:
    def ledger(edition: str) -> Ledger:
        bodies = World(seed=11, jobs_per_month=240, months=1, edition=edition).jobs_at(CLOCK)
        return ledger_of(tmp_path_factory.mktemp(edition), bodies)

    return {edition: ledger(edition) for edition in KNOWN.editions}


def by_job(ledger: Ledger, table: str) -> dict[str, Row]:
    return {row["job_id"]: row for row in ledger.rows(table)}


def columns_of(job_type: str, edition: str) -> set[str]:
    return {row.column for row in KNOWN.fields_of(job_type, edition=edition)}


def pairs() -> Iterator[tuple[str, str]]:
    yield from ((job_type, edition) for edition in KNOWN.editions for job_type in KNOWN.job_types_of(edition))


def test_what_an_edition_cannot_express_is_this_and_nothing_else() -> None:
    lacking = {
        (job_type, edition): {column.name for column in KNOWN.typed_columns(job_type)} - columns_of(job_type, edition)
        for job_type, edition in pairs()
    }
    assert {pair: columns for pair, columns in lacking.items() if columns} == LACKING
    assert {edition: set(KNOWN.job_types) - set(KNOWN.job_types_of(edition)) for edition in KNOWN.editions} == (
        NO_SUCH_TYPE
    )


@pytest.mark.parametrize(("one", "other"), [(OLD, MIDDLE), (OLD, NEW), (MIDDLE, NEW)])
def test_typed_tables_are_equal_wherever_both_editions_can_express_it(
    one: str, other: str, ledgers: dict[str, Ledger]
) -> None:
    compared = 0
    for job_type in set(KNOWN.job_types_of(one)) & set(KNOWN.job_types_of(other)):
        shared = {"job_id"} | columns_of(job_type, one) & columns_of(job_type, other)
        if job_type == "TrainingS3D":
            # The same detector: by its id in the oldest edition, by its name in the newest.
            shared -= {"output_detector"}
        first, second = (by_job(ledgers[edition], typed_table(job_type)) for edition in (one, other))
        assert first.keys() == second.keys()
        for job_id, row in first.items():
            told, retold = (of(each, shared - detectors(job_type)) for each in (row, second[job_id]))
            assert told == retold
            compared += sum(value is not None for value in told.values())
    assert compared > 300


def detectors(job_type: str) -> set[str]:
    """Columns whose value may be a trained detector, which the editions call by its id or by its name."""
    return {row.column for row in KNOWN.fields_of(job_type, "inputs") if row.holds == "detector"}


def of(row: Row, columns: set[str]) -> Row:
    return {name: row[name] for name in sorted(columns)}


@pytest.mark.parametrize(("one", "other"), [(OLD, MIDDLE), (OLD, NEW)])
def test_jobs_are_equal_but_for_the_edition_s_own_words(one: str, other: str, ledgers: dict[str, Ledger]) -> None:
    first, second = by_job(ledgers[one], "jobs"), by_job(ledgers[other], "jobs")
    shared = first.keys() & second.keys()
    assert len(shared) > 150
    for job_id in shared:
        row, other_row = first[job_id], second[job_id]
        assert without(row) == without(other_row)
        assert (row["units_source"] is None) == (other_row["units_source"] is None)


def without(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in OWN_TO_THE_EDITION}


@pytest.mark.parametrize("edition", KNOWN.editions)
def test_no_job_of_the_sandbox_is_taken_for_one_of_another_edition(edition: str, ledgers: dict[str, Ledger]) -> None:
    found = [row["edition"] for row in ledgers[edition].rows("jobs")]
    assert set(found) == {edition, None}
    assert found.count(edition) > len(found) / 4


@pytest.mark.parametrize("edition", KNOWN.editions)
def test_clean_jobs_of_an_edition_give_no_drift(edition: str, ledgers: dict[str, Ledger]) -> None:
    assert ledgers[edition].rows("contract_drift") == []
    assert ledgers[edition].rows("rejected_records") == []


LATE: Final = {"createdDateTime": "2025-08-05T12:38:12.0000000+00:00"}
DETECTION: Final = {"inputs": {"photos": GUID}}


@pytest.mark.parametrize(
    ("body", "edition"),
    [
        (job(**DETECTION), None),
        (job(**DETECTION, **LATE), None),
        (job(**DETECTION, estimatedUnits=0), OLD),
        (job(**DETECTION, estimatedUnits=0, **LATE), OLD),
        (job(**DETECTION, estimatedUnits=None), None),
        (job(**DETECTION, processingUnits=0), None),
        (job(**DETECTION, state="Terminating"), OLD),
        (job(**DETECTION, state="TerminatingOnCancel"), None),
        (job(**DETECTION, state="Paused"), None),
        (job("Segmentation3D", options={"crs": "EPSG:4978"}), None),
        (job("Segmentation3D", options={"crs": "EPSG:4978"}, **LATE), MIDDLE),
        (job("Segmentation3D", options={"crs": "EPSG:4978"}, processingUnits=1), MIDDLE),
        (job("Segmentation3D", outputs={"segmentedModel3D": GUID}), NEW),
        (job("Segmentation3D", outputs={"segmentedModel3D": None}), NEW),
        (job("EvalO2D", outputs={"objects2D": GUID}), NEW),
        (job("EvalO2D", outputs={"objects2d": GUID}), None),
        (job("ClearanceCalculation"), MIDDLE),
        (job("TrainingO2D"), OLD),
        (job("TrainingS3D", **LATE), NEW),
        (job("TrainingS3D"), None),
        (job("Unheard", processingUnits=3), None),
        (job("Unheard", estimatedUnits=3), OLD),
        (job("ChangeDetection", inputs={"reference": GUID}), OLD),
        (job("ChangeDetection", inputs={"model3dA": GUID}), MIDDLE),
        (job("ChangeDetection", inputs={"model3DA": GUID}), NEW),
        (job("ChangeDetection", inputs={"reference": GUID, "model3DA": GUID}), None),
        (job("ChangeDetection", inputs={"reference": GUID}, processingUnits=3), None),
        (job(**DETECTION, estimatedUnits=1, processingUnits=1), None),
    ],
)
def test_an_edition_is_what_the_record_singles_out(body: Row, edition: str | None, singled: dict[str, Any]) -> None:
    assert singled[body["id"]] == edition


@pytest.fixture(scope="module")
def singled(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The editions of all records of the test above, flattened at once."""
    asked = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    bodies = {params["body"]["id"]: params["body"] for params in asked if "body" in params and "edition" in params}
    ledger = ledger_of(tmp_path_factory.mktemp("singled"), bodies.values())
    return {row["job_id"]: row["edition"] for row in ledger.rows("jobs")}
