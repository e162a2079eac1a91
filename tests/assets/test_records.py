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

from assets.records import GROUP_BYTES, SCHEMA, RecordFile, body_hash, cut_by_brackets

SEEN = datetime(2025, 11, 5, 12, tzinfo=UTC)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def md5(text: bytes) -> str:
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


def kept(path: Path, *records: bytes) -> list[dict[str, Any]]:
    with RecordFile(path) as file:
        file.add(records, source="list", observed_at=SEEN, walk_id="w", walked_itwin_id="i", page=3)
    return pq.read_table(path).to_pylist()


def test_the_hash_does_not_depend_on_the_order_of_keys_or_on_white_space() -> None:
    written = [
        b'{"id":"a","info":{"x":1,"y":[1,2]}}',
        b'{"info":{"y":[1,2],"x":1},"id":"a"}',
        b'{ "id" : "a",\r\n\t"info": {"x": 1, "y": [ 1, 2 ]} }\n',
    ]
    assert {body_hash(body) for body in written} == {md5(b'{"id":"a","info":{"x":1,"y":[1,2]}}')}


def test_the_hash_depends_on_every_value_on_the_order_of_lists_and_on_white_space_in_texts() -> None:
    different = [b'{"a":[1,2]}', b'{"a":[2,1]}', b'{"a":[1,"2"]}', b'{"a":null}', b"{}", b'{"a":" "}', b'{"a":""}']
    assert len({body_hash(body) for body in different}) == len(different)


def test_escaped_and_plain_text_have_the_same_hash() -> None:
    assert body_hash(b'{"name":"\\u00e9\\/"}') == body_hash('{"name":"é/"}'.encode())


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=5), st.randoms())
def test_any_record_has_the_same_hash_however_it_is_written(record: dict[str, Any], random: Any) -> None:
    shuffled = list(record.items())
    random.shuffle(shuffled)
    plain = json.dumps(record, separators=(",", ":")).encode()
    assert body_hash(json.dumps(dict(shuffled), indent=3, ensure_ascii=False).encode()) == body_hash(plain)


@pytest.mark.parametrize("text", [b"", b"{", b'{"a":1} x', b"\xff", b'{"a":"\xff"}'])
def test_what_is_no_json_has_no_hash_of_its_content(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"truncated|malformed|utf-8"):
        body_hash(text)


def test_a_record_is_kept_as_it_was_sent_with_who_saw_it_where_and_when(tmp_path: Path) -> None:
    body = b'{ "id":"a", "units":1.50, "units":2E0, "name":"\xc3\xa9" }'
    assert kept(tmp_path / "r.parquet", body) == [
        {
            "walk_id": "w",
            "walked_itwin_id": "i",
            "source": "list",
            "page": 3,
            "ordinal": 1,
            "observed_at": SEEN,
            "body": body.decode(),
            "body_hash": body_hash(body),
            "readable": True,
        }
    ]


def test_bytes_that_cannot_be_read_are_kept_escaped_and_hashed_as_they_are(tmp_path: Path) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    bad = [b'{"id":"\xff\xfe"}', b'{"id":', deep]
    rows = kept(tmp_path / "r.parquet", *bad, b'{"id":"a"}')
    assert [(row["ordinal"], row["body"], row["body_hash"], row["readable"]) for row in rows] == [
        (1, '{"id":"\\xff\\xfe"}', md5(bad[0]), False),
        (2, '{"id":', md5(bad[1]), False),
        (3, deep.decode(), md5(deep), False),
        (4, '{"id":"a"}', body_hash(b'{"id":"a"}'), True),
    ]


def test_a_file_grows_by_pages_and_may_stay_empty(tmp_path: Path) -> None:
    with RecordFile(tmp_path / "r.parquet") as file:
        for page in (1, 2):
            file.add([b"1", b"2"], source="list", observed_at=SEEN, page=page)
        file.add([], source="list", observed_at=SEEN, page=3)
    with RecordFile(tmp_path / "none.parquet"):
        pass
    rows = pq.read_table(tmp_path / "r.parquet").to_pylist()
    assert [(row["page"], row["ordinal"], row["body"]) for row in rows] == [
        (1, 1, "1"),
        (1, 2, "2"),
        (2, 1, "1"),
        (2, 2, "2"),
    ]
    assert pq.read_table(tmp_path / "none.parquet").equals(SCHEMA.empty_table())


def test_a_file_tells_how_many_records_of_a_page_it_had_not_held(tmp_path: Path) -> None:
    pages = [[b'{"id":1,"x":2}', b'{"id":2}', b"\xff"], [b"\xff", b'{"x": 2, "id": 1}'], [b'{"id":2}', b'{"id":3}'], []]
    with RecordFile(tmp_path / "r.parquet") as file:
        assert [file.add(page, source="list", observed_at=SEEN) for page in pages] == [3, 0, 1, 0]


def test_thousands_of_small_pages_become_a_few_row_groups(tmp_path: Path) -> None:
    with RecordFile(tmp_path / "r.parquet") as file:
        for page in range(3000):
            file.add([b'{"id":"%d","text":"%s"}' % (page, b"x" * 3000)], source="list", observed_at=SEEN, page=page)
    kept = pq.ParquetFile(tmp_path / "r.parquet")
    assert kept.metadata.num_row_groups <= 1 + 3000 * 3200 // GROUP_BYTES
    assert pq.read_table(tmp_path / "r.parquet")["page"].to_pylist() == list(range(3000))


def test_a_page_is_cut_where_brackets_say_so_even_if_a_record_is_no_json() -> None:
    page = b'{"_links":{"jobs":[9]}, "jobs": [ {"id":"a","x":"]},["} , {"id": oops}, 7 ], "more": 1}'
    assert cut_by_brackets(page) == (
        [b'{"id":"a","x":"]},["}', b'{"id": oops}', b"7"],
        b'{"_links":{"jobs":[9]}, "jobs": [], "more": 1}',
    )


@pytest.mark.parametrize("page", [b"", b"{}", b'{"jobs":{}}', b'{"jobs":[{"id":"a"}', b'[{"jobs":[1]}]'])
def test_a_page_without_a_whole_list_of_jobs_is_not_cut(page: bytes) -> None:
    assert cut_by_brackets(page) is None


def test_an_empty_list_has_no_records() -> None:
    assert cut_by_brackets(b'{"jobs":[ ]}') == ([], b'{"jobs":[]}')
