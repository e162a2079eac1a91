"""The ledger's locks as advisory locks of Postgres, for machines whose file locks do not reach each other.

Each lock has a session to itself, so what ends the one ends the other: its process, its machine, the network, the
server. A lock is of one data folder, wherever machines mount it: an identity in the folder says which.
"""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipelines.postgres import KEPT, NOTICED_SOON, SECONDS_TO_ANSWER, SETTING, failing_in_words, read_address, shown
from warehouse.errors import WrongUsage
from warehouse.locks import Session, hold_at

if TYPE_CHECKING:
    import sqlalchemy as sa

IDENTITY: Final = "identity"
"""The file beside the lock files that tells one data folder from another."""

LONGEST_NAME: Final = 63
"""What Postgres keeps of a session's name."""

KEY: Final = "hashtextextended('jobledger lock ' || :of, 0)"
TAKE: Final = f"SELECT pg_try_advisory_lock({KEY})"
WAIT_FOR: Final = f"SELECT pg_advisory_lock({KEY})"
FREE: Final = f"SELECT pg_advisory_unlock({KEY})"


@dataclass(frozen=True)
class PostgresLocks:
    """The server at an address, as `warehouse.locks` wants it."""

    address: str = field(repr=False)

    @contextmanager
    def __call__(self, folder: Path, name: str) -> Generator[Session]:
        """Yield a session for the lock `name` of a folder. Raise PostgresFailed if the server does not answer."""
        with failing_in_words(self.address):
            con = _engine(self.address).connect()
        try:
            with failing_in_words(self.address):
                _say(con, "SELECT set_config('application_name', :of, false)", of=_shown_name(name))
                found = _PostgresSession(self.address, con, f"{_identity(folder, con)} {name}")
            yield found
        finally:
            _end(con)


@dataclass(frozen=True)
class _PostgresSession:
    address: str = field(repr=False)
    con: sa.Connection
    key: str

    @property
    def where(self) -> str:
        return f"Postgres at {shown(self.address)}"

    def take(self) -> bool:
        with failing_in_words(self.address):
            return bool(_say(self.con, TAKE, of=self.key))

    def is_alive(self) -> bool:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return _say(self.con, "SELECT 1") == 1
        except SQLAlchemyError:
            return False


def hold_locks_at(address: str) -> None:
    """Hold the ledger's locks at a server too; an empty address is none."""
    hold_at(PostgresLocks(address) if address else None)


def locks_of_worker(address: str) -> Callable[[], None]:
    """Return what lets a worker on another machine hold the locks where this process does, by its own environment.

    The address holds a password, so it is not sent. The worker raises WrongUsage if it knows none and needs one.
    """
    return partial(_hold_as_told, shown(address) if address else "")


def _hold_as_told(where: str) -> None:
    address = os.environ.get(SETTING, "") if where else ""
    if where and not address:
        raise WrongUsage(
            f"The ledger's locks are held at Postgres at {where}, and this worker of Spark does not know {SETTING}: "
            "set it in the environment of the workers, and not in Spark's configuration, which shows it."
        )
    hold_locks_at(read_address(address))


@cache
def _engine(address: str) -> sa.Engine:
    """What connects to a server. A network that is gone shows within half a minute instead of a quarter of an hour."""
    import sqlalchemy as sa

    soon = {"connect_timeout": SECONDS_TO_ANSWER, "tcp_user_timeout": 30_000, "options": NOTICED_SOON}
    kept = {"pool_size": KEPT, "max_overflow": -1, "pool_pre_ping": True}
    return sa.create_engine(address, isolation_level="AUTOCOMMIT", connect_args=soon, **kept)


def _identity(folder: Path, con: sa.Connection) -> str:
    """Return what tells a folder from others. Who comes first writes it, alone: the server's own lock sees to that."""
    place = folder / IDENTITY
    if place.exists() and (known := place.read_text(encoding="utf-8")):
        return known
    _say(con, WAIT_FOR, of=IDENTITY)
    with place.open("a+", encoding="utf-8") as file:
        file.seek(0)
        known = file.read()
        if not known:
            known = uuid.uuid4().hex
            file.write(known)
            file.flush()
            os.fsync(file.fileno())
    _say(con, FREE, of=IDENTITY)
    return known


def _end(con: sa.Connection) -> None:
    """Free the lock, and keep the session for another one."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        _say(con, "SELECT pg_advisory_unlock_all(), set_config('application_name', 'jobledger', false)")
    except SQLAlchemyError:
        con.invalidate()  # it has ended, and the lock with it
    con.close()


def _say(con: sa.Connection, text: str, **given: str) -> Any:
    """Execute a statement and return the first value of its one row."""
    import sqlalchemy as sa

    return con.execute(sa.text(text), given).one()[0]


def _shown_name(name: str) -> str:
    """What Postgres shows of a session: who holds which lock."""
    return f"jobledger {name} on {platform.node()}"[:LONGEST_NAME]
