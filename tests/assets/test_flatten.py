"""Flattening, compared whole with what plain Python makes of the same records."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.sandbox import World
from tests.assets import oracle
from tests.assets.bodies import body_of
from tests.assets.ledgers import GUID, ITWIN, SEEN, USER, Ledger, Row, history, job, ledger_of, observed, walked
from warehouse.contract import contract, typed_table

KEYS = {
    "jobs": ("job_id",),
    "job_references": ("job_id", "direction", "api_field", "ordinal"),
    "job_options": ("job_id", "api_field", "ordinal"),
}
PAIRS = [(kind, edition) for kind in contract().job_types for edition in contract().editions]
PAIRS = [(kind, edition) for kind, edition in PAIRS if kind in contract().job_types_of(edition)]
EXAMPLE = {
    "id": "cc3d35cc-416a-4262-9714-b359da70b419",
    "name": "Segment photos",
    "type": "Segmentation2D",
    "state": "Active",
    "iTwinId": ITWIN,
    "userId": USER,
    "executionInfo": {"createdDateTime": "2025-08-05T12:38:12Z", "startedDateTime": None, "endedDateTime": None},
    "specifications": {
        "inputs": {"photos": "401975b7-0c0a-4498-8896-84987921f4bb", "photoSegmentationDetector": GUID},
        "outputs": {
            "segmentation2D": "bdcb1b1f-1c3e-4e5d-9c5a-5e5f6d0e1a2b",
            "segmentedPhotos": "9d1c4a39-64f5-4d27-8b0e-34a6c1b7d8f9",
        },
        "options": {"computeLineWidth": True, "minPhotos": 10},
    },
}


def assert_like_plain_python(ledger: Ledger, bodies: Sequence[Row]) -> None:
    """jobs, job_references, job_options and every typed table, whole."""
    expected = {
        "jobs": [oracle.jobs(body, SEEN) for body in bodies],
        "job_references": [row for body in bodies for row in oracle.references(body)],
        "job_options": [row for body in bodies for row in oracle.options(body)],
    }
    for name, key in KEYS.items():
        found, like = oracle.comparable(ledger.rows(name), expected[name], key)
        assert found == like
    for kind in contract().job_types:
        columns = [column.name for column in contract().typed_columns(kind)]
        like = [oracle.typed(body, columns) for body in bodies if body.get("type") == kind]
        found, like = oracle.comparable(ledger.rows(typed_table(kind)), like, ("job_id",))
        assert found == like


def test_the_example_of_the_api_s_documentation_comes_out_as_its_rows(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, [EXAMPLE])
    created = datetime(2025, 8, 5, 12, 38, 12, tzinfo=UTC)
    assert ledger.rows("jobs") == [
        {
            "job_id": EXAMPLE["id"],
            "itwin_id": ITWIN,
            "user_id": USER,
            "name": "Segment photos",
            "type": "Segmentation2D",
            "state": "Active",
            "outcome": "open",
            "created_at": created,
            "created_month": "2025-08",
            "started_at": None,
            "ended_at": None,
            "queue_seconds": None,
            "run_seconds": None,
            "total_seconds": None,
            "units": None,
            "units_source": None,
            "edition": None,
            "first_observed_at": SEEN,
            "changed_at": SEEN,
            "versions": 1,
            "vanished_at": None,
        }
    ]
    fields = ("direction", "role", "api_field", "ordinal", "reference", "kind", "detector_name", "detector_version")
    references = EXAMPLE["specifications"]
    assert [tuple(row[name] for name in fields) for row in ledger.rows("job_references")] == [
        ("input", "photo_segmentation_detector", "photoSegmentationDetector", 1, GUID, "detector", GUID, None),
        ("input", "photos", "photos", 1, references["inputs"]["photos"], "reality_data", None, None),
        (
            "output",
            "segmentation2d",
            "segmentation2D",
            1,
            references["outputs"]["segmentation2D"],
            "reality_data",
            None,
            None,
        ),
        (
            "output",
            "segmented_photos",
            "segmentedPhotos",
            1,
            references["outputs"]["segmentedPhotos"],
            "reality_data",
            None,
            None,
        ),
    ]
    assert [tuple(row.values())[2:] for row in ledger.rows("job_options")] == [
        ("compute_line_width", "computeLineWidth", 1, "true", None, True),
        ("min_photos", "minPhotos", 1, "10", 10.0, None),
    ]
    (typed,) = ledger.rows("segmentation2d_jobs")
    assert {name: value for name, value in typed.items() if value is not None} == {
        "job_id": EXAMPLE["id"],
        "input_photos": references["inputs"]["photos"],
        "input_photo_segmentation_detector": GUID,
        "output_segmentation2d": references["outputs"]["segmentation2D"],
        "output_segmented_photos": references["outputs"]["segmentedPhotos"],
        "option_compute_line_width": True,
        "option_min_photos": 10,
    }
    assert ledger.rows("contract_drift") == []


def test_all_fields_of_all_types_and_editions_come_out_like_in_plain_python(tmp_path: Path) -> None:
    random = Random(5)
    bodies = [body_of(kind, edition, random, share=share) for kind, edition in PAIRS for share in (1.0, 0.5, 0.0)]
    ledger = ledger_of(tmp_path, bodies)
    assert_like_plain_python(ledger, bodies)
    assert ledger.rows("contract_drift") == [
        row for row in ledger.rows("contract_drift") if row["kind"] == "missing_companion"
    ]


def test_every_value_of_the_sandbox_s_world_is_in_the_tables_for_all_112_fields(tmp_path: Path) -> None:
    clock = datetime(2025, 8, 31, 23, tzinfo=UTC)
    bodies = World(seed=9, jobs_per_month=900, months=1).jobs_at(clock)
    random = Random(2)
    bodies += [body_of(kind, "2025-08", random) for kind in contract().job_types_of("2025-08")]
    in_json: Counter[tuple[str, str, str]] = Counter()
    for body in bodies:
        for part in ("inputs", "outputs", "options"):
            for key, value in body["specifications"].get(part, {}).items():
                in_json[body["type"], part, key] += (
                    len([item for item in value if item is not None]) if isinstance(value, list) else value is not None
                )
    ledger = ledger_of(tmp_path, bodies)
    parts = {"input": "inputs", "output": "outputs"}
    in_tables = Counter(
        (row["type"], parts[row["direction"]], row["api_field"]) for row in ledger.rows("job_references")
    )
    in_tables += Counter((row["type"], "options", row["api_field"]) for row in ledger.rows("job_options"))
    assert in_tables == +in_json
    assert len(in_tables) == 112
    for kind in contract().job_types:
        ids = [row["job_id"] for row in ledger.rows(typed_table(kind))]
        assert sorted(ids) == sorted(body["id"] for body in bodies if body["type"] == kind)


def test_names_that_differ_only_in_case_come_out_right_from_every_reader(tmp_path: Path) -> None:
    first, second = body_of("EvalO2D", "2025-08", Random(1)), body_of("Objects2D", "2025-08", Random(2))
    twins = body_of("EvalO2D", "2026-07", Random(3))
    twins["specifications"]["outputs"] = {"objects2D": "new", "objects2d": "old"}
    ledger = ledger_of(tmp_path, [first, second, twins])
    wanted = {
        "eval_o2d_jobs": {first["id"]: first["specifications"]["outputs"]["objects2d"], twins["id"]: "new"},
        "objects2d_jobs": {second["id"]: second["specifications"]["outputs"]["objects2D"]},
    }
    for name, values in wanted.items():
        file = str(ledger.path(name))
        with duckdb.connect() as con:
            by_duckdb = dict(con.execute(f"SELECT job_id, output_objects2d FROM '{file}'").fetchall())
        table = pq.ParquetFile(file).read()
        frame = pd.read_parquet(file, partitioning=None)
        assert by_duckdb == values
        assert dict(zip(table["job_id"].to_pylist(), table["output_objects2d"].to_pylist(), strict=True)) == values
        assert dict(zip(frame.job_id, frame.output_objects2d, strict=True)) == values
    rows = [
        (row["api_field"], row["reference"]) for row in ledger.rows("job_references") if row["job_id"] == twins["id"]
    ]
    assert ("objects2D", "new") in rows
    assert ("objects2d", "old") in rows


def test_every_reader_of_the_folder_finds_the_month_of_creation_in_utc(tmp_path: Path) -> None:
    created = {"2025-08": "2025-09-01T01:59:59.9999999+02:00", "2025-09": "2025-09-01T02:00:00+02:00"}
    for month, time in created.items():
        ledger_of(tmp_path, [job(id=month, createdDateTime=time)], month)
    folder, wanted = Ledger(tmp_path).lake.root / "jobs", {month: month for month in created}
    with duckdb.connect() as con:
        by_duckdb = con.execute(f"SELECT job_id, created_month FROM '{folder}/*/*.parquet'").fetchall()
    by_arrow = pq.read_table(folder, partitioning=None, columns=["job_id", "created_month"]).to_pylist()
    frame = pd.read_parquet(folder, partitioning=None)
    assert dict(by_duckdb) == wanted
    assert {row["job_id"]: row["created_month"] for row in by_arrow} == wanted
    assert dict(zip(frame.job_id, frame.created_month, strict=True)) == wanted


def test_types_are_the_contract_s_in_parquet_as_in_duckdb(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, [body_of("Objects2D", "2025-08", Random(1)), EXAMPLE])
    wanted = {
        ("objects2d_jobs", "option_min_photos"): (pa.int64(), "BIGINT"),
        ("segmentation2d_jobs", "option_compute_line_width"): (pa.bool_(), "BOOLEAN"),
        ("objects2d_jobs", "option_max_dist"): (pa.float64(), "DOUBLE"),
        ("jobs", "created_at"): (pa.timestamp("us", tz="UTC"), "TIMESTAMP WITH TIME ZONE"),
        ("jobs", "queue_seconds"): (pa.float64(), "DOUBLE"),
    }
    with duckdb.connect() as con:
        for (name, column), (arrow_type, duckdb_type) in wanted.items():
            file = str(ledger.path(name))
            assert pq.read_schema(file).field(column).type == arrow_type
            described = con.execute(f"DESCRIBE SELECT {column} FROM '{file}'").fetchall()
            assert described[0][1] == duckdb_type


@pytest.mark.parametrize(
    ("edition", "inputs", "options", "low", "high"),
    [
        ("2025-08", ("reference", "toCompare"), {"threshold": 2.0, "filterThreshold": 0.5}, 0.5, 2.0),
        ("2026-04", ("model3dA", "model3dB"), {"threshold": 2.0, "filterThreshold": 0.5}, 0.5, 2.0),
        ("2026-07", ("model3DA", "model3DB"), {"growThreshold": 0.5, "filterThreshold": 2.0}, 0.5, 2.0),
        (None, ("neither", "nor"), {"filterThreshold": 2.0}, None, None),
    ],
)
def test_a_threshold_comes_out_under_its_meaning_or_not_at_all(
    edition: str | None, inputs: tuple[str, str], options: Row, low: float | None, high: float | None, tmp_path: Path
) -> None:
    body = job("ChangeDetection", inputs=dict.fromkeys(inputs, GUID), outputs={}, options=options)
    body["executionInfo"]["createdDateTime"] = "2025-08-05T12:38:12.1Z"
    ledger = ledger_of(tmp_path, [body])
    (typed,) = ledger.rows("change_detection_jobs")
    assert (typed["option_low_threshold"], typed["option_high_threshold"]) == (low, high)
    assert {row["api_field"]: row["number"] for row in ledger.rows("job_options")} == options
    if edition:
        assert ledger.rows("jobs")[0]["edition"] == edition
        assert (typed["input_model3d_a"], typed["input_model3d_b"]) == (GUID, GUID)
    else:
        assert [row["option"] for row in ledger.rows("job_options")] == ["filter_threshold"]


@pytest.mark.parametrize(
    ("reference", "kind", "name", "version"),
    [
        ("bentley-rail-s3d/1.0", "detector", "bentley-rail-s3d", "1.0"),
        ("@bentley/cracks-ortho", "detector", "@bentley/cracks-ortho", None),
        ("@bentley/cracks-ortho/2.1", "detector", "@bentley/cracks-ortho", "2.1"),
        (GUID, "detector", GUID, None),
        ("bkt:a:b/c:d.json", "bucket_path", None, None),
    ],
)
def test_a_detector_is_split_and_a_bucket_path_is_taken_whole(
    reference: str, kind: str, name: str | None, version: str | None, tmp_path: Path
) -> None:
    ledger = ledger_of(tmp_path, [job("Objects2D", inputs={"photos": GUID, "photoObjectDetector": reference})])
    row = next(row for row in ledger.rows("job_references") if row["role"] == "photo_object_detector")
    assert (row["reference"], row["kind"], row["detector_name"], row["detector_version"]) == (
        reference,
        kind,
        name,
        version,
    )


def test_units_are_right_to_a_billionth_when_fractions_follow_integers(tmp_path: Path) -> None:
    random = Random(4)
    units: list[Any] = [*range(300), *(random.uniform(0, 5) for _ in range(300)), 0, "7", None]
    bodies = [body_of("Objects2D", "2026-04", random, processingUnits=value) for value in units]
    rows = ledger_of(tmp_path, bodies).rows("jobs")
    exact = sum(value for value in units if isinstance(value, int | float))
    assert sum(row["units"] for row in rows if row["units"] is not None) == pytest.approx(exact, abs=1e-9)
    assert sum(row["units"] is None for row in rows) == 2


def test_drift_names_each_kind_with_its_jobs_and_an_example(tmp_path: Path) -> None:
    good = body_of("Objects2D", "2025-08", Random(1), share=0.0)
    odd = json.loads(json.dumps(good)) | {"id": "odd", "state": "Pondering", "colour": "red", "name": "a?"}
    odd["specifications"]["inputs"] |= {"photos": 5, "smell": "sweet"}
    odd["specifications"]["outputs"] = {"locations3DAsSHP": GUID}
    new = job("Dreaming", id="new", inputs={"anything": [1, {"deep": [2]}]})
    drift = ledger_of(tmp_path, [good, odd, new]).rows("contract_drift")
    assert {(row["type"], row["path"], row["kind"], row["jobs"], row["first_job_id"]) for row in drift} == {
        ("Dreaming", "$.type", "unknown_type", 1, "new"),
        ("Objects2D", "$.state", "unknown_state", 1, "odd"),
        ("Objects2D", "$.colour", "unknown_field", 1, "odd"),
        ("Objects2D", "$.name", "pattern", 1, "odd"),
        ("Objects2D", "$.specifications.inputs.photos", "wrong_type", 1, "odd"),
        ("Objects2D", "$.specifications.inputs.smell", "unknown_field", 1, "odd"),
        ("Objects2D", "$.specifications.outputs.locations3DAsSHP", "missing_companion", 1, "odd"),
    }
    assert {row["path"]: row["example"] for row in drift}["$.specifications.inputs.smell"] == '"sweet"'


def test_a_state_s_bounds_are_those_that_polling_proves(tmp_path: Path) -> None:
    hours = [datetime(2025, 8, 6, hour, tzinfo=UTC) for hour in range(6)]
    minute = timedelta(minutes=1)
    queued = job(id="a", state="Queued")
    rows = [
        observed(queued, hours[0]),
        observed(queued | {"state": "Active"}, hours[3]),
        observed(queued | {"state": "Success"}, hours[4]),
    ]
    walks = [
        walked(hour - minute, hour + minute, walk_id=str(place), itwin_id=ITWIN) for place, hour in enumerate(hours[:3])
    ]
    walks.append(walked(hours[2] + 2 * minute, hours[2] + 3 * minute, walk_id="cut", itwin_id=ITWIN, complete=False))
    states = history(tmp_path, rows, walks).rows("job_states")
    last_walk = hours[2] - minute
    assert [tuple(row.values())[1:] for row in states] == [
        ("Queued", hours[0], last_walk, None),
        ("Active", hours[3], hours[3], last_walk),
        ("Success", hours[4], hours[4], hours[3]),
    ]


def test_a_job_that_vanished_keeps_its_last_body_and_one_that_is_back_has_not_vanished(tmp_path: Path) -> None:
    body, later = job(id="a", state="Active"), timedelta(hours=1)
    gone = history(tmp_path / "gone", [observed(body, SEEN), observed(body, SEEN + later, gone=True)])
    (row,) = gone.rows("jobs")
    assert (row["state"], row["versions"], row["changed_at"], row["vanished_at"]) == ("Active", 1, SEEN, SEEN + later)
    back = [observed(body, SEEN), observed(body, SEEN + later, gone=True), observed(body, SEEN + 2 * later)]
    (row,) = history(tmp_path / "back", back).rows("jobs")
    assert (row["versions"], row["changed_at"], row["vanished_at"]) == (2, SEEN + 2 * later, None)


def test_flattening_again_touches_nothing_and_mends_what_a_crash_left(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, [body_of("Objects2D", "2025-08", Random(1))])
    files = [ledger.path(name) for name in ("jobs", "job_references", "objects2d_jobs", "contract_drift")]
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]
    assert ledger.flatten().made is False
    assert [(file.read_bytes(), file.stat().st_mtime_ns) for file in files] == before
    files[2].unlink()
    assert ledger.flatten().made is True
    assert files[2].exists()


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        pytest.param('"name": "New"', '"name": "Old", "name": "New"', id="in the record"),
        pytest.param('"estimatedUnits": 2', '"estimatedUnits": 1, "estimatedUnits": 2', id="in executionInfo"),
        pytest.param('"photos": "b"', '"photos": "a", "photos": "b"', id="in the inputs"),
        pytest.param('"minPhotos": 7', '"minPhotos": 5, "minPhotos": 7', id="in the options"),
        pytest.param('"inputs": {', '"inputs": {"meshes": "c"}, "inputs": {', id="a whole part"),
        pytest.param('"specifications": {', '"specifications": [1], "specifications": {', id="all specifications"),
    ],
)
def test_of_a_key_that_stands_twice_the_last_value_counts(tmp_path: Path, once: str, twice: str) -> None:
    bodies = [
        job(name="New", estimatedUnits=2, inputs={"photos": "b"}, options={"minPhotos": 7}),
        job(inputs={"photos": "untouched"}),
    ]
    texts = [json.dumps(body) for body in bodies]
    assert once in texts[0]
    ledger = ledger_of(tmp_path, [text.replace(once, twice, 1).encode() for text in texts[:1]] + [texts[1].encode()])
    assert_like_plain_python(ledger, bodies)
    assert twice in "".join(row["body"] for row in ledger.rows("observations"))
