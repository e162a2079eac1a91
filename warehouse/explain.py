"""Errors as sentences: what happened, to which file, and what to do. One table for what libraries and the system raise.

A library's class is known by its package and name, as in 'duckdb.IOException', and looked up along its ancestry, so
nothing is imported for it. What this project raises on purpose says all of that itself.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from typing import Final

from warehouse.errors import JobledgerError

LONGEST_TEXT: Final = 400
"""Characters of a library's own words that are shown."""

REDACTED: Final = "[redacted]"
SECRET_NAME: Final = re.compile(r"(SECRET|TOKEN|PASSWORD|ALERT_URLS|POSTGRES_URL|_KEY|CONNECTION_STRING)$")
SECRET_TEXT: Final = re.compile(r"(?<=://)[^/\s@]+(?=@)|(?<=[Bb]earer )[^\s'\"]+")
"""The user of an address, and a token behind its usual word."""

SHORTEST_SECRET: Final = 6
"""A shorter value of a secret setting is not looked for in texts: it would blot out ordinary words."""


@dataclass(frozen=True)
class Sentence:
    """What an error means. `words`: a pattern that its text must hold; its own text is left out where `whole`."""

    kind: str
    what: str
    advice: str
    words: str = ""
    whole: bool = False


NO_SPACE: Final = "No space is left"
NO_RIGHT: Final = "This user has no right to do that"
FREE_SPACE: Final = "Free some on that disk, or name a folder on another one; what had landed is kept. Then run again."
GIVE_RIGHT: Final = "Give the user that runs jobledger the right to read and write there, or name another place."
READ_AGAIN: Final = (
    "If a sync replaced the file while it was read, run again. If it lasts, the file is damaged: put a backup of it "
    "back if it is a raw table's; `jobledger replay` rebuilds the others."
)
REPORT: Final = "Run again with --debug for the traceback; if it lasts, please report it."
POSTGRES: Final = "Postgres, where Dagster keeps its runs (JOBLEDGER_POSTGRES_URL), did not do what was asked"
CHECK_POSTGRES: Final = "Check that the server runs (`jobledger doctor`), then run again; what had landed is kept."
OWN_STATE: Final = "Dagster's own state (data/dagster, or DAGSTER_HOME)"

BY_NUMBER: Final = {
    errno.ENOSPC: (NO_SPACE, FREE_SPACE),
    errno.EDQUOT: ("The quota of this user is used up", FREE_SPACE),
    errno.EFBIG: ("The file would be larger than this system allows", "Raise the limit (`ulimit -f`), then run again."),
    errno.EACCES: (NO_RIGHT, GIVE_RIGHT),
    errno.EPERM: (NO_RIGHT, GIVE_RIGHT),
    errno.EROFS: ("The disk can only be read", "Name a folder that can be written, for example in JOBLEDGER_DATA."),
    errno.ENOENT: ("There is no such file or folder", "Check the name, or make it, then run again."),
    errno.EISDIR: ("A folder is where a file should be", "Name a file, or move the folder away."),
    errno.ENOTDIR: ("A file is where a folder should be", "Name another folder, or move the file away."),
    errno.EEXIST: ("Something of that name is there already", "Move it away, or name another place."),
    errno.EADDRINUSE: ("The port is taken", "Name another port, or end what listens there."),
    errno.EMFILE: ("This process has too many files open", "Raise the limit (`ulimit -n 4096`), then run again."),
    errno.ENFILE: ("The machine has too many files open", "End what keeps files open, then run again."),
    errno.ENAMETOOLONG: ("The name is too long for this disk", "Name a shorter one."),
    errno.EIO: ("The disk failed to read or write", "Check the disk, then run again."),
    errno.ENOMEM: ("The machine's memory does not suffice", "End other programs, then run again."),
    errno.ESTALE: ("The network disk lost the file", "Check that the disk is connected, then run again."),
}
"""By the number of an OSError: what happened and what to do."""

SENTENCES: Final = (
    Sentence("duckdb.IOException", NO_SPACE, FREE_SPACE, words="No space left|Disk quota"),
    Sentence("duckdb.Error", NO_SPACE, FREE_SPACE, words="No space left|Disk quota"),
    Sentence("duckdb.OutOfMemoryException", NO_SPACE, FREE_SPACE, words="max_temp_directory_size"),
    Sentence("duckdb.IOException", NO_RIGHT, GIVE_RIGHT, words="Permission denied"),
    Sentence("duckdb.IOException", "The file is no DuckDB file", "Name another file.", words="not a valid DuckDB"),
    Sentence(
        "duckdb.IOException",
        "Another program holds the DuckDB file",
        "End what has it open for writing, then run again.",
        words="Could not set lock",
    ),
    Sentence("duckdb.IOException", "DuckDB could not read or write a file", READ_AGAIN),
    Sentence("duckdb.Error", "A Parquet file could not be read", READ_AGAIN, words="bytes outside|[Pp]arquet"),
    Sentence(
        "duckdb.OutOfMemoryException",
        "The memory does not suffice",
        "Raise or unset JOBLEDGER_DUCKDB_MEMORY, or end other programs, then run again.",
    ),
    Sentence("duckdb.InterruptException", "The statement was interrupted", "Run again to go on.", whole=True),
    Sentence("duckdb.Error", "DuckDB could not do what was asked", REPORT),
    Sentence("pyarrow.ArrowMemoryError", "The memory does not suffice", "End other programs, then run again."),
    Sentence("pyarrow.ArrowException", "A Parquet file could not be read or written", READ_AGAIN),
    Sentence("UnicodeError", "A text is not UTF-8", "Save the file as UTF-8, then run again."),
    Sentence("MemoryError", "The memory does not suffice", "End other programs, then run again."),
    Sentence("RecursionError", "A text is nested too deeply", REPORT),
    Sentence("dagster_postgres.DagsterPostgresException", POSTGRES, CHECK_POSTGRES, whole=True),
    Sentence("sqlalchemy.SQLAlchemyError", POSTGRES, CHECK_POSTGRES, words="psycopg2"),
    Sentence("sqlalchemy.SQLAlchemyError", f"{NO_SPACE} for {OWN_STATE}", FREE_SPACE, words="disk is full"),
    Sentence(
        "sqlalchemy.SQLAlchemyError",
        f"The disk is full, or fails, under {OWN_STATE}",
        FREE_SPACE,
        words="disk I/O error",
    ),
    Sentence(
        "sqlalchemy.SQLAlchemyError",
        f"This user may not read or write {OWN_STATE}",
        GIVE_RIGHT,
        words="unable to open database file|readonly database",
    ),
    Sentence(
        "sqlalchemy.SQLAlchemyError",
        f"{OWN_STATE} is used by others for too long",
        "Run again; if it lasts, end the runs and the UI that use it.",
        words="database is locked",
    ),
    Sentence(
        "sqlalchemy.SQLAlchemyError",
        f"{OWN_STATE} cannot be used",
        "The tables do not depend on it: move it away, and the next run makes it anew.",
    ),
    Sentence(
        "alembic.CommandError",
        f"{OWN_STATE} does not fit this release of Dagster",
        "The tables do not depend on it: move it away, and the next run makes it anew.",
    ),
    Sentence(
        "dagster.DagsterInstanceMigrationRequired",
        f"{OWN_STATE} is of an older release of Dagster",
        "Run `dagster instance migrate` with DAGSTER_HOME set to it, then run again.",
    ),
    Sentence(
        "dagster.DagsterAssetCheckFailedError",
        "A check failed whose failure keeps the tables behind it from being made",
        "They stay as they were. The check's rows stand in the UI (`make ui`); `jobledger replay` rebuilds all tables.",
    ),
    Sentence(
        "dagster.DagsterUnknownPartitionError",
        "Dagster does not know the month",
        "Check JOBLEDGER_START; restart the UI after a change of it.",
    ),
    Sentence(
        "dagster.DagsterInvalidConfigError", "Dagster refuses a configuration", "Check dagster.yaml in DAGSTER_HOME."
    ),
    Sentence("dagster.DagsterError", "Dagster could not do what was asked", REPORT),
    Sentence(
        "requests.SSLError",
        "The server's certificate is not trusted",
        "Let REQUESTS_CA_BUNDLE name the file with your organisation's certificates.",
    ),
    Sentence("requests.RequestException", "The network failed", "Check the network and the proxy, then run again."),
    Sentence("yaml.YAMLError", "dagster.yaml cannot be read", "Correct it, or move it away to get a new one."),
)
"""Per class and, where given, words of its text; the first that fits counts."""


def explain(error: BaseException) -> str:
    """Return what happened, to which file, and what to do. No secret is in it."""
    error = innermost(error)
    if isinstance(error, JobledgerError):
        return redacted(str(error))
    sentence = _sentence_of(error)
    if sentence is not None:
        told = "" if sentence.whole else _own_words(error)
        return redacted(f"{sentence.what}{': ' if told else ''}{told.rstrip('.')}. {sentence.advice}")
    if isinstance(error, OSError):
        return redacted(_of_system(error))
    return redacted(f"Unforeseen: {type(error).__name__}: {_own_words(error).rstrip('.')}. {REPORT}")


def redacted(text: str) -> str:
    """Blot out what looks like a secret, and the values of the environment's secrets."""
    for name, value in os.environ.items():
        if SECRET_NAME.search(name):
            for secret in (value, *(part.strip() for part in value.split(","))):
                text = text.replace(secret, REDACTED) if len(secret) >= SHORTEST_SECRET else text
    return SECRET_TEXT.sub(REDACTED, text)


def innermost(error: BaseException) -> BaseException:
    """Return the error that a step raised, from under what is put around it for Dagster."""
    inner = getattr(error, "user_exception", None)
    return innermost(inner) if isinstance(inner, BaseException) else error


def _sentence_of(error: BaseException) -> Sentence | None:
    """The first sentence for the nearest class that has one."""
    text = str(error)
    for kind in type(error).__mro__:
        package = kind.__module__.partition(".")[0].lstrip("_")
        name = kind.__name__ if package == "builtins" else f"{package}.{kind.__name__}"
        for sentence in SENTENCES:
            if sentence.kind == name and re.search(sentence.words, text):
                return sentence
    return None


def _of_system(error: OSError) -> str:
    """An OSError by its number; one without a number by its own words."""
    files = " and ".join(str(file) for file in (error.filename, error.filename2) if file is not None)
    if error.errno is None:
        return f"{_own_words(error).rstrip('.')}. Check the files and settings that it names, then run again."
    what, advice = BY_NUMBER.get(error.errno, (error.strerror or type(error).__name__, "Check it, then run again."))
    return f"{what}: {files}. {advice}" if files else f"{what} ({error.strerror}). {advice}"


def _own_words(error: BaseException) -> str:
    """What an error says itself, on one line, without the statement that DuckDB and SQLAlchemy add."""
    text = " ".join(re.split(r"\n\nLINE |\n\[SQL|\(Background on", str(error))[0].split())
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 3]}..."
