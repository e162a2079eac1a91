"""What the ledger claims of itself, as statements that are checked on the lake after a run.

A check is a SELECT of the rows that contradict its statement (`warehouse/sql/checks`); no rows, and it holds. What its
failure means is its `weight`; docs/decisions/0010 says why. A verdict is about the whole ledger, whichever months a run
has: what each month's files showed is kept, and only what changed is read again (docs/decisions/0016).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import duckdb
import pyarrow as pa

from assets.preview import markdown_table
from warehouse.catalog import PUBLISH, Publish, door, publish
from warehouse.contract import Contract, typed_table
from warehouse.declaration import Table
from warehouse.engine import arrow, connection, run
from warehouse.lake import Lake, quote, stamp
from warehouse.name_tables import ITWINS, NAME_WALKS
from warehouse.sql import statement
from warehouse.verdicts import Found, keep, kept

Weight = Literal["blocking", "error", "warning"]

SHOWN: Final = 20
"""Offending rows that are shown at most."""

TYPED_JOBS: Final = "typed_jobs"
ASKED_FOR: Final = "asked_for"
"""What a check may read beside tables: `job_id, type` of all typed tables; the iTwins that walks ask for."""

CELL: Final = 300
"""Characters of a value that are shown."""

_ALL_MONTHS: Final = "all"


@dataclass(frozen=True)
class Check:
    """A statement about a table: `name` says it, `table` is the asset at which it is shown.

    `weight`: 'blocking' where the tables contradict what was sent: an error that stops what is downstream; 'error'
    where what was sent cannot be right, or is not whole; 'warning' where somebody should have a look.

    Its SELECT sees one month of each table in `reads` (default: of `table` alone), or all months of it where the
    statement is `across_months`.
    """

    name: str
    table: str
    meaning: str
    weight: Weight = "blocking"
    reads: tuple[str, ...] = ()
    across_months: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """What its SELECT reads."""
        return self.reads or (self.table,)


@dataclass(frozen=True)
class Verdict:
    """Whether a statement holds: how many rows contradict it, and the first of them."""

    check: Check
    offending: int
    rows: pa.Table

    @property
    def holds(self) -> bool:
        return self.offending == 0


RAW_CHECKS: Final = (
    Check("nothing_is_rejected", "rejected_records", "Every record became a row.", "warning"),
    Check(
        "walks_are_complete",
        "walks",
        "The newest walk of each month and iTwin that is asked for is complete.",
        "error",
        reads=("walks", ASKED_FOR),
    ),
    Check("clocks_agree", "walks", "This machine's clock and the API's differ by less than two minutes.", "warning"),
)
"""The checks of what was walked."""

CORE_CHECKS: Final = (
    Check("job_ids_are_unique", "jobs", "A job has one row.", across_months=True),
    Check(
        "a_job_is_in_one_month",
        "jobs",
        "All versions of a job have the same time of creation.",
        reads=("observations",),
        across_months=True,
    ),
    Check(
        "created_before_started_before_ended",
        "jobs",
        "A job starts after it was created and ends after it started.",
        "error",
    ),
    Check(
        "a_finished_job_has_its_end",
        "jobs",
        "A job that is not open tells when it ended.",
        "error",
    ),
    Check("units_are_not_negative", "jobs", "No job has less than 0 units.", "error"),
    Check(
        "each_job_is_in_the_table_of_its_type",
        "jobs",
        "A job of a known type has one row in the typed table of that type, and none in another one.",
        reads=("jobs", TYPED_JOBS),
    ),
    Check(
        "every_input_output_and_option_is_in_the_tables",
        "job_references",
        "The values in the newest bodies, counted in the JSON, are the rows of job_references and job_options.",
        reads=("observations", "job_references", "job_options"),
    ),
    Check(
        "types_states_and_fields_are_known",
        "contract_drift",
        "The contract knows every type, state and field, and values have its types.",
        "warning",
    ),
    Check(
        "times_are_plausible",
        "contract_drift",
        "No job tells a time that cannot be: far before it was created, or far after it was seen.",
        "warning",
    ),
    Check(
        "a_month_speaks_one_edition",
        "jobs",
        "The records of a month that show their edition are all of the same one.",
        "warning",
    ),
    Check(
        "companions_are_present",
        "contract_drift",
        "Outputs that need another output have it.",
        "warning",
    ),
    Check(
        "names_and_paths_follow_their_patterns",
        "contract_drift",
        "Names and bucket paths are written as the contract says.",
        "warning",
    ),
)
"""The checks of what was flattened."""

EVERY_ITWIN_IS_WALKED: Final = Check(
    "every_itwin_is_walked",
    "itwins",
    "ITWIN_IDS leaves out no iTwin that the list shows, or names none: then the caller's own jobs are walked.",
    "warning",
)
"""The check of what ITWIN_IDS leaves out."""

AGREEMENT: Final = Check(
    "parquet_and_history_duckdb_agree",
    "history_duckdb",
    "history.duckdb has every table of the lake with as many rows.",
)


EVERY_MONTH_CAME_THROUGH: Final = Check(
    "every_month_came_through",
    "history_duckdb",
    "No month of the run failed, nor the names or the push. What did is named with its reason; the rest is whole in "
    "every table.",
    "error",
)
"""The check that fails a run last."""


def verify(
    lake: Lake,
    checks: Sequence[Check],
    tables: Mapping[str, Table],
    known: Contract,
    *,
    itwin_ids: Sequence[str] = (),
    failed: Collection[str] = (),
    settled: Callable[[str], bool] = lambda month: True,
) -> list[Verdict]:
    """Return what contradicts each check's statement in the whole ledger; read only what changed since it was verified.

    `itwin_ids` are the iTwins that walks ask for; none: the caller's own jobs. The verdict on a month that
    `failed`, or is not `settled` since its tables are not yet what its raw files say, stays as it was; so does one that
    compares months, where any failed.
    """
    verifying = _Verifying(lake, tables, known, tuple(itwin_ids))
    verifying.read_again(checks, failed, settled)
    return [verifying.verdict(check) for check in checks]


@dataclass
class _Verifying:
    """The checks of a ledger: what was found in each month, and what is to be looked at again."""

    lake: Lake
    tables: Mapping[str, Table]
    known: Contract
    itwin_ids: tuple[str, ...]
    found: dict[str, dict[str, Found]] = field(default_factory=dict[str, dict[str, Found]])
    stamps: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    texts: dict[str, str] = field(default_factory=dict[str, str])

    def read_again(self, checks: Sequence[Check], failed: Collection[str], settled: Callable[[str], bool]) -> None:
        """Verify each check in the months whose files, or whose check, changed; keep what is found."""
        changed: dict[str, list[Check]] = {}
        for check in checks:
            self.found[check.name] = kept(self.lake, check.name)
            for month in self._months(check):
                had = self.found[check.name].get(month)
                if had is None or had.made_from != self._made_from(check, month):
                    changed.setdefault(month, []).append(check)
        stays = {*failed, _ALL_MONTHS} if failed else set[str]()
        again = {
            month: of_month
            for month, of_month in changed.items()
            if month not in stays and (month == _ALL_MONTHS or settled(month))
        }
        if again:
            new = self._verify(again)
            for check in checks:
                if check.name in new:
                    self.found[check.name] |= new[check.name]
                    keep(self.lake, check.name, new[check.name], self._months(check))

    def verdict(self, check: Check) -> Verdict:
        """Return what a check found in all months, the newest month's rows first."""
        months = [month for month in reversed(self._months(check)) if month in self.found[check.name]]
        found = [(month, self.found[check.name][month]) for month in months]
        rows = [({} if month == _ALL_MONTHS else {"month": month}) | row for month, of in found for row in of.rows]
        shown = _with_names(self.lake, rows[:SHOWN])
        return Verdict(check, sum(of.offending for _, of in found), pa.Table.from_pylist(shown))

    def _verify(self, again: Mapping[str, Sequence[Check]]) -> dict[str, dict[str, Found]]:
        """Return what the checks find, by check and month. A month that changed meanwhile is left for the next time."""
        new: dict[str, dict[str, Found]] = {}
        with connection() as con:
            for month, checks in again.items():
                self._show(con, month, {name for check in checks for name in check.sources})
                for check in checks:
                    made_from = self._made_from(check, month)
                    offending, rows = _offending(con, self._text(check))
                    self.stamps.clear()
                    if self._made_from(check, month) == made_from:
                        new.setdefault(check.name, {})[month] = Found(made_from, offending, _as_text(rows))
        return new

    def _show(self, con: duckdb.DuckDBPyConnection, month: str, sources: set[str]) -> None:
        """Let a connection see some tables as they are in a month."""
        for name in self._table_names(sources):
            table = self.tables[name]
            source = self.lake.source(table) if month == _ALL_MONTHS else self.lake.source_of_months(table, [month])
            run(con, f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM {source}")
        if TYPED_JOBS in sources:
            run(con, f"CREATE OR REPLACE TEMP VIEW {TYPED_JOBS} AS {_typed_jobs(self.known)}")
        if ASKED_FOR in sources:
            asked = ", ".join(f"({quote(itwin_id)})" for itwin_id in self.itwin_ids) or "(NULL)"
            run(con, f"CREATE OR REPLACE TEMP VIEW {ASKED_FOR} AS SELECT * FROM (VALUES {asked}) AS t(itwin_id)")

    def _months(self, check: Check) -> list[str]:
        """The months of which a check has a verdict each; one for all where it looks across them."""
        if check.across_months:
            return [_ALL_MONTHS]
        names = self._table_names(check.sources)
        return sorted({month for name in names for month in self.lake.months(self.tables[name])})

    def _made_from(self, check: Check, month: str) -> str:
        """What changes with a check and with the files that it reads."""
        asked = str(self.itwin_ids) if ASKED_FOR in check.sources else ""
        stamps = (self._stamp(name, month) for name in self._table_names(check.sources))
        return hashlib.md5("\0".join((self._text(check), asked, *stamps)).encode(), usedforsecurity=False).hexdigest()

    def _stamp(self, name: str, month: str) -> str:
        """What changes with a table's files."""
        if (name, month) not in self.stamps:
            table = self.tables[name]
            files = self.lake.files(table) if month == _ALL_MONTHS else [self.lake.path(table, month)]
            self.stamps[name, month] = stamp(files)
        return self.stamps[name, month]

    def _table_names(self, sources: Iterable[str]) -> list[str]:
        typed = [typed_table(job_type) for job_type in self.known.job_types] if TYPED_JOBS in sources else []
        return [*(name for name in sources if name in self.tables), *typed]

    def _text(self, check: Check) -> str:
        if check.name not in self.texts:
            types = ", ".join(quote(job_type) for job_type in self.known.job_types)
            self.texts[check.name] = statement(f"checks/{check.name}").replace("$job_types", types)
        return self.texts[check.name]


def publish_and_verify(
    lake: Lake, tables: Sequence[Table], how: Publish, on_wait: Callable[[str], None] | None = None
) -> tuple[Path, Verdict]:
    """Publish the tables; return the door, and whether it shows as many rows of each as the lake has.

    A table that another run changed in the meantime is not compared: that run publishes it, and compares it then.
    `on_wait` gets a sentence if another publisher is waited for.
    """
    with lake.exclusive(PUBLISH, on_wait=on_wait):
        before = _stamps(lake, tables)
        place = publish(lake, tables, how)
        return place, _agreement(lake, tables, before)


def _agreement(lake: Lake, tables: Sequence[Table], before: Mapping[str, str]) -> Verdict:
    """Compare the tables whose files are those of before with what the door shows of them."""
    counts = " UNION ALL ".join(
        f"SELECT '{table.name}' AS table_name, {_rows_in_parquet(lake, table)} AS in_parquet, "
        f"(SELECT count(*) FROM door.{table.name}) AS in_duckdb"
        for table in tables
    )
    with connection() as con:
        run(con, f"ATTACH {quote(str(door(lake.data)))} AS door (READ_ONLY)")
        lake.undisturbed(lambda: run(con, f"CREATE OR REPLACE TEMP TABLE counted AS {counts}"))
        after = _stamps(lake, tables)
        same = ", ".join(quote(name) for name in before if before[name] == after[name])
        differs = f"in_parquet <> in_duckdb AND list_contains([{same}]::VARCHAR[], table_name)"
        return Verdict(AGREEMENT, *_offending(con, f"SELECT * FROM counted WHERE {differs}"))


def _stamps(lake: Lake, tables: Sequence[Table]) -> dict[str, str]:
    """What changes with the files that the door shows under a table's name, by that name."""
    return {table.name: stamp(file for each in table.shown for file in lake.files(each)) for table in tables}


def _rows_in_parquet(lake: Lake, table: Table) -> str:
    """The count of the rows that the door shows under a table's name."""
    return " + ".join(f"(SELECT count(*) FROM {lake.source(each)})" for each in table.shown)


def verify_every_itwin_is_walked(lake: Lake, itwin_ids: Sequence[str]) -> Verdict:
    """Compare the iTwins that walks ask for (none: the caller's own jobs in all) with those of the newest list."""
    with connection() as con:
        run(con, f"CREATE VIEW name_walks AS SELECT * FROM {lake.source(NAME_WALKS)}")
        run(con, f"CREATE VIEW itwins AS SELECT * FROM {lake.source(ITWINS)}")
        asked = f"[{', '.join(map(quote, itwin_ids))}]::VARCHAR[]"
        text = statement(f"checks/{EVERY_ITWIN_IS_WALKED.name}").replace("$asked_for", asked)
        return Verdict(EVERY_ITWIN_IS_WALKED, *_offending(con, text))


def as_markdown(rows: pa.Table) -> str:
    """The offending rows as the UI shows them."""
    return markdown_table(rows.column_names, (row.values() for row in rows.to_pylist()), CELL)


def _with_names(lake: Lake, rows: list[dict[str, str | None]]) -> list[dict[str, str | None]]:
    """Put the name of the iTwin behind its id, where a row has one and a name is known."""
    own = next((name for name in ("itwin_id", "walked_itwin_id") if rows and name in rows[0]), None)
    if own is None or not lake.files(ITWINS):
        return rows
    with connection() as con:
        ids = list({row[own] for row in rows})
        known = run(con, f"SELECT itwin_id, name FROM {lake.source(ITWINS)} WHERE list_contains(?, itwin_id)", [ids])
    names: dict[str | None, str | None] = dict(known)
    return [_behind(row, own, "itwin_name", names.get(row[own])) for row in rows] if names else rows


def _behind(row: dict[str, str | None], own: str, name: str, value: str | None) -> dict[str, str | None]:
    """A row with one more value behind that of a column."""
    pairs = ((((key, of), (name, value)) if key == own else ((key, of),)) for key, of in row.items())
    return dict(pair for both in pairs for pair in both)


def _offending(con: duckdb.DuckDBPyConnection, text: str) -> tuple[int, pa.Table]:
    """Return how many rows a SELECT has, and the first of them."""
    run(con, f"CREATE OR REPLACE TEMP TABLE offending AS {text}")
    count = int(run(con, "SELECT count(*) FROM offending")[0][0])
    return count, arrow(con, f"SELECT * FROM offending LIMIT {SHOWN}")


def _as_text(rows: pa.Table) -> list[dict[str, str | None]]:
    return [{name: None if value is None else str(value) for name, value in row.items()} for row in rows.to_pylist()]


def _typed_jobs(known: Contract) -> str:
    parts = (f"SELECT job_id, {quote(job_type)} AS type FROM {typed_table(job_type)}" for job_type in known.job_types)
    return " UNION ALL ".join(parts)
