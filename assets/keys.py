"""What the ledger's tables are called as assets: by their names, below JOBLEDGER_ASSET_PREFIX where that is set.

Whatever makes an asset key, or reads events by one, asks here: a team that has the ledger in a workspace of its own
finds everything below the prefix of its choosing. Groups are flat, so theirs begin with it.
"""

from __future__ import annotations

import os
import re
from typing import Final

from warehouse.errors import WrongUsage

PREFIX_SETTING: Final = "JOBLEDGER_ASSET_PREFIX"


def read_prefix(text: str) -> str:
    """Return a prefix as it is set; raise WrongUsage if no asset key may begin with it."""
    if text and not re.fullmatch(r"[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*", text):
        raise WrongUsage(f"{text!r} is no prefix; write words of letters, digits and _ with / between, such as a/jobs.")
    return text


def asset_path(name: str) -> list[str]:
    """Return the parts of the key of a table, or of what else is an asset."""
    return [*_prefix(), name]


def group_name(group: str) -> str:
    """Return the name of a group of assets."""
    return "_".join([*_prefix(), group])


def _prefix() -> list[str]:
    try:
        text = read_prefix(os.environ.get(PREFIX_SETTING, "").strip())
    except WrongUsage as error:
        raise WrongUsage(f"{PREFIX_SETTING}: {error}") from None
    return text.split("/") if text else []
