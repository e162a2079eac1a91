"""The report: what it says, that it is inert whatever a name holds, and when it is made anew."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest

from assets.report import words
from assets.report.lineage import graph
from assets.report.making import made_from, make_report, render, report_file
from assets.report.questions import QUESTIONS, Answer, Scope, ask, scope
from assets.report.sentences import since_last_week, this_month
from assets.unit_budget import UnitBudget, crossed_at, read_unit_budget
from tests.report_ledger import SCRIPT, WORLD
from warehouse.catalog import publish
from warehouse.contract import contract
from warehouse.engine import connection
from warehouse.errors import WrongUsage
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.query import records

pytestmark = pytest.mark.proof

TABLES = all_tables(contract())
NO_BUDGET = UnitBudget()


@pytest.fixture(scope="module")
def page(report_ledger: Path) -> str:
    return render(Lake(report_ledger), read_unit_budget("300"))[0]


def without_scripts(html: str) -> str:
    return re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)


def test_every_statement_on_the_page_runs_as_it_is_shown(report_ledger: Path, page: str) -> None:
    shown = [unescape(text) for text in re.findall(r"<code>(--.*?)</code>", page, re.DOTALL)]
    assert len(shown) >= 17
    assert not [text for text in shown if "$" in re.sub(r"'[^']*'", "", text).replace("'$'", "")]
    assert len(records(shown, report_ledger)) == len(shown)


def test_a_name_that_is_a_script_is_text(page: str) -> None:
    assert page.count("<script") == 3
    assert SCRIPT not in page
    assert "onerror=&#34;" in page
    specs = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.DOTALL)
    assert specs is not None
    assert "<" not in specs[1]
    assert "<script>" in json.dumps(json.loads(specs[1])["open-jobs"])


def test_nothing_on_the_page_names_a_host(page: str) -> None:
    plain = without_scripts(page)
    assert not re.findall(r'(?:src|href|action)="(?!#)', plain)
    assert set(re.findall(r"https?://[\w.]+", plain)) <= {"http://www.w3.org"}
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src &#39;none&#39;; script-src &#39;sha256-")


def test_it_begins_with_sentences_that_answer(page: str) -> None:
    text = unescape(re.sub(r"<[^>]+>", "", without_scripts(page)))
    short = " ".join(text.partition("In short")[2].partition("What it costs")[0].split())
    for said in (
        "have cost 259 estimated units in Mar 2026. By its end it will be about 398 units",
        "The budget of 300 units will be passed on 23 Mar 2026, at the pace of recent weeks.",
        "1 is stuck, for more than three times as long as is usual",
        "The last seven days cost 123 units, 88 % more than the seven before (65.6).",
        "Every walk of these 4 months is complete",
    ):
        assert said in short


def test_each_drawing_has_words_for_who_cannot_see_it_and_its_rows(page: str) -> None:
    drawings = re.findall(r'role="img" aria-label="([^"]+)"', page)
    assert len(drawings) == len(set(drawings)) == 17
    assert without_scripts(page).count("<svg ") == 17
    assert page.count("<caption>") >= 18
    ids = re.findall(r'\bid="([^"]+)"', without_scripts(page))
    assert len(ids) == len(set(ids))


def test_names_stand_where_ids_would(report_ledger: Path, page: str) -> None:
    answers = ask(report_ledger, scope(report_ledger))
    names = {row["itwin"] for row in answers["units_by_itwin"].rows}
    assert not {name for name in names if re.match(r"[0-9a-f]{8}", name)}
    shown = re.sub(r"<pre.*?</pre>", "", without_scripts(page), flags=re.DOTALL)
    assert not [itwin for itwin in WORLD.itwins if itwin in shown]


def test_a_report_of_one_itwin_counts_that_one_alone(report_ledger: Path) -> None:
    whole = ask(report_ledger, scope(report_ledger))
    name = whole["units_by_itwin"].rows[0]["itwin"]
    about = scope(report_ledger, name.upper(), "2026-02", "2026-03")
    answers = ask(report_ledger, about)
    of_one = [row for row in whole["units_by_itwin"].rows if row["itwin"] == name and row["month"] >= "2026-02"]
    assert [(row["month"], row["units"]) for row in answers["months"].rows] == [
        (row["month"], row["units"]) for row in of_one
    ]
    assert {row["itwin_id"] for row in answers["forecast"].rows} == {about.itwin_id}


@pytest.mark.parametrize(
    ("itwin", "first", "last", "why"),
    [
        ("Atlantis", None, None, "no job of an iTwin with that id or name"),
        (None, "2026-13", None, "'2026-13' is no month"),
        (None, "2026-03", "2026-01", "the wrong way round"),
        (None, "2020-01", "2026-03", "more than 36 months"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    report_ledger: Path, itwin: str | None, first: str | None, last: str | None, why: str
) -> None:
    with pytest.raises(WrongUsage, match=why):
        scope(report_ledger, itwin, first, last)


def test_a_report_is_made_anew_only_where_something_changed_and_then_has_the_same_bytes(
    report_ledger: Path, page: str
) -> None:
    lake, budget = Lake(report_ledger), read_unit_budget("300")
    assert made_from(lake, TABLES, budget) != made_from(lake, TABLES, NO_BUDGET)
    assert make_report(lake, TABLES, budget).is_new
    assert report_file(report_ledger).read_text(encoding="utf-8") == page
    assert len(page.encode()) < 4_000_000
    assert not make_report(lake, TABLES, budget).is_new
    report_file(report_ledger).unlink()
    assert make_report(lake, TABLES, budget).is_new


def test_finding_that_nothing_changed_imports_neither_altair_nor_jinja(report_ledger: Path) -> None:
    code = (
        "import sys\nfrom assets.report.making import made_from\nfrom assets.unit_budget import UnitBudget\n"
        "from warehouse.contract import contract\nfrom warehouse.lake import Lake\nfrom pathlib import Path\n"
        "from warehouse.marts.all import all_tables\n"
        f"print(made_from(Lake(Path({str(report_ledger)!r})), all_tables(contract()), UnitBudget()))\n"
        "assert not {'altair', 'vl_convert', 'jinja2'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == made_from(Lake(report_ledger), TABLES, NO_BUDGET)


def test_a_ledger_without_a_job_has_a_report_that_says_so(report_ledger: Path, page: str, tmp_path: Path) -> None:
    assert page
    lake = Lake(tmp_path)
    shutil.copytree(report_ledger / "report", tmp_path / "report")
    publish(lake, TABLES, "views")
    html, in_short = render(lake, NO_BUDGET)
    assert in_short == "**Nothing yet.** The ledger holds no jobs yet. <code>jobledger sync</code> fetches them."
    assert "No complete walk yet" in html


def test_the_statements_answer_without_a_job_too(tmp_path: Path) -> None:
    publish(Lake(tmp_path), TABLES, "views")
    answers = ask(tmp_path, scope(tmp_path))
    empty = {name for name, answer in answers.items() if not answer.rows}
    assert empty == {*QUESTIONS, "lineage"} - {"scope", "load"}


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ("100", "The budget of <b>100</b> units is exceeded already, by <b>20.0</b> units."),
        ("150", "The budget of <b>150</b> units will be passed on <b>23 Mar 2026</b>, at the pace of recent weeks."),
        ("200", "The budget of <b>200</b> units holds: <b>90 %</b> of it will be used."),
        ("A & B=150", "The budget of <b>A &amp; B</b>, <b>150</b> units, will be passed on <b>23 Mar 2026</b>"),
    ],
)
def test_the_budget_is_told_with_the_day_on_which_it_is_passed(budget: str, expected: str) -> None:
    whole = {"itwin_id": "all", "itwin": "All iTwins", "itwin_name": None, "month": "2026-03", "jobs": 4}
    whole |= {"units_so_far": 115.0, "open_units": 5.0, "remaining_units": 60.0, "expected_units": 180.0}
    whole |= {"low_units": 170.0, "high_units": 190.0, "last_month_units": 160.0}
    one = {**whole, "itwin_id": "a", "itwin": "A & B", "itwin_name": "A & B"}
    about = Scope("2026-01", "2026-03", datetime(2026, 3, 18, tzinfo=UTC), "estimatedUnits")
    said = this_month({"forecast": Answer("", [whole, one])}, about, read_unit_budget(budget))
    assert any(expected.replace("23 Mar", "25 Mar") in sentence for sentence in said.sentences)
    assert said.tone == ("good" if budget == "200" else "bad")


def test_a_budget_is_crossed_in_proportion_to_what_remains() -> None:
    now, end = datetime(2026, 3, 18, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
    assert crossed_at(150, 120, 60, now, end) == datetime(2026, 3, 25, tzinfo=UTC)
    assert crossed_at(180, 120, 60, now, end) is None
    assert crossed_at(119, 120, 60, now, end) == now


def test_a_change_is_shared_out_between_the_number_of_jobs_and_what_one_costs() -> None:
    week = {"finished": 10, "failed": 1, "queue_seconds_p50": 60.0, "run_seconds_p50": 600.0}
    this = {**week, "week": "this", "jobs": 30, "with_units": 30, "units": 90.0}
    before = {**week, "week": "before", "jobs": 20, "with_units": 20, "units": 40.0}
    part = {"itwin": "Dam", "itwin_id": "d", "type": "Objects2D", "change": 30.0}
    said = since_last_week({"week": Answer("", [this, before]), "week_parts": Answer("", [part])})
    assert (
        "accounts for <b>+25.0 units</b>, what a job costs (<b>3.00</b> units, before <b>2.00</b>) for <b>+25.0 units"
        in said.sentences[1]
    )
    assert said.sentences[2] == "The largest part of it is <b>Objects2D in Dam</b>: <b>+30.0</b> units."


def test_a_lineage_draws_each_job_once_and_every_edge() -> None:
    def pair(maker: str, user: str, step: int) -> dict[str, object]:
        return {
            "producer_job_id": maker,
            "consumer_job_id": user,
            "step": step,
            "job": maker,
            "type": "T",
            "units": 1.0,
        }

    first = {"job_id": "d", "job": "d", "type": "T", "own_units": None}
    nodes, edges = graph(first, [pair("a", "d", 1), pair("b", "d", 1), pair("c", "a", 2), pair("c", "b", 2)])
    assert [(node["job"], node["row"], node["step"]) for node in nodes] == [
        ("d", 0, 0),
        ("a", 1, 1),
        ("c", 2, 2),
        ("b", 3, 1),
    ]
    assert [(user["job"], maker["job"]) for user, maker in edges] == [("d", "a"), ("d", "b"), ("a", "c"), ("b", "c")]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (words.number(1234.5), "1,234"),
        (words.number(12.345), "12.3"),
        (words.number(0), "0"),
        (words.number(None), "–"),
        (words.signed(-0.5), "−0.50"),
        (words.share(0.0612), "6.1 %"),
        (words.share(1.0), "100 %"),
        (words.duration(45), "45 s"),
        (words.duration(186), "3.10 min"),
        (words.duration(90000), "1.04 d"),
        (words.month("2026-03"), "Mar 2026"),
        (words.text("a\x00b\u202ec\nd"), "a b c d"),
        (words.text("x" * 100), "x" * 79 + "…"),
        (words.listed(["a", "b", "c"]), "a, b and c"),
    ],
)
def test_values_are_written_with_few_digits_and_on_one_line(written: str, expected: str) -> None:
    assert written == expected


def test_itwins_of_one_name_are_told_apart_and_ids_are_cut() -> None:
    bare = "11111111-0000-4000-8000-000000000001"
    rows = [
        {"itwin_id": one, "itwin": name}
        for one, name in (("aaaaaaaa1", "Dam"), ("bbbbbbbb2", "Dam"), (bare, bare), (None, "no iTwin"))
    ]
    assert words.distinct_names(rows, "itwin_id", "itwin") == {
        "aaaaaaaa1": "Dam (aaaaaaaa)",
        "bbbbbbbb2": "Dam (bbbbbbbb)",
        bare: "11111111…",
        None: "no iTwin",
    }


def test_the_failed_jobs_by_reason_are_those_of_the_mart(report_ledger: Path) -> None:
    answers = ask(report_ledger, scope(report_ledger))
    found = {row["reason"]: row["jobs"] for row in answers["failures"].rows}
    with connection(report_ledger / "history.duckdb", read_only=True) as con:
        rows = con.execute(
            "select coalesce(code, 'no reason told'), count(distinct jobs.job_id) from jobs left join job_messages on "
            "job_messages.job_id = jobs.job_id and severity = 'error' where outcome = 'failed' group by 1"
        ).fetchall()
    assert found == dict(rows)
