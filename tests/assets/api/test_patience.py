from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from assets.api.errors import ApiError, BadRequest, Late, ServerFault, Throttled
from assets.api.patience import Patience, http_date, retry_after_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("-3", 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("\u0663", 0.0),
        ("Thu, 99 Foo 2025", 0.0),
        ("9" * 5000, float("inf")),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_or_counts_as_missing(text: str, seconds: float) -> None:
    assert retry_after_seconds({"retry-after": text}) == seconds


def test_retry_after_as_a_date_is_read_by_the_servers_own_clock() -> None:
    headers = {"date": "Wed, 21 Oct 2015 07:28:00 GMT", "retry-after": "Wed, 21 Oct 2015 07:28:30 GMT"}
    assert retry_after_seconds(headers) == 30.0


def test_retry_after_as_a_date_is_read_by_the_local_clock_if_the_server_tells_no_time() -> None:
    until = datetime.now(UTC) + timedelta(seconds=60)
    assert 55.0 < retry_after_seconds({"retry-after": format_datetime(until, usegmt=True)}) <= 60.0


def test_http_dates_are_utc() -> None:
    assert http_date("Wed, 21 Oct 2015 07:28:00 GMT") == datetime(2015, 10, 21, 7, 28, tzinfo=UTC)
    assert http_date("Wed, 21 Oct 2015 07:28:00 -0000") == datetime(2015, 10, 21, 7, 28, tzinfo=UTC)
    assert http_date("yesterday") is None


class Waits:
    """A patience that notes instead of waiting."""

    def __init__(self, attempts: int, backoff_seconds: float = 1.0, longest_wait_seconds: float = 6.0) -> None:
        self.paused: list[float] = []
        self.waited: list[float] = []
        self.patience = Patience(
            attempts, backoff_seconds, longest_wait_seconds, pause=self.paused.append, wait=self.waited.append
        )


def test_the_back_off_doubles_from_the_first_retry_up_to_its_limit() -> None:
    waits = Waits(attempts=6)
    for _ in range(5):
        waits.patience.hold_off(ServerFault())
    lowest, highest = [1.0, 2.0, 4.0, 6.0, 6.0], [1.25, 2.5, 5.0, 6.0, 6.0]
    assert all(low <= wait <= high for low, wait, high in zip(lowest, waits.waited, highest, strict=True))
    assert waits.paused == []


def test_patience_ends_with_the_last_attempt() -> None:
    waits, fault = Waits(attempts=2), ServerFault()
    waits.patience.hold_off(fault)
    with pytest.raises(ServerFault) as raised:
        waits.patience.hold_off(fault)
    assert (raised.value is fault, len(waits.waited)) == (True, 1)


@pytest.mark.parametrize("fault", [BadRequest(), Late()])
def test_what_does_not_pass_or_has_taken_all_its_time_is_raised_at_once(fault: ApiError) -> None:
    waits = Waits(attempts=5)
    with pytest.raises(type(fault)):
        waits.patience.hold_off(fault)
    assert (waits.waited, waits.paused) == ([], [])


def test_what_the_server_asks_to_wait_is_a_pause_of_everyone_and_no_back_off() -> None:
    waits = Waits(attempts=2)
    waits.patience.hold_off(Throttled(retry_after_seconds=5.0))
    assert (waits.waited, waits.paused) == ([], [5.0])
