"""Rows as text: a table for people, csv, json, ndjson, and Parquet. Cells are what the query gave, whatever they hold.

Columns of one name each keep theirs, in JSON too, where a reader that wants both gives them names in the query.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import msgspec
from rich.table import Table as Grid
from rich.text import Text

from pipelines.console import console
from warehouse.query import Records

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS: Final = ("table", "csv", "json", "ndjson", "parquet")

_json = msgspec.json.Encoder(decimal_format="number")


def write(rows: pa.Table, form: str, out: BinaryIO) -> None:
    """Write rows to a stream of bytes in one of FORMATS but `table`; raise ValueError for any other."""
    if form == "parquet":
        import pyarrow.parquet as pq

        buffer = BytesIO()  # a pipe cannot say where it stands, which Parquet asks
        pq.write_table(rows, buffer)
        out.write(buffer.getvalue())
    elif form == "csv":
        import pyarrow.csv

        pyarrow.csv.write_csv(_flat(rows), out)
    elif form == "json":
        lines = list(_objects(rows))
        out.write(b"[" + b",".join(b"\n " + line for line in lines) + (b"\n]\n" if lines else b"]\n"))
    elif form == "ndjson":
        out.writelines(line + b"\n" for line in _objects(rows))
    else:
        raise ValueError(f"no format of bytes: {form}")
    out.flush()


def show(found: Records, out: BinaryIO) -> None:
    """Write rows to a stream of bytes as a table for people."""
    page = TextIOWrapper(out, encoding="utf-8", write_through=True)
    console(page).print(grid(found))
    page.detach()
    out.flush()


def grid(found: Records, title: str | None = None) -> Grid:
    """Return rows as a table for people, a line each: what would steer a terminal is shown escaped."""
    table = Grid(title=title and Text(title), title_justify="left", show_edge=False, header_style="bold")
    for name, is_number in zip(found.names, found.are_numbers, strict=True):
        table.add_column(_line(name), justify="right" if is_number else "left")
    for row in found.rows:
        table.add_row(*(_line(_shown(value)) for value in row))
    return table


def as_objects(found: Records) -> list[dict[str, Any]]:
    """Return rows as objects, their values as JSON has them."""
    return [{name: _plain(value) for name, value in zip(found.names, row, strict=True)} for row in found.rows]


def as_json_object(value: Mapping[str, Any]) -> bytes:
    """Return a mapping as indented JSON."""
    return msgspec.json.format(_json.encode(_plain(value)), indent=2)


def _values(column: pa.ChunkedArray) -> list[Any]:
    return column.to_pylist(maps_as_pydicts="lossy")


def _objects(rows: pa.Table) -> Iterator[bytes]:
    """Each row as a JSON object on a line."""
    names = [_json.encode(name) for name in rows.column_names]
    for row in zip(*(_values(column) for column in rows.columns), strict=True):
        pairs = (name + b": " + _json.encode(_plain(value)) for name, value in zip(names, row, strict=True))
        yield b"{" + b", ".join(pairs) + b"}"


def _flat(rows: pa.Table) -> pa.Table:
    """The rows as csv can hold them: what is nested as JSON text, NaN and infinity as null."""
    import pyarrow as pa

    return pa.Table.from_arrays([_flat_column(column) for column in rows.columns], names=rows.column_names)


def _flat_column(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array[Any]:
    import pyarrow as pa
    import pyarrow.compute

    compute: Any = pyarrow.compute  # its functions are made at import, out of the type checker's sight
    kind = column.type
    if pa.types.is_floating(kind):
        return compute.if_else(compute.is_finite(column), column, pa.scalar(None, kind))
    if pa.types.is_nested(kind):
        return pa.array([None if value is None else _json.encode(_plain(value)).decode() for value in _values(column)])
    if pa.types.is_binary(kind) or pa.types.is_interval(kind) or pa.types.is_duration(kind):
        return pa.array([None if value is None else str(_plain(value)) for value in _values(column)], pa.string())
    return column.cast(pa.string()) if pa.types.is_dictionary(kind) else column


def _plain(value: Any) -> Any:
    """A value as JSON has it: numbers are numbers, NaN and infinity null, and what JSON does not know is text."""
    if value is None or isinstance(value, bool | int | str | Decimal):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _shown(value: Any) -> str:
    """A value in a table for people."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) >= 0.01 else f"{value:g}"
    if isinstance(value, datetime):
        in_utc = value.astimezone(UTC) if value.tzinfo else value
        return in_utc.isoformat(sep=" ", timespec="seconds" if value.tzinfo else "auto")
    if isinstance(value, dict | list):
        return _json.encode(_plain(value)).decode()
    return value if isinstance(value, str) else str(_plain(value) if not isinstance(value, timedelta) else value)


def _line(text: str) -> Text:
    """A text as it is, but for what would steer a terminal or begin a line."""
    return Text("".join(_escaped(sign) if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text))


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
