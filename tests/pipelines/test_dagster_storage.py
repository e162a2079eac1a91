"""Dagster's SQLite storage with kept engines: the same rows as Dagster's own, read by both, for fewer engines."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from pipelines import dagster_storage
from pipelines.dagster_storage import Engines, EventLog, Storage
from pipelines.home import as_home

THEIRS = "telemetry: {enabled: false}"
CONFIGURATION = f"""
{THEIRS}
storage:
  custom:
    module: pipelines.dagster_storage
    class: Storage
    config: {{base_dir: {{env: DAGSTER_HOME}}}}
"""
UNLIKE = {
    "create_timestamp",
    "event",
    "event_id",
    "event_timestamp",
    "id",
    "last_materialization",
    "last_materialization_timestamp",
    "last_run_id",
    "run_id",
    "timestamp",
}
"""Columns that no two runs have in common: ids, times, and what holds them."""


@dg.multi_asset(
    specs=[dg.AssetSpec(name) for name in ("a", "b", "c")],
    check_specs=[dg.AssetCheckSpec("holds", asset="a")],
    partitions_def=dg.StaticPartitionsDefinition(["2026-01", "2026-02"]),
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def three(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    context.log.info("a sentence")
    for name in ("a", "b", "c"):
        yield dg.MaterializeResult(asset_key=name, metadata={"rows": 1}, data_version=dg.DataVersion("1"))
    yield dg.AssetCheckResult(passed=True, asset_key="a", check_name="holds")


def run_in(home: Path, configuration: str) -> str:
    """Run a job in a home of Dagster's with a `dagster.yaml`; return the run's id."""
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(configuration)
    job = dg.define_asset_job("job", selection="*")
    definitions = dg.Definitions(assets=[three], jobs=[job])
    with as_home(home), dg.DagsterInstance.from_config(str(home)) as instance:
        tags = {"dagster/asset_partition_range_start": "2026-01", "dagster/asset_partition_range_end": "2026-02"}
        ran = definitions.resolve_job_def("job").execute_in_process(instance=instance, tags=tags)
        assert ran.success
    return ran.run_id


def rows_of(place: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of a SQLite file by table, sorted, without what no two runs have in common."""
    found: dict[str, list[tuple[object, ...]]] = {}
    con = sqlite3.connect(place)
    names = [name for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for name in names:
        columns = [row[1] for row in con.execute(f"PRAGMA table_info({name})")]
        shown = ", ".join(f'"{column}"' for column in columns if column not in UNLIKE) or "1"
        found[name] = sorted(con.execute(f"SELECT {shown} FROM {name}"), key=repr)
    con.close()
    return found


@pytest.mark.proof
def test_it_keeps_the_rows_that_dagster_s_own_storage_keeps(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    our_run, their_run = run_in(ours, CONFIGURATION), run_in(theirs, THEIRS)
    our_files, their_files = (sorted(path.name for path in home.rglob("*.db")) for home in (ours, theirs))
    assert [name.replace(our_run, "run") for name in our_files] == [
        name.replace(their_run, "run") for name in their_files
    ]
    events = Path("history") / "runs"
    own = rows_of(ours / events / f"{our_run}.db")
    assert own == rows_of(theirs / events / f"{their_run}.db")
    assert len(own["event_logs"]) > 20
    ours_index, their_index = (rows_of(home / events / "index.db") for home in (ours, theirs))
    for table in ("event_logs", "asset_keys", "asset_event_tags"):
        assert ours_index[table] == their_index[table]
        assert ours_index[table]


def test_each_reads_what_the_other_wrote(tmp_path: Path) -> None:
    runs = [run_in(tmp_path, CONFIGURATION), run_in(tmp_path, THEIRS), run_in(tmp_path, CONFIGURATION)]
    key = dg.AssetKey("a")
    for storage in (DagsterSqliteStorage.from_local(str(tmp_path)), Storage.from_local(str(tmp_path))):
        assert [run.run_id for run in storage.run_storage.get_runs()] == runs[::-1]
        months = storage.event_log_storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        assert set(months) == {"2026-01", "2026-02"}
        checks = storage.event_log_storage.get_asset_check_execution_history(dg.AssetCheckKey(key, "holds"), limit=9)
        assert [check.run_id for check in checks] == runs[::-1]
        storage.dispose()


def test_a_run_makes_an_engine_for_each_database_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_in(tmp_path, CONFIGURATION)  # the databases are there from now on
    made: list[str] = []
    real = dagster_storage.create_engine

    def noting(url: str, **more: object) -> sa.Engine:
        made.append(url)
        return real(url, **more)

    for module in (dagster_storage, sqlite_event_log):
        monkeypatch.setattr(module, "create_engine", noting)
    run_id = run_in(tmp_path, CONFIGURATION)
    names = [Path(url).name for url in made]
    assert sorted(names) == sorted(["index.db", "runs.db", f"{run_id}.db"])


def test_a_batch_that_fails_leaves_nothing_of_itself_and_is_stored_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = EventLog._store_asset_event
    fails = iter([False, True])

    def failing(self: EventLog, *arguments: object) -> None:
        if next(fails, False):
            raise sqlite3.OperationalError("database is locked")
        real(self, *arguments)

    monkeypatch.setattr(EventLog, "_store_asset_event", failing)
    run_id = run_in(tmp_path / "ours", CONFIGURATION)
    assert "database is locked" in capsys.readouterr().err
    events = Path("history") / "runs"
    stored = rows_of(tmp_path / "ours" / events / f"{run_id}.db")
    their_run = run_in(tmp_path / "theirs", THEIRS)
    assert stored == rows_of(tmp_path / "theirs" / events / f"{their_run}.db")


def test_engines_that_were_not_asked_for_give_way(tmp_path: Path) -> None:
    engines = Engines(kept=2)
    urls = [f"sqlite:///{tmp_path / name}" for name in ("a.db", "b.db", "c.db")]
    first = engines.of(urls[0])
    engines.of(urls[1])
    assert engines.of(urls[0]) is first
    third = engines.of(urls[2])
    assert engines.of(urls[0]) is first
    with engines.of(urls[1]).connect() as con:  # it was given up for the third, and is made anew
        assert con.execute(sa.text("SELECT 1")).scalar() == 1
    assert engines.of(urls[0]) is first
    assert engines.of(urls[2]) is not third
    engines.dispose()
