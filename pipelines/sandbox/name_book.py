"""What the sandbox calls its things: iTwins, reality data, detectors and users, to be renamed and deleted by a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def _objects() -> dict[str, dict[str, Any]]:
    return {}


@dataclass
class NameBook:
    """The objects by their ids, as the API answers when asked for one. `forbidden`: all is answered with 403.

    An iTwin that is not here is not visible. `reality_data` holds the objects of an iTwin by their ids.
    """

    itwins: dict[str, dict[str, Any]] = field(default_factory=_objects)
    reality_data: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict[str, dict[str, dict[str, Any]]])
    detectors: dict[str, dict[str, Any]] = field(default_factory=_objects)
    users: dict[str, dict[str, Any]] = field(default_factory=_objects)
    forbidden: bool = False

    def reality_data_of(self, itwin_id: str, now: int) -> Mapping[str, dict[str, Any]]:
        """The reality data of an iTwin that are there at an instant."""
        return self.reality_data.get(itwin_id, {})
