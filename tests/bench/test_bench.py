"""The benchmarks at a tiny scale, so that they do not rot. What they take is not judged here."""

from __future__ import annotations

import os
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.bench import flatten, html_report, marts, month, names
from tests.bench.history import write_month
from tests.bench.report import machine, ratio, table
from tests.bench.scale import multiply
from tests.bench.server import Server
from warehouse.contract import contract
from warehouse.engine import connection, run
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.months import month_of, previous_month

JOBS = 40
MONTH = previous_month(month_of(datetime.now(UTC)))
COUNTS = """
    SELECT
        (SELECT count(DISTINCT job_id) FROM jobs),
        (SELECT count(*) FROM reference_lineage),
        (SELECT count(*) FROM observations)
"""


@pytest.fixture(scope="module")
def server() -> Generator[Server]:
    with Server(JOBS, [MONTH]) as found:
        yield found


@pytest.mark.proof
def test_jobledger_gets_the_servers_jobs_and_flattens_them_again(server: Server, tmp_path: Path) -> None:
    client = month.by_jobledger(server, MONTH, tmp_path)
    assert client.jobs == JOBS
    assert client.requests >= 1
    assert 0 < client.took.cpu < 60
    (line,) = month.rows([client])
    assert line[1] == str(JOBS)
    assert line[-1] == "-"
    took = flatten.time_flattening(tmp_path, MONTH, times=1)
    assert [row[:2] for row in flatten.rows(took, JOBS)] == [(flatten.FLATTENING, "1"), (flatten.WRITING, "1")]


@pytest.mark.proof
def test_the_names_of_many_reality_data_come_and_a_day_later_those_that_changed(tmp_path: Path) -> None:
    first, daily = names.first_and_daily(tmp_path, 200)
    assert (first.named, daily.named) == (200, 2)
    assert first.requests == daily.requests == names.requests(200)
    assert [row[:3] for row in names.rows([first, daily])] == [("first", "57", "200"), ("daily", "57", "2")]


@pytest.mark.proof
def test_the_report_of_a_history_is_made_and_weighed(tmp_path: Path) -> None:
    write_month(tmp_path, JOBS, MONTH)
    marts.time_marts(tmp_path)
    took = html_report.time_report(tmp_path)
    assert 0.5 < html_report.megabytes(took) < html_report.LIMIT_MB
    assert html_report.note(took).startswith(f"The report of it: {html_report.megabytes(took):.2f} MB, made in ")


@pytest.mark.proof
def test_a_history_several_times_over_has_as_many_jobs_and_as_much_lineage(tmp_path: Path) -> None:
    write_month(tmp_path / "once", JOBS, MONTH)
    multiply(Lake(tmp_path / "once"), Lake(tmp_path / "thrice"), all_tables(contract()), 3)
    counts = []
    for data in (tmp_path / "once", tmp_path / "thrice"):
        marts.time_marts_together(data)
        with connection() as con:
            lake, tables = Lake(data), {table.name: table for table in all_tables(contract())}
            lake.view(con, *(tables[name] for name in ("jobs", "reference_lineage", "observations")))
            counts.append(run(con, COUNTS)[0])
    assert counts[1] == tuple(3 * count for count in counts[0])
    assert counts[0][0] == JOBS


@pytest.mark.skipif(not month.has_dlt() and not os.environ.get("CI"), reason=month.NO_DLT)
@pytest.mark.proof
@pytest.mark.parametrize("loader_files", [None, "parquet"])
def test_dlt_gets_the_servers_jobs(server: Server, tmp_path: Path, loader_files: str | None) -> None:
    assert month.by_dlt(server, MONTH, tmp_path / "dlt", loader_files).jobs == JOBS


def test_a_table_says_what_was_measured_where() -> None:
    assert "cores" in machine()
    assert ratio(1, None) == "-"
    assert table("Title", ("name", "s"), [("one", "1.0"), ("twelve", "12.0")], ["A note."]).splitlines() == [
        "",
        "Title",
        "name       s",
        "------------",
        "one      1.0",
        "twelve  12.0",
        "A note.",
    ]
