"""The `$filter` of the job listing: its grammar, its test on a row, and the bounds that it sets.

    filter     = all { "or" all }
    all        = term { "and" term }
    term       = "(" filter ")" | property operator value

GUIDs and timestamps stand unquoted; names and other words may stand in single quotes ('' for a quote inside).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar

from pipelines.sandbox.instants import parse_timestamp
from pipelines.sandbox.interface import UNTESTABLE, Bounds, Row

Test: TypeAlias = Callable[[Row, int], bool]
T = TypeVar("T")
Ids: TypeAlias = frozenset[str]

_GETTERS: Final[dict[str, Callable[[Row, int], Any]]] = {
    "id": lambda row, now: row.id,
    "iTwinId": lambda row, now: row.itwin_id,
    "name": lambda row, now: row.name,
    "email": lambda row, now: row.email,
    "type": lambda row, now: row.type,
    "state": lambda row, now: row.state_at(now),
    "createdDateTime": lambda row, now: row.created,
}
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")
}
_GUIDS: Final = ("id", "iTwinId")
_TOKEN: Final = re.compile(r"\s*(?:([()])|('(?:[^']|'')*')|([^\s()']+))")


class FilterError(ValueError):
    """The filter is not in the grammar: the message says at which character (from 0) and what was expected."""


@dataclass(frozen=True)
class Term:
    """A parsed part of a filter: how to test a row, and what it surely demands."""

    test: Test
    bounds: Bounds


@dataclass(frozen=True)
class Filter:
    """A whole filter. `own`: it names no iTwin, so only the caller's jobs are meant; `itwins`: all that it names."""

    text: str
    test: Test
    bounds: Bounds
    own: bool
    itwins: frozenset[str]


@lru_cache(maxsize=1024)
def parse_filter(text: str) -> Filter:
    """Parse a `$filter`. Errors: FilterError."""
    parser = _Parser(text)
    term = parser.alternatives()
    parser.expect_end()
    return Filter(text, term.test, term.bounds, parser.own, frozenset(parser.itwins))


class _Parser:
    """Recursive descent over (position, text) tokens; the last token is empty."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self.own = True
        self.itwins: set[str] = set()

    def alternatives(self) -> Term:
        term = self._conjunction()
        while self._accept("or"):
            term = _either(term, self._conjunction())
        return term

    def expect_end(self) -> None:
        position, token = self._tokens[self._next]
        if token:
            raise FilterError(f"at {position}: expected 'and', 'or' or the end, found {token!r}")

    def _conjunction(self) -> Term:
        term = self._term()
        while self._accept("and"):
            term = _both(term, self._term())
        return term

    def _term(self) -> Term:
        if not self._accept("("):
            return self._comparison()
        term = self.alternatives()
        if not self._accept(")"):
            position, token = self._tokens[self._next]
            raise FilterError(f"at {position}: expected ')', found {token or 'the end'!r}")
        return term

    def _comparison(self) -> Term:
        name = self._one_of(_GETTERS, "a property")
        word = self._one_of(_OPERATORS, "an operator")
        position, token = self._take()
        value = _value(name, position, token)
        if name == "iTwinId":
            self.own = False
            self.itwins.add(value)
        return Term(_comparison_test(_GETTERS[name], _OPERATORS[word], value, word), _bounds(name, word, value))

    def _one_of(self, words: dict[str, Any], what: str) -> str:
        position, token = self._take()
        if token not in words:
            raise FilterError(f"at {position}: expected {what} ({', '.join(words)}), found {token or 'the end'!r}")
        return token

    def _take(self) -> tuple[int, str]:
        taken = self._tokens[self._next]
        self._next += bool(taken[1])
        return taken

    def _accept(self, word: str) -> bool:
        found = self._tokens[self._next][1] == word
        self._next += found
        return found


def _tokens(text: str) -> list[tuple[int, str]]:
    tokens: list[tuple[int, str]] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None:
            raise FilterError(f"at {position}: cannot read {text[position : position + 20]!r}")
        token = found.group(found.lastindex or 0)
        tokens.append((found.end() - len(token), token))
        position = found.end()
    return [*tokens, (len(text), "")]


def _value(name: str, position: int, token: str) -> Any:
    """The value of a comparison in the type of its property: str, or int microseconds for a timestamp."""
    if not token or token in "()":
        raise FilterError(f"at {position}: expected a value for {name}, found {token or 'the end'!r}")
    if name == "createdDateTime":
        return _timestamp(position, token)
    if name not in _GUIDS:
        return token[1:-1].replace("''", "'") if token.startswith("'") else token
    if token.startswith("'"):
        raise FilterError(f"at {position}: {name} takes an unquoted GUID, found {token}")
    return token.lower()


def _timestamp(position: int, token: str) -> int:
    try:
        return parse_timestamp(token)
    except ValueError as error:
        raise FilterError(f"at {position}: {error}") from None


def _comparison_test(
    get: Callable[[Row, int], Any], compare: Callable[[Any, Any], bool], value: Any, word: str
) -> Test:
    def test(row: Row, now: int) -> bool:
        actual = get(row, now)
        if actual is UNTESTABLE:
            return True
        return compare(actual, value) if actual is not None else word == "ne"

    return test


def _both(left: Term, right: Term) -> Term:
    one, other = left.bounds, right.bounds
    bounds = Bounds(
        _known(max, one.since, other.since),
        _known(min, one.until, other.until),
        _known(_common, one.itwins, other.itwins),
        _known(_common, one.ids, other.ids),
    )
    first, second = left.test, right.test
    return Term(lambda row, now: first(row, now) and second(row, now), bounds)


def _either(left: Term, right: Term) -> Term:
    one, other = left.bounds, right.bounds
    bounds = Bounds(
        _if_known(min, one.since, other.since),
        _if_known(max, one.until, other.until),
        _if_known(_all, one.itwins, other.itwins),
        _if_known(_all, one.ids, other.ids),
    )
    first, second = left.test, right.test
    return Term(lambda row, now: first(row, now) or second(row, now), bounds)


def _common(one: Ids, other: Ids) -> Ids:
    return one & other


def _all(one: Ids, other: Ids) -> Ids:
    return one | other


def _known(join: Callable[[T, T], T], left: T | None, right: T | None) -> T | None:
    """Both demands joined; one alone stands."""
    if left is None or right is None:
        return right if left is None else left
    return join(left, right)


def _if_known(join: Callable[[T, T], T], left: T | None, right: T | None) -> T | None:
    """Both demands joined; where one side demands nothing, neither does the whole."""
    return None if left is None or right is None else join(left, right)


def _bounds(name: str, word: str, value: Any) -> Bounds:
    if name == "createdDateTime":
        since = value if word in ("ge", "gt", "eq") else None
        return Bounds(since, value if word in ("le", "lt", "eq") else None)
    if word == "eq" and name == "iTwinId":
        return Bounds(itwins=frozenset((value,)))
    return Bounds(ids=frozenset((value,))) if word == "eq" and name == "id" else Bounds()
