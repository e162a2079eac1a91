"""How a message gets to the addresses of alerts: by Apprise, which is imported only to send.

An address holds secrets, and not only where one looks for them: of many services a token stands in the host's place. So
nothing of it is shown but its scheme, and its host where Apprise says that it is one; and none of Apprise's own words.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from assets.alert_state import Outcome
from pipelines.alert_addresses import SETTING, Address
from warehouse.errors import JobledgerError, WrongUsage

if TYPE_CHECKING:
    from apprise import Apprise

Mood = Literal["warning", "success", "info"]

TALKATIVE: Final = ("apprise", "urllib3", "requests_oauthlib", "oauthlib")
"""The loggers of those who write addresses, or parts of them, into their logs."""

NO_APPRISE: Final = (
    f"{SETTING} is set, but Apprise is not installed: install jobledger with its extra, jobledger[alerts]."
)
UNKNOWN: Final = "Apprise does not know such an address, or something in it is missing or wrong."
REFUSED: Final = (
    "The message did not get through: the service is out of reach, or refuses the address. `jobledger alert --test` "
    "tries again; Apprise's own command says more."
)


@dataclass(frozen=True)
class Letter:
    """A message as it is sent."""

    title: str
    body: str
    mood: Mood


def deliver(letters: Mapping[Address, Letter]) -> dict[Address, Outcome]:
    """Send each address its letter, side by side, and return what came of it, whatever goes wrong."""
    if not letters:
        return {}
    with _quiet(), ThreadPoolExecutor(len(letters)) as pool:
        return dict(zip(letters, pool.map(_deliver, letters.keys(), letters.values()), strict=True))


def send_test(addresses: tuple[Address, ...]) -> list[Outcome]:
    """Send a message that says it is a test, and return what came of it. Raise WrongUsage without an address."""
    if not addresses:
        raise WrongUsage(f"{SETTING} is not set: name where alerts go, in the environment or in .env.")
    letter = Letter("jobledger: a test", "This is a test. Alerts of this ledger arrive here.", "info")
    return list(deliver(dict.fromkeys(addresses, letter)).values())


def raise_undelivered(outcomes: list[Outcome]) -> None:
    """Raise JobledgerError with each address that a message did not reach."""
    failed = [f"{outcome.shown}: {outcome.reason}" for outcome in outcomes if outcome.reason is not None]
    if failed:
        raise JobledgerError("\n".join([f"Not sent to {len(failed)} of {len(outcomes)} addresses.", *failed]))


def _deliver(address: Address, letter: Letter) -> Outcome:
    """Send one letter. What Apprise raises may hold the address, so that not even its text is looked at."""
    shown = address.scheme
    try:
        service = _service(address)
        if service is None:
            return Outcome(shown, UNKNOWN)
        shown += _host(service)
        return Outcome(shown, None if _notify(service, letter) else REFUSED)
    except ModuleNotFoundError as error:
        return Outcome(shown, NO_APPRISE if error.name == "apprise" else REFUSED)
    except Exception as error:  # noqa: BLE001 - whatever a plug-in raises: a delivery that fails fails nothing else
        return Outcome(shown, f"{REFUSED} ({type(error).__name__})")


def _service(address: Address) -> Apprise | None:
    """The address as a service of Apprise's; None where Apprise does not know it."""
    from apprise import Apprise, AppriseAsset, OverflowMode

    asset = AppriseAsset(app_id="jobledger", app_desc="jobledger", secure_logging=True)
    service = Apprise(asset=asset)
    if not service.add(address.url):
        return None
    for plugin in service:
        if plugin.overflow_mode == OverflowMode.UPSTREAM:  # many services refuse a text that is too long for them
            plugin.overflow_mode = OverflowMode.TRUNCATE
    return service


def _host(service: Apprise) -> str:
    """The host of a service, where its address has one; of many services a token stands in its place."""
    plugin = service[0]
    return str(plugin.host or "") if "host" in plugin.template_tokens else ""


def _notify(service: Apprise, letter: Letter) -> bool:
    from apprise import NotifyFormat, NotifyType

    kind = NotifyType(letter.mood)
    return bool(service.notify(body=letter.body, title=letter.title, notify_type=kind, body_format=NotifyFormat.TEXT))


@contextmanager
def _quiet() -> Generator[None]:
    """Keep the loggers that write addresses from being heard."""
    loggers = [logging.getLogger(name) for name in TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 10)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
