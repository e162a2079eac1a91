"""What flattening should make of a job, said once more in plain Python over `json` values, for tests to compare with.

It knows the API's field lists (the facts' own CSV) and the aliases, and nothing of the product but the rule for names.
Texts of what is no string are compared as JSON: `comparable` says how.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from warehouse.contract import snake_case

Row = dict[str, Any]

FACTS: Final = Path(__file__).parents[1] / "warehouse" / "data" / "specification_fields.csv"
EDITIONS: Final = frozenset({"2025-08", "2026-04", "2026-07"})
PARTS: Final = {"inputs": "input", "outputs": "output", "options": "option"}
LATER: Final = EDITIONS - {"2025-08"}

OUTCOMES: Final = {"Success": "success", "Failed": "failed", "Cancelled": "cancelled"}
STATES: Final = {
    **dict.fromkeys(("Queued", "Active", *OUTCOMES), EDITIONS),
    "Terminating": EDITIONS - LATER,
    "TerminatingOnCancel": LATER,
    "TerminatingOnFailure": LATER,
}
ALIASES: Final = {
    ("Segmentation3D", "removeSmallComponents"): "remove_small_lines",
    ("Segmentation3D", "segmentedPointCloud"): "segmented_model3d",
    ("EvalS3D", "segmentedPointCloud"): "segmented_model3d",
    ("ChangeDetection", "reference"): "model3d_a",
    ("ChangeDetection", "model3dA"): "model3d_a",
    ("ChangeDetection", "model3DA"): "model3d_a",
    ("ChangeDetection", "toCompare"): "model3d_b",
    ("ChangeDetection", "model3dB"): "model3d_b",
    ("ChangeDetection", "model3DB"): "model3d_b",
    ("ChangeDetection", "threshold"): "high_threshold",
    ("ChangeDetection", "growThreshold"): "low_threshold",
    ("ChangeDetection", "meshSamplingResolution"): "sampling_resolution",
}
DETECTORS: Final = {
    ("Objects2D", "photoObjectDetector"),
    ("Segmentation2D", "photoSegmentationDetector"),
    ("Segmentation3D", "pointCloudSegmentationDetector"),
    ("SegmentationOrthophoto", "orthophotoSegmentationDetector"),
    ("TrainingS3D", "detectorName"),
}
GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _facts() -> dict[tuple[str, str, str], dict[str, Row]]:
    found: dict[tuple[str, str, str], dict[str, Row]] = {}
    with FACTS.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            found.setdefault((row["job_type"], row["part"], row["field"]), {})[row["edition"]] = row
    return found


FIELDS: Final = _facts()
TYPES: Final = {
    job_type: frozenset(edition for key, rows in FIELDS.items() if key[0] == job_type for edition in rows)
    for job_type, _, _ in FIELDS
}


def part_of(job: Row, part: str) -> Row:
    """The inputs, outputs or options of a job: empty where they are no object."""
    specifications = job.get("specifications")
    values = specifications.get(part) if isinstance(specifications, dict) else None
    return values if isinstance(values, dict) else {}


def candidates(job: Row) -> frozenset[str]:
    """The editions that the record's evidence allows; where it contradicts itself, that of keys and type."""
    by_specification = TYPES.get(job_type_of(job), EDITIONS)
    for part in PARTS:
        for key in part_of(job, part):
            by_specification &= frozenset(FIELDS.get((job_type_of(job), part, key), EDITIONS))
    return by_specification & _by_envelope(job) or by_specification


def edition(job: Row) -> str | None:
    """The one edition that a record can be of; a long timestamp decides between those that are left."""
    agreed = candidates(job) & _by_envelope(job)
    created = job["executionInfo"]["createdDateTime"]
    if len(agreed) > 1 and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}\+00:00", created):
        agreed &= LATER
    return next(iter(agreed)) if len(agreed) == 1 else None


def _by_envelope(job: Row) -> frozenset[str]:
    execution = job["executionInfo"]
    state = job.get("state")
    allowed = STATES.get(state, EDITIONS) if isinstance(state, str) else EDITIONS
    if execution.get("estimatedUnits") is not None:
        allowed &= EDITIONS - LATER
    if execution.get("processingUnits") is not None:
        allowed &= LATER
    return allowed


def job_type_of(job: Row) -> str:
    return job["type"] if isinstance(job.get("type"), str) else ""


def canonical(job: Row, part: str, key: str) -> str:
    """The name of a field under which its value comes out."""
    kind = job_type_of(job)
    if (kind, key) == ("ChangeDetection", "filterThreshold") and part == "options":
        left = candidates(job)
        if left == {"2026-07"}:
            return "high_threshold"
        return "low_threshold" if left and "2026-07" not in left else snake_case(key)
    known = (kind, part, key) in FIELDS
    return ALIASES.get((kind, key), snake_case(key)) if known else snake_case(key)


def elements(value: Any) -> Iterator[tuple[int, Any]]:
    """The values of a field with their ordinals; nulls are no values."""
    values = value if isinstance(value, list) else [value]
    yield from ((ordinal, each) for ordinal, each in enumerate(values, 1) if each is not None)


def text(value: Any) -> Any:
    """A value as it stands in a text column; what is no string as ('json', its one way to be written)."""
    return value if isinstance(value, str) or value is None else ("json", _one_way(json.dumps(value)))


def _one_way(written: str) -> str:
    return json.dumps(json.loads(written, parse_int=float), sort_keys=True)


def references(job: Row) -> Iterator[Row]:
    for part in ("inputs", "outputs"):
        for key, value in part_of(job, part).items():
            role = canonical(job, part, key)
            for ordinal, each in elements(value):
                kind = _kind(job, part, key, role, each)
                name, version = _detector(each) if kind == "detector" else (None, None)
                yield {
                    "job_id": text(job["id"]),
                    "type": text(job.get("type")),
                    "direction": PARTS[part],
                    "role": role,
                    "api_field": key,
                    "ordinal": ordinal,
                    "reference": text(each),
                    "kind": kind,
                    "detector_name": name,
                    "detector_version": version,
                }


def _kind(job: Row, part: str, key: str, role: str, value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    if value.startswith("bkt:"):
        return "bucket_path"
    trained = (job_type_of(job), part, key) == ("TrainingS3D", "outputs", "detector")
    if (part == "inputs" and (job_type_of(job), key) in DETECTORS) or (trained and candidates(job) == {"2026-07"}):
        return "detector"
    if GUID.fullmatch(value):
        return "reality_data"
    return "detector" if "detector" in role else None


def _detector(value: str) -> tuple[str, str | None]:
    steps = value.split("/")
    own = 2 if value.startswith("@") and len(steps) > 1 else 1
    return "/".join(steps[:own]), "/".join(steps[own:]) or None


def options(job: Row) -> Iterator[Row]:
    for key, value in part_of(job, "options").items():
        for ordinal, each in elements(value):
            numeric = isinstance(each, int | float) and not isinstance(each, bool)
            yield {
                "job_id": text(job["id"]),
                "type": text(job.get("type")),
                "option": canonical(job, "options", key),
                "api_field": key,
                "ordinal": ordinal,
                "value": text(each),
                "number": float(each) if numeric else None,
                "boolean": each if isinstance(each, bool) else None,
            }


def typed(job: Row, columns: Sequence[str]) -> Row:
    """The row of the job's typed table, whose columns after `job_id` are these."""
    row: Row = {"job_id": text(job["id"]), **dict.fromkeys(columns)}
    filled: dict[str, str] = {}
    for part, prefix in PARTS.items():
        for key, value in part_of(job, part).items():
            facts = FIELDS.get((job_type_of(job), part, key))
            column = f"{prefix}_{canonical(job, part, key)}"
            if not facts or column not in columns:
                continue
            newest = max(facts)
            cell = _cell(facts[newest]["json_type"], value)
            if cell is not None and newest > filled.get(column, ""):
                row[column], filled[column] = cell, newest
    return row


def _cell(json_type: str, value: Any) -> Any:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    match json_type:
        case "string":
            return value if isinstance(value, str) else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "number":
            return float(value) if numeric else None
        case "integer":
            whole = numeric and float(value).is_integer() and -(2**63) <= value < 2**63
            return int(value) if whole else None
        case _:
            return [each if isinstance(each, str) else None for each in value] if isinstance(value, list) else None


def jobs(job: Row, seen: datetime) -> Row:
    """The row of `jobs` of a job that was seen once."""
    execution = job["executionInfo"]
    created, started, ended = (instant(execution.get(f"{word}DateTime")) for word in ("created", "started", "ended"))
    started, ended = (_possible(moment, created, seen) for moment in (started, ended))
    units = {key: _cell("number", execution.get(key)) for key in ("processingUnits", "estimatedUnits")}
    source = next((key for key, value in units.items() if value is not None), None)
    left = started or ended
    return {
        "job_id": text(job["id"]),
        "itwin_id": job["iTwinId"] if isinstance(job.get("iTwinId"), str) else None,
        "user_id": text(job.get("userId")),
        "name": text(job.get("name")),
        "type": text(job.get("type")),
        "state": text(job.get("state")),
        "outcome": OUTCOMES.get(str(job.get("state")), "open"),
        "created_at": created,
        "created_month": created.strftime("%Y-%m") if created else None,
        "started_at": started,
        "ended_at": ended,
        "queue_seconds": _seconds(created, left),
        "run_seconds": _seconds(started, ended),
        "total_seconds": _seconds(created, ended),
        "units": units[source] if source else None,
        "units_source": source,
        "edition": edition(job),
        "first_observed_at": seen,
        "changed_at": seen,
        "versions": 1,
        "vanished_at": None,
    }


def instant(value: Any) -> datetime | None:
    """A time in UTC microseconds; what is finer is cut off. None where there is no time to read."""
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", value):
        return None
    read = datetime.fromisoformat(value)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)


def _possible(moment: datetime | None, created: datetime | None, seen: datetime) -> datetime | None:
    """A start or end, null where it lies over a day before the job was created or after it was seen."""
    day = timedelta(days=1)
    return moment if moment and created and created - day <= moment <= seen + day else None


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if start and end else None


def comparable(rows: Iterable[Row], like: Iterable[Row], key: Sequence[str]) -> tuple[list[Row], list[Row]]:
    """Rows of a table and the oracle's, sorted by their key; a text is read as JSON where the oracle has JSON."""
    rows, like = ([dict(row) for row in side] for side in (rows, like))
    for row in like:
        row["job_id"] = row["job_id"] if isinstance(row["job_id"], str) else row["job_id"][1].removesuffix(".0")
    for side in (rows, like):
        side.sort(key=lambda row: [str(row[name]) for name in key])
    for row, other in zip(rows, like, strict=False):
        for name, value in other.items():
            if isinstance(value, tuple) and isinstance(row[name], str):
                row[name] = ("json", _one_way(row[name]))
    return rows, like
