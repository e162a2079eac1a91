"""Settings, from the environment or a `.env` file beside it. All their faults are told at once, before any request.

Credentials are kept out of `repr`, so that no log or error can show them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, cast

from dotenv import dotenv_values

from assets.api.auth import ClientCredentials, FixedToken, TokenSource, secure_url
from assets.api.budget import Budget
from assets.api.client import Client
from assets.api.filters import plain_id
from warehouse.errors import WrongUsage
from warehouse.months import window

DEFAULTS: Final[dict[str, str]] = {
    "ITWIN_API_URL": "https://api.bentley.com",
    "ITWIN_TOKEN_URL": "https://ims.bentley.com/connect/token",
    "ITWIN_CLIENT_ID": "",
    "ITWIN_CLIENT_SECRET": "",
    "ITWIN_ACCESS_TOKEN": "",
    "ITWIN_IDS": "",
    "ITWIN_REQUESTS_PER_MINUTE": "500",
    "JOBLEDGER_DATA": "data",
    "JOBLEDGER_START": "2025-01",
    "JOBLEDGER_PUBLISH": "views",
}
"""Every setting with its default; an empty one is not set."""

SECRETS: Final = ("ITWIN_CLIENT_SECRET", "ITWIN_ACCESS_TOKEN")

NO_CREDENTIALS: Final = (
    "No credentials. Set ITWIN_CLIENT_ID and ITWIN_CLIENT_SECRET (a service application), or ITWIN_ACCESS_TOKEN "
    "(a ready token), in the environment or in .env. To try jobledger without an account: make run."
)


@dataclass(frozen=True)
class Settings:
    """What jobledger works with. `itwin_ids` empty: the caller's own jobs."""

    api_url: str
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    access_token: str = field(repr=False)
    itwin_ids: tuple[str, ...]
    requests_per_minute: float
    data: Path
    start: str
    publish: Literal["views", "tables"]

    @property
    def has_credentials(self) -> bool:
        return bool(self.access_token or (self.client_id and self.client_secret))

    def tokens(self) -> TokenSource:
        """Where requests get their token from; raises WrongUsage without credentials."""
        if self.access_token:
            return FixedToken(self.access_token)
        if not self.has_credentials:
            raise WrongUsage(NO_CREDENTIALS)
        return ClientCredentials(self.token_url, self.client_id, self.client_secret)

    def client(self) -> Client:
        """A client of the API with these credentials and this budget; raises WrongUsage without credentials."""
        return Client(self.api_url, self.tokens(), Budget(self.requests_per_minute))


def read_settings(environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> Settings:
    """The settings of the environment, before those of `.env` in the working folder, before the defaults.

    Raises WrongUsage with a line for each fault.
    """
    return _checked(_merged(environ, env_file))


def start_month(environ: Mapping[str, str] | None = None) -> str:
    """The first month of history by the environment alone, for definitions that may open no file."""
    month = (os.environ if environ is None else environ).get("JOBLEDGER_START") or DEFAULTS["JOBLEDGER_START"]
    window(month)
    return month


def prepare_data(settings: Settings) -> None:
    """Makes the data folder; raises WrongUsage where it cannot be written."""
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        probe = settings.data / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise WrongUsage(
            f"JOBLEDGER_DATA: the folder {settings.data} cannot be written ({error.strerror}). "
            "Name another folder, or give the user that runs jobledger the right to write there."
        ) from None


def _merged(environ: Mapping[str, str] | None, env_file: Path | None) -> dict[str, str]:
    from_file = dotenv_values(env_file or Path(".env"))
    found = {**from_file, **(os.environ if environ is None else environ)}
    return {name: (found.get(name) or default).strip() for name, default in DEFAULTS.items()}


def _checked(values: Mapping[str, str]) -> Settings:
    faults = [fault for name in DEFAULTS if (fault := _fault_of(name, values[name]))]
    faults += _credential_faults(values)
    if faults:
        raise WrongUsage("\n".join(faults))
    return Settings(
        api_url=values["ITWIN_API_URL"].rstrip("/"),
        token_url=values["ITWIN_TOKEN_URL"],
        client_id=values["ITWIN_CLIENT_ID"],
        client_secret=values["ITWIN_CLIENT_SECRET"],
        access_token=values["ITWIN_ACCESS_TOKEN"],
        itwin_ids=tuple(dict.fromkeys(_split(values["ITWIN_IDS"]))),
        requests_per_minute=float(values["ITWIN_REQUESTS_PER_MINUTE"]),
        data=Path(values["JOBLEDGER_DATA"]),
        start=values["JOBLEDGER_START"],
        publish=cast(Literal["views", "tables"], values["JOBLEDGER_PUBLISH"]),
    )


def _fault_of(name: str, value: str) -> str | None:
    """What is wrong with a setting, beginning with its name; None if nothing is."""
    try:
        if name in ("ITWIN_API_URL", "ITWIN_TOKEN_URL"):
            secure_url(value)
        elif name == "ITWIN_IDS":
            for text in _split(value):
                plain_id(text)
        elif name == "ITWIN_REQUESTS_PER_MINUTE":
            Budget(float(value))
        elif name == "JOBLEDGER_START":
            window(value)
        elif name == "JOBLEDGER_PUBLISH" and value not in ("views", "tables"):
            raise WrongUsage(f"{value!r} is neither 'views' nor 'tables'.")
    except WrongUsage as error:
        return f"{name}: {error}"
    except ValueError:
        return f"{name}: {value!r} is no number."
    return None


def _credential_faults(values: Mapping[str, str]) -> list[str]:
    client_id, secret = values["ITWIN_CLIENT_ID"], values["ITWIN_CLIENT_SECRET"]
    if values["ITWIN_ACCESS_TOKEN"] or bool(client_id) == bool(secret):
        return []
    missing = "ITWIN_CLIENT_SECRET" if client_id else "ITWIN_CLIENT_ID"
    return [f"{missing}: is not set, but the other half of the service application is."]


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
