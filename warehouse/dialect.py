"""A text of the marts as Spark reads it: other words, macros put in, ordered sums made of lists, and CTEs apart.

The texts are written for two engines (docs/decisions/0015); what Spark says otherwise stands in `marts/spark.sql` and
in `WORDS`. A text is cut into tokens and brackets, and put together again: what a bracket holds is a list in a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Final, TypeAlias

from warehouse.marts import mart_macros, spark_macros

Item: TypeAlias = "str | list[Item]"
"""A token, or the items between two brackets."""

WORDS: Final = {
    "//": "DIV",
    "VARCHAR": "STRING",
    "TIMESTAMPTZ": "TIMESTAMP",
    "EXCLUDE": "EXCEPT",
    "unnest": "explode",
    "list_value": "array",
}
"""What Spark spells otherwise."""

_TOKEN: Final = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\d+(?:\.\d+)?(?:e[+-]?\d+)?|\w+|::|->|\|\||//|[<>=]+|\S")
_MACRO: Final = re.compile(r"CREATE OR REPLACE MACRO (\w+)\((.*?)\) AS\n(.*?);$", re.DOTALL | re.MULTILINE)

_SUM: Final = """aggregate(
    array_sort(array_agg(struct({place} AS place, CAST({value} AS DOUBLE) AS value)) {kept}),
    CAST(NULL AS DOUBLE),
    (total, each) -> CASE WHEN each.value IS NULL THEN total ELSE coalesce(total, 0e0) + each.value END
)"""
"""A sum in an order: Spark has none, but lists that it sorts and adds up one by one."""


@dataclass(frozen=True)
class Macro:
    """A macro whose text is Spark's; its parameters stand in it as tokens."""

    parameters: tuple[str, ...]
    body: list[Item]


@dataclass(frozen=True)
class Cte:
    """A part of a statement under its name, as a SELECT of its own, and how many parts behind it read it."""

    name: str
    select: str
    readers: int
    is_recursive: bool


@dataclass(frozen=True)
class Statement:
    """A SELECT as Spark reads it, once its parts are there under their names."""

    ctes: tuple[Cte, ...]
    select: str


def spark_statement(sql: str) -> Statement:
    """Return a text of the marts as Spark reads it."""
    items = _translated(_parsed(sql), _macros())
    if items[:1] != ["WITH"]:
        return Statement((), _written(items))
    found, last = _split(items[1:])
    ctes = [
        replace(_cte(name, body), readers=_readers(name, [*(later for _, later in found[place:]), last]))
        for place, (name, body) in enumerate(found, 1)
    ]
    return Statement(tuple(ctes), _written(last))


def _cte(name: str, body: list[Item]) -> Cte:
    select = _written(body)
    if not _readers(name, [body]):
        return Cte(name, select, 0, is_recursive=False)
    return Cte(name, f"WITH RECURSIVE {name} AS ({select}) SELECT * FROM {name}", 0, is_recursive=True)


def _split(items: list[Item]) -> tuple[list[tuple[str, list[Item]]], list[Item]]:
    """The CTEs behind a WITH, and what stands behind them."""
    ctes: list[tuple[str, list[Item]]] = []
    place = 1 if items[0] == "RECURSIVE" else 0
    while True:
        name, place = str(items[place]), place + 1
        while not isinstance(body := items[place], list):  # AS, and whether it is to be MATERIALIZED
            place += 1
        ctes.append((name, body))
        if items[place + 1] != ",":
            return ctes, items[place + 1 :]
        place += 2


def _readers(name: str, bodies: Sequence[list[Item]]) -> int:
    """How often a name is read from."""
    return sum(
        before in ("FROM", "JOIN") and item == name
        for body in bodies
        for level in _levels(body)
        for before, item in pairwise(level)
    )


def _levels(items: list[Item]) -> Iterator[list[Item]]:
    yield items
    for item in items:
        if isinstance(item, list):
            yield from _levels(item)


@cache
def _macros() -> Mapping[tuple[str, int], Macro]:
    """The macros by name and number of arguments, each with those in it put in."""
    texts = {
        (found[1], found[2].count(",") + 1): (tuple(re.split(r",\s*", found[2])), found[3])
        for text in (mart_macros(), spark_macros())
        for found in _MACRO.finditer(text)
    }
    own = {(found[1], found[2].count(",") + 1) for found in _MACRO.finditer(spark_macros())}
    made: dict[tuple[str, int], Macro] = {}
    for key in sorted(texts, key=lambda key: key not in own):  # those of Spark first: the others are made of them
        parameters, body = texts[key]
        made[key] = Macro(parameters, _translated(_parsed(body), {} if key in own else made))
    return made


def _parsed(sql: str) -> list[Item]:
    path: list[list[Item]] = [[]]
    for found in _TOKEN.finditer(sql):
        token = found[0]
        if token == "(":
            inner: list[Item] = []
            path[-1].append(inner)
            path.append(inner)
        elif token == ")":
            path.pop()
        elif not token.startswith("--"):
            path[-1].append(token)
    return path[0]


def _translated(items: list[Item], macros: Mapping[tuple[str, int], Macro]) -> list[Item]:
    made: list[Item] = []
    place = 0
    while place < len(items):
        item = items[place]
        if isinstance(item, list):
            made.append(_translated(item, macros))
        elif _is_call(items, place):
            place += 1
            called, taken = _call(item, items, place, macros)
            made += called
            place += taken
        else:
            made.append(_word(item))
        place += 1
    return made


def _is_call(items: list[Item], place: int) -> bool:
    """Whether a name with brackets behind it is a function: not so what AS gives a name, and the columns of that."""
    name, follows = str(items[place]), items[place + 1 : place + 2]
    is_function = name.islower() and bool(follows) and isinstance(follows[0], list)
    return is_function and (place == 0 or items[place - 1] != "AS")


def _call(name: str, items: list[Item], place: int, macros: Mapping[tuple[str, int], Macro]) -> tuple[list[Item], int]:
    """A call whose brackets stand at a place, and how many items behind them belong to it."""
    inside = items[place]
    assert isinstance(inside, list)
    if name == "sum" and "BY" in inside:
        return _ordered_sum(inside, items[place + 1 : place + 3], macros)
    arguments = [_translated(argument, macros) for argument in _arguments(inside)]
    macro = macros.get((name, len(arguments)))
    if macro is None:
        return [_word(name), _translated(inside, macros)], 0
    put = dict(zip(macro.parameters, arguments, strict=True))
    return [_put_in(macro.body, put)], 0


def _ordered_sum(
    inside: list[Item], behind: list[Item], macros: Mapping[tuple[str, int], Macro]
) -> tuple[list[Item], int]:
    """A sum with an ORDER BY within its brackets, and the FILTER behind them."""
    order = inside.index("ORDER")
    is_filtered = behind[:1] == ["FILTER"]
    parts = {
        "value": _written(_translated(inside[:order], macros)),
        "place": _written(_translated(inside[order + 2 :], macros)),
        "kept": _written(_translated(behind, macros)) if is_filtered else "",
    }
    return _parsed(_SUM.format(**parts)), 2 if is_filtered else 0


def _put_in(body: list[Item], arguments: Mapping[str, list[Item]]) -> list[Item]:
    return [_put_in(item, arguments) if isinstance(item, list) else arguments.get(item, item) for item in body]


def _arguments(inside: list[Item]) -> list[list[Item]]:
    parts: list[list[Item]] = [[]]
    for item in inside:
        if item == ",":
            parts.append([])
        else:
            parts[-1].append(item)
    return parts


def _word(token: str) -> str:
    if token.startswith("'"):
        return token.replace("\\", "\\\\")
    return WORDS.get(token, token)


def _written(items: list[Item]) -> str:
    return " ".join(f"({_written(item)})" if isinstance(item, list) else item for item in items)
