"""The API as these credentials reach it: token, clock, each endpoint, what each iTwin answers, and the budget.

It takes some three requests, and three for each iTwin.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from assets.api import questions
from assets.api.auth import SCOPE
from assets.api.client import Client
from assets.api.errors import ApiError
from assets.api.filters import window_filter
from assets.api.protocol import Answer, Tally
from assets.api.questions import Question
from pipelines.doctor.finding import Finding, fault, fine, warning
from pipelines.settings import NO_CREDENTIALS, Settings
from warehouse.explain import explain
from warehouse.name_tables import KINDS

CLOCK_SECONDS: Final = 120.0
"""A clock that is further off is worth a word: times are put on the API's clock, but logs and schedules are not."""

LOOKED_BACK: Final = timedelta(minutes=1)
REALITY_DATA_RIGHT: Final = "realitydata_use"


def examine(settings: Settings) -> Iterator[Finding]:
    """Examine what answers at ITWIN_API_URL; where no token is to be had, nothing else can be asked."""
    if not settings.has_credentials:
        yield fault("credentials", "none are set", NO_CREDENTIALS)
        return
    with settings.client() as client:
        try:
            scopes = client.scopes()
        except ApiError as error:
            yield fault("token", explain(error), "Check ITWIN_CLIENT_ID, ITWIN_CLIENT_SECRET and ITWIN_TOKEN_URL.")
            return
        yield _token(scopes)
        yield from _lists(client, settings)
        yield from _names(client, settings)
        yield _budget(client)


def _token(scopes: frozenset[str] | None) -> Finding:
    if scopes is None:
        return fine("token", "there is one, and it does not show its scope")
    if SCOPE not in scopes:
        told = ", ".join(sorted(scopes)) or "none"
        advice = f"Give the application the scope {SCOPE} where it is registered, and ask for a new token."
        return fault("token", f"its scopes are {told}, and {SCOPE} is not among them", advice)
    return fine("token", f"there is one, with the scope {SCOPE}")


def _lists(client: Client, settings: Settings) -> Iterator[Finding]:
    """The list of jobs, of each iTwin that is walked, and the clock that it tells."""
    scopes = (None,) if settings.every_itwin else settings.itwin_ids or (None,)
    now, skew = datetime.now(UTC), None
    for itwin_id in scopes:
        about = "the caller's own jobs" if itwin_id is None else f"iTwin {itwin_id}"
        try:
            page = client.first_page(window_filter(now - LOOKED_BACK, now, itwin_id), 2, Tally())
        except ApiError as error:
            yield fault(about, explain(error), _advice(client, itwin_id, error))
        else:
            skew = page.clock_skew_seconds
            yield fine(about, "its jobs can be listed")
    if skew is not None:
        yield _clock(skew)


def _clock(skew: float) -> Finding:
    if abs(skew) < CLOCK_SECONDS:
        return fine("clock", "agrees with the API's")
    said = f"this machine's clock is {abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} the API's"
    return warning(
        "clock", said, "Set it by NTP: what the ledger keeps is on the API's clock, logs and schedules are not."
    )


def _advice(client: Client, itwin_id: str | None, error: ApiError) -> str:
    """What to do where jobs cannot be listed; for a refusal, what the iTwin's rights are."""
    if error.status not in (403, 404) or itwin_id is None:
        return ""  # the error says it
    rights = _rights(client, itwin_id)
    if rights is None:
        return "The application is no member of the iTwin, or there is no such iTwin: invite it, or correct ITWIN_IDS."
    return f"The application's rights there are {', '.join(rights) or 'none'}: give it a role that may read its jobs."


def _rights(client: Client, itwin_id: str) -> list[str] | None:
    """The application's rights in an iTwin; None where it is not told them."""
    answer = _asked(client, questions.permissions(itwin_id))
    if not isinstance(answer, Answer) or answer.status != 200:
        return None
    return msgspec.json.decode(answer.body, type=_Permissions).permissions


def _names(client: Client, settings: Settings) -> Iterator[Finding]:
    """The endpoints of names: without them the ledger works, and speaks in ids."""
    if KINDS["itwins"] in settings.names or settings.every_itwin:
        yield _reached(client, questions.itwins(0), "iTwins", "their names stay unknown")
    if KINDS["detectors"] in settings.names:
        yield _reached(client, questions.detectors(), "detectors", "their names and versions stay unknown")
    if KINDS["reality_data"] not in settings.names:
        return
    now = datetime.now(UTC)
    for itwin_id in () if settings.every_itwin else settings.itwin_ids:
        yield _reached(
            client,
            questions.reality_data(itwin_id, now - LOOKED_BACK, now),
            f"reality data of iTwin {itwin_id}",
            f"its names, sizes and areas stay unknown: the right {REALITY_DATA_RIGHT} gives them",
        )


def _reached(client: Client, question: Question, about: str, missing: str) -> Finding:
    answer = _asked(client, question)
    if isinstance(answer, ApiError):
        return warning(about, explain(answer), f"Until it answers, {missing}.")
    if answer.status != 200:
        return warning(
            about, f"refused with {answer.status}", f"Give the application the right to it; until then {missing}."
        )
    return fine(about, "can be listed")


def _asked(client: Client, question: Question) -> Answer | ApiError:
    try:
        return client.look_up(question, Tally())
    except ApiError as error:
        return error


def _budget(client: Client) -> Finding:
    seconds = client.wait_ahead_seconds()
    if seconds < 1:
        return fine("budget", "requests may go out at once")
    said = f"the requests of this hour are used up: the next one may go out in {seconds / 60:.0f} min"
    return warning("budget", said, "Wait, or raise ITWIN_REQUESTS_PER_HOUR if the account allows more.")


class _Permissions(msgspec.Struct):
    permissions: list[str]
