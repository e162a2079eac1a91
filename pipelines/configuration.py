"""`dagster.yaml` in jobledger's own home: the settings of Dagster, and the storage that jobledger's settings ask for.

A file that somebody changed stays as it is.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import Final

from pipelines.postgres import SETTING, shown
from warehouse.errors import WrongUsage

EARLIER: Final = (
    "cd925c2fe8707f2eedb37178c7056a6430310e045702f97792455941b38f6f55",
    "4d978c1fb041d0c1f6e8d1ff399d89138340eb3d9b28cd69f1a4a374c8afa7b2",
)
"""SHA-256 of each `dagster.yaml` that was shipped before: one that nobody changed is brought up to date."""


def write_configuration(home: Path, postgres_url: str) -> str:
    """Put `dagster.yaml` in its place; return a sentence if that moves Dagster's history elsewhere, else nothing.

    Raise WrongUsage if a file that somebody changed keeps Dagster's history elsewhere than JOBLEDGER_POSTGRES_URL says.
    """
    place = home / "dagster.yaml"
    before = place.read_bytes() if place.exists() else b""
    if before and not _is_ours(before):
        if postgres_url and SETTING.encode() not in before:
            raise WrongUsage(
                f"{SETTING} is set, but {place} was changed by hand and does not name it: give it the storage of "
                f"{_fragment('postgres')[0]}, or move it away to get a new one."
            )
        return ""
    wanted = _text(bool(postgres_url))
    if wanted != before:
        place.write_bytes(wanted)
    return _move(home, before, postgres_url)


def _move(home: Path, before: bytes, postgres_url: str) -> str:
    """What becomes of the history that is there, if from now on it is kept elsewhere."""
    was_postgres, had_history = SETTING.encode() in before, (home / "history").exists()
    if postgres_url and before and not was_postgres and had_history:
        return (
            f"Dagster keeps runs and events in Postgres ({shown(postgres_url)}) from now on. Those of before stay in "
            f"{home}, unseen, and are back without {SETTING}. Schedules and sensors that were on have to be switched "
            "on anew: `jobledger schedules on`. The ledger's tables do not depend on it."
        )
    if was_postgres and not postgres_url:
        return (
            f"{SETTING} is not set any more: Dagster keeps runs and events in {home} again. Those in Postgres stay "
            "there, unseen. Schedules and sensors are as they were here before: `jobledger doctor` shows them."
        )
    return ""


def _is_ours(text: bytes) -> bool:
    return text in (_text(False), _text(True)) or hashlib.sha256(text).hexdigest() in EARLIER


def _text(on_postgres: bool) -> bytes:
    shared = resources.files("pipelines").joinpath("dagster.yaml").read_bytes()
    return shared + _fragment("postgres" if on_postgres else "sqlite")[1]


def _fragment(kind: str) -> tuple[str, bytes]:
    """The name and the text of the file that holds a storage."""
    name = f"dagster_on_{kind}.yaml"
    return f"pipelines/{name}", resources.files("pipelines").joinpath(name).read_bytes()
