"""The contract: what the Reality Analysis API says of a job, by edition, as data.

The facts stand in two files beside this one, and only there: `fields.csv` has a row for each specification field and
meaning, `envelope.toml` what is around them. Everything else (flattening, schemas, checks, sandbox, dictionary) derives
from the `Contract` that is loaded here. No reading or writing of jobs belongs here.
"""

from __future__ import annotations

import csv
import hashlib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, cached_property
from importlib import resources
from typing import Any, Final

PARTS: Final = {"inputs": "input", "outputs": "output", "options": "option"}
"""The parts of `specifications`, each with the word that its columns begin with."""

JSON_TYPES: Final = ("string", "number", "integer", "boolean", "array<string>")


class ContractError(ValueError):
    """The contract's own files contradict themselves: says which row and how."""


@dataclass(frozen=True)
class Field:
    """One meaning of one API field of a job type: a row of `fields.csv`.

    `name` is canonical (snake case, the same in every edition), `api_field` is the API's own word in `editions`.
    `holds` is the kind of reference it usually carries; `needs` is the API field that must stand beside it.
    """

    job_type: str
    part: str
    name: str
    api_field: str
    editions: tuple[str, ...]
    json_type: str
    required: bool
    pattern: str | None
    holds: str | None
    needs: str | None
    meaning: str

    @property
    def column(self) -> str:
        """Name of the column in the typed table of its job type."""
        return f"{PARTS[self.part]}_{self.name}"


@dataclass(frozen=True)
class EnvelopeField:
    """A field of a job outside its specifications; `path` is dotted from the job object."""

    path: str
    json_type: str
    required: bool
    meaning: str
    editions: tuple[str, ...]
    pattern: str | None = None


@dataclass(frozen=True)
class State:
    """A word for where a job stands, and what it means for the ledger ('open', 'success', 'failed', 'cancelled')."""

    name: str
    outcome: str
    editions: tuple[str, ...]


@dataclass(frozen=True)
class TimestampForm:
    """How a timestamp is written, and in which editions it is written so."""

    pattern: str
    editions: tuple[str, ...]


@dataclass(frozen=True)
class PlausibleTime:
    """Which times can be: none before `earliest` (UTC), none before its job was created or after the job was seen.

    `slack_seconds` is how far off they may be all the same, for clocks differ.
    """

    earliest: datetime
    slack_seconds: int


@dataclass(frozen=True)
class TypedColumn:
    """A column of a typed table, with the fields that fill it, the newest edition's first."""

    name: str
    json_type: str
    fields: tuple[Field, ...]

    @property
    def meaning(self) -> str:
        return self.fields[0].meaning


@dataclass(frozen=True)
class Contract:
    """All that is known of the API's jobs. Immutable; a test or an upgrade makes another one with `with_fields`."""

    editions: tuple[str, ...]
    fields: tuple[Field, ...]
    envelope: tuple[EnvelopeField, ...]
    states: tuple[State, ...]
    timestamp_forms: tuple[TimestampForm, ...]
    plausible_time: PlausibleTime
    error: dict[str, Any] = field(hash=False)

    def __post_init__(self) -> None:
        for row in self.fields:
            _refuse_bad_field(row, self.editions)
        for job_type in self.job_types:
            _refuse_mixed_columns(self.typed_columns(job_type))

    @cached_property
    def job_types(self) -> tuple[str, ...]:
        """The known job types, in the contract's order."""
        return tuple(dict.fromkeys(row.job_type for row in self.fields))

    def fields_of(self, job_type: str, part: str | None = None, edition: str | None = None) -> tuple[Field, ...]:
        """The fields of a job type, of one part and one edition where these are given."""
        return tuple(
            row
            for row in self.fields
            if row.job_type == job_type
            and (part is None or row.part == part)
            and (edition is None or edition in row.editions)
        )

    def job_types_of(self, edition: str) -> tuple[str, ...]:
        """The job types that an edition knows."""
        return tuple(job_type for job_type in self.job_types if self.fields_of(job_type, edition=edition))

    def states_of(self, edition: str) -> tuple[State, ...]:
        """The states that an edition knows."""
        return tuple(state for state in self.states if edition in state.editions)

    def typed_columns(self, job_type: str) -> tuple[TypedColumn, ...]:
        """The columns of a job type's table after `job_id`: inputs, outputs, options, each in the contract's order."""
        by_column: dict[str, list[Field]] = {}
        for part in PARTS:
            for row in self.fields_of(job_type, part):
                by_column.setdefault(row.column, []).append(row)
        return tuple(
            TypedColumn(name, rows[0].json_type, tuple(sorted(rows, key=_newest_first)))
            for name, rows in by_column.items()
        )

    def mask(self, editions: Iterable[str]) -> int:
        """A set of editions as a bit mask: bit i stands for `self.editions[i]`."""
        return sum(1 << self.editions.index(edition) for edition in set(editions))

    def with_fields(self, *rows: Field) -> Contract:
        """The same contract with more rows."""
        return replace(self, fields=(*self.fields, *rows))

    def of_editions(self, *editions: str) -> Contract:
        """What is known of these editions alone: the contract of a reader that the API has left behind."""

        def kept(rows: Iterable[Any]) -> tuple[Any, ...]:
            shared = ((row, tuple(edition for edition in row.editions if edition in editions)) for row in rows)
            return tuple(replace(row, editions=found) for row, found in shared if found)

        return replace(
            self,
            editions=editions,
            fields=kept(self.fields),
            envelope=kept(self.envelope),
            states=kept(self.states),
            timestamp_forms=kept(self.timestamp_forms),
        )

    @cached_property
    def digest(self) -> str:
        """Changes when anything in the contract changes: tables made under another digest are made anew."""
        parts = (self.editions, self.fields, self.envelope, self.states, self.timestamp_forms, self.plausible_time)
        return hashlib.md5(repr(parts).encode(), usedforsecurity=False).hexdigest()


def typed_table(job_type: str) -> str:
    """Name of a job type's table: `EvalSOrtho` gives `eval_sortho_jobs`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", job_type).lower() + "_jobs"


def snake_case(api_field: str) -> str:
    """The canonical name that an API field has unless the contract says otherwise.

    A word begins at a capital after a small letter and at `As` before a format; a dimension (2D, 3D) ends the word that
    it belongs to: `locations3DAAsGeoJSON` gives `locations3d_a_as_geojson`, `objects3DAs3DTiles`
    `objects3d_as_3d_tiles`.
    """
    text = api_field.replace("GeoJSON", "Geojson")
    text = re.sub(r"(?<=[A-Za-z0-9])(?=As[A-Z0-9])", "_", text)
    text = re.sub(r"(?<=_As)(?=\d)", "_", text)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text)
    text = re.sub(r"(?<=\d[Dd])(?=[A-Z])", "_", text)
    return text.lower()


@cache
def contract() -> Contract:
    """The contract that ships with jobledger."""
    folder = resources.files(__name__)
    envelope = tomllib.loads(folder.joinpath("envelope.toml").read_text(encoding="utf-8"))
    editions = tuple(envelope["editions"])
    lines = folder.joinpath("fields.csv").read_text(encoding="utf-8").splitlines()
    return Contract(
        editions=editions,
        fields=tuple(_field(row) for row in csv.DictReader(lines)),
        envelope=tuple(EnvelopeField(**_dated(row, editions)) for row in envelope["field"]),
        states=tuple(State(**_dated(row, editions)) for row in envelope["state"]),
        timestamp_forms=tuple(TimestampForm(**_dated(row, editions)) for row in envelope["timestamp_form"]),
        plausible_time=PlausibleTime(**envelope["plausible_time"]),
        error=envelope["error"],
    )


def _field(row: dict[str, str]) -> Field:
    return Field(
        job_type=row["job_type"],
        part=row["part"],
        name=row["name"],
        api_field=row["api_field"],
        editions=tuple(row["editions"].split()),
        json_type=row["json_type"],
        required=row["required"] == "yes",
        pattern=row["pattern"] or None,
        holds=row["holds"] or None,
        needs=row["needs"] or None,
        meaning=row["meaning"],
    )


def _dated(row: dict[str, Any], editions: tuple[str, ...]) -> dict[str, Any]:
    """What names no editions holds in all of them."""
    return {**row, "editions": tuple(row.get("editions", editions))}


def _newest_first(row: Field) -> tuple[int, ...]:
    return tuple(-int(edition.replace("-", "")) for edition in sorted(row.editions, reverse=True))


def _refuse_bad_field(row: Field, editions: tuple[str, ...]) -> None:
    where = f"{row.job_type}.{row.part}.{row.api_field}"
    if row.part not in PARTS:
        raise ContractError(f"{where}: part {row.part!r} is none of {', '.join(PARTS)}")
    if row.json_type not in JSON_TYPES:
        raise ContractError(f"{where}: json_type {row.json_type!r} is none of {', '.join(JSON_TYPES)}")
    if not row.editions or set(row.editions) - set(editions):
        raise ContractError(f"{where}: editions {row.editions} are not among {', '.join(editions)}")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", row.name):
        raise ContractError(f"{where}: name {row.name!r} is not snake case")


def _refuse_mixed_columns(columns: Iterable[TypedColumn]) -> None:
    for column in columns:
        types = sorted({row.json_type for row in column.fields})
        if len(types) > 1:
            raise ContractError(f"{column.fields[0].job_type}.{column.name} has several types: {', '.join(types)}")
