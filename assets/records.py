"""Records on their way from the API to the lake: cut from a page, hashed, and on disk a page at a time.

A record is the text of one job as it was sent. Nothing is read out of it here: that is work for columns.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA: Final = pa.schema(
    [
        ("walk_id", pa.string()),
        ("walked_itwin_id", pa.string()),
        ("source", pa.string()),
        ("page", pa.int64()),
        ("ordinal", pa.int64()),
        ("observed_at", pa.timestamp("us", tz="UTC")),
        ("body", pa.string()),
        ("body_hash", pa.string()),
        ("readable", pa.bool_()),
    ]
)
"""A record: who saw it, where on which page (from 1), when (UTC), its text, its hash, and whether it is JSON in
UTF-8.
"""

_MARKS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}:,]', re.DOTALL)

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="sorted").encode


GROUP_BYTES: Final = 4_000_000
"""Pages of so many bytes are written together, as one row group: small ones are slow to write and to read."""

OTHER_BYTES: Final = 160  # of a record, besides its text


class RecordFile:
    """A Parquet file of records that grows page by page; memory holds a few pages, and 16 bytes for each record."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="lz4", use_dictionary=False, write_statistics=False)
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0
        self._hashes: set[bytes] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()
        self._writer.close()

    def add(
        self,
        records: Iterable[bytes | memoryview],
        *,
        source: str,
        observed_at: datetime,
        walk_id: str | None = None,
        walked_itwin_id: str | None = None,
        page: int | None = None,
    ) -> int:
        """Write the records of one page, or of one answer, as they came; return how many were not in the file yet."""
        cut = [_cut(bytes(record)) for record in records]
        count = len(cut)
        columns: list[pa.Array] = [
            pa.array([walk_id] * count, pa.string()),
            pa.array([walked_itwin_id] * count, pa.string()),
            pa.array([source] * count, pa.string()),
            pa.array([page] * count, pa.int64()),
            pa.array(range(1, count + 1), pa.int64()),
            pa.array([observed_at] * count, SCHEMA.field("observed_at").type),
            pa.array([row[0] for row in cut], pa.string()),
            pa.array([row[1] for row in cut], pa.string()),
            pa.array([row[2] for row in cut], pa.bool_()),
        ]
        self._waiting.append(pa.Table.from_arrays(columns, schema=SCHEMA))
        self._waiting_bytes += sum(len(row[0]) + OTHER_BYTES for row in cut)
        if self._waiting_bytes >= GROUP_BYTES:
            self._write()
        before = len(self._hashes)
        self._hashes.update(bytes.fromhex(row[1]) for row in cut)
        return len(self._hashes) - before

    def _write(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
            self._waiting, self._waiting_bytes = [], 0


def cut_by_brackets(page: bytes) -> tuple[list[bytes], bytes] | None:
    """The records of a page, and the page without them, where one of them is no JSON and spoils the page for parsers.

    Only strings, brackets and commas are looked at. None where the page has no whole list of `jobs`.
    """
    cut: list[bytes] = []
    depth, begin, first, before = 0, 0, 0, (b"", b"")
    for found in _MARKS.finditer(page):
        mark = found.group()
        if not first and depth == 1 and (*before, mark) == (b'"jobs"', b":", b"["):
            begin = first = found.end()
        elif first and depth == 2 and mark in (b",", b"]"):
            cut.append(page[begin : found.start()].strip())
            begin = found.end()
            if mark == b"]":
                return [] if cut == [b""] else cut, page[:first] + page[found.start() :]
        before = (before[1], mark)
        depth += (mark in (b"[", b"{")) - (mark in (b"]", b"}"))
    return None


def body_hash(record: bytes) -> str:
    """MD5 of a record with its keys sorted and its white space removed; raises ValueError for what is not JSON."""
    return hashlib.md5(_encode(_decode(record)), usedforsecurity=False).hexdigest()


def _cut(record: bytes) -> tuple[str, str, bool]:
    """A record's text, its hash, and whether it can be read; of what cannot be read, the hash is that of its bytes."""
    try:
        return record.decode(), body_hash(record), True
    except (ValueError, RecursionError):
        digest = hashlib.md5(record, usedforsecurity=False).hexdigest()
        return record.decode(errors="backslashreplace"), digest, False
