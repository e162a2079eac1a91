"""How a path is written for those who read more into it than a file system does.

DuckDB takes `*`, `?` and `[` for patterns, `key=value` folders for columns, and a word before a colon for a kind of
database; pyarrow takes such a word for a URI; the shell's `~` is the shell's. A path that is absolute and, where DuckDB
reads Parquet, escaped, is none of that. What no spelling helps with is refused by name, before anything is made.
"""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import Final

from warehouse.errors import WrongUsage

UNREADABLE: Final = re.compile(r"[?\\\x00-\x1f\x7f\ud800-\udfff]")
"""What DuckDB takes for something else wherever it stands, control characters, and bytes that are not UTF-8."""


def plain(path: Path) -> Path:
    """Return a path as every library takes it for the file that it names; raise WrongUsage if there is no such form."""
    absolute = os.path.abspath(path)
    if found := UNREADABLE.search(absolute):
        raise WrongUsage(
            f"{absolute!r} holds {found.group()!r}, which DuckDB cannot have in a file's path: name one without it."
        )
    return Path(absolute)


def pattern(path: Path) -> str:
    """Return the pattern that matches a file and no other, for DuckDB's readers."""
    return glob.escape(str(path))


def sqlite_folder(path: Path) -> Path:
    """Return a folder as Dagster takes it for its SQLite files and its `dagster.yaml`; raise WrongUsage if it cannot.

    SQLAlchemy decodes `%` and two digits in the path of a database; Dagster looks for its settings by a pattern.
    """
    folder = plain(path)
    odd = re.search(r"%[0-9A-Fa-f]{2}|[*[]", str(folder))
    if odd:
        raise WrongUsage(
            f"{str(folder)!r} holds {odd.group()!r}, which Dagster cannot have in the path of its files: name a folder "
            "without it, or set DAGSTER_HOME to one."
        )
    return folder
