from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.records import SCHEMA, RecordFile, body_hash, cut_by_brackets

SEEN_AT = datetime(2025, 12, 1, 12, tzinfo=UTC)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abjos\"'[]{},:\\", max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def written(tmp_path: Path, *records: bytes) -> list[dict[str, Any]]:
    with RecordFile(tmp_path / "records.parquet") as file:
        file.add(records, source="list", observed_at=SEEN_AT, walk_id="w", walked_itwin_id="i", page=3)
    return pq.read_table(tmp_path / "records.parquet").to_pylist()


def test_a_record_is_kept_as_sent_with_where_it_was_seen(tmp_path: Path) -> None:
    record = '{ "name" : "Brücke", "id":"a" }'.encode()
    assert written(tmp_path, b"[]", record)[1] == {
        "walk_id": "w",
        "walked_itwin_id": "i",
        "source": "list",
        "page": 3,
        "ordinal": 2,
        "observed_at": SEEN_AT,
        "body": record.decode(),
        "body_hash": body_hash(b'{"id":"a","name":"Br\\u00fccke"}'),
        "readable": True,
    }


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (b'{"id":"\xff"}', '{"id":"\\xff"}'),
        (b'{"id":"\\ud800"}', '{"id":"\\ud800"}'),
        (b'{"id":1e999}', '{"id":1e999}'),
        (b'{"id":NaN}', '{"id":NaN}'),
        (b"[" * 5000 + b"]" * 5000, "[" * 5000 + "]" * 5000),
        (b"", ""),
    ],
)
def test_what_cannot_be_read_is_kept_whole_under_the_hash_of_its_bytes(
    tmp_path: Path, record: bytes, text: str
) -> None:
    row = written(tmp_path, record)[0]
    assert (row["body"], row["readable"]) == (text, False)
    assert row["body_hash"] == hashlib.md5(record, usedforsecurity=False).hexdigest()


def test_pages_follow_each_other_in_the_file(tmp_path: Path) -> None:
    with RecordFile(tmp_path / "records.parquet") as file:
        for page in (1, 2):
            file.add([b"1", b"2"], source="list", observed_at=SEEN_AT, page=page)
        file.add([], source="list", observed_at=SEEN_AT, page=3)
    table = pq.read_table(tmp_path / "records.parquet")
    assert table.schema == SCHEMA
    assert [(row["page"], row["ordinal"], row["body"]) for row in table.to_pylist()] == [
        (1, 1, "1"),
        (1, 2, "2"),
        (2, 1, "1"),
        (2, 2, "2"),
    ]


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=4))
def test_the_order_of_keys_and_white_space_do_not_change_the_hash(value: dict[str, Any]) -> None:
    turned = dict(reversed(value.items()))
    assert body_hash(json.dumps(value).encode()) == body_hash(json.dumps(turned, indent=3, ensure_ascii=False).encode())


@pytest.mark.parametrize(
    "other", [b'{"a":[2,1]}', b'{"a":["1",2]}', b'{"a":[1,2,null]}', b'{"A":[1,2]}', b'{"a":[1,2.5]}']
)
def test_another_value_gives_another_hash(other: bytes) -> None:
    assert body_hash(other) != body_hash(b'{"a":[1,2]}')


@given(st.lists(JSON), st.dictionaries(st.text('abjos"[]{},:\\', max_size=5), JSON, max_size=3))
def test_cutting_by_brackets_gives_what_a_parser_gives(jobs: list[Any], others: dict[str, Any]) -> None:
    others.pop("jobs", None)
    cut = cut_by_brackets(json.dumps({**others, "jobs": jobs, "_links": {}}).encode())
    assert cut is not None
    records, rest = cut
    assert [json.loads(record) for record in records] == jobs
    assert json.loads(rest) == {**others, "jobs": [], "_links": {}}


def test_cutting_by_brackets_keeps_what_is_no_json_whole() -> None:
    page = b'{"x":{"jobs":[9]},"jobs":[ {"a":"\\ud800"} , 01,{"b":[1,2]} ],"_links":{"next":null}}'
    records = [b'{"a":"\\ud800"}', b"01", b'{"b":[1,2]}']
    assert cut_by_brackets(page) == (records, b'{"x":{"jobs":[9]},"jobs":[],"_links":{"next":null}}')


@pytest.mark.parametrize("page", [b"", b"[]", b'{"jobs":{}}', b'{"jobs":[{"a":1},{"b"', b'{"job":[1]}', b'"jobs":[1]'])
def test_without_a_whole_list_of_jobs_there_is_nothing_to_cut(page: bytes) -> None:
    assert cut_by_brackets(page) is None
