"""Connections one after the other are in one instance of DuckDB, and nothing of one is there for the next."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import duckdb
import pytest

from warehouse.engine import connection, month_connection, run, side_by_side
from warehouse.instances import instance

SETTINGS: Final = "SELECT current_setting('threads'), current_setting('TimeZone'), current_setting('memory_limit')"
SPILLING: Final = "SELECT count(*) FROM (SELECT i FROM range(1_500_000) AS r(i) ORDER BY hash(i))"


def test_the_instance_of_a_connection_is_that_of_the_next_one() -> None:
    with instance() as first:
        pass
    with instance() as second:
        assert second is first


def test_what_one_connection_makes_and_sets_the_next_one_does_not_see(tmp_path: Path) -> None:
    with connection() as con:
        found = run(con, SETTINGS)
    with month_connection(0, tmp_path) as con:
        run(con, "SET threads = 1")
        run(con, "SET TimeZone = 'Asia/Tokyo'")
        run(con, "CREATE TABLE jobs AS SELECT 1 AS job")
        run(con, "CREATE MACRO one() AS 1")
        run(con, "BEGIN")
        run(con, "CREATE TEMP TABLE walks AS SELECT 1 AS walk")
        run(con, f"ATTACH '{tmp_path / 'other.duckdb'}' AS other")
    with connection() as con:
        assert run(con, SETTINGS) == found
        assert run(con, "SELECT count(*) FROM duckdb_tables()") == [(0,)]
        run(con, f"ATTACH '{tmp_path / 'other.duckdb'}' AS other")
        with pytest.raises(duckdb.CatalogException):
            run(con, "SELECT one()")


def test_connections_at_one_time_do_not_see_each_other_and_have_limits_of_their_own() -> None:
    with connection(memory="100MB") as outer, connection(memory="200MB") as inner:
        run(outer, "CREATE TABLE jobs AS SELECT 1 AS job")
        with pytest.raises(duckdb.CatalogException):
            run(inner, "FROM jobs")
        limits = [run(con, "SELECT current_setting('memory_limit')")[0][0] for con in (outer, inner)]
    assert limits == ["95.3 MiB", "190.7 MiB"]


def test_a_connection_side_by_side_sees_the_same_tables_and_times() -> None:
    with connection() as con:
        run(con, "CREATE TABLE jobs AS SELECT 1 AS job")
        with side_by_side(con) as own:
            assert run(own, "SELECT job, current_setting('TimeZone') FROM jobs") == [(1, "UTC")]


def test_after_an_error_the_next_connection_begins_anew() -> None:
    def fail() -> None:
        with connection() as con:
            run(con, "BEGIN")
            run(con, "CREATE TABLE jobs AS SELECT 1 AS job")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with connection() as con:
        assert run(con, "SELECT count(*) FROM duckdb_tables()") == [(0,)]


def test_each_connection_spills_into_the_folder_that_it_was_given(tmp_path: Path) -> None:
    for name in ("first", "second"):
        folder = tmp_path / name
        with connection(memory="15MB", spill=folder) as con:
            run(con, "SET threads = 1")
            assert run(con, SPILLING) == [(1_500_000,)]
            assert folder.exists()


def test_a_file_is_as_it_is_now_for_a_connection_that_reads_it_again(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    for number in range(5):
        with connection() as con:
            run(con, f"COPY (SELECT {number} AS number) TO '{file}'")
        with connection() as con:
            assert run(con, f"SELECT number FROM '{file}'") == [(number,)]


def test_a_fork_has_an_instance_of_its_own() -> None:
    code = """
import os
from warehouse.engine import connection, run

def ask():
    with connection() as con:
        return run(con, "SELECT sum(i) FROM range(1_000_000) AS r(i)")

before = ask()
child = os.fork()
if child == 0:
    os._exit(0 if ask() == before else 1)
assert ask() == before
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("0\n", "")
