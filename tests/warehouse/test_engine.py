"""How DuckDB is connected to: what a statement may take, and what happens where that is too little."""

from __future__ import annotations

from typing import Final

import duckdb
import pytest

from warehouse.engine import (
    MEMORY_SETTING,
    arrow,
    connection,
    history_connection,
    month_connection,
    month_threads,
    run,
)

LARGE: Final = (
    "SELECT length(string_agg(repeat(chr(97 + (i % 26)::INTEGER), 1000), '')) AS length FROM range(60000) AS r(i)"
)
"""One value of 60 MB: it cannot be spilled."""


@pytest.fixture(autouse=True)
def no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MEMORY_SETTING, raising=False)


def test_a_statement_that_the_limit_is_too_small_for_is_executed_all_the_same() -> None:
    with connection(memory="20MB") as con:
        with pytest.raises(duckdb.OutOfMemoryException, match="Out of Memory Error"):
            con.execute(LARGE).fetchall()
        assert run(con, LARGE) == [(60_000_000,)]
    with connection(memory="20MB") as con:
        assert arrow(con, LARGE)["length"].to_pylist() == [60_000_000]


def test_the_statement_after_one_that_had_more_memory_has_the_limit_again() -> None:
    with connection(memory="20MB") as con:
        limit = _memory_limit(con)
        assert run(con, LARGE) == [(60_000_000,)]
        assert _memory_limit(con) == limit
        with pytest.raises(duckdb.OutOfMemoryException, match="Out of Memory Error"):
            con.execute(LARGE).fetchall()


def test_a_statement_that_no_memory_does_for_fails_and_the_limit_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.engine._own_memory_limit", lambda con: "25MB")
    with connection(memory="20MB") as con:
        limit = _memory_limit(con)
        with pytest.raises(duckdb.OutOfMemoryException, match="Out of Memory Error"):
            run(con, LARGE)
        assert _memory_limit(con) == limit


def test_a_limit_that_the_user_set_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_SETTING, "20MB")
    with connection() as con:
        with pytest.raises(duckdb.OutOfMemoryException, match="Out of Memory Error"):
            run(con, LARGE)
        with pytest.raises(duckdb.OutOfMemoryException, match="Out of Memory Error"):
            arrow(con, LARGE)
        assert run(con, "SELECT 1") == [(1,)]


@pytest.mark.parametrize(
    ("cores", "threads", "limit"), [(1, 1, "152.5 MiB"), (2, 2, "228.8 MiB"), (64, 4, "381.4 MiB")]
)
def test_the_work_on_a_month_takes_few_threads_and_a_memory_to_match(
    cores: int, threads: int, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.engine.core_count", lambda: cores)
    assert month_threads() == threads
    with month_connection(0, None) as con:
        found = run(
            con, "SELECT current_setting('threads'), current_setting('memory_limit'), current_setting('TimeZone')"
        )
    assert found == [(threads, limit, "UTC")]


@pytest.mark.parametrize(("jobs", "limit"), [(0, "228.8 MiB"), (1_000_000, "514.9 MiB"), (10_000_000, "3.0 GiB")])
def test_the_work_on_all_months_takes_a_memory_to_match_the_jobs(
    jobs: int, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.engine.core_count", lambda: 2)
    with history_connection(jobs) as con:
        assert _memory_limit(con) == limit


def test_the_work_on_all_months_never_takes_more_than_duckdb_does_by_itself() -> None:
    with history_connection(10**12) as con:
        limit = "SELECT parse_formatted_bytes(current_setting('memory_limit'))"
        found = run(con, limit)[0][0]
        run(con, "RESET memory_limit")
        own = run(con, limit)[0][0]
    assert own * 0.99 < found <= own  # DuckDB shows its limit with one decimal


def test_the_work_on_all_months_keeps_a_limit_that_the_user_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_SETTING, "20MB")
    with history_connection(10**12) as con:
        assert _memory_limit(con) == "19.0 MiB"


def _memory_limit(con: duckdb.DuckDBPyConnection) -> str:
    return str(run(con, "SELECT current_setting('memory_limit')")[0][0])
