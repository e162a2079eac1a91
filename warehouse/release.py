"""Which release wrote a data folder: the file `ledger.json`, so that an older one refuses what it does not know."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Final

from warehouse.errors import JobledgerError

FORMAT: Final = 2
"""How a data folder is laid out. 1, without a file that says so, was release 0.1.0."""


class NewerLedger(JobledgerError):
    """A data folder that a newer release wrote. Nothing was touched."""


def is_signed(data: Path) -> bool:
    """Return whether the folder is said to be of this format; raise NewerLedger if it is, or may be, of a newer one."""
    try:
        found = json.loads(_place(data).read_text(encoding="utf-8"))
        form, release = int(found["format"]), str(found["release"])
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (ValueError, TypeError, KeyError) as error:
        raise NewerLedger(f"{_place(data)} does not say which release wrote the folder ({error}). {_ADVICE}") from None
    if form > FORMAT:
        raise NewerLedger(
            f"{data} was written by jobledger {release} (format {form}); this is {version('jobledger')}, which knows "
            f"formats up to {FORMAT}. {_ADVICE}"
        )
    return form == FORMAT


def signature(data: Path) -> tuple[Path, str]:
    """Return the file that says which release wrote the folder, and its text."""
    return _place(data), json.dumps({"format": FORMAT, "release": version("jobledger")}) + "\n"


_ADVICE: Final = "Nothing was touched. Upgrade jobledger, or name another folder in JOBLEDGER_DATA."


def _place(data: Path) -> Path:
    return data / "ledger.json"
