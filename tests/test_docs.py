"""What README.md and docs/ say is so."""

from __future__ import annotations

import ast
import csv
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import click
import pytest

from assets.flatten import flatten_month
from pipelines import cli, estimating
from pipelines.diffing import REASONS
from pipelines.exits import Exit
from pipelines.settings import DEFAULTS
from tests.docs_ledger import BLOCK, MIN_SCORE, NOW, QUESTIONS, ROOT, TABLES, answer, main, tables
from warehouse.contract import Field, contract
from warehouse.engine import (
    MEGABYTES_A_MILLION_RECORDS,
    MEGABYTES_A_THREAD,
    MEGABYTES_OF_WORK,
    connection,
    run,
)
from warehouse.lake import Lake
from warehouse.marts import Mart
from warehouse.marts.all import MARTS
from warehouse.marts.heads import head, with_head
from warehouse.query import sql
from warehouse.tables import CONTRACT_DRIFT, OBSERVATIONS, typed_table_declaration

README = (ROOT / "README.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
ASKED = list(BLOCK.finditer(QUESTIONS.read_text(encoding="utf-8")))
HEADINGS = re.findall(r"^### (\d+)\. (.+)$", QUESTIONS.read_text(encoding="utf-8"), re.MULTILINE)
MONTH = "2026-03"


def _queries(page: Path) -> list[str]:
    """The queries that a page gives to the command line."""
    return [
        query for query in re.findall(r'jobledger sql "([^"]+)"', page.read_text(encoding="utf-8")) if query != "..."
    ]


def _troubles(page: str) -> list[str]:
    """The errors in a page's table of troubles, by their text."""
    return re.findall(r"^\| `([^`]+)` \| [^`|]", page.split("## Troubleshooting\n")[1], re.MULTILINE)


@pytest.mark.parametrize("asked", ASKED, ids=[number for number, _ in HEADINGS])
def test_the_answer_to_a_question_is_what_the_page_prints(docs_ledger: Path, asked: re.Match[str]) -> None:
    assert asked["answer"] == answer(docs_ledger, asked["sql"])


def test_there_are_twenty_questions_each_with_an_order() -> None:
    assert [int(number) for number, _ in HEADINGS] == list(range(1, 21))
    assert len(ASKED) == 20
    assert all("\norder by " in asked["sql"] for asked in ASKED)


@pytest.mark.parametrize("text", re.findall(r"```sql\n(.*?)```", README, re.DOTALL), ids=lambda text: text.split()[1])
def test_a_question_of_the_readme_runs(docs_ledger: Path, text: str) -> None:
    assert list(sql(text, data=docs_ledger).columns)


def test_the_readme_asks_five_questions() -> None:
    assert README.count("```sql\n") == 5


def test_the_estimate_of_the_readme_is_what_the_command_prints(
    docs_ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = next(line for line in README.splitlines() if line.startswith("    jobledger estimate --type Seg"))
    context = cli.main.commands["estimate"].make_context("estimate", shlex.split(command)[2:])
    asked = [context.params[name] for name in ("job_type", "itwin", "detector", "options")]
    estimating.tell(docs_ledger, *asked, as_json=False, at=NOW)
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert "\n".join(["```text", *printed, "```"]) in README


def test_the_page_of_tables_is_what_the_declarations_give() -> None:
    page = TABLES.read_text(encoding="utf-8")
    assert page == tables(), "run: .venv/bin/python -m tests.docs_ledger --write"


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.name)
def test_the_head_of_a_marts_statement_is_its_declaration(mart: Mart) -> None:
    assert mart.sql == with_head(mart), "run: .venv/bin/python -m tests.docs_ledger --write"


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.name)
def test_what_a_mart_means_is_said_in_its_declaration_alone(mart: Mart) -> None:
    said_by_hand = mart.sql.removeprefix(head(mart.table))
    assert re.findall(r"^-- (?:Grain|Counts|Leaves out)\b", said_by_hand, re.MULTILINE) == []


def test_a_head_follows_its_declaration_and_leaves_what_was_written_by_hand() -> None:
    mart = MARTS[0]
    changed = replace(mart, table=replace(mart.table, meaning="Something else."))
    assert with_head(changed).startswith(f"-- {mart.name}: Something else. One row per ")
    assert with_head(changed).removeprefix(head(changed.table)) == mart.sql.removeprefix(head(mart.table))


def test_the_command_that_writes_the_docs_asks_to_be_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "--write" in capsys.readouterr().err


def test_the_page_of_the_lake_explains_each_reason_of_a_diff() -> None:
    page = (ROOT / "docs" / "lake.md").read_text(encoding="utf-8").split("| reason |")[1]
    assert {
        name
        for row in page.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`([a-z ]+)`", row.split("|")[1])
    } == set(REASONS)


def test_the_settings_of_the_readme_are_those_of_the_product() -> None:
    told: dict[str, str] = {}
    for names, _, default in _table("## Settings"):
        value = "" if default in ("-", "empty") else default.strip("`")
        told |= dict.fromkeys(re.findall(r"`(\w+)`", names), value)
    assert told == DEFAULTS


def test_a_setting_that_is_named_anywhere_is_there() -> None:
    shipped = (file for file in (ROOT / "deploy").rglob("*") if file.is_file())
    files = [*PAGES, ROOT / ".env.example", ROOT / "Makefile", *shipped]
    for file in files:
        told = set(re.findall(r"\b(?:JOBLEDGER|ITWIN)_[A-Z_]*[A-Z]\b", file.read_text(encoding="utf-8")))
        assert told <= DEFAULTS.keys(), file


def test_the_exit_codes_of_the_readme_are_those_of_the_product() -> None:
    table = README.split("| exit code | meaning |\n")[1].split("\n\n")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == list(Exit)


@pytest.mark.parametrize("text", sorted({query for page in PAGES for query in _queries(page)}))
def test_a_query_of_the_docs_is_answered(docs_ledger: Path, text: str) -> None:
    assert list(sql(text, data=docs_ledger).columns)


def test_the_commands_of_the_readme_are_those_of_the_product() -> None:
    told = {line.split()[1] for line in _usage()}
    assert told == set(cli.main.commands)


def test_the_options_of_the_readme_are_there() -> None:
    for line in _usage():
        command = cli.main.commands[line.split()[1]]
        known = {name for param in command.params if isinstance(param, click.Option) for name in param.opts}
        told = set(re.findall(r"--[a-z-]+", line.split("   ")[0]))
        assert told <= known, line


def test_options_elsewhere_in_the_docs_are_there() -> None:
    known = {name for command in cli.main.commands.values() for param in command.params for name in param.opts}
    told = {option for page in PAGES for call in _calls(page) for option in re.findall(r"(?<!\S)--[a-z][a-z-]+", call)}
    assert told <= known


def test_the_formats_of_the_readme_are_those_of_the_product() -> None:
    found = re.search(r"--format ([a-z|]+)", README)
    kind = next(param.type for param in cli.main.commands["sql"].params if param.name == "form")
    assert found
    assert isinstance(kind, click.Choice)
    assert found[1].split("|") == list(kind.choices)


@pytest.mark.parametrize("error", [error for page in (README, OPERATIONS) for error in _troubles(page)])
def test_an_error_of_the_readme_is_told_by_the_product(error: str) -> None:
    for part in re.split(r": \d{3} ", error):
        assert any(part in text for text in _texts()), part


@pytest.mark.parametrize("page", ["docs/operations.md", "docs/decisions/0009-the-contract-is-asked-by-shape.md"])
def test_the_memory_of_a_month_is_what_a_page_says(page: str) -> None:
    assert f"{MEGABYTES_OF_WORK + 2 * MEGABYTES_A_THREAD} MB" in (ROOT / page).read_text(encoding="utf-8")


def test_the_memory_for_each_million_is_what_a_page_says() -> None:
    told = f"and {MEGABYTES_A_MILLION_RECORDS} MB more for each million records"
    assert told in (ROOT / "docs/operations.md").read_text(encoding="utf-8")


def test_the_make_targets_of_the_docs_are_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    told = {target for page in PAGES for target in re.findall(r"(?:`|^ {4})make ([a-z0-9]+)", page.read_text(), re.M)}
    assert told
    assert told <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        file, _, anchor = link.partition("#")
        if file.startswith("http"):
            continue
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def test_the_row_that_the_docs_add_to_the_contract_teaches_it_the_field(docs_ledger: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    lake, known = _copy_of_a_month(docs_ledger, tmp_path), contract().with_fields(MIN_SCORE)
    typed = typed_table_declaration(MIN_SCORE.job_type, known)
    assert _row_of(MIN_SCORE) in page
    assert f"`option_min_score` of `{typed.name}`" in page
    flatten_month(lake, MONTH, contract())
    unknown = _drifting_jobs(lake)
    flatten_month(lake, MONTH, known)
    with connection() as con:
        assert run(con, f"SELECT count(option_min_score) FROM {lake.source(typed, MONTH)}") == [(unknown,)]
    assert unknown > 0
    assert _drifting_jobs(lake) == 0


def _drifting_jobs(lake: Lake) -> int:
    """The jobs of the month with a field that the contract does not know."""
    drift = lake.source(CONTRACT_DRIFT, MONTH)
    with connection() as con:
        return int(run(con, f"SELECT coalesce(sum(jobs), 0) FROM {drift} WHERE kind = 'unknown_field'")[0][0])


def _copy_of_a_month(data: Path, target: Path) -> Lake:
    lake = Lake(target)
    place = lake.path(OBSERVATIONS, MONTH)
    place.parent.mkdir(parents=True)
    shutil.copyfile(Lake(data).path(OBSERVATIONS, MONTH), place)
    return lake


def _row_of(field: Field) -> str:
    """A field as a line of fields.csv."""
    head = (ROOT / "warehouse" / "contract" / "fields.csv").read_text(encoding="utf-8").splitlines()[0]
    shown = {"editions": " ".join(field.editions), "required": "yes" if field.required else "no"}
    row = [shown.get(name, getattr(field, name) or "") for name in next(csv.reader([head]))]
    assert not any("," in cell for cell in row)
    return ",".join(row) + "\n"


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made where it is shown."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _table(heading: str) -> Iterator[list[str]]:
    """The rows of the first table below a heading of the README."""
    for line in README.split(f"{heading}\n")[1].split("\n## ")[0].splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("| ").split(" | ")]


def _usage() -> list[str]:
    """The lines of the README's list of commands."""
    lines = README.split("## Commands\n")[1].split("\n## ")[0].splitlines()
    return [line.strip() for line in lines if line.startswith("    jobledger ")]


def _calls(page: Path) -> list[str]:
    """What follows `jobledger` in a page's code."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"`jobledger ([^`]*)`", text) + re.findall(r"^ {4}\S*jobledger (.*?)(?: {2}|#|$)", text, re.M)


@cache
def _texts() -> list[str]:
    """The texts in the product's source; adjacent literals are one, and what is filled in is `{}`."""
    files = [file for floor in ("warehouse", "assets", "pipelines") for file in (ROOT / floor).rglob("*.py")]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    return [text for tree in trees for node in ast.walk(tree) if (text := _text(node)) is not None]


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "{}" for part in node.values)
    return None
