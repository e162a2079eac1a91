"""`jobledger sql` as a tool for pipes: bytes in every format, with names that would break markup, rows, terminals."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.answering import answer
from pipelines.rows import write
from tests.pipelines.ledger_of_sandbox import JOBLEDGER, ROOT
from warehouse.errors import JobledgerError, WrongUsage
from warehouse.query import rows as query

NAMES = ["Bridge [north] span", "survey [/b] x", ":x:", 'a "b", c', "two\nlines", "\x1b[31mred\x07"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A ledger of one table with hostile names."""
    with duckdb.connect(str(tmp_path / "history.duckdb")) as con:
        con.execute("CREATE TABLE jobs (place INTEGER, name VARCHAR)").fetchall()
        con.executemany("INSERT INTO jobs VALUES (?, ?)", list(enumerate(NAMES)))
    return tmp_path


def told(data: Path, text: str, form: str) -> bytes:
    out = io.BytesIO()
    answer(data, text, form, out)
    return out.getvalue()


def test_names_are_text_as_they_are_and_a_row_is_a_line(data: Path) -> None:
    command = [JOBLEDGER, "sql", "select name, place from jobs order by place"]
    done = subprocess.run(command, env={"JOBLEDGER_DATA": str(data)}, cwd=data, capture_output=True, check=True)
    assert done.stdout.decode().splitlines()[2:] == [
        f" {name:<19} │ {place:>5} " for place, name in enumerate([*NAMES[:4], r"two\nlines", r"\x1b[31mred\x07"])
    ]


def test_a_table_for_people_needs_no_arrow(data: Path) -> None:
    code = (
        "import io, sys; from pathlib import Path; from pipelines.answering import answer; "
        f"answer(Path({str(data)!r}), 'select now() as seen, * from jobs', 'table', io.BytesIO()); "
        "print({'numpy', 'pandas', 'pyarrow', 'dagster', 'requests'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("1.5::DOUBLE", "1.5"),
        ("12345678901234567890::HUGEINT", "12345678901234567890"),
        ("1.10::DECIMAL(10, 2)", "1.10"),
        ("NULL", ""),
        ("true", "True"),
        ("[1.5, NULL]", "[1.5,null]"),
        ("{'a': MAP {'k': DATE '2026-03-01'}}", '{"a":{"k":"2026-03-01"}}'),
        ("TIMESTAMPTZ '2026-03-01 13:00:00+01'", "2026-03-01 12:00:00+00:00"),
        ("TIMESTAMP '2026-03-01 12:00:00.5'", "2026-03-01 12:00:00.500000"),
        ("DATE '2026-03-01'", "2026-03-01"),
        ("'\\xAA'::BLOB", "aa"),
    ],
)
def test_a_value_is_itself_in_a_table_for_people(data: Path, value: str, shown: str) -> None:
    assert told(data, f"select {value} as v", "table").decode().splitlines()[2].strip() == shown


def test_an_interval_of_months_is_not_shown_in_days(data: Path) -> None:
    assert "months=1" in told(data, "select interval 1 month as v", "table").decode()


def test_names_are_whole_in_json_ndjson_csv_and_parquet(data: Path) -> None:
    text = "select name from jobs order by place"
    assert [row["name"] for row in json.loads(told(data, text, "json"))] == NAMES
    assert [json.loads(line)["name"] for line in told(data, text, "ndjson").splitlines()] == NAMES
    quoted = "".join('"' + name.replace('"', '""') + '"\n' for name in ["name", *NAMES])
    assert told(data, text, "csv").decode() == quoted
    assert pq.read_table(io.BytesIO(told(data, text, "parquet"))).column("name").to_pylist() == NAMES


def test_columns_of_one_name_each_keep_theirs(data: Path) -> None:
    text = "select 1 as a, 'x' as b, 2 as a, 3 as \"a_1\""
    assert told(data, text, "csv") == b'"a","b","a","a_1"\n1,"x",2,3\n'
    assert told(data, text, "ndjson") == b'{"a": 1, "b": "x", "a": 2, "a_1": 3}\n'
    assert told(data, text, "table").decode().splitlines()[::2] == [" a ┃ b ┃ a ┃ a_1 ", " 1 │ x │ 2 │   3 "]
    assert pq.ParquetFile(io.BytesIO(told(data, text, "parquet"))).schema_arrow.names == ["a", "b", "a", "a_1"]


@pytest.mark.parametrize(
    ("value", "as_json", "as_csv"),
    [
        ("'nan'::DOUBLE", "null", ""),
        ("'-inf'::DOUBLE", "null", ""),
        ("NULL::VARCHAR", "null", ""),
        ("''", '""', '""'),
        ("0.1::DOUBLE", "0.1", "0.1"),
        ("12345678901234567890::HUGEINT", "12345678901234567890", "12345678901234567890"),
        ("1.10::DECIMAL(10, 2)", "1.10", "1.10"),
        ("true", "true", "true"),
        ("[1.5, 'inf'::DOUBLE]", "[1.5,null]", '"[1.5,null]"'),
        ("{'a': MAP {'k': DATE '2026-03-01'}}", '{"a":{"k":"2026-03-01"}}', '"{""a"":{""k"":""2026-03-01""}}"'),
        ("TIMESTAMPTZ '2026-03-01 12:00:00Z'", '"2026-03-01T12:00:00+00:00"', "2026-03-01 12:00:00.000000Z"),
        ("'\\xAA'::BLOB", '"aa"', '"aa"'),
        ("'a'::ENUM ('a', 'b')", '"a"', '"a"'),
    ],
)
def test_a_value_is_itself_in_json_and_csv(data: Path, value: str, as_json: str, as_csv: str) -> None:
    text = f"select {value} as v"
    assert told(data, text, "ndjson").decode() == f'{{"v": {as_json}}}\n'
    assert told(data, text, "json").decode() == f'[\n {{"v": {as_json}}}\n]\n'
    assert told(data, text, "csv").decode() == f'"v"\n{as_csv}\n'


def test_no_rows_are_an_empty_list(data: Path) -> None:
    text = "select name from jobs where false"
    assert (told(data, text, "json"), told(data, text, "ndjson"), told(data, text, "csv")) == (
        b"[]\n",
        b"",
        b'"name"\n',
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "There is no query"),
        ("-- nothing", "There is no query"),
        ("select 1; select 2", "These are 2 statements"),
        ("delete from jobs", "DELETE is no query"),
        ("copy jobs to 'x.csv'", "COPY is no query"),
        ("set threads = 1", "SET is no query"),
        ("select nothing from jobs", "nothing"),
        ("selec 1", "selec"),
    ],
)
def test_what_is_not_one_query_is_refused_in_words(data: Path, text: str, words: str) -> None:
    with pytest.raises(WrongUsage, match=words):
        query(text, data)


@pytest.mark.parametrize("text", ["from jobs", "describe jobs", "show tables", "explain select 1", "summarize jobs"])
def test_what_answers_with_rows_is_a_query(data: Path, text: str) -> None:
    assert query(text, data).num_rows


@pytest.mark.parametrize("content", [b"", b"notes of somebody"])
def test_a_door_that_is_no_duckdb_file_is_named(data: Path, content: bytes) -> None:
    (data / "history.duckdb").write_bytes(content)
    with pytest.raises(JobledgerError, match=r"history\.duckdb is empty or no DuckDB file"):
        query("select 1", data)


@given(st.lists(st.tuples(st.text(), st.none() | st.floats() | st.integers(-(2**53), 2**53)), min_size=1))
def test_any_text_and_number_comes_back_from_ndjson(rows: list[tuple[str, float | None]]) -> None:
    out = io.BytesIO()
    texts, numbers = zip(*rows, strict=True)
    write(pa.table({"text": list(texts), "number": pa.array(numbers, pa.float64())}), "ndjson", out)
    back = [json.loads(line) for line in out.getvalue().split(b"\n")[:-1]]
    assert [row["text"] for row in back] == list(texts)
    finite = [None if number is None or number - number != 0 else number for number in numbers]
    assert [row["number"] for row in back] == finite
