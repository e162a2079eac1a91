"""Pages of anything that the API might show: every record lands or is rejected, and every value comes out."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.assets import oracle
from tests.assets.ledgers import GUID, SEEN, Ledger, Row, ledger_of
from warehouse.contract import contract, typed_table

KNOWN = contract()

TEXTS = st.one_of(
    st.sampled_from(["", GUID, "bkt:a:b/c", "bentley-rail-s3d/1.0", "@bentley/cracks-ortho", "10", "true", "名前 Ω"]),
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.just("long " * 300),
)
NUMBERS = st.one_of(
    st.integers(-(2**63), 2**64 - 1), st.integers(0, 20).map(float), st.floats(allow_nan=False, allow_infinity=False)
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.one_of(
    SCALARS,
    st.recursive(
        SCALARS,
        lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(TEXTS, deeper, max_size=3),
        max_leaves=6,
    ),
)
KEYS = st.sampled_from(["Photos", "photos", "OBJECTS2D", "new", "new-Field", "", "a.b", 'a"b', "~/", "$", "*", "ключ"])
TIMES = st.sampled_from(
    [
        "2025-08-05T12:38:12Z",
        "2025-08-01T00:00:00.0000000+00:00",
        "2025-08-31T23:59:59.9999999+00:00",
        "2025-09-01T01:30:00.1234567+02:00",
        "2025-08-07T09:56:14.5-05:30",
    ]
)
ODD_TIMES = st.one_of(st.none(), TIMES, SCALARS)


@st.composite
def part(draw: st.DrawFn, job_type: str, name: str) -> Any:
    """Inputs, outputs or options: of one edition or of all mixed, values right or wrong, with unknown keys."""
    editions = draw(st.sampled_from([(edition,) for edition in KNOWN.editions] + [KNOWN.editions]))
    fields = [row.api_field for row in KNOWN.fields_of(job_type, name) if set(row.editions) & set(editions)]
    chosen = draw(st.lists(st.sampled_from(fields), unique=True, max_size=6)) if fields else []
    unknown = draw(st.lists(KEYS, unique=True, max_size=2))
    return draw(st.sampled_from([{key: draw(VALUES) for key in (*chosen, *unknown)}] * 9 + [None, [], "text"]))


@st.composite
def jobs(draw: st.DrawFn) -> Row:
    job_type = draw(st.sampled_from([*KNOWN.job_types, "ChangeDetection", "Unheard", ""]))
    execution = {"createdDateTime": draw(TIMES)}
    for key in draw(st.sets(st.sampled_from(["estimatedUnits", "processingUnits"]))):
        execution[key] = draw(st.one_of(NUMBERS, SCALARS))
    for key in draw(st.sets(st.sampled_from(["startedDateTime", "endedDateTime", "newDateTime"]))):
        execution[key] = draw(ODD_TIMES)
    parts = draw(st.sets(st.sampled_from(["inputs", "outputs", "options"]), min_size=1))
    record = {
        "id": draw(st.uuids().map(str)),
        "type": job_type,
        "executionInfo": execution,
        "specifications": {name: draw(part(job_type, name)) for name in sorted(parts)},
    }
    optional = {
        "name": TEXTS | SCALARS,
        "state": st.sampled_from([*oracle.STATES, "Paused", "", None]),
        "iTwinId": SCALARS,
    }
    optional |= {"userId": VALUES, "extra": VALUES, "Type": SCALARS}
    for key in draw(st.sets(st.sampled_from(sorted(optional)))):
        record[key] = draw(optional[key])
    return record


REJECTS = st.one_of(
    SCALARS.filter(lambda value: not isinstance(value, dict)),
    st.lists(SCALARS, max_size=2),
    jobs().map(lambda job: {**job, "id": None}),
    jobs().map(lambda job: {key: value for key, value in job.items() if key != "id"}),
    jobs().map(lambda job: {**job, "executionInfo": {"createdDateTime": "soon"}}),
    jobs().map(lambda job: {**job, "executionInfo": None}),
)
PAGES = st.tuples(
    st.lists(jobs(), min_size=8, max_size=25, unique_by=lambda job: job["id"]), st.lists(REJECTS, max_size=4)
)


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(PAGES)
def test_every_record_lands_or_is_rejected_and_every_value_comes_out(page: tuple[list[Row], list[Any]]) -> None:
    good, bad = page
    with tempfile.TemporaryDirectory() as folder:
        ledger = ledger_of(Path(folder), [*good, *map(raw, bad)])
        assert len(ledger.rows("rejected_records")) == len({raw(each) for each in bad})
        assert_tables_hold(ledger, good)


def raw(record: Any) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode()


def assert_tables_hold(ledger: Ledger, records: list[Row]) -> None:
    """The tables hold what the oracle makes of the records: no row more or less, no cell else."""
    expected = {
        "jobs": [oracle.jobs(job, SEEN) for job in records],
        "job_references": [row for job in records for row in oracle.references(job)],
        "job_options": [row for job in records for row in oracle.options(job)],
    }
    keys = {"jobs": ("job_id",), "job_references": ("job_id", "direction", "api_field", "ordinal")}
    for name, rows in expected.items():
        found, like = oracle.comparable(ledger.rows(name), rows, keys.get(name, ("job_id", "api_field", "ordinal")))
        assert found == like
    for job_type in KNOWN.job_types:
        columns = [column.name for column in KNOWN.typed_columns(job_type)]
        rows = [oracle.typed(job, columns) for job in records if job["type"] == job_type]
        found, like = oracle.comparable(ledger.rows(typed_table(job_type)), rows, ("job_id",))
        assert found == like
