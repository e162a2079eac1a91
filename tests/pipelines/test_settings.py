"""The settings: their defaults, their faults all at once, and no secret where somebody could read it."""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import make_url

from pipelines import postgres
from pipelines.postgres import shown
from pipelines.settings import DEFAULTS, backfill_months, prepare_data, read_settings, start_month
from warehouse.engine import connection, run
from warehouse.errors import WrongUsage

ROOT = Path(__file__).parents[2]


def test_without_any_setting_the_defaults_hold(tmp_path: Path) -> None:
    settings = read_settings({}, tmp_path / ".env")
    assert (settings.api_url, settings.start, settings.publish, settings.itwin_ids) == (
        "https://api.bentley.com",
        "2025-01",
        "views",
        (),
    )
    assert (settings.requests_per_minute, settings.requests_per_hour) == (500.0, 5000.0)
    assert (settings.answer_seconds, settings.answer_megabytes) == (120.0, 256.0)
    assert not settings.has_credentials


def test_the_environment_goes_before_the_file_and_the_file_before_the_default(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("JOBLEDGER_START=2024-01\nJOBLEDGER_PUBLISH=tables\n")
    settings = read_settings({"JOBLEDGER_START": "2023-07"}, file)
    assert (settings.start, settings.publish) == ("2023-07", "tables")


def test_all_faults_are_told_at_once_each_with_its_setting(tmp_path: Path) -> None:
    faulty = {
        "ITWIN_API_URL": "http://api.example.com",
        "ITWIN_IDS": "not\x07an-id",
        "ITWIN_REQUESTS_PER_MINUTE": "many",
        "ITWIN_REQUESTS_PER_HOUR": "-1",
        "ITWIN_ANSWER_SECONDS": "0",
        "ITWIN_ANSWER_MEGABYTES": "nan",
        "JOBLEDGER_START": "2025-13",
        "JOBLEDGER_PUBLISH": "both",
        "ITWIN_CLIENT_ID": "somebody",
    }
    with pytest.raises(WrongUsage) as raised:
        read_settings(faulty, tmp_path / ".env")
    names = [line.split(":")[0] for line in str(raised.value).splitlines()]
    assert names == [
        "ITWIN_API_URL",
        "ITWIN_IDS",
        "ITWIN_REQUESTS_PER_MINUTE",
        "ITWIN_REQUESTS_PER_HOUR",
        "ITWIN_ANSWER_SECONDS",
        "ITWIN_ANSWER_MEGABYTES",
        "JOBLEDGER_START",
        "JOBLEDGER_PUBLISH",
        "ITWIN_CLIENT_SECRET",
    ]


def test_plain_http_is_good_enough_on_loopback_only(tmp_path: Path) -> None:
    assert (
        read_settings({"ITWIN_API_URL": "http://127.0.0.1:8765/"}, tmp_path / ".env").api_url == "http://127.0.0.1:8765"
    )
    with pytest.raises(WrongUsage, match=r"ITWIN_TOKEN_URL.*https"):
        read_settings({"ITWIN_TOKEN_URL": "http://ims.example.com/token"}, tmp_path / ".env")


def test_no_secret_shows_in_the_settings_themselves(tmp_path: Path) -> None:
    secrets = {"ITWIN_CLIENT_ID": "me", "ITWIN_CLIENT_SECRET": "canary-secret", "ITWIN_ACCESS_TOKEN": "canary-token"}
    settings = read_settings(secrets, tmp_path / ".env")
    assert "canary" not in f"{settings!r} {settings}"


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    settings = read_settings({"JOBLEDGER_DATA": str(blocked / "data")}, tmp_path / ".env")
    with pytest.raises(WrongUsage, match=re.escape(str(blocked / "data"))):
        prepare_data(settings)


def test_the_start_month_for_dagster_comes_from_the_environment_alone() -> None:
    assert start_month({}) == "2025-01"
    assert start_month({"JOBLEDGER_START": "2026-02"}) == "2026-02"


def test_how_many_months_a_run_of_a_backfill_has_comes_from_the_environment_alone() -> None:
    assert backfill_months({}) is None
    assert backfill_months({"JOBLEDGER_BACKFILL_MONTHS": "3"}) == 3
    with pytest.raises(WrongUsage, match=r"^JOBLEDGER_BACKFILL_MONTHS: '0' is no number of months; write a whole"):
        backfill_months({"JOBLEDGER_BACKFILL_MONTHS": "0"})


def test_machines_on_one_folder_note_their_requests_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = read_settings({"JOBLEDGER_DATA": str(tmp_path)}, tmp_path / ".env")
    one_of_several = replace(alone, postgres_url="postgresql+psycopg2://me@db/ledger")
    assert alone.budget_folder == tmp_path / "budget"
    monkeypatch.setattr(postgres, "BOOT", tmp_path / "boot")
    (tmp_path / "boot").write_text("8c1d\n")
    assert one_of_several.budget_folder == tmp_path / "budget" / "8c1d"
    (tmp_path / "boot").unlink()
    assert one_of_several.budget_folder == tmp_path / "budget" / platform.node()


def test_the_example_file_names_every_setting_with_its_default() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert given == DEFAULTS


def test_a_setting_that_cannot_be_is_told_whatever_it_is(tmp_path: Path) -> None:
    faulty = {
        "ITWIN_REQUESTS_PER_MINUTE": "nan",
        "JOBLEDGER_START": "2999-01",
        "JOBLEDGER_UNIT_BUDGET": "much",
        "JOBLEDGER_KEEP_RUNS_DAYS": "0",
        "JOBLEDGER_POSTGRES_URL": "here",
        "JOBLEDGER_DUCKDB_MEMORY": "abc",
        "JOBLEDGER_SHARED": "yes",
        "REQUESTS_CA_BUNDLE": str(tmp_path / "no.pem"),
        "DAGSTER_HOME": "home",
    }
    with pytest.raises(WrongUsage) as raised:
        read_settings(faulty, tmp_path / ".env")
    assert [line.split(":")[0] for line in str(raised.value).splitlines()] == list(faulty)


def test_which_names_are_asked_for_is_read_in_any_order_and_empty_means_none(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    assert read_settings({}, env_file).names == ("itwin", "reality_data", "detector")
    assert read_settings({"JOBLEDGER_NAMES": " users , itwins,users"}, env_file).names == ("itwin", "user")
    assert read_settings({"JOBLEDGER_NAMES": ""}, env_file).names == ()
    env_file.write_text("JOBLEDGER_NAMES=\n")
    assert read_settings({}, env_file).names == ()
    assert read_settings({"ITWIN_IDS": "all"}, env_file).every_itwin


def test_names_and_itwins_that_cannot_be_are_told_with_what_can(tmp_path: Path) -> None:
    faulty = {"ITWIN_IDS": "all,abc", "JOBLEDGER_NAMES": "itwins,people", "JOBLEDGER_NAMES_EVERY_HOURS": "0"}
    with pytest.raises(WrongUsage) as raised:
        read_settings(faulty, tmp_path / ".env")
    assert str(raised.value).splitlines() == [
        "ITWIN_IDS: 'all' stands for every iTwin: give it alone, or ids without it.",
        "JOBLEDGER_NAMES: 'people' is none of itwins, reality_data, detectors, users; write some of them by comma, "
        "or nothing.",
        "JOBLEDGER_NAMES_EVERY_HOURS: '0' is not more than 0.",
    ]


@pytest.mark.parametrize(
    "address",
    [
        "canary",
        "mysql://me:canary@db/x",
        "postgresql://me:canary@db",
        "postgres://me:canary@db:port/x",
        "postgres:///x",
    ],
)
def test_an_address_of_a_database_that_cannot_be_is_told_and_not_shown(address: str, tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="JOBLEDGER_POSTGRES_URL: is no address of a database") as raised:
        read_settings({"JOBLEDGER_POSTGRES_URL": address}, tmp_path / ".env")
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("postgres://me:canary@db.example.org/x", "db.example.org/x"),
        ("postgresql://me:canary@db:5433/x?sslmode=require", "db:5433/x"),
        ("postgresql+psycopg2://me:canary@/x?host=/run/postgresql", "/run/postgresql/x"),
    ],
)
def test_an_address_of_a_database_is_taken_by_any_usual_scheme_and_shown_without_its_user(
    address: str, where: str, tmp_path: Path
) -> None:
    settings = read_settings({"JOBLEDGER_POSTGRES_URL": address}, tmp_path / ".env")
    assert make_url(settings.postgres_url).drivername == "postgresql+psycopg2"
    assert shown(settings.postgres_url) == where
    assert "canary" not in repr(settings)


def test_a_database_without_what_speaks_to_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dagster_postgres", None)
    assert read_settings({}, tmp_path / ".env").postgres_url == ""
    with pytest.raises(WrongUsage, match=r"which is not installed: install jobledger\[postgres\]"):
        read_settings({"JOBLEDGER_POSTGRES_URL": "postgresql://me@db/x"}, tmp_path / ".env")


@pytest.mark.parametrize("size", ["2GB", "1.5 GiB", "800mb", "1TB"])
def test_a_memory_that_duckdb_takes_is_a_memory_that_the_settings_take(size: str, tmp_path: Path) -> None:
    read_settings({"JOBLEDGER_DUCKDB_MEMORY": size}, tmp_path / ".env")
    with duckdb.connect() as con:
        con.execute(f"SET memory_limit = '{size}'").fetchall()


def test_a_setting_for_lower_floors_reaches_them_from_the_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBLEDGER_DUCKDB_MEMORY", "1GB")  # so that it is unset again in the end
    monkeypatch.delenv("JOBLEDGER_DUCKDB_MEMORY")
    file = tmp_path / ".env"
    file.write_text("JOBLEDGER_DUCKDB_MEMORY=64MB\n")
    read_settings(env_file=file)
    with connection() as con:
        assert run(con, "SELECT current_setting('memory_limit')") == [("61.0 MiB",)]


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("JOBLEDGER_START=2024-01\n", encoding="utf-8-sig")
    assert read_settings({}, file).start == "2024-01"


def test_a_file_in_utf_16_is_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("JOBLEDGER_START=2024-01\n", encoding="utf-16")
    with pytest.raises(WrongUsage, match=r"\.env: the file is not UTF-8"):
        read_settings({}, file)
