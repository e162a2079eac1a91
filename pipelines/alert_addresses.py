"""Where alerts go, as JOBLEDGER_ALERT_URLS says it: addresses of Apprise's, which hold secrets."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from warehouse.errors import WrongUsage

SETTING: Final = "JOBLEDGER_ALERT_URLS"

EXAMPLE: Final = "mailto://USER:PASSWORD@example.org or json://example.org/alerts"


@dataclass(frozen=True)
class Address:
    """An address of Apprise's. Whatever shows this object shows no more than the scheme."""

    url: str = field(repr=False)

    @property
    def digest(self) -> str:
        """What tells a few addresses apart, and is too short to find out one by."""
        return hashlib.blake2b(self.url.encode(), digest_size=3).hexdigest()

    @property
    def scheme(self) -> str:
        return f"{self.url.partition('://')[0].lower()}://"


def read_addresses(text: str) -> tuple[Address, ...]:
    """Return the addresses of a text, by comma. Raise WrongUsage, which shows nothing of it, for what cannot be one.

    A comma within an address is part of it: only one before another scheme divides.
    """
    parts = [part.strip() for part in re.split(r",\s*(?=[A-Za-z][A-Za-z0-9+.-]*://)", text.strip().strip(","))]
    addresses = [Address(part) for part in parts if part]
    for number, address in enumerate(addresses, 1):
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", address.url):
            raise WrongUsage(
                f"address {number} of {len(addresses)} is none; it is not shown, as it may hold secrets. "
                f"Write addresses of Apprise's by comma, such as {EXAMPLE}."
            )
    return tuple(dict.fromkeys(addresses))
