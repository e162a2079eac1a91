"""Clocks that a sandbox can live on: anything that gives an aware datetime when called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def system_clock() -> datetime:
    """The instant it is."""
    return datetime.now(UTC)


class FixedClock:
    """Stands at `now` until it is set. Errors: ValueError for an instant without a time zone."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    @property
    def now(self) -> datetime:
        return self._now

    @now.setter
    def now(self, instant: datetime) -> None:
        if instant.tzinfo is None:
            raise ValueError(f"{instant} has no time zone")
        self._now = instant

    def __call__(self) -> datetime:
        return self.now


class StepClock(FixedClock):
    """Goes on by `step` each time it is asked; the first answer is `now` as given."""

    def __init__(self, now: datetime, step: timedelta) -> None:
        super().__init__(now)
        self._step = step

    def __call__(self) -> datetime:
        asked = self.now
        self.now = asked + self._step
        return asked
