"""Where a table's file lies, and how it is put there. Nothing else in jobledger knows either.

Whoever writes holds a lock of the lake (`Lake.exclusive`), which covers some files and yields what stages them. A file
is written in the folder `staged`, synced, and renamed over its place, so a reader sees the old file or the new one. The
files of one step are put in place together, however the process ends: see `warehouse.journal`.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import duckdb

from warehouse import journal, locks
from warehouse.declaration import Table
from warehouse.engine import quote, run
from warehouse.errors import WrongUsage
from warehouse.files import make_folder
from warehouse.months import MONTH
from warehouse.paths import pattern, plain
from warehouse.release import is_signed, signature

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

T = TypeVar("T")

MARTS_LOCK: Final = "marts"
"""The lock on all marts, those that are monthly included."""

ANY_MONTH: Final = "YYYY-MM"

OTHER_ERRORS: Final = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.InterruptException,
    duckdb.OutOfMemoryException,
    duckdb.ParserException,
    duckdb.PermissionException,
)
"""What DuckDB does not raise for a file that was replaced while it was read."""

ATTEMPTS: Final = 10
CLOCK_TICK_SECONDS: Final = 0.1
"""A file's time may lie so much before that of the clock."""

METADATA_PREFIX: Final = "jobledger."
COMPRESSION: Final = "zstd"
COMPRESSION_LEVEL: Final = 1
ROW_GROUP_SIZE: Final = 20_480


class Lake:
    """The Parquet files under a data folder. Making one creates nothing.

    Raises WrongUsage if DuckDB cannot read the folder's path, NewerLedger if a newer release wrote it.
    """

    def __init__(self, data: Path) -> None:
        self.data = plain(data)
        is_signed(self.data)
        self.root = self.data / "lake"

    def path(self, table: Table, month: str | None = None) -> Path:
        """The place of a table's file; monthly tables need the month ('YYYY-MM'), the others none."""
        if table.monthly is (month is None):
            raise ValueError(f"{table.name} is {'monthly' if table.monthly else 'not monthly'}, and month is {month!r}")
        return self.root / place_of(table.name, month)

    def months(self, table: Table) -> list[str]:
        """The months of which a monthly table has a file, in order."""
        folders = (self.root / table.name).glob("created_month=*")
        found = (folder.name.removeprefix("created_month=") for folder in folders if self._has_file(folder, table))
        return sorted(month for month in found if MONTH.fullmatch(month))

    def files(self, table: Table) -> list[Path]:
        """The files of a table that are there, in order of their months."""
        if table.monthly:
            return [self.path(table, month) for month in self.months(table)]
        place = self.path(table)
        return [place] if place.exists() else []

    def glob(self, table: Table) -> str:
        """The pattern that any engine may read the table by."""
        place = self.path(table, ANY_MONTH if table.monthly else None)
        return pattern(place).replace(ANY_MONTH, "*")

    def source(self, table: Table, month: str | None = None) -> str:
        """What to SELECT a table from in DuckDB: its file or files, or no rows with its columns."""
        return self.source_of_months(table, [month]) if month else parquet_source(table, self.files(table))

    def source_of_months(self, table: Table, months: Iterable[str]) -> str:
        """What to SELECT some months of a monthly table from."""
        files = [file for file in (self.path(table, month) for month in months) if file.exists()]
        return parquet_source(table, files)

    def source_by_pattern(self, table: Table) -> str:
        """What to SELECT a table from, its files by pattern: a view sees the months that come later, if one is there.

        It imports no Arrow, and takes up to twice as long for wide texts.
        """
        return read_table(table, quote(self.glob(table))) if self.files(table) else f"({table.empty_select})"

    def view(self, con: duckdb.DuckDBPyConnection, *tables: Table) -> None:
        """Let a database in memory see tables under their names, as their files are now."""
        for table in tables:
            run(con, f"CREATE OR REPLACE TEMP VIEW {table.name} AS SELECT * FROM {self.source(table)}")

    def row_count(self, table: Table) -> int:
        """The rows of all files of a table, as their footers tell."""
        return sum(int(_footer(file).num_rows) for file in self.files(table))

    def readable_row_count(self, table: Table, month: str | None = None) -> int:
        """The rows of a table, or of its file of a month; without those of files that cannot be read."""
        files = [self.path(table, month)] if month else self.files(table)
        return sum(_readable_rows(file) for file in files)

    def metadata(self, table: Table, month: str | None = None) -> dict[str, str]:
        """What was written into the footer of a table's file beside its rows; empty where there is no file."""
        place = self.path(table, month)
        if not place.exists():
            return {}
        entries: dict[bytes, bytes] = _footer(place).metadata or {}
        pairs = ((key.decode(), value.decode()) for key, value in entries.items())
        return {key.removeprefix(METADATA_PREFIX): value for key, value in pairs if key.startswith(METADATA_PREFIX)}

    def readable_metadata(self, table: Table, month: str | None = None) -> dict[str, str]:
        """The same; empty also where the file cannot be read, for nobody knows what that one was made from."""
        import pyarrow as pa

        try:
            return self.metadata(table, month)
        except (OSError, pa.ArrowException):
            return {}

    @contextmanager
    def exclusive(
        self,
        name: str,
        *,
        wait_seconds: float = locks.WAIT_SECONDS,
        on_wait: Callable[[str], None] | None = None,
    ) -> Generator[Staging]:
        """Hold the lock `name` and yield what stages the files that it covers.

        A month ('YYYY-MM') covers its files of the monthly tables, `MARTS_LOCK` those of the marts, any other name
        tables without months. What a process that died under this lock had committed is carried out first, what it had
        only staged is removed. A thread may take a lock that it holds already, so whoever writes takes its own.

        Raises Busy if somebody else holds the lock for `wait_seconds`; `on_wait` gets a sentence before the wait.
        """
        is_signed(self.data)
        with locks.exclusive(self.data, name, wait_seconds=wait_seconds, on_wait=on_wait) as nested:
            journal.roll_forward(self.data, name)
            if not nested:
                for left in (self.data / "staged").glob(f"{name}.{'?' * 32}"):
                    shutil.rmtree(left)
            staging = Staging(self, name)
            try:
                self._sign(staging)
                yield staging
            finally:
                staging.forget()

    @contextmanager
    def scratch(self, name: str) -> Generator[Path]:
        """A folder for what is on its way, where a rename reaches the lake; it is gone in the end.

        The caller holds the lock that `name` goes with, so what is there already was left by a run that died.
        """
        folder = self.data / "scratch" / name
        shutil.rmtree(folder, ignore_errors=True)
        make_folder(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def undisturbed(self, work: Callable[[], T]) -> T:
        """Return what `work` makes of files that others may replace meanwhile.

        DuckDB opens a file more than once and fails if it was replaced in between (docs/decisions/0008). If that may
        be why `work` failed, it is called again.
        """
        for _ in range(ATTEMPTS - 1):
            began = time.time() - CLOCK_TICK_SECONDS
            try:
                return work()
            except OTHER_ERRORS:
                raise
            except duckdb.Error:
                if all(file.stat().st_ctime < began for file in self.root.rglob("*.parquet")):
                    raise
        return work()

    def _sign(self, staging: Staging) -> None:
        """Say which release wrote the folder, unless it is said already."""
        if not is_signed(self.data):
            place, text = signature(self.data)
            staging.reserve_place(place).write_text(text, encoding="utf-8")
            staging.commit()

    def _has_file(self, folder: Path, table: Table) -> bool:
        return (folder / f"{table.name}.parquet").exists()


@dataclass
class Staging:
    """Files written and not yet in their places. Leaving the lock without `commit` forgets them."""

    lake: Lake
    name: str
    _folder: Path | None = None
    _moves: list[tuple[Path, Path]] = field(default_factory=list[tuple[Path, Path]])

    def reserve(self, table: Table, month: str | None = None) -> Path:
        """Return the path for whoever writes a table's file; raise ValueError if the lock does not cover it."""
        if not _covers(self.name, table, month):
            raise ValueError(f"the lock {self.name!r} does not cover {table.name} ({month or 'no month'})")
        return self.reserve_place(self.lake.path(table, month))

    def reserve_place(self, place: Path) -> Path:
        """Return the path for whoever writes the file of a place that the lock covers."""
        _sweep_older_release(place)
        if self._folder is None:
            self._folder = make_folder(self.lake.data / "staged" / f"{self.name}.{uuid.uuid4().hex}")
        staged = self._folder / f"{len(self._moves)}-{place.name}"
        self._moves.append((staged, place))
        return staged

    def write(self, table: Table, month: str | None, rows: pa.Table, metadata: Mapping[str, str] | None = None) -> None:
        """Stage Arrow rows, whose columns must be the table's by name; raise KeyError or ValueError if they are not."""
        import pyarrow.parquet as pq

        staged = self.reserve(table, month)
        schema = table.arrow_schema.with_metadata(footer(metadata or {}))
        pq.write_table(
            rows.select(list(table.column_names)).cast(schema),
            staged,
            compression=COMPRESSION,
            compression_level=COMPRESSION_LEVEL,
            row_group_size=ROW_GROUP_SIZE,
        )

    def commit(self) -> None:
        """Put all staged files in place, in the order in which they were staged: all of them or none."""
        moves, self._moves = self._moves, []
        folder, self._folder = self._folder, None  # an error leaves it, for the journal may name what is in it
        if folder is not None:
            journal.commit(self.lake.data, self.name, folder, moves)
            shutil.rmtree(folder)

    def forget(self) -> None:
        """Remove what was staged and not committed."""
        self._moves.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None


def existing_lake(data: Path) -> Lake:
    """Return the lake in a data folder; raise WrongUsage if nothing was ever synced there."""
    lake = Lake(data)
    if not lake.root.exists():
        raise WrongUsage(f"There is no ledger in {data}. Run `jobledger sync` first, or set JOBLEDGER_DATA.")
    return lake


def place_of(name: str, month: str | None) -> Path:
    """Return where a table's file lies below the lake's root, by the table's name; no month where it has none."""
    folder = Path(name)
    return (folder / f"created_month={month}" if month else folder) / f"{name}.parquet"


def stamp(files: Iterable[Path]) -> str:
    """Return what changes with files of the lake that are put in place, replaced or gone."""
    found = ((file, file.stat()) for file in files if file.exists())
    return " ".join(f"{file.parent.name} {status.st_size} {status.st_mtime_ns}" for file, status in found)


def copy_to(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    rows: str,
    path: Path,
    metadata: Mapping[str, str] | None = None,
    *,
    ordered: bool = False,
) -> int:
    """Writes `rows` (a name, or a SELECT in brackets) as a table's Parquet file, in the table's order; gives
    their count. Rows that are `ordered` already are not sorted again.
    """
    entries = ", ".join(f"{quote(key)}: {quote(value)}" for key, value in footer(metadata or {}).items())
    options = (
        f"FORMAT parquet, COMPRESSION {COMPRESSION}, COMPRESSION_LEVEL {COMPRESSION_LEVEL}, "
        f"ROW_GROUP_SIZE {ROW_GROUP_SIZE}" + (f", KV_METADATA {{{entries}}}" if entries else "")
    )
    order = "" if ordered else f" ORDER BY {', '.join(table.order)}"
    select = f"SELECT {table.typed_select} FROM {rows}{order}"
    return int(run(con, f"COPY ({select}) TO {quote(str(path))} ({options})")[0][0])


def parquet_source(table: Table, files: Sequence[Path]) -> str:
    """What to SELECT from in DuckDB for a table's rows in these files; without files, no rows with its columns.

    A single file that is as declared is read as it is: DuckDB takes half as long for wide texts that way.
    """
    if not files:
        return f"({table.empty_select})"
    if len(files) == 1 and _is_as_declared(table, files[0]):
        return f"read_parquet({parquet_files(files)}, hive_partitioning = false)"
    return read_table(table, parquet_files(files))


def _is_as_declared(table: Table, file: Path) -> bool:
    """Return whether a file has the columns of the table's declaration; not so one that cannot be read."""
    import pyarrow as pa

    try:
        return bool(_footer(file).schema.to_arrow_schema().equals(table.arrow_schema))
    except (OSError, pa.ArrowException):
        return False


def read_table(table: Table, files: str) -> str:
    """The call that reads a table's files, given as an SQL literal, whatever releases wrote them.

    Columns are taken by name and declared type: one that a file lacks is null, one that is not declared is left out.
    """
    columns = (
        f"{quote(column.name)}: {{name: {quote(column.name)}, type: {quote(column.type)}, default_value: NULL}}"
        for column in table.columns
    )
    return f"read_parquet({files}, hive_partitioning = false, schema = MAP {{{', '.join(columns)}}})"


def parquet_files(files: Iterable[Path]) -> str:
    """Parquet files as the SQL literal that DuckDB's reader takes for these and no others."""
    return f"[{', '.join(quote(pattern(file)) for file in files)}]"


def footer(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata with the prefix that it carries in a Parquet footer."""
    return {METADATA_PREFIX + key: value for key, value in metadata.items()}


def _footer(file: Path) -> pq.FileMetaData:
    import pyarrow.parquet as pq  # it brings NumPy: who asks for `--help` need not wait for that

    return pq.read_metadata(file)


def _readable_rows(file: Path) -> int:
    import pyarrow as pa

    try:
        return int(_footer(file).num_rows)
    except (OSError, pa.ArrowException):  # not there, or damaged: whoever reads its rows will say so
        return 0


def _covers(name: str, table: Table, month: str | None) -> bool:
    """Return whether a lock covers a table's file."""
    if table.group == "marts":
        return name == MARTS_LOCK
    return month == name if table.monthly else name != MARTS_LOCK and not MONTH.fullmatch(name)


def _sweep_older_release(place: Path) -> None:
    """Remove what a writer of release 0.1.0 that died left beside a place; the caller holds the lock on it."""
    for left in place.parent.glob(f".{place.name}.*.tmp"):
        left.unlink(missing_ok=True)
