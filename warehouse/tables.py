"""The tables below the marts: raw, core, specifications and quality, each declared once.

The typed tables are not written down: they derive from the contract. Marts stand in the modules of `marts`.
"""

from __future__ import annotations

from typing import Final

from warehouse.contract import Contract, contract, typed_table
from warehouse.declaration import Column, ColumnType, Table
from warehouse.name_tables import NAME_DRIFT, NAME_TABLES

OBSERVATIONS: Final = Table(
    name="observations",
    group="raw",
    meaning="Every version of every job that the API showed, as it was sent. A body that did not change adds nothing.",
    grain="version of a job, or its disappearance",
    key=("job_id", "observed_at"),
    columns=(
        Column("job_id", "VARCHAR", "Id of the job"),
        Column("itwin_id", "VARCHAR", "iTwin that the job belongs to"),
        Column(
            "created_at",
            "TIMESTAMPTZ",
            "When the job was created: in the file's month (UTC), or with 301 in the month that it moved to",
        ),
        Column("observed_at", "TIMESTAMPTZ", "When the answer that held this version arrived here"),
        Column(
            "http_status",
            "BIGINT",
            "200; 404 where the job is gone from a complete walk and from GET by id; 301 where it moved",
        ),
        Column("source", "VARCHAR", "'list' or 'get': which request showed it"),
        Column("walk_id", "VARCHAR", "Walk that saw it; null when fetched by id outside a walk"),
        Column("body", "VARCHAR", "The job object, byte for byte as sent; null with 404 and 301"),
        Column("body_hash", "VARCHAR", "MD5 of the body, keys sorted, white space removed; null with 404 and 301"),
    ),
)

MESSAGE_OBSERVATIONS: Final = Table(
    name="message_observations",
    group="raw",
    meaning="What the API answered when asked for the messages of a job that failed. It is asked until it answers.",
    grain="answer or refusal about a failed job",
    key=("job_id", "observed_at"),
    columns=(
        Column("job_id", "VARCHAR", "Id of the job"),
        Column("observed_at", "TIMESTAMPTZ", "When the answer arrived here"),
        Column(
            "http_status",
            "BIGINT",
            "200; 404 where the job has no messages; else the API's refusal, after which it is asked again later",
        ),
        Column("body", "VARCHAR", "The answer as sent; null with any status but 200, and where it cannot be read"),
    ),
)

WALKS: Final = Table(
    name="walks",
    group="raw",
    meaning="What each walk asked for, saw, and could not see. Only a complete walk proves what is not there.",
    grain="month, iTwin and run",
    key=("walk_id",),
    columns=(
        Column("walk_id", "VARCHAR", "Id of the walk"),
        Column("run_id", "VARCHAR", "Dagster run that made it"),
        Column("itwin_id", "VARCHAR", "iTwin that was walked; null: the caller's own jobs"),
        Column("identity", "VARCHAR", "Digest of whose jobs a walk of the caller's own jobs lists; null with an iTwin"),
        Column("created_from", "TIMESTAMPTZ", "Start of the window of creation, included"),
        Column("created_to", "TIMESTAMPTZ", "End of the window of creation, excluded"),
        Column("started_at", "TIMESTAMPTZ", "When the walk began"),
        Column("finished_at", "TIMESTAMPTZ", "When its last answer arrived"),
        Column("requests", "BIGINT", "Requests sent, retries and GETs by id included", "requests"),
        Column("pages", "BIGINT", "Pages that were read", "pages"),
        Column("records", "BIGINT", "Records on those pages, repeated ones included", "records"),
        Column("new_jobs", "BIGINT", "Jobs seen for the first time", "jobs"),
        Column("changed_jobs", "BIGINT", "Known jobs with a new version", "jobs"),
        Column("unchanged_jobs", "BIGINT", "Known jobs whose newest version was seen again", "jobs"),
        Column("rejected", "BIGINT", "Records that cannot become a row, kept in rejected_records", "records"),
        Column("vanished", "BIGINT", "Jobs found gone: not listed any more, and 404 by id", "jobs"),
        Column("retries", "BIGINT", "Requests that were sent again", "requests"),
        Column("throttled", "BIGINT", "Answers 429", "requests"),
        Column("clock_skew_seconds", "DOUBLE", "Server's clock minus this machine's; null where not told", "s"),
        Column(
            "on_api_clock",
            "BOOLEAN",
            "Whether times are on the API's clock; null in walks of release 0.1.0: they are not",
        ),
        Column("complete", "BOOLEAN", "Whether the walk came to its proven end"),
        Column("error", "VARCHAR", "Why it is not complete, and what is missing; null when complete"),
    ),
)

JOBS: Final = Table(
    name="jobs",
    group="core",
    meaning="Every job in its newest version. A job that vanished stays, with vanished_at.",
    grain="job",
    key=("job_id",),
    columns=(
        Column("job_id", "VARCHAR", "Id of the job"),
        Column("itwin_id", "VARCHAR", "iTwin that the job belongs to"),
        Column("user_id", "VARCHAR", "Identity that created the job"),
        Column("name", "VARCHAR", "Name that the user gave; null where none"),
        Column("type", "VARCHAR", "Kind of the job, in the API's word; may be one that the contract does not know"),
        Column("state", "VARCHAR", "Where the job stands, in the API's word"),
        Column("outcome", "VARCHAR", "'open', 'success', 'failed' or 'cancelled'; an unknown state is open"),
        Column("created_at", "TIMESTAMPTZ", "When the job was created"),
        Column("created_month", "VARCHAR", "Month of creation in UTC, YYYY-MM: the month of the file"),
        Column(
            "started_at",
            "TIMESTAMPTZ",
            "When it started to run; null if it never did, not yet, or at no plausible time",
        ),
        Column("ended_at", "TIMESTAMPTZ", "When it ended; null while open, or where the time told cannot be"),
        Column("queue_seconds", "DOUBLE", "Start (or end, if it never started) minus creation", "s"),
        Column("run_seconds", "DOUBLE", "End minus start; null until both are known", "s"),
        Column("total_seconds", "DOUBLE", "End minus creation; null until ended", "s"),
        Column("units", "DOUBLE", "Units that the API tells; 0 is a value, null is not known", "units"),
        Column("units_source", "VARCHAR", "'estimatedUnits' or 'processingUnits': an estimate or a consumption"),
        Column("edition", "VARCHAR", "Edition of the API's schema that the record shows; null where it cannot be told"),
        Column("first_observed_at", "TIMESTAMPTZ", "When the job was first seen"),
        Column("changed_at", "TIMESTAMPTZ", "When its newest version was first seen"),
        Column("versions", "BIGINT", "Versions kept in observations", "versions"),
        Column("vanished_at", "TIMESTAMPTZ", "When it was found gone; null while it is there"),
    ),
)

JOB_REFERENCES: Final = Table(
    name="job_references",
    group="core",
    meaning="The values of the jobs' inputs and outputs, in their newest version.",
    grain="value of an input or output",
    key=("job_id", "direction", "api_field", "ordinal"),
    sorted_by=("direction", "job_id", "api_field", "ordinal"),
    columns=(
        Column("job_id", "VARCHAR", "Id of the job"),
        Column("type", "VARCHAR", "Kind of the job"),
        Column("direction", "VARCHAR", "'input' or 'output'"),
        Column("role", "VARCHAR", "Canonical name of the field, the same in all editions"),
        Column("api_field", "VARCHAR", "The API's own name of the field in this record"),
        Column("ordinal", "BIGINT", "Place in a list, from 1; 1 where the value is not a list"),
        Column("reference", "VARCHAR", "The value as text; what is deeper than a list of values, as JSON"),
        Column("kind", "VARCHAR", "'reality_data', 'bucket_path' or 'detector'; null where it is none of these"),
        Column("detector_name", "VARCHAR", "The detector without its version; null where it is no detector"),
        Column("detector_version", "VARCHAR", "The detector's version; null where none is named"),
    ),
)

JOB_OPTIONS: Final = Table(
    name="job_options",
    group="core",
    meaning="The values of the jobs' options, in their newest version.",
    grain="option value",
    key=("job_id", "api_field", "ordinal"),
    columns=(
        Column("job_id", "VARCHAR", "Id of the job"),
        Column("type", "VARCHAR", "Kind of the job"),
        Column("option", "VARCHAR", "Canonical name of the option, the same in all editions"),
        Column("api_field", "VARCHAR", "The API's own name of the option in this record"),
        Column("ordinal", "BIGINT", "Place in a list, from 1; 1 where the value is not a list"),
        Column("value", "VARCHAR", "The value as text; what is deeper than a list of values, as JSON"),
        Column("number", "DOUBLE", "The value, where the API sent a number"),
        Column("boolean", "BOOLEAN", "The value, where the API sent a boolean"),
    ),
)

JOB_STATES: Final = Table(
    name="job_states",
    group="core",
    meaning="The states that polling saw. The change to a state happened after not_seen_after and by first_seen_at.",
    grain="stretch of observations in one state",
    key=("job_id", "first_seen_at"),
    columns=(
        Column("job_id", "VARCHAR", "Id of the job"),
        Column("state", "VARCHAR", "The API's word for the state"),
        Column("first_seen_at", "TIMESTAMPTZ", "When the job was first seen in this state"),
        Column(
            "last_seen_at",
            "TIMESTAMPTZ",
            "When it was last seen in it before the next state; for the newest state: its newest version's arrival",
        ),
        Column("not_seen_after", "TIMESTAMPTZ", "When the state before was last seen; null for the first state"),
    ),
)

JOB_MESSAGES: Final = Table(
    name="job_messages",
    group="core",
    meaning="The errors and warnings that the API told of failed jobs.",
    grain="message",
    key=("job_id", "severity", "ordinal"),
    columns=(
        Column("job_id", "VARCHAR", "Id of the job"),
        Column("severity", "VARCHAR", "'error' or 'warning'"),
        Column("ordinal", "BIGINT", "Place among the messages of that severity, from 1"),
        Column("code", "VARCHAR", "The API's code"),
        Column("title", "VARCHAR", "The API's title"),
        Column("message", "VARCHAR", "The message with its parameters put in"),
        Column("message_template", "VARCHAR", "The message as sent, with %1, %2 ... for the parameters"),
        Column("params", "VARCHAR[]", "The parameters, in their order"),
    ),
)

REJECTED_RECORDS: Final = Table(
    name="rejected_records",
    group="quality",
    meaning="Records that cannot become a row, kept whole. The rest of their page landed.",
    grain="distinct record and reason in a month and iTwin",
    key=("walked_itwin_id", "body_hash", "reason"),
    columns=(
        Column("walk_id", "VARCHAR", "Walk that first saw it"),
        Column("walked_itwin_id", "VARCHAR", "iTwin whose walk showed it; null: the caller's own jobs"),
        Column("observed_at", "TIMESTAMPTZ", "When the page that held it arrived here"),
        Column("page", "BIGINT", "Page of the walk, from 1"),
        Column("ordinal", "BIGINT", "Place on the page, from 1"),
        Column(
            "reason",
            "VARCHAR",
            "'not_an_object', 'no_id', 'no_created_time', 'unreadable' or 'outside_window'",
        ),
        Column("body", "VARCHAR", "The record as sent (bytes that are no UTF-8 escaped as \\xNN)"),
        Column("body_hash", "VARCHAR", "MD5 of the record as sent"),
    ),
)

CONTRACT_DRIFT: Final = Table(
    name="contract_drift",
    group="quality",
    meaning=(
        "Where the newest versions of the jobs, and the newest answers about names, differ from the contract. What it "
        "names is kept all the same."
    ),
    grain="job type (or kind of name), JSON path, kind and edition",
    key=("type", "path", "kind", "edition"),
    shown_with=NAME_DRIFT,
    columns=(
        Column("type", "VARCHAR", "Kind of the job, or 'itwin', 'reality_data', 'detector' or 'user'"),
        Column("path", "VARCHAR", "Where in the object, as a JSON path"),
        Column(
            "kind",
            "VARCHAR",
            "'unknown_type', 'unknown_state', 'unknown_field', 'wrong_type', 'missing_required', 'pattern', "
            "'missing_companion' or 'implausible' (a time that cannot be, null in jobs)",
        ),
        Column("edition", "VARCHAR", "Edition of the jobs' records; null where it cannot be told"),
        Column("jobs", "BIGINT", "Jobs of the month that show it", "jobs"),
        Column("first_job_id", "VARCHAR", "The job created first among them"),
        Column("last_job_id", "VARCHAR", "The job created last among them"),
        Column("example", "VARCHAR", "What the first job holds there, at most 200 characters; null where nothing"),
    ),
)

RAW_TABLES: Final = (OBSERVATIONS, WALKS, MESSAGE_OBSERVATIONS)
CORE_TABLES: Final = (JOBS, JOB_REFERENCES, JOB_OPTIONS, JOB_STATES, JOB_MESSAGES)

_COLUMN_TYPES: Final[dict[str, ColumnType]] = {
    "string": "VARCHAR",
    "number": "DOUBLE",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "array<string>": "VARCHAR[]",
}


def typed_table_declaration(job_type: str, known: Contract) -> Table:
    """The typed table of a job type: its inputs, outputs and options under their canonical names."""
    columns = tuple(
        Column(column.name, _COLUMN_TYPES[column.json_type], column.meaning) for column in known.typed_columns(job_type)
    )
    return Table(
        name=typed_table(job_type),
        group="specifications",
        meaning=f"What the {job_type} jobs were asked to do, in their newest version.",
        grain=f"{job_type} job",
        key=("job_id",),
        columns=(Column("job_id", "VARCHAR", "Id of the job"), *columns),
    )


def data_dictionary_declaration(known: Contract) -> Table:
    """The data dictionary, with a column for each edition that the contract knows."""
    by_edition = tuple(
        Column(dictionary_column(edition), "VARCHAR", f"API field that fills it in edition {edition}; several by comma")
        for edition in known.editions
    )
    return Table(
        name="data_dictionary",
        group="quality",
        meaning="Every table and column of the ledger: types, units, meanings, and the API's field in each edition.",
        grain="column of a table",
        key=("table_name", "column_name"),
        monthly=False,
        columns=(
            Column("table_name", "VARCHAR", "Table"),
            Column("table_group", "VARCHAR", "Group of the table"),
            Column("table_meaning", "VARCHAR", "What the table holds"),
            Column("grain", "VARCHAR", "What one row is"),
            Column("position", "BIGINT", "Place of the column in the table, from 1"),
            Column("column_name", "VARCHAR", "Column"),
            Column("column_type", "VARCHAR", "Its type, as DuckDB writes it"),
            Column("is_key", "BOOLEAN", "Whether it is part of what tells rows apart"),
            Column("unit", "VARCHAR", "Unit of the number; null where none"),
            Column("meaning", "VARCHAR", "What the column holds"),
            *by_edition,
        ),
    )


def dictionary_column(edition: str) -> str:
    """The data dictionary's column for an edition: `2025-08` gives `api_2025_08`."""
    return "api_" + edition.replace("-", "_")


def flattened_tables(known: Contract | None = None) -> tuple[Table, ...]:
    """The monthly tables that one pass over a month's observations makes: core, specifications and drift."""
    known = known or contract()
    typed = tuple(typed_table_declaration(job_type, known) for job_type in known.job_types)
    return (*CORE_TABLES, *typed, CONTRACT_DRIFT)


def ledger_tables(known: Contract | None = None) -> tuple[Table, ...]:
    """Every table below the marts, in the order of the data's flow."""
    known = known or contract()
    flattened = flattened_tables(known)
    return (*RAW_TABLES, REJECTED_RECORDS, *flattened, *NAME_TABLES, data_dictionary_declaration(known))
