"""Flattening: a month's raw tables become its core, typed and drift tables, in one pass over the JSON.

A pure function of `observations`, `message_observations`, `walks` and the contract; no Python object is built per
job. The steps are the statements in `warehouse/sql/flatten`; only the typed tables' SELECTs are made here, from the
contract. Where the files lie is the lake's business, when it is done the caller's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.contract import Contract, EnvelopeField, Field, TypedColumn, snake_case
from warehouse.declaration import Table
from warehouse.engine import arrow, connection, load, run
from warehouse.lake import Lake, Staging, copy_to, parquet_source, quote
from warehouse.sql import run_macros, statement
from warehouse.tables import (
    CONTRACT_DRIFT,
    JOB_MESSAGES,
    MESSAGE_OBSERVATIONS,
    OBSERVATIONS,
    WALKS,
    flattened_tables,
    typed_table,
)

MADE_FROM: Final = "made_from"
"""Footer key of a flattened file: the raw files, the contract and the code that it was made from."""

REVISION: Final = "revision"
"""Footer key of a raw file: new whenever its rows are."""

STRETCH: Final = 25_000
"""Observations that are flattened together at most: some 30 MB of bodies."""

SIDE_BY_SIDE: Final = 2

_STEPS: Final = ("newest", "parsed", "entries")
_TYPED_MACROS: Final = {
    "string": "json_text",
    "number": "json_number",
    "integer": "json_whole",
    "boolean": "json_truth",
    "array<string>": "json_texts",
}
_DUCKDB_JSON_TYPES: Final = {
    "string": ["VARCHAR"],
    "number": ["BIGINT", "UBIGINT", "DOUBLE"],
    "integer": ["BIGINT", "UBIGINT", "DOUBLE"],
    "boolean": ["BOOLEAN"],
    "object": ["OBJECT"],
    "array<string>": ["ARRAY"],
}


@dataclass(frozen=True)
class Flattened:
    """What flattening a month did: whether its files were made anew, and the rows that each table has."""

    month: str
    made: bool
    rows: dict[str, int]


def is_fresh(lake: Lake, month: str, known: Contract) -> bool:
    """Whether all flattened files of a month were made from its raw files as they are, by this contract and code."""
    wanted = made_from(lake, month, known)
    return all(lake.metadata(table, month).get(MADE_FROM) == wanted for table in flattened_tables(known))


def made_from(lake: Lake, month: str, known: Contract) -> str:
    """What the flattened files of a month would be made from now."""
    raw = [lake.metadata(table, month).get(REVISION, "-") for table in (OBSERVATIONS, MESSAGE_OBSERVATIONS)]
    return " ".join((*raw, known.digest, _code_digest()))


def flatten_month(lake: Lake, month: str, known: Contract, *, force: bool = False) -> Flattened:
    """Makes the flattened tables of a month, unless they are what they would be; the caller holds the month's lock.

    A large month is done in stretches of job ids, two side by side, so that memory does not grow with it.
    """
    if not force and is_fresh(lake, month, known):
        return Flattened(month, made=False, rows={})
    footer = {MADE_FROM: made_from(lake, month, known)}
    with lake.staging() as staging, lake.scratch(f"{month}.flatten") as scratch:
        stretches = _stretches(lake, month)
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            list(pool.map(partial(_flatten_stretch, lake, month, known, scratch, footer), stretches))
        rows = _join(flattened_tables(known), scratch, staging, month, footer)
        staging.commit()
    return Flattened(month, made=True, rows=rows)


@dataclass(frozen=True)
class _Stretch:
    """The jobs of a month from one id, included, to another one, excluded; None is no bound."""

    place: int
    first: str | None
    end: str | None

    @property
    def condition(self) -> str:
        bounds = [f"job_id >= {quote(self.first)}"] if self.first is not None else []
        bounds += [f"job_id < {quote(self.end)}"] if self.end is not None else []
        return " AND ".join(bounds) or "true"

    def part(self, folder: Path, name: str) -> Path:
        """Where the stretch's part of a table lies until all parts are there."""
        return folder / f"{name}.{self.place:06d}.parquet"


def _stretches(lake: Lake, month: str) -> list[_Stretch]:
    """The month in stretches of at most about STRETCH observations, in the order of the job ids."""
    file = lake.path(OBSERVATIONS, month)
    if not file.exists() or pq.read_metadata(file).num_rows <= STRETCH:
        return [_Stretch(0, None, None)]
    with connection() as con:
        ids = run(
            con,
            f"SELECT DISTINCT job_id FROM (SELECT job_id, row_number() OVER (ORDER BY job_id) AS place "
            f"FROM {lake.source(OBSERVATIONS, month)}) WHERE place > 1 AND place % {STRETCH} = 1 ORDER BY job_id",
        )
    bounds = [None, *(row[0] for row in ids), None]
    return [_Stretch(place, *pair) for place, pair in enumerate(pairwise(bounds))]


def _flatten_stretch(
    lake: Lake, month: str, known: Contract, folder: Path, footer: Mapping[str, str], stretch: _Stretch
) -> None:
    """Writes a part of each flattened table, in the order of its key."""
    with connection() as con:
        for table in (OBSERVATIONS, MESSAGE_OBSERVATIONS):
            _view(con, table.name, f"SELECT * FROM {lake.source(table, month)} WHERE {stretch.condition}")
        _view(con, WALKS.name, f"SELECT * FROM {lake.source(WALKS, month)}")
        selects = prepare(con, known)
        for table in flattened_tables(known):
            part = stretch.part(folder, table.name)
            if table is CONTRACT_DRIFT:
                run(con, f"COPY ({selects[table.name]}) TO {quote(str(part))} (FORMAT parquet)")
            else:
                copy_to(con, table, f"({selects[table.name]})", part, footer)


def _join(
    tables: Sequence[Table], folder: Path, staging: Staging, month: str, footer: Mapping[str, str]
) -> dict[str, int]:
    """Stages each table as the join of its parts, which stand in order; gives the rows of each."""
    rows: dict[str, int] = {}
    with connection() as con:
        counts = sorted(folder.glob(f"{CONTRACT_DRIFT.name}.*.parquet"))
        _view(con, "drift_counts", f"SELECT * FROM {parquet_source(counts)}")
        _view(con, CONTRACT_DRIFT.name, statement("flatten/contract_drift"))
        for table in tables:
            parts, place = sorted(folder.glob(f"{table.name}.*.parquet")), staging.reserve(table, month)
            if table is CONTRACT_DRIFT:
                rows[table.name] = copy_to(con, table, table.name, place, footer)
            elif len(parts) == 1:
                rows[table.name] = pq.read_metadata(parts[0]).num_rows
                parts[0].replace(place)
            else:
                rows[table.name] = copy_to(con, table, parquet_source(parts), place, footer, ordered=True)
    return rows


def prepare(con: duckdb.DuckDBPyConnection, known: Contract) -> dict[str, str]:
    """Makes, of the raw tables in a connection, what the flattened tables are made of; gives the SELECT of each.

    That of `contract_drift` gives counts, to be added up over the month.
    """
    run_macros(con)
    run(con, _pattern_macro(known))
    for name, rows in _contract_tables(known).items():
        load(con, name, rows)
    for name in _STEPS:
        _make(con, name)
        if name == "parsed":
            _mend_repeated_keys(con)
    _make(con, "job_editions", "editions")
    load(con, "snake_names", _snake_names(con))
    _make(con, "named")
    _make(con, "elements")
    load(con, JOB_MESSAGES.name, _job_messages(con))
    return {
        **{name: statement(f"flatten/{name}") for name in ("jobs", "job_references", "job_options", "job_states")},
        JOB_MESSAGES.name: f"SELECT * FROM {JOB_MESSAGES.name}",
        **{typed_table(job_type): typed_select(job_type, known) for job_type in known.job_types},
        CONTRACT_DRIFT.name: statement("flatten/drift_counts").replace("$envelope_paths", _paths(known)),
    }


def typed_select(job_type: str, known: Contract) -> str:
    """The SELECT of a typed table: each column from the field that has a value, the newest edition's first."""
    columns = [f"{_typed_expression(column, known)} AS {column.name}" for column in known.typed_columns(job_type)]
    lines = ",\n    ".join(("p.job_id", *columns))
    return (
        f"SELECT\n    {lines}\nFROM parsed AS p\n"
        f"INNER JOIN job_editions AS j ON j.job_id = p.job_id\nWHERE p.type = {quote(job_type)}"
    )


def _typed_expression(column: TypedColumn, known: Contract) -> str:
    items = dict.fromkeys(_item(row, known) for row in column.fields)
    return f"coalesce({', '.join(f'{_TYPED_MACROS[column.json_type]}({item})' for item in items)})"


def _item(row: Field, known: Contract) -> str:
    """The JSON value of a field; where its key has another meaning too, only if the record's editions rule that out."""
    item = f"p.{row.part}[{quote(row.api_field)}]"
    rivals = known.mask(
        edition for other in _same_key(row, known) if other.name != row.name for edition in other.editions
    )
    if not rivals:
        return item
    mask = known.mask(row.editions)
    return f"CASE WHEN j.candidates & {mask} <> 0 AND j.candidates & {rivals} = 0 THEN {item} END"


def _same_key(row: Field, known: Contract) -> Iterator[Field]:
    """The other rows of the contract with the same key: its rivals for what the key means."""
    for other in known.fields_of(row.job_type, row.part):
        if other.api_field == row.api_field and other != row:
            yield other


def _paths(known: Contract) -> str:
    return "[" + ", ".join(quote(f"$.{row.path}") for row in known.envelope) + "]"


def _make(con: duckdb.DuckDBPyConnection, name: str, file: str | None = None) -> None:
    run(con, f"CREATE OR REPLACE TEMP TABLE {name} AS {statement(f'flatten/{file or name}')}")


def _view(con: duckdb.DuckDBPyConnection, name: str, select: str) -> None:
    run(con, f"CREATE OR REPLACE TEMP VIEW {name} AS {select}")


def _pattern_macro(known: Contract) -> str:
    """`matches_pattern(text, pattern)` for the contract's patterns, each a constant that is compiled once."""
    declared = [row.pattern for row in (*known.fields, *known.envelope, *known.timestamp_forms)]
    patterns = dict.fromkeys(pattern for pattern in declared if pattern)
    cases = " ".join(f"WHEN {quote(row)} THEN regexp_matches(written, {quote(row)})" for row in patterns)
    return f"CREATE OR REPLACE TEMP MACRO matches_pattern(written, pattern) AS CASE pattern {cases} END"


def _contract_tables(known: Contract) -> dict[str, pa.Table]:
    """The contract as the tables that the statements join with."""
    every = known.mask(known.editions)
    units = {row.path: known.mask(row.editions) for row in known.envelope if row.path.endswith("Units")}
    return {
        "contract_fields": pa.Table.from_pylist([_field_row(row, known) for row in known.fields]),
        "contract_types": pa.table(
            {
                "job_type": list(known.job_types),
                "mask": [
                    known.mask(edition for row in known.fields_of(job_type) for edition in row.editions)
                    for job_type in known.job_types
                ],
            }
        ),
        "contract_states": pa.Table.from_pylist(
            [{"state": row.name, "outcome": row.outcome, "mask": known.mask(row.editions)} for row in known.states]
        ),
        "contract_forms": pa.Table.from_pylist(
            [{"pattern": row.pattern, "mask": known.mask(row.editions)} for row in known.timestamp_forms]
        ),
        "contract_editions": pa.Table.from_pylist(
            [
                {
                    "mask": every,
                    "estimated_mask": units.get("executionInfo.estimatedUnits", every),
                    "processing_mask": units.get("executionInfo.processingUnits", every),
                }
            ]
        ),
        "contract_edition_bits": pa.table(
            {"edition": list(known.editions), "mask": [known.mask([edition]) for edition in known.editions]}
        ),
        "contract_envelope": pa.Table.from_pylist([_envelope_row(row) for row in known.envelope]),
    }


def _field_row(row: Field, known: Contract) -> dict[str, Any]:
    rivals = list(_same_key(row, known))
    types = (json_type for other in (row, *rivals) for json_type in _DUCKDB_JSON_TYPES[other.json_type])
    return {
        "job_type": row.job_type,
        "part": row.part,
        "api_field": row.api_field,
        "name": row.name,
        "mask": known.mask(row.editions),
        "rivals": known.mask(edition for other in rivals for edition in other.editions),
        "required": row.required,
        "pattern": row.pattern or "",
        "holds": row.holds or "",
        "needs": row.needs or "",
        "json_types": list(dict.fromkeys(types)),
        "is_whole": all(other.json_type == "integer" for other in (row, *rivals)),
    }


def _envelope_row(row: EnvelopeField) -> dict[str, Any]:
    folder, _, key = row.path.rpartition(".")
    return {
        "path": f"$.{row.path}",
        "folder": folder,
        "key": key,
        "required": row.required,
        "pattern": row.pattern or "",
        "json_types": _DUCKDB_JSON_TYPES[row.json_type],
    }


def _snake_names(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """The name that each key seen has unless the contract gives it another one."""
    keys = [key for (key,) in run(con, "SELECT DISTINCT api_field FROM entries ORDER BY 1")]
    return pa.table(
        {
            "api_field": pa.array(keys, pa.string()),
            "name": pa.array([snake_case(key) for key in keys], pa.string()),
        }
    )


def _mend_repeated_keys(con: duckdb.DuckDBPyConnection) -> None:
    """Reads records anew in which a key stands twice: a map cannot hold them, so the last value stands, as in JSON.

    The observation keeps both.
    """
    torn = run(con, "SELECT job_id, body FROM newest WHERE job_id IN (SELECT job_id FROM parsed WHERE torn)")
    if not torn:
        return
    mended = [(job_id, msgspec.json.encode(msgspec.json.decode(body)).decode()) for job_id, body in torn]
    load(con, "mended", pa.table({"job_id": [row[0] for row in mended], "body": [row[1] for row in mended]}))
    run(con, "UPDATE newest SET body = mended.body FROM mended WHERE mended.job_id = newest.job_id")
    _make(con, "parsed")


def _job_messages(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """The messages with their parameters put in: `%1` stands for the first one."""
    told = arrow(con, statement("flatten/job_messages"))
    pairs = zip(told["message_template"].to_pylist(), told["params"].to_pylist(), strict=True)
    messages = [_put_in(template, params or []) for template, params in pairs]
    return told.append_column("message", pa.array(messages, pa.string()))


def _put_in(template: str | None, params: list[str | None]) -> str | None:
    def value(match: re.Match[str]) -> str:
        place = int(match.group(1)) - 1
        found = params[place] if 0 <= place < len(params) else None
        return match.group(0) if found is None else found

    return None if template is None else re.sub(r"%(\d{1,3})", value, template)


@cache
def _code_digest() -> str:
    """Changes with the statements, so that what an older release made is made anew."""
    names = ("newest", "parsed", "entries", "editions", "named", "elements", "jobs", "job_references", "job_options")
    more = ("job_states", "job_messages", "drift_counts", "contract_drift")
    texts = [statement("macros"), *(statement(f"flatten/{name}") for name in (*names, *more))]
    return hashlib.md5("\n".join(texts).encode(), usedforsecurity=False).hexdigest()
