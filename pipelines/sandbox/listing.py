"""Pages of a listing: which rows come next, in which order, and the opaque token that says where to go on.

The order is by position, which has nothing to do with creation. A token holds no more than the last position, bound to
its filter: jobs show their newest state on each page, and jobs created during a walk may be met or missed.
"""

from __future__ import annotations

import base64
import hashlib
from bisect import bisect_right
from dataclasses import dataclass
from itertools import cycle
from typing import Final

from pipelines.sandbox.filter_grammar import Filter
from pipelines.sandbox.interface import ApiWorld, Row

_SIGNATURE_BYTES: Final = 6
_SHORT_PAGES: Final = 0.12


class TokenError(ValueError):
    """A continuation token that was never given out for this filter."""


@dataclass(frozen=True)
class Page:
    """The bodies of a page in order, and the position to go on after; None on the last page."""

    bodies: list[bytes]
    last: str | None


def page_of(world: ApiWorld, wanted: Filter, now: int, after: str | None, top: int) -> Page:
    """The page after a position (None: the first one): at most `top` bodies, at times fewer although more follow."""
    rows = world.candidates(wanted.bounds, now, own=wanted.own)
    start = 0 if after is None else bisect_right(rows, after, key=_position)
    limit = _limit(wanted, after, top)
    taken: list[Row] = []
    for index in range(start, len(rows)):
        row = rows[index]
        if wanted.test(row, now):
            if len(taken) == limit:
                return Page([row.body(now) for row in taken], taken[-1].position)
            taken.append(row)
    return Page([row.body(now) for row in taken], None)


def token_for(wanted: Filter, position: str) -> str:
    """The continuation token that goes on after a position."""
    plain = _signature(wanted, position) + position.encode()
    return base64.urlsafe_b64encode(_veiled(plain)).decode().rstrip("=")


def position_in(wanted: Filter, token: str) -> str:
    """The position in a token. Errors: TokenError."""
    try:
        plain = _veiled(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
        position = plain[_SIGNATURE_BYTES:].decode()
    except ValueError:
        raise TokenError("continuationToken cannot be read") from None
    if plain[:_SIGNATURE_BYTES] != _signature(wanted, position):
        raise TokenError("continuationToken does not belong to this $filter")
    return position


def chance(*parts: object) -> float:
    """A number in [0, 1) that follows from its parts alone."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest()) / 2**48


def _limit(wanted: Filter, after: str | None, top: int) -> int:
    share = chance("short", wanted.text, after) / _SHORT_PAGES
    return max(1, int(top * share)) if share < 1 else top


def _position(row: Row) -> str:
    return row.position


def _signature(wanted: Filter, position: str) -> bytes:
    return hashlib.blake2b(f"{wanted.text}\n{position}".encode(), digest_size=_SIGNATURE_BYTES).digest()


def _veiled(plain: bytes) -> bytes:
    """Veil or unveil: nobody should be tempted to read a position out of a token."""
    veil = hashlib.blake2b(b"continuation").digest()
    return bytes(one ^ other for one, other in zip(plain, cycle(veil), strict=False))
