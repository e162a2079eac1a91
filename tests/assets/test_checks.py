"""Every check holds on a sound ledger and names the rows that contradict it on one that is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from assets import checks
from assets.checks import AGREEMENT, CORE_CHECKS, RAW_CHECKS, Check, as_markdown, publish_and_verify, verify
from warehouse.catalog import Publish, publish
from warehouse.contract import contract
from warehouse.declaration import Table
from warehouse.engine import connection, run
from warehouse.lake import Lake
from warehouse.tables import ledger_tables

MONTH = "2026-01"
CREATED = datetime(2026, 1, 5, tzinfo=UTC)
LATER = datetime(2026, 1, 6, tzinfo=UTC)
TABLES = {table.name: table for table in ledger_tables()}
CHECKS = {check.name: check for check in (*RAW_CHECKS, *CORE_CHECKS)}
SOUND: dict[str, list[dict[str, Any]]] = {
    "observations": [
        {
            "job_id": "a",
            "created_at": CREATED,
            "observed_at": LATER,
            "http_status": 200,
            "body": '{"specifications": {"inputs": {"photos": "x", "more": ["y", null, "z"]},'
            ' "options": {"n": 1, "m": null}}}',
        }
    ],
    "jobs": [
        {
            "job_id": "a",
            "type": "Objects2D",
            "outcome": "success",
            "created_at": CREATED,
            "started_at": CREATED,
            "ended_at": LATER,
            "queue_seconds": 0.0,
            "run_seconds": 1.0,
            "total_seconds": 1.0,
            "units": 0.0,
            "edition": "2026-07",
        },
        {"job_id": "b", "type": "NobodyKnows", "outcome": "open", "created_at": CREATED},
    ],
    "objects2d_jobs": [{"job_id": "a"}],
    "job_references": [{"job_id": "a"}, {"job_id": "a"}, {"job_id": "a"}],
    "job_options": [{"job_id": "a"}],
    "walks": [
        {"walk_id": "1", "created_from": CREATED, "finished_at": CREATED, "complete": False},
        {"walk_id": "2", "created_from": CREATED, "finished_at": LATER, "complete": True},
    ],
}
BROKEN: dict[str, Mapping[str, Sequence[dict[str, Any]]]] = {
    "job_ids_are_unique": {"jobs": [{"job_id": "a"}, {"job_id": "a"}]},
    "a_job_is_in_one_month": {
        "observations": [
            {"job_id": "a", "created_at": CREATED, "observed_at": CREATED},
            {"job_id": "a", "created_at": datetime(2026, 2, 1, tzinfo=UTC), "observed_at": LATER},
        ]
    },
    "created_before_started_before_ended": {"jobs": [{"job_id": "a", "run_seconds": -1.0}]},
    "a_finished_job_has_its_end": {"jobs": [{"job_id": "a", "outcome": "failed"}]},
    "units_are_not_negative": {"jobs": [{"job_id": "a", "units": -0.5}]},
    "each_job_is_in_the_table_of_its_type": {"objects2d_jobs": []},
    "every_input_output_and_option_is_in_the_tables": {"job_options": []},
    "types_states_and_fields_are_known": {"contract_drift": [{"type": "X", "kind": "unknown_type", "jobs": 1}]},
    "a_month_speaks_one_edition": {
        "jobs": [
            {"job_id": "a", "created_month": MONTH, "created_at": CREATED, "edition": "2025-08"},
            {"job_id": "b", "created_month": MONTH, "created_at": LATER, "edition": "2026-07"},
        ]
    },
    "clocks_agree": {"walks": [{"walk_id": "1", "finished_at": LATER, "complete": True, "clock_skew_seconds": -180.0}]},
    "times_are_plausible": {"contract_drift": [{"type": "X", "kind": "implausible", "jobs": 1}]},
    "companions_are_present": {"contract_drift": [{"type": "X", "kind": "missing_companion", "jobs": 1}]},
    "names_and_paths_follow_their_patterns": {"contract_drift": [{"type": "X", "kind": "pattern", "jobs": 1}]},
    "nothing_is_rejected": {"rejected_records": [{"reason": "no_id", "body": "{}", "body_hash": "1"}]},
    "walks_are_complete": {
        "walks": [{"walk_id": "1", "created_from": CREATED, "finished_at": LATER, "complete": False, "error": "cut"}]
    },
}


def keep(data: Path, rows: Mapping[str, Sequence[dict[str, Any]]], month: str = MONTH) -> Lake:
    lake = Lake(data)
    with lake.exclusive(month) as staging:
        for name, table in TABLES.items():
            if table.monthly:
                staging.write(table, month, pa.Table.from_pylist(list(rows.get(name, ())), schema=table.arrow_schema))
        staging.commit()
    return lake


def test_on_a_sound_ledger_every_check_holds(tmp_path: Path) -> None:
    verdicts = verify(keep(tmp_path, SOUND), list(CHECKS.values()), TABLES, contract())
    assert {verdict.check.name: verdict.offending for verdict in verdicts if not verdict.holds} == {}


@pytest.mark.parametrize("check", CHECKS.values(), ids=lambda check: check.name)
def test_a_broken_ledger_is_told_with_its_rows(check: Check, tmp_path: Path) -> None:
    lake = keep(tmp_path, {**SOUND, **BROKEN[check.name]})
    (verdict,) = verify(lake, [check], TABLES, contract())
    assert verdict.offending >= 1
    shown = as_markdown(verdict.rows).splitlines()
    assert len(shown) == 2 + verdict.offending


def found(lake: Lake, name: str, **more: Any) -> list[dict[str, Any]]:
    """The rows that a check shows."""
    (verdict,) = verify(lake, [CHECKS[name]], TABLES, contract(), **more)
    return verdict.rows.to_pylist()


def test_a_check_is_red_as_long_as_what_it_found_is_there(tmp_path: Path) -> None:
    keep(tmp_path, {**SOUND, "jobs": [{"job_id": "a", "units": -1.0}]})
    lake = keep(tmp_path, SOUND, "2026-02")
    of_january = [
        {
            "month": MONTH,
            "job_id": "a",
            "name": None,
            "itwin_id": None,
            "type": None,
            "units": "-1.0",
            "units_source": None,
        }
    ]
    assert found(lake, "units_are_not_negative") == of_january
    keep(tmp_path, {**SOUND, "jobs": [{"job_id": "b", "units": -2.0}]}, "2026-02")
    assert [row["month"] for row in found(lake, "units_are_not_negative")] == ["2026-02", MONTH]
    keep(tmp_path, SOUND, "2026-02")
    assert found(lake, "units_are_not_negative") == of_january
    keep(tmp_path, SOUND)
    assert found(lake, "units_are_not_negative") == []


def test_a_month_that_did_not_change_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path, {**SOUND, **BROKEN["units_are_not_negative"]})
    lake = keep(tmp_path, SOUND, "2026-02")
    before = verify(lake, list(CHECKS.values()), TABLES, contract())
    monkeypatch.setattr("assets.checks.connection", lambda: pytest.fail("the lake was read"))
    assert verify(lake, list(CHECKS.values()), TABLES, contract()) == before


def test_a_check_whose_statement_changed_looks_at_every_month_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = keep(tmp_path, SOUND)
    assert found(lake, "units_are_not_negative") == []
    monkeypatch.setattr("assets.checks.statement", lambda name: "SELECT job_id FROM jobs ORDER BY job_id")
    assert found(lake, "units_are_not_negative") == [{"month": MONTH, "job_id": name} for name in "ab"]


def test_a_month_whose_tables_are_not_made_yet_keeps_its_last_verdict(tmp_path: Path) -> None:
    lake = keep(tmp_path, {**SOUND, **BROKEN["every_input_output_and_option_is_in_the_tables"]})
    name = "every_input_output_and_option_is_in_the_tables"
    before = found(lake, name)
    assert len(before) == 1
    keep(tmp_path, SOUND)
    assert found(lake, name, settled=lambda month: month != MONTH) == before
    assert found(lake, name) == []


def test_a_job_that_stands_in_two_months_is_told_whichever_of_them_changed_last(tmp_path: Path) -> None:
    keep(tmp_path, SOUND)
    moved = {"job_id": "a", "created_at": datetime(2026, 2, 1, tzinfo=UTC), "observed_at": LATER}
    lake = keep(tmp_path, {"observations": [moved], "jobs": [moved]}, "2026-02")
    for name in ("a_job_is_in_one_month", "job_ids_are_unique"):
        assert [(row["month"], row["job_id"]) for row in found(lake, name)] == [("2026-02", "a")]


def test_an_itwin_that_is_no_longer_asked_for_is_forgotten(tmp_path: Path) -> None:
    cut = {"walk_id": "1", "itwin_id": "left", "created_from": CREATED, "finished_at": LATER, "complete": False}
    lake = keep(tmp_path, {"walks": [cut]})
    red = [{"month": MONTH, "itwin_id": "left", "finished_at": "2026-01-06 00:00:00+00:00", "error": None}]
    assert found(lake, "walks_are_complete", itwin_ids=["stays", "left"]) == red
    assert found(lake, "walks_are_complete", itwin_ids=["stays"]) == []
    assert found(lake, "walks_are_complete") == []
    assert found(lake, "walks_are_complete", itwin_ids=["left"]) == red


def test_a_door_that_shows_other_rows_than_the_lake_is_told(tmp_path: Path) -> None:
    lake = keep(tmp_path, SOUND)
    tables = list(TABLES.values())
    place, verdict = publish_and_verify(lake, tables, "views")
    assert verdict.holds
    with connection(place) as con:
        run(con, "CREATE OR REPLACE VIEW jobs AS SELECT * FROM walks LIMIT 1")
    verdict = publish_and_verify(lake, tables, "views")[1]
    assert verdict.check is AGREEMENT
    assert verdict.rows.to_pylist() == [{"table_name": "jobs", "in_parquet": 2, "in_duckdb": 1}]


@pytest.mark.parametrize("how", ["views", "tables"])
def test_a_table_that_another_run_changes_meanwhile_is_compared_by_that_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: Publish
) -> None:
    lake = keep(tmp_path, {name: rows for name, rows in SOUND.items() if name != "walks"})

    def publish_and_land(lake: Lake, tables: Sequence[Table], how: Publish) -> Path:
        place = publish(lake, tables, how)
        keep(tmp_path, {**SOUND, "jobs": []})
        return place

    monkeypatch.setattr(checks, "publish", publish_and_land)
    assert publish_and_verify(lake, list(TABLES.values()), how)[1].holds
    monkeypatch.undo()
    assert publish_and_verify(lake, list(TABLES.values()), how)[1].holds
