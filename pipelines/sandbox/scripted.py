"""A world that a test writes itself: records exactly as given, however strange, to be added, changed and removed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pipelines.sandbox.instants import parse_timestamp
from pipelines.sandbox.interface import UNTESTABLE, Bounds, Text, Untestable

_NO_MESSAGES = b'{"errors":[],"warnings":[]}'


@dataclass(frozen=True)
class Record:
    """A record as given. What cannot be read from it is untestable: it is listed under every filter."""

    key: str
    raw: bytes
    told: bytes = _NO_MESSAGES
    _read: dict[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_read", _readable(self.raw))

    @property
    def position(self) -> str:
        """Unlike the order of writing, and stable when the record changes."""
        return hashlib.md5(self.key.encode(), usedforsecurity=False).hexdigest() + self.key

    @property
    def id(self) -> Text:
        return _lower(self._text("id"))

    @property
    def itwin_id(self) -> Text:
        return _lower(self._text("iTwinId"))

    @property
    def name(self) -> Text:
        return self._text("name")

    @property
    def email(self) -> Text:
        return UNTESTABLE

    @property
    def type(self) -> Text:
        return self._text("type")

    @property
    def created(self) -> int | Untestable:
        info: Any = self._read.get("executionInfo")
        try:
            return parse_timestamp(info["createdDateTime"])
        except (TypeError, KeyError, ValueError):
            return UNTESTABLE

    def state_at(self, now: int) -> Text:
        return self._text("state")

    def body(self, now: int) -> bytes:
        return self.raw

    def messages(self, now: int) -> bytes:
        return self.told

    def progress(self, now: int) -> bytes | None:
        return msgspec.json.encode({"percentage": 0, "state": self._read.get("state")})

    def _text(self, key: str) -> Text:
        value = self._read.get(key, UNTESTABLE)
        return value if isinstance(value, str) else UNTESTABLE


class ScriptedWorld:
    """The records that were put into it. It knows every iTwin, and all records are the caller's own."""

    def __init__(self, *records: dict[str, Any] | bytes) -> None:
        self._records: dict[str, Record] = {}
        for record in records:
            self.put(record)

    def put(self, record: dict[str, Any] | bytes, key: str | None = None) -> str:
        """Add a record, or change the one with this key (its id, by default, or a new one); gives the key.

        Bytes are kept byte for byte.
        """
        raw = record if isinstance(record, bytes) else msgspec.json.encode(record)
        own = _readable(raw).get("id")
        key = key or (own if isinstance(own, str) else f"record {len(self._records)}")
        before = self._records.get(key)
        self._records[key] = Record(key, raw, before.told if before else _NO_MESSAGES)
        return key

    def remove(self, key: str) -> None:
        """Let a record vanish: neither listed nor found. Errors: KeyError when it is not there."""
        del self._records[key]

    def set_messages(self, key: str, messages: dict[str, Any] | bytes) -> None:
        """What `/messages` says of a record. Errors: KeyError when it is not there."""
        told = messages if isinstance(messages, bytes) else msgspec.json.encode(messages)
        self._records[key] = Record(key, self._records[key].raw, told)

    def has_itwin(self, itwin_id: str) -> bool:
        return True

    def find(self, job_id: str, now: int) -> Record | None:
        found = (record for record in self._records.values() if record.id == job_id.lower())
        return self._records.get(job_id) or next(found, None)

    def candidates(self, bounds: Bounds, now: int, *, own: bool) -> Sequence[Record]:
        return sorted(self._records.values(), key=lambda record: record.position)


def _readable(raw: bytes) -> dict[str, Any]:
    """The record's own keys and values; none when it is not an object."""
    try:
        value = msgspec.json.decode(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _lower(text: Text) -> Text:
    return text.lower() if isinstance(text, str) else text
