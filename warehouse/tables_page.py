"""The page docs/tables.md: every table of the ledger for a reader, made from the declarations and the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from warehouse.contract import Contract
from warehouse.declaration import Table
from warehouse.dictionary import data_dictionary
from warehouse.tables import dictionary_column

GROUPS: Final = {
    "raw": "What the API said and how it was asked, kept for good. Everything else is made from these tables.",
    "core": "The jobs in their newest version, over all job types and editions.",
    "specifications": "A table for each job type: its inputs, outputs and options under their canonical names.",
    "names": "What people call the things behind the ids, asked for once a day. A name that is not known is null.",
    "quality": "What is wrong or unknown, and what the tables mean.",
    "marts": "Answers. Each says what it counts and leaves out.",
}
"""The groups in the order of the data's flow, each with what it is for."""

_HEAD: Final = """# Tables

Each table is a view in `history.duckdb` and one or more Parquet files under `data/lake/`. Times are UTC, durations are
seconds, ids are strings. A key tells rows apart. Where a column comes straight from a field of the API, the last
columns name that field in each edition of its schema (paths in the job object; `-` where the edition has no such
field; of names, which have no editions, paths in the object that the API answers with). The same stands in the table
`data_dictionary`.

This page is generated from the declarations in `warehouse/`: do not edit it.
"""


def tables_page(tables: Sequence[Table], known: Contract) -> str:
    """The page in Markdown, a function of the declarations and the contract; in a group, tables keep their order."""
    of_table: dict[str, list[dict[str, Any]]] = {}
    for row in data_dictionary(tables, known).to_pylist():
        of_table.setdefault(row["table_name"], []).append(row)
    parts = [_HEAD]
    for group, purpose in GROUPS.items():
        members = [table for table in tables if table.group == group]
        parts.append(f"## {group.capitalize()}\n\n{purpose}\n\n{_links(members)}\n")
        parts.extend(_section(table, of_table[table.name], known) for table in members)
    return "\n".join(parts)


def _links(tables: Sequence[Table]) -> str:
    return " · ".join(f"[{table.name}](#{table.name})" for table in tables)


def _section(table: Table, rows: Sequence[dict[str, Any]], known: Contract) -> str:
    files = "a file a month of creation" if table.monthly else "one file"
    key = ", ".join(f"`{name}`" for name in table.key)
    facts = f"One row per {table.grain}. Key: {key}. In the lake: {files}."
    return f"### {table.name}\n\n{_plain(table.meaning)}\n\n{_plain(facts)}\n\n{_columns(rows, known)}\n"


def _columns(rows: Sequence[dict[str, Any]], known: Contract) -> str:
    heads = ["column", "type", "unit", "meaning"]
    lines = [[f"`{row['column_name']}`", row["column_type"], row["unit"] or "", row["meaning"]] for row in rows]
    fields = [[row[dictionary_column(edition)] for edition in known.editions] for row in rows]
    if any(any(of_row) for of_row in fields):
        heads += known.editions
        for line, of_row in zip(lines, fields, strict=True):
            line += [f"`{field}`" if field else "-" for field in of_row]
    return "\n".join(_line(cells) for cells in (heads, ["---"] * len(heads), *lines))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in cells) + " |"


def _plain(text: str) -> str:
    """Text in which Markdown finds no tags."""
    return text.replace("<", "&lt;")
