"""The Postgres server that JOBLEDGER_POSTGRES_URL names: its address, which holds a password, and whether it answers.

Drivers are imported only where there is such an address. Nothing of it is shown but host, port and database.
"""

from __future__ import annotations

import platform
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from warehouse.errors import JobledgerError, WrongUsage

SETTING: Final = "JOBLEDGER_POSTGRES_URL"
SCHEMES: Final = ("postgresql", "postgres", "postgresql+psycopg2")
EXAMPLE: Final = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
SECONDS_TO_ANSWER: Final = 10
KEPT: Final = 2
"""Connections that a process keeps for each use; what threads need beyond that is opened and closed."""

NOTICED_SOON: Final = "-c tcp_keepalives_idle=60 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
"""Lets the server notice within two minutes that a machine is gone, and free its locks."""

BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
"""What Linux names itself by until it is started anew."""

CHECK: Final = f"Check that the server runs, and user, password and database in {SETTING}."


class PostgresFailed(JobledgerError):
    """The server does not answer, or refuses the user or the database."""


def read_address(text: str) -> str:
    """Return an address with the driver's name, as SQLAlchemy wants it. Raise WrongUsage, which shows nothing of it."""
    if not text:
        return ""
    if not _is_address(text):
        raise WrongUsage(f"is no address of a database; it is not shown, as it holds a password. Write {EXAMPLE}.")
    if find_spec("dagster_postgres") is None:
        raise WrongUsage("needs dagster-postgres, which is not installed: install jobledger[postgres].")
    return f"postgresql+psycopg2://{text.partition('://')[2]}"


def shown(address: str) -> str:
    """Return what of an address may be shown."""
    parts = urlsplit(address)
    return f"{_host(parts)}{parts.path}"


def machine() -> str:
    """Return what tells this machine, as long as it is up, from others; its containers are it, too."""
    return BOOT.read_text(encoding="ascii").strip() if BOOT.exists() else platform.node()


def tables(address: str) -> set[str]:
    """Return the names of the tables there. Raise PostgresFailed if the server does not answer or refuses."""
    import sqlalchemy as sa

    engine = sa.create_engine(address, connect_args={"connect_timeout": SECONDS_TO_ANSWER}, poolclass=sa.NullPool)
    with failing_in_words(address):
        return set(sa.inspect(engine).get_table_names())


@contextmanager
def failing_in_words(address: str) -> Generator[None]:
    """Raise PostgresFailed, which says why and shows no password, for what SQLAlchemy raises within."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())
        raise PostgresFailed(f"Postgres at {shown(address)}: {reason.rstrip('.')}. {CHECK}") from None


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises ValueError if it is no number
    except ValueError:
        return False
    return parts.scheme in SCHEMES and bool(_host(parts)) and len(parts.path) > 1


def _host(parts: SplitResult) -> str:
    """Return host and port, or the folder of a socket."""
    in_query = parse_qs(parts.query).get("host", [""])[0]
    return in_query if not parts.hostname else parts.hostname + (f":{parts.port}" if parts.port else "")
