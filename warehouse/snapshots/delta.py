"""A Delta log per table over the same files, so that Spark, Trino, Polars and others read each as a table of its own.

The logs follow `snapshot.json`: a table's log is compared with what the newest snapshot names, and brought there by one
commit. A push that dies in between, or is overtaken, leaves that to the next one. Nothing is copied.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from warehouse.snapshots.snapshot import TABLES, FileOf, Head, TableOf, existing_head
from warehouse.snapshots.store import EXTRA, Store, StoreFailed, reason

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable, Schema

TABLES_AT_ONCE: Final = 4
ATTEMPTS: Final = 20
PATIENCE: Final = {"connect_timeout": "5s", "timeout": "120s", "max_retries": "4", "retry_timeout": "60s"}
TYPES: Final[Mapping[str, Any]] = {
    "VARCHAR": "string",
    "BIGINT": "long",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "TIMESTAMPTZ": "timestamp",
    "VARCHAR[]": {"type": "array", "elementType": "string", "containsNull": True},
}
"""The types of columns as Delta writes them."""


def follow(store: Store, keep: timedelta) -> str:
    """Bring the log of each table to what `snapshot.json` names; return why some could not be, if so.

    A snapshot stands without the logs, so that costs no publish.
    """
    if find_spec("deltalake") is None:
        return f"The Delta logs need the package deltalake, which is not installed: {EXTRA}."
    with ThreadPoolExecutor(TABLES_AT_ONCE) as pool:
        failed = [text for text in pool.map(partial(_follow, store, keep), existing_head(store).tables) if text]
    return failed[0] if failed else ""


def delta_uri(store: Store, name: str) -> str:
    """The address by which readers of Delta know a table."""
    return store.uri(f"{TABLES}/{name}")


def _follow(store: Store, keep: timedelta, name: str) -> str:
    """Bring the log of a table to the newest snapshot; return why that cannot be, if so.

    After each commit, the log is compared with the newest snapshot again: another push may have come in between.
    """
    why = ""
    try:
        for _ in range(ATTEMPTS):
            with _conflicts() as lost:
                if _is_there(store, existing_head(store), name, keep):
                    return ""
            why = lost[0] if lost else ""
    except StoreFailed as error:
        return str(error)
    return f"{delta_uri(store, name)}: its Delta log could not follow. {why}"


def _is_there(store: Store, head: Head, name: str, keep: timedelta) -> bool:
    """Return whether the log names what the snapshot does; make one step towards it if not."""
    table = head.tables.get(name)
    if table is None:
        return True
    log = _load(store, name)
    if log is None:
        _create(store, head, name, table, keep)
        return False
    if missing := _missing_columns(log, table):
        log.alter.add_columns(missing, commit_properties=_note(head))
        return False
    return _is_committed(log, head, table)


def _is_committed(log: DeltaTable, head: Head, table: TableOf) -> bool:
    """Return whether the log names the snapshot's files; commit what differs if not."""
    from deltalake.transaction import RemoveAction

    wanted = {_name(file): file for file in table.files}
    had = {str(path) for path in log.get_add_actions(flatten=True)["path"].to_pylist()}
    if had == wanted.keys():
        return True
    now = int(head.at.timestamp() * 1000)
    removed = [RemoveAction(path, True, now) for path in sorted(had - wanted.keys())]
    added = [_add(head, file) for path, file in wanted.items() if path not in had]
    log.create_write_transaction([*added, *removed], "append", log.schema(), commit_properties=_note(head))
    return False


def _load(store: Store, name: str) -> DeltaTable | None:
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    try:
        return DeltaTable(delta_uri(store, name), storage_options=_options(store))
    except TableNotFoundError:
        return None


def _create(store: Store, head: Head, name: str, table: TableOf, keep: timedelta) -> None:
    from deltalake.transaction import create_table_with_add_actions

    days = f"interval {keep.days} days"
    create_table_with_add_actions(
        delta_uri(store, name),
        _schema(table),
        [_add(head, file) for file in table.files],
        mode="error",
        name=name,
        configuration={"delta.logRetentionDuration": days, "delta.deletedFileRetentionDuration": days},
        commit_properties=_note(head),
        storage_options=_options(store),
    )


def _options(store: Store) -> dict[str, str] | None:
    """How long a bucket is waited for: as the store does."""
    return None if store.folder else PATIENCE


def _schema(table: TableOf) -> Schema:
    from deltalake import Schema

    fields = [
        {"name": column.name, "type": TYPES[column.type], "nullable": True, "metadata": {}} for column in table.columns
    ]
    return Schema.from_json(json.dumps({"type": "struct", "fields": fields}))


def _missing_columns(log: DeltaTable, table: TableOf) -> list[Any]:
    """The columns of the snapshot that the log does not have yet; raise StoreFailed for one of another type."""
    had = {field.name: field for field in log.schema().fields}
    wanted = _schema(table).fields
    for field in wanted:
        if field.name in had and had[field.name].type != field.type:
            raise StoreFailed(
                f"{log.table_uri}: {field.name} has another type in its Delta log, which cannot be changed there. "
                "Remove the folder _delta_log; the next push begins a new one."
            )
    return [field for field in wanted if field.name not in had]


def _add(head: Head, file: FileOf) -> Any:
    from deltalake.transaction import AddAction

    at = int(head.at.timestamp() * 1000)
    return AddAction(_name(file), file.size, {}, at, True, json.dumps({"numRecords": file.rows}))


def _name(file: FileOf) -> str:
    """A file's path below its table's folder, where the log lies."""
    return file.path.rpartition("/")[2]


def _note(head: Head) -> CommitProperties:
    """What a commit says of the snapshot that it follows."""
    from deltalake import CommitProperties

    return CommitProperties(custom_metadata={"jobledger.snapshot": head.history[-1].path})


@contextmanager
def _conflicts() -> Generator[list[str]]:
    """Keep why a commit was lost to another one; raise StoreFailed for any other error."""
    from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

    lost: list[str] = []
    try:
        yield lost
    except (CommitFailedError, TableNotFoundError) as error:
        lost.append(reason(error))
    except (DeltaError, OSError, ValueError) as error:
        if "already exists" not in str(error):
            raise StoreFailed(f"A Delta log could not follow. {reason(error)}") from None
        lost.append(reason(error))
