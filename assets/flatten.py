"""Flattening: a month's raw tables become its core, typed and drift tables, in one pass over the JSON.

A pure function of `observations`, `message_observations`, `walks` and the contract; no Python object is built per
job. The steps are the statements in `warehouse/sql/flatten`; only the typed tables' SELECTs are made here, from the
contract. Where the files lie is the lake's business, when it is done the caller's.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import duckdb
import msgspec
import pyarrow as pa

from assets.each_month import each_month
from assets.progress import FLATTENING, OnPart, Parts, unseen
from warehouse.contract import PARTS, Contract, EnvelopeField, Field, TypedColumn, snake_case
from warehouse.declaration import Table
from warehouse.engine import arrow, load, month_connection, month_threads, run, side_by_side
from warehouse.errors import Busy
from warehouse.lake import Lake, Staging, copy_to, quote
from warehouse.raw import REVISION, raw_texts, raw_views
from warehouse.sql import run_macros, statement, statements
from warehouse.tables import (
    CONTRACT_DRIFT,
    JOB_MESSAGES,
    JOBS,
    MESSAGE_OBSERVATIONS,
    OBSERVATIONS,
    flattened_tables,
    typed_table,
    typed_table_declaration,
)

MADE_FROM: Final = "made_from"
"""Footer key of a flattened file: the raw files, the contract and the code that it was made from."""

PYTHON_REVISION: Final = 1
"""Raise it when Python, and neither a statement nor a function named in `_value_makers`, makes other values."""

_CORE: Final = ("jobs", "job_references", "job_options", "job_states")
_TYPED_VALUES: Final = {
    "string": "{}",
    "number": "finite_number({})",
    "integer": "whole_number({})",
    "boolean": "{} = 'true'",
    "array<string>": "texts_in({})",
}
"""By a column's type, its value from the text of a JSON value that has that type."""

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
    """What flattening a month did: whether its files were made anew, in what time, and the rows that each table has.

    `failure` says why it could not be done; the month's files are then as they were.
    """

    month: str
    made: bool = False
    rows: dict[str, int] = field(default_factory=dict[str, int])
    seconds: float = 0.0
    failure: Exception | None = None


def is_fresh(lake: Lake, month: str, known: Contract) -> bool:
    """Whether all flattened files of a month were made from its raw files as they are, by this contract and code."""
    wanted = made_from(lake, month, known)
    return all(lake.readable_metadata(table, month).get(MADE_FROM) == wanted for table in flattened_tables(known))


def made_from(lake: Lake, month: str, known: Contract) -> str:
    """What the flattened files of a month would be made from now."""
    raw = [lake.readable_metadata(table, month).get(REVISION, "-") for table in (OBSERVATIONS, MESSAGE_OBSERVATIONS)]
    return " ".join((*raw, known.digest, code_digest(known)))


def stale_months(lake: Lake, known: Contract) -> list[str]:
    """Return the months whose files this contract and code would make otherwise, or never made; the newest first.

    The files of a month are put in place together: the footer of the last one stands for all of them.
    """
    tables = flattened_tables(known)
    months = sorted({*lake.months(OBSERVATIONS), *lake.months(tables[-1])}, reverse=True)
    return [month for month in months if not _looks_fresh(lake, month, tables, known)]


def _looks_fresh(lake: Lake, month: str, tables: Sequence[Table], known: Contract) -> bool:
    wanted = made_from(lake, month, known)
    return lake.readable_metadata(tables[-1], month).get(MADE_FROM) == wanted and all(
        lake.path(table, month).exists() for table in tables
    )


def flatten_months(
    lake: Lake, months: Sequence[str], known: Contract, tell: Callable[[str], None], on_part: OnPart = unseen
) -> Iterator[Flattened]:
    """Flatten these months, then every other month that is stale; yield what came of each, a failure included.

    Of these months those that are locked come last. Another month that is locked is left to the run that holds it.
    `on_part` gets each month when it is done with.
    """
    others = [month for month in stale_months(lake, known) if month not in months]
    parts = Parts(FLATTENING, len(months) + len(others), on_part)

    def one(month: str, wait_seconds: float) -> Flattened:
        with lake.exclusive(month, wait_seconds=wait_seconds, on_wait=tell if wait_seconds else None):
            return flatten_month(lake, month, known)

    def failed(month: str, error: Exception) -> Flattened:
        return Flattened(month, failure=error)

    for done in each_month(months, one, failed):
        parts.done(done.month, jobs=done.rows.get(JOBS.name, 0))
        yield done
    if others:
        tell(f"Made by another release or contract, or never flattened: {', '.join(others)}. They are flattened now.")
    for done in each_month(others, one, failed, wait_seconds=0.0):
        parts.done(done.month, jobs=done.rows.get(JOBS.name, 0))
        if not isinstance(done.failure, Busy):
            yield done


def flatten_month(lake: Lake, month: str, known: Contract, *, force: bool = False) -> Flattened:
    """Rebuild the flattened tables of a month, unless they are what they would be."""
    began = time.monotonic()
    with lake.exclusive(month) as staging:
        if not force and is_fresh(lake, month, known):
            return Flattened(month, made=False, rows={})
        rows = _write_month(lake, month, known, staging)
        staging.commit()
    return Flattened(month, made=True, rows=rows, seconds=time.monotonic() - began)


def _write_month(lake: Lake, month: str, known: Contract, staging: Staging) -> dict[str, int]:
    """Stage the flattened tables of a month; return the rows of each."""
    footer = {MADE_FROM: made_from(lake, month, known)}
    versions = lake.readable_row_count(OBSERVATIONS, month)
    with lake.scratch(f"{month}.flatten") as scratch, month_connection(versions, scratch) as con:
        run_macros(con)
        raw_views(con, lake, month)
        selects = prepare(con, known)
        places = {table.name: staging.reserve(table, month) for table in flattened_tables(known)}

        def write(table: Table) -> int:
            with side_by_side(con) as own:
                return copy_to(own, table, f"({selects[table.name]})", places[table.name], footer)

        run(con, "SET threads = 1")
        with ThreadPoolExecutor(month_threads()) as pool:
            counts = list(pool.map(write, flattened_tables(known)))
    return dict(zip(places, counts, strict=True))


def prepare(con: duckdb.DuckDBPyConnection, known: Contract) -> dict[str, str]:
    """Prepare the intermediate tables from the raw ones, and return one SELECT per flattened table.

    The connection has the macros of `warehouse.sql`.
    """
    for macro in _contract_macros(known):
        run(con, macro)
    for name, rows in _contract_tables(known).items():
        load(con, name, rows)
    _make(con, "newest")
    _read(con, [])
    _make(con, "torn_forms")
    if _has_rows(con, "torn_forms"):
        _read(con, run(con, statement("flatten/torn")))
    for name in ("entries", "job_editions"):
        _make(con, name)
    load(con, "snake_names", _snake_names(con))
    for name in ("named", "typed_places", "places_of_shapes"):
        _make(con, name)
    _make(con, "elements", "VIEW")
    for name in ("drift_jobs", "compared_keys", "drift_envelope", "drift_fields", "drift_values"):
        _make(con, name)
    load(con, JOB_MESSAGES.name, _job_messages(con))
    return {
        **{name: statement(f"flatten/{name}") for name in _CORE},
        JOB_MESSAGES.name: f"SELECT * FROM {JOB_MESSAGES.name}",
        **_typed_selects(con, known),
        CONTRACT_DRIFT.name: statement("flatten/contract_drift") if _has_drift(con) else CONTRACT_DRIFT.empty_select,
    }


def _typed_selects(con: duckdb.DuckDBPyConnection, known: Contract) -> dict[str, str]:
    """The SELECT of each typed table; of a type that the month does not have, one that costs next to nothing."""
    found = {job_type for (job_type,) in run(con, "SELECT DISTINCT type FROM parsed")}
    return {
        typed_table(job_type): typed_select(job_type, known)
        if job_type in found
        else typed_table_declaration(job_type, known).empty_select
        for job_type in known.job_types
    }


def typed_select(job_type: str, known: Contract) -> str:
    """The SELECT of a typed table: each value is taken from its place in the part's values, a GUID in its one spelling.

    It stays short: a month has one for each type, and planning it takes longer than executing it on some hundred jobs.
    """
    parts = _columns_by_part(job_type, known)
    values = ",\n    ".join(
        _value(column, place) for of_part in parts.values() for place, column in enumerate(of_part, 1)
    )
    items = ",\n        ".join(
        f"list_transform(texts_of({part}), lambda text: spelled(text)) AS {part}" for part in PARTS
    )
    places = "\n".join(
        f"LEFT JOIN places_of_shapes AS {word} ON {word}.shape = p.{word}_shape AND {word}.candidates = j.candidates"
        for part, word in PARTS.items()
        if parts[part]
    )
    return f"""WITH read AS (
    SELECT
        job_id,
        input_shape,
        output_shape,
        option_shape,
        {items}
    FROM parsed
    WHERE type = {quote(job_type)}
)

SELECT
    p.job_id,
    {values}
FROM read AS p
INNER JOIN job_editions AS j ON j.job_id = p.job_id
{places}"""


def _columns_by_part(job_type: str, known: Contract) -> dict[str, list[TypedColumn]]:
    columns = known.typed_columns(job_type)
    return {part: [column for column in columns if column.fields[0].part == part] for part in PARTS}


def _value(column: TypedColumn, place: int) -> str:
    part = column.fields[0].part
    value = _TYPED_VALUES[column.json_type].format(f"p.{part}[{PARTS[part]}.places[{place}]]")
    return f"{value} AS {column.name}"


def _same_key(row: Field, known: Contract) -> Iterator[Field]:
    """The other rows of the contract with the same key: its rivals for what the key means."""
    for other in known.fields_of(row.job_type, row.part):
        if other.api_field == row.api_field and other != row:
            yield other


def _has_drift(con: duckdb.DuckDBPyConnection) -> bool:
    return any(_has_rows(con, name) for name in ("drift_envelope", "drift_fields", "drift_values"))


def _has_rows(con: duckdb.DuckDBPyConnection, name: str) -> bool:
    return bool(run(con, f"SELECT 1 FROM {name} LIMIT 1"))


def _make(con: duckdb.DuckDBPyConnection, name: str, kind: str = "TABLE") -> None:
    run(con, f"CREATE OR REPLACE {kind} {name} AS {statement(f'flatten/{name}')}")


def _contract_macros(known: Contract) -> Iterator[str]:
    """The macros that come from the contract.

    `envelope_paths()`: the JSON paths of what every record has. `matches_pattern(written, pattern)`: for the patterns
    of the contract alone, each a constant that is compiled once. And those of `plausible_time_macros`.
    """
    yield from plausible_time_macros(known)
    paths = ", ".join(quote(f"$.{row.path}") for row in known.envelope)
    yield f"CREATE OR REPLACE MACRO envelope_paths() AS [{paths}]"
    declared = [row.pattern for row in (*known.fields, *known.envelope, *known.timestamp_forms)]
    patterns = dict.fromkeys(pattern for pattern in declared if pattern)
    cases = " ".join(f"WHEN {quote(row)} THEN regexp_matches(written, {quote(row)})" for row in patterns)
    yield f"CREATE OR REPLACE MACRO matches_pattern(written, pattern) AS CASE pattern {cases} END"


def plausible_time_macros(known: Contract) -> Iterator[str]:
    """The macros that say which times can be.

    `plausible_creation(moment, seen_at)`: a job's time of creation, null where it cannot be. `plausible_time(moment,
    created_at, seen_at)`: the same for its start or end.
    """
    rule = known.plausible_time
    earliest, slack = f"TIMESTAMPTZ {quote(rule.earliest.isoformat())}", rule.slack_seconds * 1_000_000
    latest = f"epoch_us(moment) <= epoch_us(seen_at) + {slack}"
    yield (
        "CREATE OR REPLACE MACRO plausible_creation(moment, seen_at) AS "
        f"CASE WHEN moment >= {earliest} AND {latest} THEN moment END"
    )
    yield (
        "CREATE OR REPLACE MACRO plausible_time(moment, created_at, seen_at) AS "
        f"CASE WHEN epoch_us(moment) >= epoch_us(created_at) - {slack} AND {latest} THEN moment END"
    )


def _contract_tables(known: Contract) -> dict[str, pa.Table]:
    """The contract as the tables that the statements join with."""
    every = known.mask(known.editions)
    units = {row.path: known.mask(row.editions) for row in known.envelope if row.path.endswith("Units")}
    return {
        "contract_fields": pa.Table.from_pylist(
            [
                _field_row(row, age, known) | {"ordinal": ordinal}
                for job_type in known.job_types
                for columns in _columns_by_part(job_type, known).values()
                for ordinal, column in enumerate(columns, 1)
                for age, row in enumerate(column.fields)
            ]
        ),
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


def _field_row(row: Field, age: int, known: Contract) -> dict[str, Any]:
    rivals = list(_same_key(row, known))
    types = (json_type for other in (row, *rivals) for json_type in _DUCKDB_JSON_TYPES[other.json_type])
    return {
        "job_type": row.job_type,
        "part": row.part,
        "api_field": row.api_field,
        "name": row.name,
        "mask": known.mask(row.editions),
        "rivals": known.mask(edition for other in rivals for edition in other.editions),
        "other_meanings": known.mask(
            edition for other in rivals if other.name != row.name for edition in other.editions
        ),
        "required": row.required,
        "pattern": row.pattern or "",
        "holds": row.holds or "",
        "needs": row.needs or "",
        "json_types": list(dict.fromkeys(types)),
        "is_whole": all(other.json_type == "integer" for other in (row, *rivals)),
        "column_types": _DUCKDB_JSON_TYPES[row.json_type],
        "age": age,
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


def _read(con: duckdb.DuckDBPyConnection, torn: Sequence[tuple[str, str]]) -> None:
    """Reads the JSON of all records, of the `torn` ones as they are mended."""
    load(con, "mended", _mended(torn))
    _make(con, "bodies", "VIEW")
    _make(con, "parsed")
    _make(con, "parts", "VIEW")
    for name in ("forms", "shapes"):
        _make(con, name)


def _mended(torn: Sequence[tuple[str, str]]) -> pa.Table:
    """Records in which a key stands twice, without that: the last value stands, as in JSON.

    The observation keeps both.
    """
    bodies = [msgspec.json.encode(msgspec.json.decode(body)).decode() for _, body in torn]
    return pa.table(
        {"job_id": pa.array([job_id for job_id, _ in torn], pa.string()), "body": pa.array(bodies, pa.string())}
    )


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
def code_digest(known: Contract) -> str:
    """Return what changes with all that makes a flattened file, its raw rows and the contract apart."""
    tables = flattened_tables(known)
    parts = (
        str(PYTHON_REVISION),
        *raw_texts(),
        *statements("flatten"),
        *_contract_macros(known),
        repr(_DUCKDB_JSON_TYPES),
        *(typed_select(job_type, known) for job_type in known.job_types),
        *(f"{table.name}: {table.typed_select} ORDER BY {table.order}" for table in tables),
        *(inspect.getsource(function) for function in _value_makers()),
    )
    return hashlib.md5("\0".join(parts).encode(), usedforsecurity=False).hexdigest()


def _value_makers() -> tuple[Callable[..., object], ...]:
    """Return the functions that make values, or what statements join with: their source is part of the digest."""
    of_contract = (Contract.mask, Contract.fields_of, Contract.typed_columns, _same_key, _field_row, _envelope_row)
    return (*of_contract, _contract_tables, snake_case, _snake_names, _mended, _job_messages, _put_in)
