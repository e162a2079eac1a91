"""Who may ask, and how often: tokens that run out or are revoked, and a budget of requests over a rolling minute.

Both go by the machine's own clock, not the world's: moving the world to another month leaves tokens alone.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from typing import Final

READY_TOKEN: Final = "sandbox-token"
"""A token that always works unless revoked, for users that come with a ready one."""

_MINUTE: Final = 60.0


class Tokens:
    """The tokens given out, each good for `ttl` seconds."""

    def __init__(self, ttl: float) -> None:
        self.ttl = ttl
        self._good_until = {READY_TOKEN: float("inf")}

    def issue(self) -> str:
        token = secrets.token_urlsafe(24)
        self._good_until[token] = time.monotonic() + self.ttl
        return token

    def accepts(self, token: str) -> bool:
        return self._good_until.get(token, 0.0) > time.monotonic()

    def revoke(self, token: str) -> None:
        """The token works no more."""
        self._good_until.pop(token, None)


class Budget:
    """At most `per_minute` requests within any minute; None: as many as come."""

    def __init__(self, per_minute: float | None) -> None:
        self._per_minute = per_minute
        self._taken: deque[float] = deque()

    def take(self) -> float:
        """Take a request out of the budget: 0, or the seconds until one is left again (and none is taken)."""
        if self._per_minute is None:
            return 0.0
        now = time.monotonic()
        while self._taken and self._taken[0] <= now - _MINUTE:
            self._taken.popleft()
        if len(self._taken) >= self._per_minute:
            return self._taken[0] + _MINUTE - now if self._taken else _MINUTE
        self._taken.append(now)
        return 0.0
