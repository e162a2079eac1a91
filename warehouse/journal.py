"""The journal: what one step puts in place is listed in a file first, and that file's rename is the commit.

A journal lies at `journal/<lock>.json` under the data folder, covers the files of that lock, and names them relative to
the data folder. It is carried out at once; where a process dies on the way, whoever next holds the lock carries out
the rest. A single file needs no journal: its own rename is the commit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from warehouse import locks
from warehouse.errors import JobledgerError
from warehouse.files import make_folder, put, replace, settle, sync
from warehouse.months import MONTH

FORMAT: Final = 1
_PLACE: Final = re.compile(
    rf"lake/([a-z0-9_]+)/(?:created_month=(?P<month>{MONTH.pattern})/)?\1\.parquet|history\.duckdb|report\.html"
)
"""The files that a commit may put in place, relative to the data folder."""

Move = tuple[Path, Path]
"""A staged file and its place."""


class UnreadableJournal(JobledgerError):
    """A journal that this release did not write, or that was damaged: nothing of it was carried out."""


def commit(data: Path, lock: str, folder: Path, moves: Sequence[Move]) -> None:
    """Put the files staged in `folder` in place, all or none, however this process ends. The caller holds `lock`.

    Raise LockLost, and put nothing in place, if the lock was lost.
    """
    for staged, _ in moves:
        settle(staged)
    locks.assure(data, lock)
    if len(moves) > 1:
        sync(folder)
        listed = [[path.relative_to(data).as_posix() for path in move] for move in moves]
        if strays := [target for staged, target in listed if not _belongs(lock, staged, target)]:
            raise ValueError(f"a journal of {lock!r} cannot put in place {strays}")
        written = folder / "journal.json"
        written.write_text(json.dumps({"format": FORMAT, "lock": lock, "moves": listed}, indent=1), encoding="utf-8")
        make_folder(_place(data, lock).parent)
        put(written, _place(data, lock))
    _carry_out(moves)
    _place(data, lock).unlink(missing_ok=True)


def roll_forward(data: Path, lock: str) -> None:
    """Carry out the journal that a process left which died. The caller holds `lock`.

    Raises UnreadableJournal, and does nothing, if the journal is not one of this lock on this lake.
    """
    place = _place(data, lock)
    if place.exists():
        _carry_out(list(_read(data, lock, place)))
        place.unlink()


def under_way(data: Path) -> list[str]:
    """Return the locks whose commits are not carried out yet: under way, or left by a process that died."""
    return [place.stem for place in (data / "journal").glob("*.json")]


def unreadable_journals(data: Path) -> list[str]:
    """Return a sentence for each journal that nobody can carry out; nothing is changed."""
    problems: list[str] = []
    for place in sorted((data / "journal").glob("*.json")):
        try:
            list(_read(data, place.stem, place))
        except UnreadableJournal as error:
            problems.append(str(error))
    return problems


def is_place(path: Path) -> bool:
    """Return whether a path, relative to the data folder, is one that a commit may put a file in."""
    return _PLACE.fullmatch(path.as_posix()) is not None


def _carry_out(moves: Sequence[Move]) -> None:
    """Rename what is not renamed yet; what is gone from its staged path is in place already."""
    for staged, place in moves:
        if staged.exists():
            make_folder(place.parent)
            replace(staged, place)
    for folder in {place.parent for _, place in moves if place.exists()}:
        sync(folder)


def _read(data: Path, lock: str, place: Path) -> Iterator[Move]:
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        moves = [(str(staged), str(target)) for staged, target in found["moves"]]
        head = (found["format"], found["lock"])
    except (ValueError, TypeError, KeyError) as error:
        raise _unreadable(place, f"it is damaged ({error})") from None
    if head != (FORMAT, lock):
        raise _unreadable(place, f"it is of format {head[0]!r} and lock {head[1]!r}, not {FORMAT} and {lock!r}")
    for staged, target in moves:
        if not _belongs(lock, staged, target):
            raise _unreadable(place, f"it would move {staged!r} to {target!r}, and the lock does not cover that")
    return ((data / staged, data / target) for staged, target in moves)


def _belongs(lock: str, staged: str, target: str) -> bool:
    """Whether a move leads from what was staged under a lock to a place that the lock covers."""
    found = _PLACE.fullmatch(target)
    covered = found is not None and (found["month"] == lock or not MONTH.fullmatch(lock))
    return covered and re.fullmatch(rf"staged/{re.escape(lock)}\.[0-9a-f]{{32}}/\d+-\w+\.\w+", staged) is not None


def _unreadable(place: Path, why: str) -> UnreadableJournal:
    return UnreadableJournal(
        f"{place} lists files that a run had still to put in place, but {why}. Nothing of it was done. If a newer "
        "release wrote it, use that one; else move the file away and sync again: what it had fetched is fetched anew."
    )


def _place(data: Path, lock: str) -> Path:
    return data / "journal" / f"{lock}.json"
