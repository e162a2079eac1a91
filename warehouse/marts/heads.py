"""The head of a mart's statement: its meaning, written from the declaration, so that it stands in one place.

What is said by hand in a statement begins behind the head: how it is done, not what it means.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from warehouse.declaration import Table
from warehouse.marts import Mart

_END: Final = "-- (From the declaration; written by: python -m tests.docs_ledger --write)\n"
_WIDTH: Final = 120


def head(table: Table) -> str:
    """Return the comment that a mart's statement begins with."""
    lines = textwrap.wrap(
        f"{table.name}: {table.comment} Key: {', '.join(table.key)}.",
        _WIDTH,
        initial_indent="-- ",
        subsequent_indent="--   ",
        break_on_hyphens=False,
    )
    return "\n".join(lines) + "\n" + _END


def with_head(mart: Mart) -> str:
    """Return the text of a mart's statement with the head that it should have."""
    _, _, said_by_hand = mart.sql.rpartition(_END)
    return head(mart.table) + said_by_hand


def write_heads(marts: Iterable[Mart]) -> None:
    """Write the head of each mart's statement anew."""
    for mart in marts:
        Path(__file__).with_name(f"{mart.name}.sql").write_text(with_head(mart), encoding="utf-8")
