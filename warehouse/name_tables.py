"""The tables of names: what stands behind the ids of iTwins, reality data, detectors and users. None is monthly.

Two are raw: what the API answered, and what was asked when. The others are made from these, and their columns derive
from the contract of names.
"""

from __future__ import annotations

from typing import Final, cast

from warehouse.contract.names import name_contract
from warehouse.declaration import Column, ColumnType, Table

NAME_OBSERVATIONS: Final = Table(
    name="name_observations",
    group="raw",
    meaning="Every version of every answer about a name. One that did not change adds nothing.",
    grain="version of an answer, or refusal to give one",
    key=("kind", "id", "itwin_id", "source", "observed_at"),
    monthly=False,
    columns=(
        Column("kind", "VARCHAR", "'itwin', 'reality_data', 'detector' or 'user'"),
        Column("id", "VARCHAR", "Id of the thing; of a detector its name"),
        Column("itwin_id", "VARCHAR", "iTwin in which reality data were asked for; null with the other kinds"),
        Column("source", "VARCHAR", "'list' or 'get': which request showed it; the two say more or less of a thing"),
        Column("observed_at", "TIMESTAMPTZ", "When the answer arrived here, on the API's clock"),
        Column("http_status", "BIGINT", "200; 404 where it is not there, or not for us; 403 where it is refused"),
        Column("body", "VARCHAR", "The object as sent, but for signed URLs, which are cut out; null with 403 and 404"),
        Column("body_hash", "VARCHAR", "MD5 of the body, keys sorted, white space removed; null without a body"),
    ),
)

NAME_WALKS: Final = Table(
    name="name_walks",
    group="raw",
    meaning="When names were asked for, and what came of it. What was asked for is not asked for again the same day.",
    grain="asking for the names of a kind, of reality data in one iTwin",
    key=("walk_id",),
    monthly=False,
    columns=(
        Column("walk_id", "VARCHAR", "Id of the asking"),
        Column("run_id", "VARCHAR", "Dagster run that made it"),
        Column(
            "kind",
            "VARCHAR",
            "'itwin', 'reality_data', 'detector' or 'user'; 'itwin_list': the list alone, to walk all of it",
        ),
        Column("itwin_id", "VARCHAR", "iTwin whose reality data were asked for; null with the other kinds"),
        Column(
            "modified_since",
            "TIMESTAMPTZ",
            "Of reality data: only what changed since then was listed; null where all were",
        ),
        Column("started_at", "TIMESTAMPTZ", "When it began, on the API's clock as far as it told it"),
        Column("finished_at", "TIMESTAMPTZ", "When its last answer arrived"),
        Column("requests", "BIGINT", "Requests sent, retries included", "requests"),
        Column("records", "BIGINT", "Things that were shown", "things"),
        Column("new_versions", "BIGINT", "Versions that were kept", "versions"),
        Column("refused", "BIGINT", "Things that were asked for by id and answered with 403 or 404", "things"),
        Column("listed", "VARCHAR[]", "Of iTwins: the ids that the list showed, in order; null with the other kinds"),
        Column("complete", "BOOLEAN", "Whether all that was to be asked for was answered"),
        Column("http_status", "BIGINT", "Status of the refusal that ended it; null where none did"),
        Column("error", "VARCHAR", "Why it is not complete; null when complete"),
    ),
)

_HISTORY: Final = (
    Column("first_observed_at", "TIMESTAMPTZ", "When it was first shown"),
    Column("changed_at", "TIMESTAMPTZ", "When its newest version was first shown"),
    Column("versions", "BIGINT", "Versions kept in name_observations", "versions"),
    Column("gone_at", "TIMESTAMPTZ", "When the API answered that it is not there; null while it is"),
)
"""What every table of names has at its end."""


def _columns(kind: str) -> tuple[Column, ...]:
    """The columns that the contract gives to a kind's table."""
    of_kind = name_contract().columns_of(kind)
    return tuple(
        Column(name, cast(ColumnType, fields[0].column_type), fields[0].meaning, fields[0].unit)
        for name, fields in of_kind.items()
    )


ITWINS: Final = Table(
    name="itwins",
    group="names",
    meaning="The iTwins with their names, as newest shown. One that is gone stays, with gone_at.",
    grain="iTwin that was ever shown",
    key=("itwin_id",),
    monthly=False,
    columns=(*_columns("itwin"), *_HISTORY),
)

REALITY_DATA: Final = Table(
    name="reality_data",
    group="names",
    meaning="The reality data of the iTwins with their names and sizes, as newest shown. What is gone stays.",
    grain="reality data that were ever shown",
    key=("reality_data_id",),
    monthly=False,
    columns=(
        *_columns("reality_data")[:1],
        Column("itwin_id", "VARCHAR", "iTwin in which its newest version was shown"),
        *_columns("reality_data")[1:],
        Column("area_km2", "DOUBLE", "Area of its extent on a sphere of the Earth's mean radius", "km2"),
        *_HISTORY,
    ),
)

DETECTORS: Final = Table(
    name="detectors",
    group="names",
    meaning="The detectors that jobs may name, as newest shown. One that is gone stays, with gone_at.",
    grain="detector that was ever shown",
    key=("detector_name",),
    monthly=False,
    columns=(*_columns("detector"), *_HISTORY),
)

DETECTOR_VERSIONS: Final = Table(
    name="detector_versions",
    group="names",
    meaning="The versions of the detectors, as the newest answer about each detector has them.",
    grain="version of a detector",
    key=("detector_name", "version"),
    monthly=False,
    columns=(
        Column("detector_name", "VARCHAR", "Name by which jobs call the detector, without a version"),
        *_columns("detector_version"),
        Column("is_latest", "BOOLEAN", "Whether it is used where a job names no version"),
        Column("changed_at", "TIMESTAMPTZ", "When the answer that shows it was first seen"),
    ),
)

USERS: Final = Table(
    name="users",
    group="names",
    meaning="The people behind user_id, of the caller's own organisation. Empty unless JOBLEDGER_NAMES has users.",
    grain="user that was ever shown",
    key=("user_id",),
    monthly=False,
    columns=(
        *_columns("user")[:1],
        Column("name", "VARCHAR", "Given name and family name"),
        *_columns("user")[1:],
        *_HISTORY,
    ),
)

NAME_DRIFT: Final = Table(
    name="name_drift",
    group="quality",
    meaning="Where the newest answers about names differ from the contract of names. contract_drift shows it too.",
    grain="kind of name, JSON path and kind of difference",
    key=("type", "path", "kind"),
    monthly=False,
    columns=(
        Column("type", "VARCHAR", "Kind of name: 'itwin', 'reality_data', 'detector' or 'user'"),
        Column("path", "VARCHAR", "Where in the object, as a JSON path"),
        Column("kind", "VARCHAR", "'unknown_field', 'wrong_type' or 'missing_required'"),
        Column("edition", "VARCHAR", "Null: names have no edition"),
        Column("jobs", "BIGINT", "Things that show it; the column is called as that of contract_drift", "things"),
        Column("first_job_id", "VARCHAR", "Id of the first of them in the order of ids"),
        Column("last_job_id", "VARCHAR", "Id of the last of them"),
        Column(
            "example",
            "VARCHAR",
            "What the first of them holds there, at most 200 characters; null where nothing, and of users",
        ),
    ),
)

TABLE_OF_KIND: Final = {
    "itwin": ITWINS,
    "reality_data": REALITY_DATA,
    "detector": DETECTORS,
    "detector_version": DETECTOR_VERSIONS,
    "user": USERS,
}
"""The table of each kind of the contract of names."""

RAW_NAME_TABLES: Final = (NAME_OBSERVATIONS, NAME_WALKS)
MADE_NAME_TABLES: Final = (ITWINS, REALITY_DATA, DETECTORS, DETECTOR_VERSIONS, USERS, NAME_DRIFT)
NAME_TABLES: Final = (*RAW_NAME_TABLES, *MADE_NAME_TABLES)
"""Every table of names, in the order of the data's flow."""

KINDS: Final = {"itwins": "itwin", "reality_data": "reality_data", "detectors": "detector", "users": "user"}
"""The words of JOBLEDGER_NAMES, each with the kind that it stands for."""
