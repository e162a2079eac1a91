"""Settings, from the environment or a `.env` file beside it. All their faults are told at once, before any request.

`SETTINGS` is the one table of them: name, default, and how the text is read. Credentials are kept out of `repr`, so
that no log or error can show them. Floors below are told by the environment, as are the processes of the UI.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Final, Literal

from dotenv import dotenv_values

from assets.api.filters import plain_id
from assets.keys import PREFIX_SETTING, read_prefix
from assets.plan import Plan
from assets.unit_budget import UnitBudget, read_unit_budget
from pipelines.alert_addresses import SETTING as ALERT_URLS
from pipelines.alert_addresses import Address, read_addresses
from pipelines.postgres import SETTING as POSTGRES_URL
from pipelines.postgres import machine, read_address
from pipelines.postgres_locks import hold_locks_at
from warehouse.engine import MEMORY_SETTING
from warehouse.errors import WrongUsage
from warehouse.files import SHARED_SETTING, keep_private, make_folder
from warehouse.lake import Lake
from warehouse.months import month_of, window
from warehouse.name_tables import KINDS
from warehouse.paths import plain, sqlite_folder
from warehouse.snapshots.store import plain_url

if TYPE_CHECKING:
    from assets.api.client import Client


@dataclass(frozen=True)
class Setting:
    """A setting by its environment variable. `read` raises WrongUsage for a fault.

    An empty text is the default, unless it says something: `empty_counts`.
    """

    name: str
    default: str
    read: Callable[[str], Any]
    empty_counts: bool = False


def _text(text: str) -> str:
    return text


def _address(text: str) -> str:
    from assets.api.addresses import secure_url

    return secure_url(text)


EVERY_ITWIN: Final = "all"
"""What ITWIN_IDS says for every iTwin that the application is a member of."""


def _ids(text: str) -> tuple[str, ...]:
    if EVERY_ITWIN in (parts := [part.strip() for part in text.split(",") if part.strip()]):
        if parts != [EVERY_ITWIN]:
            raise WrongUsage("'all' stands for every iTwin: give it alone, or ids without it.")
        return (EVERY_ITWIN,)
    return tuple(dict.fromkeys(plain_id(part.strip()) for part in text.split(",") if part.strip()))


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise WrongUsage(f"{text!r} is no number from 0 on.")
    return number


def _positive(text: str) -> float:
    number = _number(text)
    if not number:
        raise WrongUsage(f"{text!r} is not more than 0.")
    return number


def _names(text: str) -> tuple[str, ...]:
    words = [part.strip() for part in text.split(",") if part.strip()]
    if unknown := [word for word in words if word not in KINDS]:
        raise WrongUsage(f"{unknown[0]!r} is none of {', '.join(KINDS)}; write some of them by comma, or nothing.")
    return tuple(KINDS[word] for word in KINDS if word in words)


def _days(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not int(text):
        raise WrongUsage(f"{text!r} is no number of days; write a whole number from 1 on, for example 90.")
    return int(text)


def _start(text: str) -> str:
    window(text)
    if text > month_of(datetime.now(UTC)):
        raise WrongUsage(f"{text} lies in the future; name the month in which the first jobs were created.")
    return text


def _data_folder(text: str) -> Path:
    try:
        folder = Path(text).expanduser()
    except RuntimeError:
        raise WrongUsage(f"{text!r} begins with the home of a user that this machine does not know.") from None
    if os.environ.get("DAGSTER_HOME"):
        plain(folder)
    else:
        sqlite_folder(folder / "dagster")
    return folder


def _push_url(text: str) -> str:
    return plain_url(text) if text else ""


def _memory(text: str) -> str:
    if text and not re.fullmatch(r"(?i)0*[1-9][0-9]*(\.[0-9]+)? *([KMGT]i?B)", text):
        raise WrongUsage(f"{text!r} is no size; write a number and a unit, for example 2GB.")
    return text


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise WrongUsage(f"{text!r} is neither {' nor '.join(repr(word) for word in words)}.")
        return text

    return read


def _certificates(text: str) -> str:
    if not Path(text).exists():
        raise WrongUsage(f"there is no file {text}; name the file with your organisation's certificates, or unset it.")
    return text


def _dagster_home(text: str) -> str:
    if not Path(text).is_absolute():
        raise WrongUsage(f"{text} is relative; write the whole path, {Path(text).resolve()}, or unset it.")
    if not Path(text).is_dir():
        raise WrongUsage(f"there is no folder {text}; make it, or unset DAGSTER_HOME.")
    return str(sqlite_folder(Path(text)))


def _months(text: str) -> int | None:
    if text and not (re.fullmatch(r"[0-9]{1,4}", text) and int(text)):
        raise WrongUsage(f"{text!r} is no number of months; write a whole number from 1 on, or nothing.")
    return int(text) if text else None


START: Final = "JOBLEDGER_START"
BACKFILL_MONTHS: Final = "JOBLEDGER_BACKFILL_MONTHS"
PUSH_URL: Final = "JOBLEDGER_PUSH_URL"

SETTINGS: Final = (
    Setting("ITWIN_API_URL", "https://api.bentley.com", _address),
    Setting("ITWIN_TOKEN_URL", "https://ims.bentley.com/connect/token", _address),
    Setting("ITWIN_CLIENT_ID", "", _text),
    Setting("ITWIN_CLIENT_SECRET", "", _text),
    Setting("ITWIN_ACCESS_TOKEN", "", _text),
    Setting("ITWIN_IDS", "", _ids),
    Setting("ITWIN_REQUESTS_PER_MINUTE", "500", _number),
    Setting("ITWIN_REQUESTS_PER_HOUR", "5000", _number),
    Setting("ITWIN_ANSWER_SECONDS", "120", _positive),
    Setting("ITWIN_ANSWER_MEGABYTES", "256", _positive),
    Setting("JOBLEDGER_DATA", "data", _data_folder),
    Setting(START, "2025-01", _start),
    Setting("JOBLEDGER_PUBLISH", "views", _one_of("views", "tables")),
    Setting("JOBLEDGER_UNIT_BUDGET", "", read_unit_budget),
    Setting("JOBLEDGER_REPORT", "1", _one_of("0", "1")),
    Setting("JOBLEDGER_NAMES", "itwins,reality_data,detectors", _names, empty_counts=True),
    Setting("JOBLEDGER_NAMES_EVERY_HOURS", "24", _positive),
    Setting(ALERT_URLS, "", read_addresses),
    Setting("JOBLEDGER_KEEP_RUNS_DAYS", "90", _days),
    Setting(PUSH_URL, "", _push_url),
    Setting("JOBLEDGER_PUSH_KEEP_DAYS", "30", _days),
    Setting(BACKFILL_MONTHS, "", _months),
    Setting(POSTGRES_URL, "", read_address),
    Setting(PREFIX_SETTING, "", read_prefix),
    Setting(MEMORY_SETTING, "", _memory),
    Setting(SHARED_SETTING, "0", _one_of("0", "1")),
)
"""Every setting of jobledger, in the order in which faults are told."""

OF_LIBRARIES: Final = (
    Setting("REQUESTS_CA_BUNDLE", "", _certificates),
    Setting("CURL_CA_BUNDLE", "", _certificates),
    Setting("DAGSTER_HOME", "", _dagster_home),
)
"""What libraries read from the environment by themselves, and would complain of in the middle of a run."""

DEFAULTS: Final = {setting.name: setting.default for setting in SETTINGS}
"""Every setting with its default; an empty one is not set."""

FOR_THE_PROCESS: Final = (MEMORY_SETTING, SHARED_SETTING, POSTGRES_URL, PREFIX_SETTING)
"""What lower floors and `dagster.yaml` read from the environment, so that a line in `.env` holds for them too."""

OF_CLOUDS: Final = ("AWS_", "AZURE_", "GOOGLE_")
"""How the variables begin that obstore reads credentials from: their lines in `.env` hold for it too."""

NO_CREDENTIALS: Final = (
    "No credentials. Set ITWIN_CLIENT_ID and ITWIN_CLIENT_SECRET (a service application), or ITWIN_ACCESS_TOKEN "
    "(a ready token), in the environment or in .env. To try jobledger without an account: make run."
)


@dataclass(frozen=True)
class Settings:
    """What jobledger works with. `itwin_ids` empty: the caller's own jobs; ('all',): every iTwin that is found."""

    api_url: str
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    access_token: str = field(repr=False)
    itwin_ids: tuple[str, ...]
    requests_per_minute: float
    requests_per_hour: float
    answer_seconds: float
    answer_megabytes: float
    data: Path
    start: str
    publish: Literal["views", "tables"]
    unit_budget: UnitBudget
    runs_report: bool
    names: tuple[str, ...]
    names_every_hours: float
    alert_addresses: tuple[Address, ...] = field(repr=False)
    keep_runs_days: int
    push_url: str
    push_keep_days: int
    postgres_url: str = field(repr=False)

    @property
    def every_itwin(self) -> bool:
        return self.itwin_ids == (EVERY_ITWIN,)

    def plan(self, tell: Callable[[str], None], *, accept_gone: bool = False) -> Plan:
        """What a sync asks for, and how."""
        return Plan(
            itwin_ids=() if self.every_itwin else self.itwin_ids,
            every_itwin=self.every_itwin,
            names=self.names,
            names_every_hours=self.names_every_hours,
            accept_gone=accept_gone,
            tell=tell,
        )

    @property
    def budget_folder(self) -> Path:
        """Where requests are noted, by a clock that is a machine's own: where there may be several, one for each."""
        folder = self.data / "budget"
        return folder / machine() if self.postgres_url else folder

    @property
    def has_credentials(self) -> bool:
        return bool(self.access_token or (self.client_id and self.client_secret))

    def client(self) -> Client:
        """A client of the API with these credentials, and with the budget that processes on the data folder share.

        Raises WrongUsage without credentials.
        """
        from assets.api.auth import ClientCredentials, FixedToken
        from assets.api.budget import Budget
        from assets.api.client import Client
        from assets.api.transport import AnswerLimits

        if not self.has_credentials:
            raise WrongUsage(NO_CREDENTIALS)
        limits = AnswerLimits(self.answer_seconds, self.answer_megabytes)
        budget = Budget(self.requests_per_minute, per_hour=self.requests_per_hour, folder=self.budget_folder)
        if self.access_token:
            return Client(self.api_url, FixedToken(self.access_token), budget, limits=limits)
        tokens = ClientCredentials(
            self.token_url, self.client_id, self.client_secret, limits=limits, stopped=budget.stopped
        )
        return Client(self.api_url, tokens, budget, limits=limits)


def read_settings(environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> Settings:
    """Return the settings of the environment, before those of `.env` in the working folder, before the defaults.

    Raise WrongUsage with a line for each fault. Without `environ`, they hold for the process: lower floors get theirs
    by the environment, and what is made from here on is private unless it is shared.
    """
    own = os.environ if environ is None else environ
    given = {**_of_file(env_file or Path(".env")), **own}
    texts = {setting.name: _given(setting, given).strip() for setting in SETTINGS}
    faults = [*_faults(SETTINGS, texts), *_credential_faults(texts), *_faults(OF_LIBRARIES, own)]
    if faults:
        raise WrongUsage("\n".join(faults))
    if environ is None:
        os.environ.update({name: texts[name] for name in FOR_THE_PROCESS if texts[name]})
        os.environ.update({name: text for name, text in given.items() if text and name.startswith(OF_CLOUDS)})
        keep_private()
        hold_locks_at(read_address(texts[POSTGRES_URL]))
    return _settings({setting.name: setting.read(texts[setting.name]) for setting in SETTINGS})


def start_month(environ: Mapping[str, str] | None = None) -> str:
    """Return the first month of history by the environment alone, for definitions that may open no file."""
    return _by_environment(START, environ)


def backfill_months(environ: Mapping[str, str] | None = None) -> int | None:
    """Return how many months a run of a backfill has, None for all, by the environment alone."""
    return _by_environment(BACKFILL_MONTHS, environ)


def pushes(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether runs push, by the environment alone, for definitions that may open no file."""
    return bool((os.environ if environ is None else environ).get(PUSH_URL))


def prepare_data(settings: Settings) -> None:
    """Make the data folder; raise WrongUsage if it cannot be written, NewerLedger if a newer release wrote it."""
    try:
        data = Lake(settings.data).data
        with TemporaryFile(dir=make_folder(data)):
            (data / ".writable").unlink(missing_ok=True)  # the probe of release 0.1.0
    except OSError as error:
        raise WrongUsage(
            f"JOBLEDGER_DATA: the folder {settings.data} cannot be written ({error.strerror}). "
            "Name another folder, or give the user that runs jobledger the right to write there."
        ) from None


def _by_environment(name: str, environ: Mapping[str, str] | None) -> Any:
    """Return the value of one setting; raise WrongUsage for its fault."""
    (setting,) = (setting for setting in SETTINGS if setting.name == name)
    text = (os.environ if environ is None else environ).get(name) or setting.default
    if faults := list(_faults([setting], {name: text})):
        raise WrongUsage(faults[0])
    return setting.read(text)


def _of_file(file: Path) -> dict[str, str | None]:
    """The lines of a `.env` file; none if there is no such file."""
    try:
        return dotenv_values(file, encoding="utf-8-sig")
    except UnicodeError:
        raise WrongUsage(f"{file}: the file is not UTF-8, but perhaps UTF-16. Save it as UTF-8.") from None
    except OSError as error:
        raise WrongUsage(
            f"{file}: the file cannot be read ({error.strerror}). Give the user that runs jobledger the right to."
        ) from None


def _given(setting: Setting, given: Mapping[str, str | None]) -> str:
    text = given.get(setting.name)
    return text if text or (text is not None and setting.empty_counts) else setting.default


def _faults(settings: Iterable[Setting], texts: Mapping[str, str]) -> Iterator[str]:
    """A line for each setting that cannot be read, which begins with its name."""
    for setting in settings:
        try:
            if texts.get(setting.name) or setting in SETTINGS:
                setting.read(texts[setting.name])
        except WrongUsage as error:
            yield f"{setting.name}: {error}"


def _settings(values: Mapping[str, Any]) -> Settings:
    return Settings(
        api_url=values["ITWIN_API_URL"],
        token_url=values["ITWIN_TOKEN_URL"],
        client_id=values["ITWIN_CLIENT_ID"],
        client_secret=values["ITWIN_CLIENT_SECRET"],
        access_token=values["ITWIN_ACCESS_TOKEN"],
        itwin_ids=values["ITWIN_IDS"],
        requests_per_minute=values["ITWIN_REQUESTS_PER_MINUTE"],
        requests_per_hour=values["ITWIN_REQUESTS_PER_HOUR"],
        answer_seconds=values["ITWIN_ANSWER_SECONDS"],
        answer_megabytes=values["ITWIN_ANSWER_MEGABYTES"],
        data=values["JOBLEDGER_DATA"],
        start=values[START],
        publish=values["JOBLEDGER_PUBLISH"],
        unit_budget=values["JOBLEDGER_UNIT_BUDGET"],
        runs_report=values["JOBLEDGER_REPORT"] == "1",
        names=values["JOBLEDGER_NAMES"],
        names_every_hours=values["JOBLEDGER_NAMES_EVERY_HOURS"],
        alert_addresses=values[ALERT_URLS],
        keep_runs_days=values["JOBLEDGER_KEEP_RUNS_DAYS"],
        push_url=values[PUSH_URL],
        push_keep_days=values["JOBLEDGER_PUSH_KEEP_DAYS"],
        postgres_url=values[POSTGRES_URL],
    )


def _credential_faults(values: Mapping[str, str]) -> list[str]:
    client_id, secret = values["ITWIN_CLIENT_ID"], values["ITWIN_CLIENT_SECRET"]
    if values["ITWIN_ACCESS_TOKEN"] or bool(client_id) == bool(secret):
        return []
    missing = "ITWIN_CLIENT_SECRET" if client_id else "ITWIN_CLIENT_ID"
    return [f"{missing}: is not set, but the other half of the service application is."]
