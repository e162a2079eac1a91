"""The data dictionary: every table and column of the ledger as rows, from the declarations and the contract."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from warehouse.contract import Contract, typed_table
from warehouse.contract.names import name_contract
from warehouse.declaration import Column, Table
from warehouse.lake import Lake
from warehouse.name_tables import TABLE_OF_KIND
from warehouse.tables import data_dictionary_declaration, dictionary_column

if TYPE_CHECKING:
    import pyarrow as pa

_ENVELOPE_COLUMNS: Final = {
    "job_id": "id",
    "itwin_id": "iTwinId",
    "user_id": "userId",
    "name": "name",
    "type": "type",
    "state": "state",
    "created_at": "executionInfo.createdDateTime",
    "started_at": "executionInfo.startedDateTime",
    "ended_at": "executionInfo.endedDateTime",
    "units": "executionInfo.estimatedUnits executionInfo.processingUnits",
}
"""The columns of `jobs` that an API field fills, with the paths of those fields."""


def data_dictionary(tables: Iterable[Table], known: Contract) -> pa.Table:
    """The rows of `data_dictionary` for these tables."""
    import pyarrow as pa

    api_fields = _api_fields(known)
    rows = [
        _row(table, position, column, api_fields.get((table.name, column.name), {}), known)
        for table in tables
        for position, column in enumerate(table.columns, start=1)
    ]
    return pa.Table.from_pylist(rows, schema=data_dictionary_declaration(known).arrow_schema)


def write_dictionary(lake: Lake, tables: Mapping[str, Table], known: Contract) -> int:
    """Writes the data dictionary if it is not what it should be; gives its rows."""
    table = data_dictionary_declaration(known)
    rows = data_dictionary(tables.values(), known)
    digest = {
        "contract": known.digest,
        "rows": hashlib.md5(repr(rows.to_pylist()).encode(), usedforsecurity=False).hexdigest(),
    }
    with lake.exclusive(table.name) as staging:
        if lake.metadata(table) != digest:
            staging.write(table, None, rows, digest)
            staging.commit()
    return int(rows.num_rows)


def _row(
    table: Table, position: int, column: Column, api_fields: dict[str, list[str]], known: Contract
) -> dict[str, Any]:
    by_edition = {
        dictionary_column(edition): ", ".join(api_fields[edition]) if edition in api_fields else None
        for edition in known.editions
    }
    return {
        "table_name": table.name,
        "table_group": table.group,
        "table_meaning": table.meaning,
        "grain": table.grain,
        "position": position,
        "column_name": column.name,
        "column_type": column.type,
        "is_key": column.name in table.key,
        "unit": column.unit,
        "meaning": column.meaning,
        **by_edition,
    }


def _api_fields(known: Contract) -> dict[tuple[str, str], dict[str, list[str]]]:
    """By table and column, the API fields that fill it in each edition."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in known.fields:
        for edition in row.editions:
            by_edition = found.setdefault((typed_table(row.job_type), row.column), {})
            by_edition.setdefault(edition, []).append(f"specifications.{row.part}.{row.api_field}")
    editions_of = {row.path: row.editions for row in known.envelope}
    for column, paths in _ENVELOPE_COLUMNS.items():
        for path in paths.split():
            for edition in editions_of.get(path, ()):
                found.setdefault(("jobs", column), {}).setdefault(edition, []).append(path)
    return found | _api_fields_of_names(known.editions)


def _api_fields_of_names(editions: Sequence[str]) -> dict[tuple[str, str], dict[str, list[str]]]:
    """The same of the tables of names: in every edition alike, as their API has none."""
    return {
        (table.name, column): {edition: [field.path for field in fields] for edition in editions}
        for kind, table in TABLE_OF_KIND.items()
        for column, fields in name_contract().columns_of(kind).items()
    }
