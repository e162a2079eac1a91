"""The contract says what the API's published field lists say, and its names collide nowhere."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pytest

from warehouse.contract import Contract, ContractError, Field, contract, snake_case, typed_table
from warehouse.tables import flattened_tables, typed_table_declaration

FACTS: Final = Path(__file__).parent / "data" / "specification_fields.csv"
KNOWN: Final = contract()
OLDEST: Final = "2025-08"

TABLES: Final = {
    "Objects2D": "objects2d_jobs",
    "Segmentation2D": "segmentation2d_jobs",
    "Segmentation3D": "segmentation3d_jobs",
    "SegmentationOrthophoto": "segmentation_orthophoto_jobs",
    "ChangeDetection": "change_detection_jobs",
    "EvalO2D": "eval_o2d_jobs",
    "EvalO3D": "eval_o3d_jobs",
    "EvalS2D": "eval_s2d_jobs",
    "EvalS3D": "eval_s3d_jobs",
    "EvalSOrtho": "eval_sortho_jobs",
    "TrainingO2D": "training_o2d_jobs",
    "TrainingS3D": "training_s3d_jobs",
    "ClearanceCalculation": "clearance_calculation_jobs",
}
ALIASES: Final = {
    ("Segmentation3D", "remove_small_lines"): {"removeSmallComponents", "removeSmallLines"},
    ("Segmentation3D", "segmented_model3d"): {"segmentedPointCloud", "segmentedModel3D"},
    ("EvalS3D", "segmented_model3d"): {"segmentedPointCloud", "segmentedModel3D"},
    ("EvalO2D", "objects2d"): {"objects2d", "objects2D"},
    ("EvalO3D", "objects3d"): {"objects3d", "objects3D"},
    ("ChangeDetection", "model3d_a"): {"reference", "model3dA", "model3DA"},
    ("ChangeDetection", "model3d_b"): {"toCompare", "model3dB", "model3DB"},
    ("ChangeDetection", "sampling_resolution"): {"meshSamplingResolution", "samplingResolution"},
    ("ChangeDetection", "low_threshold"): {"filterThreshold", "growThreshold"},
    ("ChangeDetection", "high_threshold"): {"threshold", "filterThreshold"},
}


def test_the_contract_is_exactly_the_330_published_rows() -> None:
    with FACTS.open(encoding="utf-8") as lines:
        published = sorted(tuple(row.values()) for row in csv.DictReader(lines))
    said = [
        (row.job_type, row.part, row.api_field, row.json_type, edition, yes_no(row.required), row.pattern or "")
        for row in KNOWN.fields
        for edition in row.editions
    ]
    assert len(published) == 330
    assert sorted(said) == published


def yes_no(value: bool) -> str:
    return "yes" if value else "no"


def test_the_oldest_edition_has_112_fields_in_12_types_and_6_states() -> None:
    assert sum(OLDEST in row.editions for row in KNOWN.fields) == 112
    assert len(KNOWN.job_types_of(OLDEST)) == 12
    names = [state.name for state in KNOWN.states_of(OLDEST)]
    assert sorted(names) == ["Active", "Cancelled", "Failed", "Queued", "Success", "Terminating"]


def test_later_editions_replace_terminating_by_two_states() -> None:
    for edition in KNOWN.editions[1:]:
        names = {state.name for state in KNOWN.states_of(edition)}
        assert "Terminating" not in names
        assert {"TerminatingOnCancel", "TerminatingOnFailure"} <= names


def test_only_success_failed_and_cancelled_end_a_job() -> None:
    ended = {state.name: state.outcome for state in KNOWN.states if state.outcome != "open"}
    assert ended == {"Success": "success", "Failed": "failed", "Cancelled": "cancelled"}


def test_67_of_148_fields_are_not_common_to_all_editions() -> None:
    editions: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    for row in KNOWN.fields:
        editions[row.job_type, row.part, row.api_field] |= set(row.editions)
    assert len(editions) == 148
    assert sum(found != set(KNOWN.editions) for found in editions.values()) == 67


def test_each_type_has_the_table_that_the_design_names() -> None:
    assert {job_type: typed_table(job_type) for job_type in KNOWN.job_types} == TABLES


def test_no_two_columns_of_a_table_differ_only_in_case() -> None:
    for table in flattened_tables():
        assert len({name.lower() for name in table.column_names}) == len(table.columns), table.name


def test_several_api_names_give_one_column_only_where_they_mean_the_same() -> None:
    shared: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    for row in KNOWN.fields:
        shared[row.job_type, row.part, row.name].add(row.api_field)
    found = {(job_type, name): fields for (job_type, _, name), fields in shared.items() if len(fields) > 1}
    assert found == ALIASES


def test_one_key_has_several_meanings_only_in_change_detection() -> None:
    rows = sorted((row.job_type, row.part, row.api_field, row.name) for row in KNOWN.fields)
    several = {
        key[:3]: sorted({name for *_, name in group})
        for key, group in ((key, list(group)) for key, group in groupby(rows, key=lambda row: row[:3]))
        if len({name for *_, name in group}) > 1
    }
    assert several == {("ChangeDetection", "options", "filterThreshold"): ["high_threshold", "low_threshold"]}


def test_a_name_is_the_snake_case_of_its_api_field_unless_it_is_an_alias() -> None:
    for row in KNOWN.fields:
        if row.name != snake_case(row.api_field):
            assert row.api_field in ALIASES[row.job_type, row.name]


@pytest.mark.parametrize(
    ("api_field", "name"),
    [
        ("minPhotos", "min_photos"),
        ("outputCrs", "output_crs"),
        ("thresholdIOU", "threshold_iou"),
        ("objects2D", "objects2d"),
        ("objects2d", "objects2d"),
        ("photoObjectDetector", "photo_object_detector"),
        ("locations3DAsGeoJSON", "locations3d_as_geojson"),
        ("locations3DAAsGeoJSON", "locations3d_a_as_geojson"),
        ("locations3DAsSHP", "locations3d_as_shp"),
        ("objects3DAs3DTiles", "objects3d_as_3d_tiles"),
        ("segmentation3DAsLAS", "segmentation3d_as_las"),
        ("segmentedModel3DA", "segmented_model3d_a"),
        ("changesInModelA", "changes_in_model_a"),
        ("ovfAreas", "ovf_areas"),
        ("", ""),
    ],
)
def test_an_api_field_has_this_canonical_name(api_field: str, name: str) -> None:
    assert snake_case(api_field) == name


def test_companions_are_fields_of_the_same_outputs() -> None:
    for row in KNOWN.fields:
        if row.needs:
            beside = {other.api_field for other in KNOWN.fields_of(row.job_type, row.part) if other.editions}
            assert row.needs in beside


def test_every_export_needs_what_it_exports_but_in_change_detection() -> None:
    stems = {"locations3DAs": "objects3D"}
    for row in KNOWN.fields:
        stem, found, _ = row.api_field.partition("As")
        if row.part != "outputs" or not found or row.job_type == "ChangeDetection":
            assert row.needs is None
        else:
            assert row.needs == stems.get(stem + found, stem)


def test_the_newest_edition_s_field_comes_first_in_a_column() -> None:
    columns = {column.name: column for column in KNOWN.typed_columns("ChangeDetection")}
    assert [row.api_field for row in columns["input_model3d_a"].fields] == ["model3DA", "model3dA", "reference"]


def test_another_contract_has_another_digest() -> None:
    assert KNOWN.with_fields(added()).digest != KNOWN.digest
    assert KNOWN.with_fields().digest == KNOWN.digest


def test_a_new_field_and_a_new_type_give_columns_and_tables_at_once() -> None:
    known = KNOWN.with_fields(added(), added(job_type="Dreaming", name="depth", json_type="integer"))
    assert "option_haste" in typed_table_declaration("Objects2D", known).column_names
    table = next(table for table in flattened_tables(known) if table.name == "dreaming_jobs")
    assert [(column.name, column.type) for column in table.columns] == [
        ("job_id", "VARCHAR"),
        ("option_depth", "BIGINT"),
    ]


def added(**changes: Any) -> Field:
    row = Field("Objects2D", "options", "haste", "haste", (OLDEST,), "number", False, None, None, None, "How fast")
    return replace(row, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"part": "extras"}, "Objects2D.extras.haste: part 'extras' is none of inputs, outputs, options"),
        ({"json_type": "date"}, "Objects2D.options.haste: json_type 'date' is none of string, number"),
        ({"editions": ("2031-01",)}, "Objects2D.options.haste: editions ('2031-01',) are not among 2025-08"),
        ({"editions": ()}, "Objects2D.options.haste: editions () are not among"),
        ({"name": "Haste"}, "Objects2D.options.haste: name 'Haste' is not snake case"),
        ({"name": "crs"}, "Objects2D.option_crs has several types: number, string"),
    ],
)
def test_a_contract_that_contradicts_itself_says_where(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError) as told:
        KNOWN.with_fields(added(**changes))
    assert str(told.value).startswith(message)


def test_an_edition_knows_its_own_fields_alone() -> None:
    by_edition = {edition: fields_in(KNOWN, edition) for edition in KNOWN.editions}
    assert "TrainingO2D" not in KNOWN.job_types_of("2026-04")
    assert "ClearanceCalculation" in KNOWN.job_types_of("2026-04")
    assert ("TrainingS3D", "segmentations3D") in by_edition["2026-07"] - by_edition["2025-08"]


def fields_in(known: Contract, edition: str) -> set[tuple[str, str]]:
    return {(row.job_type, row.api_field) for row in known.fields if edition in row.editions}
