"""After an upgrade, one run of any months makes whatever the older code or contract had made: no replay is needed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from assets import flatten
from assets.flatten import code_digest, flatten_month, flatten_months, stale_months
from assets.marts import make_marts
from pipelines.definitions import JOB_NAME, build_defs
from pipelines.sandbox import ScriptedWorld
from pipelines.sync import range_tags
from tests.pipelines.ledger_of_sandbox import environment, running, small_world
from warehouse import tables
from warehouse.contract import Contract, contract, snake_case
from warehouse.declaration import Table
from warehouse.engine import arrow, connection
from warehouse.lake import Lake
from warehouse.marts.all import MARTS, all_tables
from warehouse.name_tables import NAME_TABLES
from warehouse.tables import JOBS, RAW_TABLES, REJECTED_RECORDS

pytestmark = pytest.mark.proof

MADE_BY_0_1_0: Final = Path(__file__).parents[1] / "fixtures" / "ledger-0.1.0"
OLD_MONTHS: Final = ["2026-02", "2026-03"]
CURRENT: Final = "2026-04"
TABLES: Final = {table.name: table for table in all_tables(contract())}


@pytest.fixture
def old_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Lake]:
    """A ledger that release 0.1.0 made, with settings that name an API which shows nothing."""
    shutil.copytree(MADE_BY_0_1_0, tmp_path / "data")
    with running(ScriptedWorld()) as (sandbox, _):
        for name, value in environment(sandbox, small_world(), tmp_path / "data").items():
            monkeypatch.setenv(name, value)
        yield Lake(tmp_path / "data")
    code_digest.cache_clear()


def run_of(months: tuple[str, str], instance: dg.DagsterInstance, known: Contract | None = None) -> Any:
    job = build_defs(start="2026-01", known=known).resolve_job_def(JOB_NAME)
    return job.execute_in_process(instance=instance, tags=range_tags(*months), raise_on_error=False)


def contents(lake: Lake, wanted: Iterable[Table]) -> dict[str, tuple[dict[str, str], list[dict[str, Any]]]]:
    """By table, the columns with their types as each file has them, and the rows in order."""
    found: dict[str, tuple[dict[str, str], list[dict[str, Any]]]] = {}
    for table in wanted:
        assert lake.files(table), table.name
        (columns,) = {tuple((f.name, str(f.type)) for f in pq.read_schema(file)) for file in lake.files(table)}
        with connection() as con:
            rows = arrow(con, f"SELECT * FROM {lake.source(table)} ORDER BY {', '.join(table.order)}")
        found[table.name] = (dict(columns), rows.to_pylist())
    return found


def made_freshly(lake: Lake, folder: Path) -> Lake:
    """A ledger that has the raw tables of another one and, of them, whatever today's code makes."""
    fresh, known = Lake(folder), contract()
    for table in (*RAW_TABLES, REJECTED_RECORDS):
        for file in lake.files(table):
            place = folder / file.relative_to(lake.data)
            place.parent.mkdir(parents=True)
            shutil.copy(file, place)
    for month in (*OLD_MONTHS, CURRENT):
        with fresh.exclusive(month):
            flatten_month(fresh, month, known)
    make_marts(fresh, MARTS, TABLES)
    return fresh


def test_a_folder_that_0_1_0_made_is_right_after_one_run_of_another_month(old_ledger: Lake, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_of((CURRENT, CURRENT), instance)
        (said,) = [
            event.user_message for event in instance.all_logs(result.run_id) if "flattened now" in event.user_message
        ]
        shown = instance.get_materialized_partitions(dg.AssetKey(JOBS.name))
    assert result.success
    assert said == "Made by another release or contract, or never flattened: 2026-03, 2026-02. They are flattened now."
    assert shown == {*OLD_MONTHS, CURRENT}
    assert stale_months(old_ledger, contract()) == []
    left_out = {"data_dictionary", *(table.name for table in NAME_TABLES)}  # no names were asked for
    derived = [table for table in TABLES.values() if table.group != "raw" and table.name not in left_out]
    fresh = made_freshly(old_ledger, tmp_path / "fresh")
    assert contents(old_ledger, derived) == contents(fresh, derived)
    columns = {name: tuple(columns) for name, (columns, _) in contents(old_ledger, derived).items()}
    assert columns == {table.name: table.column_names for table in derived}
    assert [row["message"] for row in contents(old_ledger, [TABLES["job_messages"]])["job_messages"][1]] == [
        "Needs 64 GB, has 32",
        "Slow",
    ]


def test_a_field_that_comes_into_the_contract_needs_no_replay(old_ledger: Lake) -> None:
    known = contract()
    field = replace(known.fields_of("EvalO2D", "options")[0], name="a_newcomer", api_field="aNewcomer", meaning="New")
    newer = known.with_fields(field)
    with dg.DagsterInstance.ephemeral() as instance:
        assert run_of((CURRENT, CURRENT), instance).success
        assert run_of((CURRENT, CURRENT), instance, newer).success
    (table,) = [table for table in all_tables(newer) if table.name == "eval_o2d_jobs"]
    ((columns, _),) = contents(old_ledger, [table]).values()
    assert tuple(columns) == table.column_names
    with connection() as con:
        door = f"ATTACH '{old_ledger.data / 'history.duckdb'}' AS door (READ_ONLY)"
        con.execute(door).fetchall()
        assert con.execute("SELECT count(option_a_newcomer), count(*) > 0 FROM door.eval_o2d_jobs").fetchall() == [
            (0, True)
        ]


def test_a_month_that_another_run_holds_is_left_to_it_and_is_no_failure(old_ledger: Lake) -> None:
    def flattened() -> dict[str, bool]:
        return {done.month: done.made for done in flatten_months(old_ledger, [CURRENT], contract(), print)}

    (old_ledger.data / "locks").mkdir()
    with FileLock(old_ledger.data / "locks" / "2026-02.lock"):
        assert flattened() == {CURRENT: True, "2026-03": True}
    assert stale_months(old_ledger, contract()) == ["2026-02"]
    assert flattened() == {CURRENT: False, "2026-02": True}
    assert stale_months(old_ledger, contract()) == []


def new_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def spelt_otherwise(api_field: str) -> str:
        return "new_" + snake_case(api_field)

    monkeypatch.setattr("assets.flatten.snake_case", spelt_otherwise)


def new_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(flatten)["_TYPED_VALUES"], "number", "finite_number({}) + 1")


def new_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assets.flatten.statements", lambda folder: ["SELECT 1"])


def new_column_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(tables)["_COLUMN_TYPES"], "integer", "DOUBLE")


@pytest.mark.parametrize("change", [new_names, new_values, new_statement, new_column_type])
def test_whatever_makes_a_flattened_file_makes_it_again_when_it_changes(
    change: Callable[[pytest.MonkeyPatch], None], old_ledger: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = contract()
    for month in OLD_MONTHS:
        with old_ledger.exclusive(month):
            flatten_month(old_ledger, month, known)
    assert stale_months(old_ledger, known) == []
    code_digest.cache_clear()
    change(monkeypatch)
    assert stale_months(old_ledger, known) == ["2026-03", "2026-02"]
