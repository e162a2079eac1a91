"""Errors of the system and of libraries as sentences: what happened, to which file, and what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import dagster as dg
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy
from dagster._core.errors import DagsterAssetCheckFailedError

from warehouse.errors import Busy
from warehouse.explain import BY_NUMBER, explain


def raised_by(text: str, database: str = ":memory:") -> duckdb.Error:
    with pytest.raises(duckdb.Error) as caught, duckdb.connect(database) as con:
        con.execute(text).fetchall()
    return caught.value


def test_what_the_project_raises_is_told_as_it_is() -> None:
    assert explain(Busy("2026-01 is locked.")) == "2026-01 is locked."


@pytest.mark.parametrize("number", sorted(BY_NUMBER), ids=lambda number: errno.errorcode[number])
def test_an_error_of_the_system_names_its_file_and_what_to_do(number: int) -> None:
    what, advice = BY_NUMBER[number]
    assert explain(OSError(number, os.strerror(number), "/ledger/jobs.parquet")) == (
        f"{what}: /ledger/jobs.parquet. {advice}"
    )


def test_a_rename_names_both_files() -> None:
    told = explain(OSError(errno.EACCES, "Permission denied", "a.tmp", None, "a.parquet"))
    assert told.startswith("This user has no right to do that: a.tmp and a.parquet. Give the user")


def test_an_error_of_the_system_that_nobody_foresaw_keeps_its_words() -> None:
    assert explain(OSError(errno.EXDEV, "Invalid cross-device link", "/ledger")).startswith(
        "Invalid cross-device link: /ledger. "
    )


def test_an_error_without_a_number_keeps_its_words() -> None:
    assert explain(OSError("invalid path: /no/such.pem")).startswith("invalid path: /no/such.pem. Check")


def test_a_full_disk_is_the_same_sentence_whoever_meets_it() -> None:
    advice = "Free some on that disk, or name a folder on another one"
    for error in (
        OSError(errno.ENOSPC, "No space left on device", "jobs.parquet"),
        duckdb.IOException('IO Error: Could not write file "jobs.parquet": No space left on device'),
        duckdb.TransactionException('Failed to commit: Could not write file "x.wal": No space left on device'),
        sqlalchemy.exc.OperationalError("INSERT ...", {}, Exception("database or disk is full")),
        sqlalchemy.exc.OperationalError("INSERT ...", {}, Exception("disk I/O error")),
    ):
        assert explain(error).startswith(("No space is left", "The disk is full, or fails, under Dagster's")), error
        assert advice in explain(error)


def test_a_foreign_file_is_no_duckdb_file(tmp_path: Path) -> None:
    foreign = tmp_path / "notes.txt"
    foreign.write_text("notes " * 9000)
    told = explain(raised_by("SELECT 1", str(foreign)))
    assert told.startswith("The file is no DuckDB file: ")
    assert str(foreign) in told


def test_a_cut_parquet_file_is_named_by_duckdb_and_by_arrow(tmp_path: Path) -> None:
    file = tmp_path / "jobs.parquet"
    pq.write_table(pa.table({"job_id": ["a"]}), file)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(pa.ArrowInvalid) as caught:
        pq.read_table(file)
    for error in (caught.value, raised_by(f"SELECT * FROM read_parquet('{file}')")):
        assert "`jobledger replay` rebuilds the others" in explain(error), repr(error)


def test_too_little_memory_names_the_setting() -> None:
    with duckdb.connect(config={"memory_limit": "5MB"}) as con, pytest.raises(duckdb.OutOfMemoryException) as caught:
        con.execute("SELECT list(range) FROM range(5_000_000)").fetchall()
    assert "JOBLEDGER_DUCKDB_MEMORY" in explain(caught.value)


def test_text_in_another_encoding_says_utf_8() -> None:
    with pytest.raises(UnicodeDecodeError) as caught:
        b"\xff\xfej".decode("utf-8")
    assert explain(caught.value).startswith("A text is not UTF-8: ")


def test_a_resource_s_error_is_told_from_under_dagster_s_own() -> None:
    @dg.resource
    def lake() -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "jobs.parquet")

    @dg.op(required_resource_keys={"lake"})
    def reads() -> None: ...

    @dg.job(resource_defs={"lake": lake})
    def job() -> None:
        reads()

    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(dg.DagsterError) as caught:
        job.execute_in_process(instance=instance)
    assert explain(caught.value).startswith("There is no such file or folder: jobs.parquet. ")


def test_a_blocking_check_is_told_with_its_name() -> None:
    told = explain(DagsterAssetCheckFailedError("1 blocking asset check failed with ERROR severity:\njobs: one_row"))
    assert "ERROR severity: jobs: one_row. They stay as they were." in told


def test_no_secret_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITWIN_CLIENT_SECRET", "canary-secret")
    for text in ("canary-secret", "postgresql://me:canary-word@db/x", "Authorization: Bearer canary-token"):
        assert "canary" not in explain(ValueError(f"refused: {text}"))


def test_what_nobody_foresaw_asks_for_a_report() -> None:
    assert explain(KeyError("jobs")) == (
        "Unforeseen: KeyError: 'jobs'. Run again with --debug for the traceback; if it lasts, please report it."
    )
