"""Faults of a mart's text for the two engines that read it: unknown words and functions, and orders left open.

The text is only cut into tokens, not parsed; what both engines take stands in data/two_engines.toml. A word in capitals
is one of SQL, a word in small letters before a bracket is a function.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from warehouse.marts import mart_macros

_RULES: Final = tomllib.loads((Path(__file__).parent / "data" / "two_engines.toml").read_text(encoding="utf-8"))
_TOKEN: Final = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\d[\w.]*|\w+|->>|[<>|/:*-]+|\S")
_MACROS: Final = frozenset(re.findall(r"MACRO (\w+)\(", mart_macros()))


def _known(*names: str) -> frozenset[str]:
    return frozenset(word for name in names for word in _RULES[name].split())


WORDS: Final = _known("words", "replaced", "signs")
FUNCTIONS: Final = _known("functions", "provided", "replaced") | _MACROS
ORDERED: Final = _known("ordered")
NEVER_NULL: Final = _known("never_null")
OF_A_COLUMN: Final = _known("of_a_column")
EXCEPTIONS: Final = _known("exceptions")


@dataclass
class _Level:
    """The tokens between two brackets, and the two before them; a level in it stands as one token, '()'."""

    before: tuple[str, str] = ("", "")
    tokens: list[tuple[int, str]] = field(default_factory=list)
    levels: dict[int, _Level] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.tokens]

    @property
    def is_call(self) -> bool:
        return self.before[1].islower() and self.before[0] != "AS"

    def within(self) -> Iterator[_Level]:
        yield self
        for level in self.levels.values():
            yield from level.within()


def faults(sql: str) -> list[str]:
    """What is wrong with a text, each with its line."""
    text = _levels(sql)
    windows = {name for level in text.within() for name in _ordered_windows(level)}
    found = (fault for level in text.within() for fault in _faults_of(level, windows))
    return [f"line {line}: {what}" for line, what in sorted(set(found))]


def _levels(sql: str) -> _Level:
    path = [_Level()]
    for token in _TOKEN.finditer(sql):
        text, line = token[0], sql.count("\n", 0, token.start()) + 1
        if text == "(":
            earlier, last = ["", "", *path[-1].texts][-2:]
            inner = _Level((earlier, last))
            path[-1].levels[len(path[-1].tokens)] = inner
            path[-1].tokens.append((line, "()"))
            path.append(inner)
        elif text == ")":
            path.pop()
        elif not text.startswith("--"):
            path[-1].tokens.append((line, text))
    return path[0]


def _faults_of(level: _Level, windows: set[str]) -> Iterator[tuple[int, str]]:
    yield from _unknown(level)
    yield from _unions(level)
    yield from _casts(level)
    yield from _orders(level)
    yield from _unordered(level, windows)
    yield from _exploded(level)
    yield from _stars(level)


def _unknown(level: _Level) -> Iterator[tuple[int, str]]:
    for place, (line, text) in enumerate(level.tokens):
        if text == "()":
            if level.levels[place].is_call and level.levels[place].before[1] not in FUNCTIONS:
                yield line, f"{level.levels[place].before[1]}() is no function of both engines, and no macro"
        elif not text[0].isdigit() and text[0] not in "'_" and not text.islower() and text not in WORDS:
            yield line, f"{text} is not read alike by both engines"


def _unions(level: _Level) -> Iterator[tuple[int, str]]:
    for place, (line, text) in enumerate(level.tokens):
        if text == "UNION" and level.texts[place + 1 :][:1] != ["ALL"]:
            yield line, "UNION is UNION ALL: a recursion knows no other"


def _casts(level: _Level) -> Iterator[tuple[int, str]]:
    for line, text in level.tokens:
        if text == "VARCHAR" and level.texts != ["NULL", "AS", "VARCHAR"]:
            yield line, "a number becomes text by number_text, a month is created_month or month_text"


def _orders(level: _Level) -> Iterator[tuple[int, str]]:
    """Orders within a call (sums alone can be given one), and those that do not say where nulls come."""
    line, terms = _order_of(level)
    if terms and level.is_call and level.before[1] != "sum":
        yield line, f"{level.before[1]}() takes no order: sort what it gives"
    elif not level.is_call and level.before != ("WITHIN", "GROUP"):
        for term in terms:
            if not {"NULLS", "DESC"} & set(term) and term[-1] not in NEVER_NULL:
                yield line, f"ORDER BY {' '.join(term)} does not say where nulls come"


def _exploded(level: _Level) -> Iterator[tuple[int, str]]:
    """What makes rows of a list that is not a column: Spark takes no macro there."""
    for place, inner in level.levels.items():
        if inner.before[1] in OF_A_COLUMN and not _is_column(inner.texts):
            yield level.tokens[place][0], f"{inner.before[1]}() takes a column: make the list in a CTE before"


def _stars(level: _Level) -> Iterator[tuple[int, str]]:
    """All columns of a table that is joined by USING: Spark puts those that are joined by before the others."""
    for place, (line, _) in enumerate(level.tokens):
        if "USING" in level.texts and level.texts[place : place + 2] == [".", "*"]:
            yield line, f"{level.texts[place - 1]}.* has another order beside USING: join ON"


def _is_column(texts: Sequence[str]) -> bool:
    names, dots = texts[::2], texts[1::2]
    return len(texts) % 2 == 1 and all(name.isidentifier() and name.islower() for name in names) and set(dots) <= {"."}


def _order_of(level: _Level) -> tuple[int, list[list[str]]]:
    """Where a level orders, and by which terms."""
    texts = level.texts
    starts = [place for place in range(len(texts) - 1) if texts[place : place + 2] == ["ORDER", "BY"]]
    if not starts:
        return 0, []
    terms: list[list[str]] = [[]]
    for text in texts[starts[0] + 2 :]:
        if text in ("ROWS", "RANGE", "LIMIT"):
            break
        if text == ",":
            terms.append([])
        else:
            terms[-1].append(text)
    return level.tokens[starts[0]][0], terms


def _ordered_windows(level: _Level) -> Iterable[str]:
    """The names of the windows that a level defines with an order."""
    texts = level.texts
    if "WINDOW" not in texts:
        return ()
    heads: Sequence[tuple[int, _Level]] = [*level.levels.items()]
    return [texts[place - 2] for place, inner in heads if place > texts.index("WINDOW") and _order_of(inner)[1]]


def _unordered(level: _Level, windows: set[str]) -> Iterator[tuple[int, str]]:
    for place, inner in level.levels.items():
        name = inner.before[1]
        if name not in ORDERED or level.texts[place + 1 : place + 2] != ["OVER"]:
            continue
        over = level.levels.get(place + 2)
        window = over.texts[:1] if over else level.texts[place + 2 : place + 3]
        if not (over and _order_of(over)[1]) and not set(window) & windows:
            yield level.tokens[place][0], f"{name}() has no ORDER BY"
