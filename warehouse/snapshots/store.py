"""Object storage as snapshots need it: files put, read, listed and removed, and one file swapped if nobody else did.

All of it goes through obstore, which is imported when a store is opened and not before. Credentials come from the
cloud's usual environment variables, as obstore reads them; none is part of an address, a file or an error.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from warehouse.errors import JobledgerError, WrongUsage
from warehouse.files import make_folder

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES: Final = ("s3", "gs", "az", "file")
EXTRA: Final = "pip install 'jobledger[push]'"

CLOCK: Final = "clock"
"""The object that is put to read the store's own clock."""

LOCK: Final = ".swap.lock"
"""The file in a `file://` store whose lock is held while `snapshot.json` is compared and swapped."""

SECONDS_FOR_THE_LOCK: Final = 60.0
AT_ONCE: Final = 4
"""Parts of a file that travel at the same time."""

CLIENT: Final[Any] = {"connect_timeout": "5s", "timeout": "120s"}
RETRIES: Final[Any] = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
"""A bucket that does not answer costs a run a minute, not the three of obstore."""

REASONS: Final = (
    (r"No space left|Disk quota|quota", "There is no space left", "Free some, or name another place."),
    (r"Read-only file system", "It can only be read", "Name a place that can be written."),
    (
        r"PermissionDenied|Permission denied|Unauthenticated|Forbidden|Unauthorized|ExpiredToken|AccessDenied",
        "Access is refused",
        "Check the credentials in the environment, and that they may read, write, list and delete there.",
    ),
    (
        r"error sending request|onnection refused|dns error|timed out|error decoding response|operation timed",
        "It does not answer",
        "Check the address and the network, then try again.",
    ),
    (
        r"NotFound|NoSuchBucket|ContainerNotFound",
        "There is no such bucket or file",
        "Check the address; a bucket is not made by jobledger.",
    ),
    (
        r"redential|instance metadata|169\.254",
        "No credentials were found",
        "Set the cloud's usual variables, for example AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    ),
)
"""What an error of a store means, by what its text holds: what happened, and what to do. The first that fits counts."""

LONGEST_TEXT: Final = 240

Version = dict[str, str]
"""What tells an object from the one that was there before it."""


class StoreFailed(JobledgerError):
    """A store that refused or did not answer. What it showed before, it still shows."""


class Swapped(JobledgerError):
    """Somebody else swapped the file in the meantime."""


@dataclass(frozen=True)
class Stored:
    """An object of a store: its path below the store's address, its bytes, and when it was put by the store's clock."""

    path: str
    size: int
    put_at: datetime


def plain_url(text: str) -> str:
    """Return the address of a store without a slash at its end; raise WrongUsage, which shows no secret, if it is none.

    Credentials in an address are refused: addresses are shown, and are part of what is written.
    """
    parts = urlsplit(text)
    if parts.scheme not in SCHEMES:
        raise WrongUsage(
            f"This is no address of a store. Write one that begins with {', '.join(f'{s}://' for s in SCHEMES)}."
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise WrongUsage(
            "The address holds a user, a query or a fragment, and is not shown for that. Give bucket and path alone; "
            "credentials belong in the cloud's own variables, such as AWS_ACCESS_KEY_ID."
        )
    if parts.scheme == "file" and (parts.netloc or len(parts.path) < 2):
        raise WrongUsage("A folder is written with three slashes, such as file:///mnt/backup/ledger.")
    if parts.scheme != "file" and not parts.netloc:
        raise WrongUsage(f"It names no bucket. Write {parts.scheme}://BUCKET/PATH.")
    return text.rstrip("/")


class Store:
    """A place in object storage, or a folder, which `make` makes if the one above it is there.

    Raises WrongUsage without the extra, or for what is no address.
    """

    def __init__(self, url: str, *, make: bool = False) -> None:
        self.url = plain_url(url)
        parts = urlsplit(self.url)
        self.folder = Path(unquote(parts.path)) if parts.scheme == "file" else None
        self._store = self._open(make)

    def uri(self, path: str) -> str:
        """The whole address of an object."""
        return f"{self.url}/{path}"

    def read(self, path: str) -> tuple[bytes, Version] | None:
        """Return an object with its version; None if there is none."""
        import obstore

        with self._told("read", path):
            try:
                found = obstore.get(self._store, path)
                return bytes(found.bytes()), _version(found.meta)
            except FileNotFoundError:
                return None

    def find(self, path: str) -> Stored | None:
        """Return what is known of an object; None if there is none."""
        import obstore

        with self._told("look for", path):
            try:
                return _stored(obstore.head(self._store, path))
            except FileNotFoundError:
                return None

    def put(self, path: str, content: bytes | Path) -> None:
        """Put a whole object in its place: readers see it whole or not at all."""
        import obstore

        with self._told("write", path):
            obstore.put(self._store, path, content, max_concurrency=AT_ONCE)

    def swap(self, path: str, content: bytes, version: Version | None) -> None:
        """Put an object over the version that was read, or where there was none; raise Swapped if it is not that now.

        obstore's store for folders cannot compare and put in one: a lock file does it there.
        """
        if self.folder is None:
            self._put_if(path, content, version)
            return
        with FileLock(self.folder / LOCK, timeout=SECONDS_FOR_THE_LOCK):
            found = self.read(path)
            if (found[1] if found else None) != version:
                raise Swapped(f"{self.uri(path)} was swapped by another push.")
            self.put(path, content)

    def fetch(self, path: str, place: Path) -> str:
        """Write an object to a file and return the SHA-256 of its bytes; raise StoreFailed if there is none."""
        import obstore

        digest = hashlib.sha256()
        with self._told("read", path), make_folder(place.parent).joinpath(place.name).open("wb") as file:
            for part in obstore.get(self._store, path).stream():
                digest.update(part)
                file.write(part)
        return digest.hexdigest()

    def listing(self, prefix: str) -> Iterator[Stored]:
        """All objects whose paths begin with a folder."""
        import obstore

        with self._told("list", prefix):
            for found in obstore.list(self._store, prefix=prefix):
                yield from (_stored(each) for each in found)

    def remove(self, paths: Sequence[str]) -> None:
        """Remove objects; one that is gone already is no fault."""
        import obstore

        with self._told("remove", paths[0] if paths else ""):
            for path in paths:
                try:
                    obstore.delete(self._store, path)
                except FileNotFoundError:
                    continue

    def now(self) -> datetime:
        """Return the time by the store's own clock, which is what its objects are dated by."""
        self.put(CLOCK, b"")
        found = self.find(CLOCK)
        return found.put_at if found else datetime.now(UTC)

    def _open(self, make: bool) -> ObjectStore:
        try:
            from obstore.store import from_url
        except ImportError:
            raise WrongUsage(f"Object storage needs the package obstore, which is not installed: {EXTRA}.") from None
        with self._told("open", ""):
            if self.folder is not None:
                return from_url(_existing(self.folder, make).as_uri())
            return from_url(self.url, client_options=CLIENT | _plain_http(), retry_config=RETRIES)

    def _put_if(self, path: str, content: bytes, version: Version | None) -> None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        mode: Any = version or "create"
        with self._told("write", path):
            try:
                obstore.put(self._store, path, content, mode=mode)
            except (AlreadyExistsError, PreconditionError):
                raise Swapped(f"{self.uri(path)} was swapped by another push.") from None

    @contextmanager
    def _told(self, what: str, path: str) -> Generator[None]:
        """Raise what obstore and the system raise as StoreFailed: one sentence, in which no credential stands."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            place = self.uri(path).rstrip("/")
            raise StoreFailed(f"{place}: could not {what} it. {reason(error)}") from None


def _existing(folder: Path, make: bool) -> Path:
    """Return a folder; raise WrongUsage if it is not there. One whose disk is not connected must not be made anew."""
    if make and folder.parent.is_dir():
        make_folder(folder)
    if not folder.is_dir():
        raise WrongUsage(f"There is no folder {folder}. Make it, or check that its disk is connected.")
    return folder


def _plain_http() -> dict[str, bool]:
    """What the environment says of plain http: options that are given here take the place of those in it."""
    return {"allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")}


def _version(meta: Any) -> Version:
    return {key: str(meta[key]) for key in ("e_tag", "version") if meta.get(key)}


def _stored(meta: Any) -> Stored:
    return Stored(str(meta["path"]), int(meta["size"]), meta["last_modified"])


def reason(error: Exception) -> str:
    """What an error means and what to do, with the server's own code and message, or the first line of its text."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    text, words = f"{type(error).__name__} {plain}", _own_words(plain)
    for pattern, what, advice in REASONS:
        if re.search(pattern, text):
            return f"{what}: {words}. {advice}"
    return f"It failed: {words}. Try again; if it lasts, check the store."


def _own_words(text: str) -> str:
    """The status, code and message of a server's answer, else the first line; no header, query or key of a request."""
    status = re.search(r"status code: (\d+ [A-Za-z ]+)", text)
    named = [re.search(rf"<{name}>([^<]*)</{name}>", text) for name in ("Code", "Message")]
    parts = [found.group(1).strip().rstrip(".") for found in (status, *named) if found]
    said = ": ".join(parts) if parts else re.sub(r"\?\S*", "", text.partition("\n")[0]).strip().rstrip(".")
    return said if len(said) <= LONGEST_TEXT else f"{said[: LONGEST_TEXT - 3]}..."
