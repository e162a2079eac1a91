"""A query reads the tables of the ledger and nothing else, and it writes nothing."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.warehouse.test_lake import COUNTS, put
from warehouse.catalog import door, export, publish
from warehouse.engine import MEMORY_SETTING
from warehouse.errors import JobledgerError, WrongUsage
from warehouse.lake import Lake
from warehouse.query import rows, sql
from warehouse.release import NewerLedger

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger in a folder whose name is a pattern, beside one that the pattern matches. It is shared: read it only."""
    folder = tmp_path_factory.mktemp("query")
    for name, count in (("ledger1", 9), ("ledger[1]", 4)):
        lake = Lake(folder / name)
        put(lake, count)
        publish(lake, [COUNTS], "views")
    return lake.data


QUERIES = {
    "select count from counts where id = '1'": [{"count": 4}],
    "  -- why\n /* and how */ FROM counts SELECT max(count) AS most;": [{"most": 4}],
    "with c as (from counts) select count(*) as n from c": [{"n": 3}],
    "(select 1 as a) union all (select 2) order by a": [{"a": 1}, {"a": 2}],
    "values (1)": [{"col0": 1}],
    "pivot counts on id using max(count)": [{"0": 4, "1": 4, "2": 4}],
    "with p as (pivot counts on id using max(count)) select \"2\" from p": [{"2": 4}],
    "select column_name from (describe counts)": [{"column_name": "id"}, {"column_name": "count"}],
    "select sum(count)::BIGINT as n from history.counts": [{"n": 12}],
}  # fmt: skip


@pytest.mark.parametrize("text", QUERIES)
def test_whatever_is_a_query_is_answered(text: str, ledger: Path) -> None:
    assert rows(text, ledger).to_pylist() == QUERIES[text]


@pytest.mark.parametrize("text", ["describe counts", "summarize counts", "show tables", "explain select * from counts"])
def test_what_describes_the_tables_is_a_query_too(text: str, ledger: Path) -> None:
    assert rows(text, ledger).num_rows > 0


ELSEWHERE = [
    "select * from read_csv('/etc/passwd')",
    "select * from read_text('/etc/hostname')",
    "select * from read_blob('/proc/self/environ')",
    "select * from glob('/etc/*')",
    "select * from '/etc/passwd'",
    "select * from parquet_metadata('/etc/passwd')",
    "select * from 'https://127.0.0.1:1/x.parquet'",
    "select * from secret",
]


@pytest.mark.parametrize("text", ELSEWHERE)
def test_no_other_file_address_or_variable_is_read(text: str, ledger: Path) -> None:
    secret = {"a": [1]}
    with pytest.raises(WrongUsage, match=r"A query reads the tables of the ledger|The query does not work"):
        rows(text, ledger)
    assert secret


def test_not_even_the_ledger_beside_this_one_is_read(ledger: Path) -> None:
    beside = Lake(ledger.with_name("ledger1")).path(COUNTS, "2025-08")
    with pytest.raises(WrongUsage, match="no other file"):
        rows(f"select * from '{beside}'", ledger)


NO_QUERIES = [
    "copy (select 1) to '{lake}/new.parquet'",
    "copy (pivot counts on id using max(count)) to '{lake}/new.parquet'",
    "explain analyze copy (select 1) to '{lake}/new.parquet'",
    "export database '{lake}'",
    "attach '{lake}/other.duckdb'",
    "attach ':memory:' as other",
    "install httpfs",
    "load httpfs",
    "set memory_limit = '1GB'",
    "reset memory_limit",
    "set variable x = 1",
    "pragma enable_profiling",
    "use memory",
    "create table t as select 1",
    "create temp table t as select 1",
    "create macro f() as 1",
    "insert into counts values ('a', 1)",
    "delete from counts",
    "drop view counts",
    "call force_checkpoint()",
    "begin",
    "vacuum",
]


@pytest.mark.parametrize("text", NO_QUERIES)
def test_what_is_no_query_is_refused_in_words_and_does_nothing(text: str, ledger: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in ledger.rglob("*")}
    with pytest.raises(WrongUsage, match=r"^[A-Z]+ is no query: what may be asked begins with SELECT"):
        rows(text.format(lake=ledger / "lake"), ledger)
    assert {path: path.stat().st_mtime_ns for path in ledger.rglob("*")} == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "There is no query"),
        (" -- nothing\n;", "There is no query"),
        ("select 1; select 2", "These are 2 statements"),
        ("select 1; drop view counts", "These are 2 statements"),
        ("selec 1", "The query does not work: Parser Error"),
        ("select nothing from counts", "The query does not work: Binder Error"),
    ],
)
def test_what_cannot_be_answered_says_why(text: str, words: str, ledger: Path) -> None:
    with pytest.raises(WrongUsage, match=words):
        rows(text, ledger)


def test_queries_at_once_do_not_disturb_each_other(ledger: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: rows("select max(count) as n from counts", ledger), range(24)))
    assert {answer["n"].to_pylist()[0] for answer in answers} == {4}


def test_a_query_that_the_usual_memory_is_too_small_for_is_answered(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(MEMORY_SETTING, raising=False)
    monkeypatch.setattr("warehouse.query.MEMORY_LIMIT", "20MB")
    large = "select length(string_agg(repeat(chr(97 + (i % 26)::INTEGER), 1000), '')) as n from range(60000) as r(i)"
    assert rows(large, ledger).to_pylist() == [{"n": 60_000_000}]


def test_an_exported_door_in_place_of_the_ledgers_own_is_read_without_its_files(ledger: Path, tmp_path: Path) -> None:
    export(Lake(ledger), [COUNTS], door(tmp_path))
    assert rows("select max(count) as n from counts", tmp_path).to_pylist() == [{"n": 4}]


def test_a_folder_that_was_moved_says_what_mends_its_door(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "before")
    put(lake, 1)
    publish(lake, [COUNTS], "views")
    moved = lake.data.rename(tmp_path / "after")
    with pytest.raises(WrongUsage, match=r"was moved, `jobledger sync` makes its history\.duckdb anew"):
        rows("select * from counts", moved)


def test_a_link_to_the_folder_serves_as_well(ledger: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(ledger)
    assert rows("select max(count) as n from counts", tmp_path / "link").to_pylist() == [{"n": 4}]


def test_a_folder_of_a_newer_release_is_not_even_read(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    put(lake, 1)
    publish(lake, [COUNTS], "views")
    (tmp_path / "ledger.json").write_text('{"format": 99, "release": "9.9.9"}')
    with pytest.raises(NewerLedger):
        rows("select 1", tmp_path)


@pytest.mark.parametrize("content", [b"", b"no database"])
def test_a_door_that_is_none_is_told(content: bytes, tmp_path: Path) -> None:
    door(tmp_path).write_bytes(content)
    with pytest.raises(JobledgerError, match=r"history\.duckdb is empty or no DuckDB file"):
        rows("select 1", tmp_path)


def test_a_frame_is_the_same_answer(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBLEDGER_DATA", str(ledger))
    frame = sql("select id, count from counts where id = $wanted", wanted="2")
    assert frame.to_dict("records") == [{"id": "2", "count": 4}]


def test_pandas_is_imported_only_for_a_frame() -> None:
    code = "import sys, warehouse.query; print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_exact_numbers_are_numbers_in_a_data_frame(ledger: Path) -> None:
    text = """
        select sum(count) as whole, sum(count)::HUGEINT * 10000000000000000000 as large, 1.25 as cut,
               (select sum(count) from counts where id = 'none') as nothing, any_value(id)
        from counts
    """
    kinds = {name: str(kind) for name, kind in sql(text, data=ledger).dtypes.items()}
    assert kinds == {
        "whole": "int64",
        "large": "float64",
        "cut": "float64",
        "nothing": "float64",  # as every column of pandas that holds no value
        "any_value(id)": "str",
    }
    assert sql(text, data=ledger)[["whole", "large", "cut"]].to_numpy().tolist() == [[12, 1.2e20, 1.25]]
