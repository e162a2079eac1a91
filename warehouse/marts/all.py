"""Every mart, in an order in which each comes after those that it reads."""

from __future__ import annotations

from typing import Final

from warehouse.marts import Mart

MARTS: Final[tuple[Mart, ...]] = ()
