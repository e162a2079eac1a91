"""What an examination finds."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """How bad it is: a fault keeps jobledger from working, or from telling the truth; a warning may come to that."""

    FAULT = "fault"
    WARNING = "warning"
    FINE = "fine"


class Finding(msgspec.Struct, frozen=True):
    """What was found about something, and what to do where that is not fine."""

    verdict: Verdict
    about: str
    said: str
    advice: str = ""


def fault(about: str, said: str, advice: str) -> Finding:
    return Finding(Verdict.FAULT, about, said, advice)


def warning(about: str, said: str, advice: str) -> Finding:
    return Finding(Verdict.WARNING, about, said, advice)


def fine(about: str, said: str) -> Finding:
    return Finding(Verdict.FINE, about, said)


def counted(number: int, word: str) -> str:
    """A number of things, in words that agree with it."""
    return f"{number:,} {word if number == 1 else f'{word}s'}"
