"""The assets as Dagster sees them: thin wiring over the functions of this floor.

`walk_the_api` asks, `flatten` makes the core, `marts` answers, `publish` opens the door for SQL, `write_report` writes
the page that people read, and `push`, where that is set, publishes it all in object storage. A last one,
`report_failed_months`, fails where a month, the names or the push failed, when all else is done. A step makes several
tables: an event per table is what the UI needs, a step per table is what it does not. Asset keys are table names.
"""

import hashlib
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import dagster as dg
import pyarrow as pa
from pydantic import Field

from assets.alerts import STALE_AFTER
from assets.api.protocol import Api
from assets.checks import (
    AGREEMENT,
    CORE_CHECKS,
    EVERY_ITWIN_IS_WALKED,
    EVERY_MONTH_CAME_THROUGH,
    RAW_CHECKS,
    Check,
    Verdict,
    as_markdown,
    publish_and_verify,
    verify,
    verify_every_itwin_is_walked,
)
from assets.flatten import code_digest, flatten_months, is_fresh
from assets.itwins import find_itwins, newcomers
from assets.keys import asset_path, group_name
from assets.marts import make_marts, mart_digest
from assets.name_tables import code_digest as code_digest_of_names
from assets.name_tables import make_name_tables
from assets.names import ask_for_names, forget_users
from assets.plan import Plan, PushPlan
from assets.preview import chart, preview
from assets.progress import NAMES, PartDone, Parts
from assets.progress import REPORT as REPORT_STEP
from assets.report.making import REPORT, make_report, report_code
from assets.sync import Synced, sync_months
from assets.telling import note, pushed_metadata, summary, synced_metadata
from assets.unit_budget import UnitBudget
from assets.walk import Walk
from warehouse.catalog import Publish
from warehouse.column_lineage import column_lineage
from warehouse.contract import Contract, contract
from warehouse.declaration import Table
from warehouse.dictionary import write_dictionary
from warehouse.errors import Busy
from warehouse.explain import explain
from warehouse.facts import Facts, facts, newest_time, row_count, version
from warehouse.failed_months import ALL_MONTHS, MonthsFailed, failed_months
from warehouse.lake import CLOCK_TICK_SECONDS, MARTS_LOCK, Lake
from warehouse.marts import Mart
from warehouse.marts.all import MARTS, all_tables
from warehouse.name_tables import NAME_TABLES
from warehouse.sql import statements
from warehouse.tables import (
    JOB_REFERENCES,
    JOBS,
    OBSERVATIONS,
    RAW_TABLES,
    REJECTED_RECORDS,
    WALKS,
    data_dictionary_declaration,
    flattened_tables,
    ledger_tables,
)

PUBLISHED = "history_duckdb"
"""Key of the asset that stands for the file `history.duckdb`."""

PUSHED = "pushed"
"""Key of the asset that stands for the newest snapshot in object storage."""

DATA_DICTIONARY = "data_dictionary"

COMPLETE_WALK = "complete_walk"
"""Key of the asset that stands for the newest complete walk: a ledger is as fresh as that."""

OWNERS = ("team:jobledger",)

STALE = dg.FreshnessPolicy.time_window(fail_window=STALE_AFTER, warn_window=timedelta(hours=3))
"""A ledger that nobody refreshed for three hours is worth a look, for a day a fault."""

RAW_STEP = "walk_the_api"
CORE_STEP = "flatten"
NAMES_STEP = "ask_for_names"
LAST_STEP = "report_failed_months"

P = ParamSpec("P")
T = TypeVar("T")


class StepFailed(dg.Failure):
    """Why a step failed, as the sentence that the UI shows first in red; `user_exception` is the error itself."""

    def __init__(self, error: Exception) -> None:
        super().__init__(description=explain(error))
        self.user_exception = error


def fails_in_words(step: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """Let whatever a step raises be StepFailed: Dagster shows other errors below its own words and their traceback."""

    @wraps(step)
    def told(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        try:
            yield from step(*args, **kwargs)
        except Exception as error:
            raise StepFailed(error) from error

    return told


class LedgerResource(dg.ConfigurableResource[Any], ABC):
    """What the assets work with: where the data lies, whom to ask, and how."""

    @abstractmethod
    def lake(self) -> Lake: ...

    @abstractmethod
    def api(self) -> AbstractContextManager[Api]: ...

    @abstractmethod
    def plan(self, tell: Callable[[str], None], accept_gone: bool) -> Plan: ...

    @abstractmethod
    def how_to_publish(self) -> Publish: ...

    @abstractmethod
    def unit_budget(self) -> UnitBudget: ...

    @abstractmethod
    def runs_report(self) -> bool: ...

    @abstractmethod
    def push_plan(self) -> PushPlan: ...

    def on_part(self, done: PartDone) -> None:
        """Show that a part of a step is done, where somebody looks."""


class NamesConfig(dg.Config):
    """Whether names are asked for."""

    ask: bool = Field(
        default=True,
        description="Ask the API for the names that are due. Switched off, the tables are made from what is known.",
    )


class WalkConfig(dg.Config):
    """What the walks are to believe."""

    accept_gone: bool = Field(
        default=False,
        description="Believe it when a month loses more than a tenth of its jobs, and more than ten, at once. Such a "
        "loss fails the month and keeps everything; switch this on, for one run, after you made sure that the jobs "
        "are gone.",
    )


def build_assets(
    start_month: str, known: Contract | None = None, *, pushed: bool = False, backfill_months: int | None = None
) -> list[dg.AssetsDefinition]:
    """All assets, with monthly partitions from `start_month` ('YYYY-MM') to the present month; `pushed` too, or not.

    A backfill is one run, or a run for each `backfill_months`.
    """
    known = known or contract()
    runs = dg.BackfillPolicy.multi_run(backfill_months) if backfill_months else dg.BackfillPolicy.single_run()
    months = dg.MonthlyPartitionsDefinition(start_date=start_month, fmt="%Y-%m", timezone="UTC", end_offset=1)
    return [
        _complete_walk(),
        _raw_assets(months, runs, known),
        _core_assets(months, runs, known),
        _name_assets(),
        _mart_assets(known),
        _published_asset(known),
        _report_asset(known),
        *([_pushed_asset(known)] if pushed else []),
    ]


def build_last_check(*, pushed: bool = False) -> dg.AssetChecksDefinition:
    """The last step of a run: it fails, and says why, where a month, the names or the push failed before it."""
    spec = check_spec(EVERY_MONTH_CAME_THROUGH, [PUSHED] if pushed else [])

    @dg.multi_asset_check(name=LAST_STEP, specs=[spec])
    @fails_in_words
    def last_check(context: dg.AssetCheckExecutionContext, ledger: LedgerResource) -> Iterator[dg.AssetCheckResult]:
        """Fails with the months of this run that failed, their reasons and what to do."""
        failed = failed_months(ledger.lake(), [context.run.run_id])
        rows = pa.Table.from_pylist([{"month": row.month, "step": row.step, "reason": row.reason} for row in failed])
        yield from _check_results([Verdict(EVERY_MONTH_CAME_THROUGH, len(failed), rows)])
        if failed:
            raise MonthsFailed(failed)

    return last_check


def asset_key(name: str) -> dg.AssetKey:
    """Return the key of a table, or of what else is an asset."""
    return dg.AssetKey(asset_path(name))


def column_schema(table: Table) -> dg.TableSchema:
    """A table's columns as Dagster shows them, with what they are made from where that is declared."""
    made_of = column_lineage(table)
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type,
                description=column.comment + _sources(made_of.get(column.name, ())),
                constraints=dg.TableColumnConstraints(unique=table.key == (column.name,)),
            )
            for column in table.columns
        ]
    )


def _sources(made_of: Sequence[tuple[str, str]]) -> str:
    """What a column is made from, as its description ends: Dagster itself draws columns' lineage in Dagster+ alone."""
    tables = dict.fromkeys(table for table, _ in made_of)
    parts = (f"{table}: {', '.join(name for source, name in made_of if source == table)}" for table in tables)
    return f" (from {'; '.join(parts)})" if made_of else ""


def lineage_metadata(table: Table) -> dict[str, Any]:
    """A table's column lineage as Dagster takes it; empty where none is declared."""
    made_of = column_lineage(table)
    deps = {
        name: [dg.TableColumnDep(asset_key=asset_key(source), column_name=column) for source, column in sources]
        for name, sources in made_of.items()
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(deps)} if deps else {}


def asset_spec(table: Table, code: str, deps: Sequence[str] = ()) -> dg.AssetSpec:
    """A table as an asset: key, group, description and columns come from its declaration; `code` is what makes it."""
    return dg.AssetSpec(
        key=asset_key(table.name),
        deps=[asset_key(name) for name in deps],
        group_name=group_name(table.group),
        description=table.comment,
        kinds={"parquet", "duckdb"},
        owners=OWNERS,
        code_version=code_version(table.typed_select, code),
        metadata={"dagster/column_schema": column_schema(table), **lineage_metadata(table)},
    )


def code_version(*texts: str) -> str:
    """Return what changes with the texts that make an asset."""
    return hashlib.md5("\0".join(texts).encode(), usedforsecurity=False).hexdigest()[:12]


def materialized(
    context: dg.AssetExecutionContext, lake: Lake, tables: Sequence[Table], began_ns: int
) -> Iterator[dg.MaterializeResult[Any]]:
    """Show tables as materialised, with their rows, files and version; each month of the run with its own.

    A table with a file that was put in place since `began_ns` has a preview of it, of the newest such month that has
    rows. Dagster keeps one data version for all months of a run: it is that of these months together.
    """
    asked = context.partition_keys if context.assets_def.partitions_def else None
    of_tables = facts(lake, tables)
    for table in tables:
        found = of_tables[table.name]
        mine = {of.month: of for of in found if asked is None or of.month in asked}
        for month in asked or ():
            of = mine.get(month)
            shown = {"dagster/partition_row_count": 0} if of is None else _file_metadata(lake, table, of)
            context.add_asset_metadata(shown, asset_key(table.name), partition_key=month)
        made = [of for of in mine.values() if of.changed_ns >= began_ns]
        if made:
            of = next((of for of in reversed(made) if of.rows), made[-1])
            shown = {"preview": dg.MetadataValue.md(preview(lake.path(table, of.month)))}
            context.add_asset_metadata(shown, asset_key(table.name), partition_key=of.month if asked else None)
        whole = {
            "dagster/row_count": row_count(found),
            "dagster/size_bytes": sum(of.size for of in found),
            "dagster/uri": _uri(lake.root / table.name),
        }
        whole |= {"months": len(found)} if table.monthly else {}
        yield dg.MaterializeResult(
            asset_key=asset_key(table.name), metadata=whole, data_version=dg.DataVersion(version(mine.values()))
        )


def _file_metadata(lake: Lake, table: Table, of: Facts) -> dict[str, Any]:
    """What is shown of a month's file."""
    place = lake.path(table, of.month)
    newest = newest_time(place, "created_at") if table == JOBS else None
    return {
        "dagster/partition_row_count": of.rows,
        "bytes": of.size,
        "dagster/uri": _uri(place),
        "version": of.version,
        **({} if newest is None else {"newest_job": dg.MetadataValue.timestamp(newest)}),
    }


def _now_ns() -> int:
    """The time by which files are told that a step puts in place from now on."""
    return time.time_ns() - int(CLOCK_TICK_SECONDS * 1e9)


def _uri(place: Path) -> str:
    return place.absolute().as_uri()


def _complete_walk() -> dg.AssetsDefinition:
    spec = dg.AssetSpec(
        key=asset_key(COMPLETE_WALK),
        group_name=group_name("raw"),
        description="The newest walk that came to its proven end. The ledger is as fresh as this.",
        kinds={"api"},
        owners=OWNERS,
        freshness_policy=STALE,
    )
    return dg.AssetsDefinition(specs=[spec])


def _raw_assets(months: dg.PartitionsDefinition[str], runs: dg.BackfillPolicy, known: Contract) -> dg.AssetsDefinition:
    tables = (*RAW_TABLES, REJECTED_RECORDS)

    @dg.multi_asset(
        name=RAW_STEP,
        specs=[asset_spec(table, "".join(statements("landing"))) for table in tables],
        check_specs=[check_spec(check) for check in RAW_CHECKS],
        partitions_def=months,
        backfill_policy=runs,
    )
    @fails_in_words
    def raw(
        context: dg.AssetExecutionContext, config: WalkConfig, ledger: LedgerResource
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        """Walks each month for each iTwin and keeps what is new."""
        began_ns = _now_ns()
        plan, lake = ledger.plan(context.log.info, config.accept_gone), ledger.lake()
        complete: list[Walk] = []
        with ledger.api() as api:
            plan = find_itwins(lake, api, plan, context.run.run_id)
            for done in _synced(lake, api, context, plan, known, months):
                context.log.info(summary(done))
                note(lake, done.month, "walk", context.run.run_id, done.failure)
                if done.month in context.partition_keys:
                    for table in (OBSERVATIONS, WALKS):
                        context.add_asset_metadata(
                            synced_metadata(done), asset_key(table.name), partition_key=done.month
                        )
                complete += [walk for walk in done.landed.walks if walk.complete] if done.landed else []
        if complete:
            newest = max(walk.finished_at for walk in complete if walk.finished_at)
            shown = {"finished_at": newest.isoformat()}
            context.log_event(dg.AssetMaterialization(asset_key(COMPLETE_WALK), metadata=shown))
        yield from materialized(context, lake, tables, began_ns)
        by_name = {table.name: table for table in ledger_tables(known)}
        yield from _check_results(verify(lake, RAW_CHECKS, by_name, known, itwin_ids=plan.itwin_ids))

    return raw


def _synced(
    lake: Lake,
    api: Api,
    context: dg.AssetExecutionContext,
    plan: Plan,
    known: Contract,
    months: dg.PartitionsDefinition[str],
) -> Iterator[Synced]:
    """Sync the months of the run, then the others from the first on for the iTwins that are new."""
    run_id = context.run.run_id
    yield from sync_months(lake, api, context.partition_keys, known, plan, run_id)
    if plan.every_itwin:
        others = [month for month in months.get_partition_keys() if month not in context.partition_keys]
        for month, of_newcomers in newcomers(lake, plan, others):
            yield from sync_months(lake, api, [month], known, of_newcomers, run_id)


def _core_assets(months: dg.PartitionsDefinition[str], runs: dg.BackfillPolicy, known: Contract) -> dg.AssetsDefinition:
    tables = flattened_tables(known)
    raw = [table.name for table in RAW_TABLES]

    @dg.multi_asset(
        name=CORE_STEP,
        specs=[asset_spec(table, code_digest(known), raw) for table in tables],
        check_specs=[check_spec(check) for check in CORE_CHECKS],
        partitions_def=months,
        backfill_policy=runs,
    )
    @fails_in_words
    def core(
        context: dg.AssetExecutionContext, ledger: LedgerResource
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        """Flatten each month of the run, unless nothing changed, and every month that is stale."""
        lake, began_ns = ledger.lake(), _now_ns()
        failed = failed_months(lake, [context.run.run_id])
        locked = {row.month for row in failed if row.error == Busy.__name__}  # it was waited for once: that will do
        months = [month for month in context.partition_keys if month not in locked]
        unmade = locked
        for done in flatten_months(lake, months, known, context.log.info, ledger.on_part):
            unmade |= set() if done.failure is None else {done.month}
            note(lake, done.month, "flatten", context.run.run_id, done.failure)
            if done.failure is not None:
                context.log.error(f"{done.month}: FAILED: {explain(done.failure)}")
            elif done.made:
                context.log.info(f"{done.month}: {done.rows['jobs']} jobs flattened")
            if done.made and done.month in context.partition_keys:
                took = {"seconds": round(done.seconds, 2)}
                context.add_asset_metadata(took, asset_key(JOBS.name), partition_key=done.month)
            elif done.made:
                for name, rows in done.rows.items():
                    shown = {"dagster/partition_row_count": rows}
                    event = dg.AssetMaterialization(asset_key(name), partition=done.month, metadata=shown)
                    context.log_event(event)
        yield from materialized(context, lake, tables, began_ns)
        by_name = {table.name: table for table in ledger_tables(known)}
        settled = partial(is_fresh, lake, known=known)
        yield from _check_results(verify(lake, CORE_CHECKS, by_name, known, failed=unmade, settled=settled))

    return core


def _name_assets() -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=NAMES_STEP,
        specs=[asset_spec(table, code_digest_of_names(), (JOBS.name, JOB_REFERENCES.name)) for table in NAME_TABLES],
        check_specs=[check_spec(EVERY_ITWIN_IS_WALKED)],
    )
    @fails_in_words
    def names(
        context: dg.AssetExecutionContext, config: NamesConfig, ledger: LedgerResource
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        """Ask for the names that are due, and make their tables where something changed; a failure costs no more."""
        began_ns = _now_ns()
        plan, lake = ledger.plan(context.log.info, False), ledger.lake()
        failure: Exception | None = None
        parts = Parts(NAMES, 1, ledger.on_part)
        try:
            _make_names(ledger, lake, plan, context.run.run_id, ask=config.ask)
            verdict = verify_every_itwin_is_walked(lake, plan.itwin_ids)
        except Exception as error:  # noqa: BLE001 - the marts do without names; the last step of the run reports it
            failure, verdict = error, Verdict(EVERY_ITWIN_IS_WALKED, 1, pa.table({"failed": [explain(error)]}))
            context.log.error(f"Names: FAILED: {explain(error)}")
        parts.done(NAMES)
        note(lake, ALL_MONTHS, "names", context.run.run_id, failure)
        yield from materialized(context, lake, NAME_TABLES, began_ns)
        yield from _check_results([verdict])

    return names


def _make_names(ledger: LedgerResource, lake: Lake, plan: Plan, run_id: str, *, ask: bool) -> None:
    """Ask for what is due, unless the token was refused in this run already, and make the tables."""
    refused = any(row.token_refused for row in failed_months(lake, [run_id]))
    if ask and plan.names and not refused:
        with ledger.api() as api:
            ask_for_names(lake, api, plan, run_id)
    else:
        forget_users(lake, plan)
        make_name_tables(lake)


def published_names(pushed: bool) -> list[str]:
    """The names of what shows the tables to others."""
    return [PUBLISHED, PUSHED] if pushed else [PUBLISHED]


def name_keys(pushed: bool) -> list[dg.AssetKey]:
    """The keys of the tables of names, and of what is made from them without a month."""
    marts = (mart.name for mart in MARTS)
    names = [*(table.name for table in NAME_TABLES), DATA_DICTIONARY, *marts, *published_names(pushed)]
    return [asset_key(name) for name in names]


def _mart_assets(known: Contract) -> dg.AssetsDefinition:
    tables = {table.name: table for table in all_tables(known)}
    dictionary = data_dictionary_declaration(known)

    @dg.multi_asset(
        name="marts",
        specs=[
            asset_spec(dictionary, known.digest),
            *(asset_spec(mart.table, mart_digest(mart), mart.reads) for mart in MARTS),
        ],
    )
    @fails_in_words
    def marts(context: dg.AssetExecutionContext, ledger: LedgerResource) -> Iterator[dg.MaterializeResult[Any]]:
        """Makes the marts whose sources changed, and the data dictionary."""
        lake, began_ns = ledger.lake(), _now_ns()
        seconds = Counter[str]()

        def on_part(done: PartDone) -> None:
            seconds.update({done.part: done.seconds})
            ledger.on_part(done)

        with lake.exclusive(MARTS_LOCK, on_wait=context.log.info):
            write_dictionary(lake, tables, known)
            made = make_marts(lake, MARTS, tables, on_part=on_part)
        context.log.info(_said_of_marts(made.values(), sum(seconds.values())))
        for mart in MARTS:
            shown = _made_metadata(lake, mart, made[mart.name], seconds[mart.name])
            context.add_asset_metadata(shown, asset_key(mart.name))
        yield from materialized(context, lake, (dictionary, *(mart.table for mart in MARTS)), began_ns)

    return marts


def _said_of_marts(made: Iterable[int | None], seconds: float) -> str:
    """How many marts were made, as a sentence."""
    rows = list(made)
    count = sum(found is not None for found in rows)
    return f"{count} marts made in {seconds:.1f} s, {len(rows) - count} left as they were"


def _made_metadata(lake: Lake, mart: Mart, rows: int | None, seconds: float) -> dict[str, Any]:
    """Whether a mart was made, and if so in what time, with its chart."""
    if rows is None:
        return {"made": False}
    drawn = chart(lake, mart)
    shown = {} if drawn is None else {"chart": dg.MetadataValue.md(drawn)}
    return {"made": True, "seconds": round(seconds, 2), **shown}


def _published_spec(name: str, deps: Sequence[str], kind: str, description: str, **more: Any) -> dg.AssetSpec:
    """What shows the tables to others, as an asset: it is no table itself."""
    return dg.AssetSpec(
        key=asset_key(name),
        deps=[asset_key(dep) for dep in deps],
        group_name=group_name("published"),
        description=description,
        kinds={kind},
        owners=OWNERS,
        **more,
    )


def _published_asset(known: Contract) -> dg.AssetsDefinition:
    tables = all_tables(known)
    spec = _published_spec(
        PUBLISHED,
        [table.name for table in tables],
        "duckdb",
        "history.duckdb, the door for SQL: a commented view, or table, for each table of the lake.",
        code_version=code_version(*(table.typed_select for table in tables)),
    )

    @dg.multi_asset(name="publish", specs=[spec], check_specs=[check_spec(AGREEMENT)])
    @fails_in_words
    def published(
        context: dg.AssetExecutionContext, ledger: LedgerResource
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        """Build the door and compare it with the lake."""
        lake = ledger.lake()
        place, verdict = publish_and_verify(lake, tables, ledger.how_to_publish(), context.log.info)
        metadata = {
            "path": dg.MetadataValue.path(str(place)),
            "dagster/uri": _uri(place),
            "dagster/size_bytes": place.stat().st_size,
            "tables": len(tables),
        }
        yield dg.MaterializeResult(asset_key=asset_key(PUBLISHED), metadata=metadata)
        yield from _check_results([verdict])

    return published


def _report_asset(known: Contract) -> dg.AssetsDefinition:
    tables = all_tables(known)
    spec = _published_spec(
        REPORT,
        [PUBLISHED],
        "html",
        "report.html, one page that answers what is asked most: costs, times, failures, what is stuck.",
        skippable=True,
        code_version=code_version(*report_code()),
    )

    @dg.multi_asset(name="write_report", specs=[spec])
    @fails_in_words
    def report(context: dg.AssetExecutionContext, ledger: LedgerResource) -> Iterator[dg.MaterializeResult[Any]]:
        """Make the report, unless the one that is there was made from the same, or none is wanted."""
        if not ledger.runs_report():
            return
        parts = Parts(REPORT_STEP, 1, ledger.on_part)
        made = make_report(ledger.lake(), tables, ledger.unit_budget())
        parts.done(REPORT_STEP)
        place = made.place
        shown = {"path": dg.MetadataValue.path(str(place)), "dagster/uri": _uri(place), "made": made.is_new}
        told = {"in short": dg.MetadataValue.md(made.in_short)} if made.in_short else {}
        shown |= told | {"bytes": place.stat().st_size}
        yield dg.MaterializeResult(asset_key=asset_key(REPORT), metadata=shown)

    return report


def _pushed_asset(known: Contract) -> dg.AssetsDefinition:
    from warehouse.snapshots.push import push  # only who pushes has use for it

    tables = all_tables(known)
    spec = _published_spec(
        PUSHED,
        [PUBLISHED],
        "parquet",
        "The newest snapshot in object storage: all tables as one whole publish, and those that are kept.",
    )

    @dg.multi_asset(name="push", specs=[spec])
    @fails_in_words
    def pushed(context: dg.AssetExecutionContext, ledger: LedgerResource) -> Iterator[dg.MaterializeResult[Any]]:
        """Push what was published; a failure costs no more, and the last step of the run reports it."""
        plan, lake = ledger.push_plan(), ledger.lake()
        failure: Exception | None = None
        try:
            done = push(lake, tables, plan.url, contract=known.digest, keep=plan.keep, on_wait=context.log.info)
            shown = pushed_metadata(done)
            for warning in done.notes:
                context.log.warning(warning)
        except Exception as error:  # noqa: BLE001 - the ledger itself is whole; the last step of the run reports it
            failure, shown = error, {"failed": explain(error)}
            context.log.error(f"Push: FAILED: {shown['failed']}")
        note(lake, ALL_MONTHS, "push", context.run.run_id, failure)
        # Without a result, Dagster would skip the last step too, which is the one that fails the run.
        yield dg.MaterializeResult(asset_key=asset_key(PUSHED), metadata={"dagster/uri": plan.url, **shown})

    return pushed


def check_spec(check: Check, after: Sequence[str] = ()) -> dg.AssetCheckSpec:
    """A check as Dagster shows it; it waits for the assets of `after` too."""
    return dg.AssetCheckSpec(
        name=check.name,
        asset=asset_key(check.table),
        description=check.meaning,
        blocking=check.weight == "blocking",
        additional_deps=[asset_key(name) for name in after],
    )


def _check_results(verdicts: Iterable[Verdict]) -> Iterator[dg.AssetCheckResult]:
    for verdict in verdicts:
        shown = {"rows": dg.MetadataValue.md(as_markdown(verdict.rows))} if verdict.offending else {}
        yield dg.AssetCheckResult(
            passed=verdict.holds,
            asset_key=asset_key(verdict.check.table),
            check_name=verdict.check.name,
            severity=dg.AssetCheckSeverity.WARN if verdict.check.weight == "warning" else dg.AssetCheckSeverity.ERROR,
            metadata={"offending": verdict.offending, **shown},
        )
