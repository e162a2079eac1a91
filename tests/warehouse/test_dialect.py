"""A text of the marts as Spark reads it, without Spark: that it gives the same rows is tested in tests/spark."""

from __future__ import annotations

import re

import pytest

from tests.warehouse.test_two_engines import TEXTS
from tests.warehouse.two_engines import FUNCTIONS
from warehouse.dialect import WORDS, Cte, Statement, spark_statement
from warehouse.marts import mart_macros, spark_macros

MACROS = frozenset(re.findall(r"MACRO (\w+)\(", mart_macros()))
OF_SPARK = frozenset(re.findall(r"MACRO (\w+)\(", spark_macros()))


def select(sql: str) -> str:
    """A text without CTEs, as Spark reads it, with single spaces."""
    return re.sub(r"\s+", " ", spark_statement(sql).select)


def calls(sql: str) -> set[str]:
    """The functions of a text; AS stands before other names with brackets."""
    return set(re.findall(r"(?<!AS )\b([a-z_0-9]+) \(", sql))


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_nothing_of_duckdb_alone_is_left_in_a_text(name: str) -> None:
    text = spark_statement(TEXTS[name])
    written = "\n".join([*(cte.select for cte in text.ctes), text.select])
    known = FUNCTIONS - MACROS | calls(" ".join(_bodies())) | {"array", "explode", "struct", "aggregate"}
    left = (MACROS | OF_SPARK | set(WORDS)) - {"round", "number_text"}
    assert set(re.findall(r"\w+|//", written)) & left == set()
    assert calls(written) <= known


def _bodies() -> list[str]:
    return [re.sub(r"(\w)\(", r"\1 (", body) for body in re.findall(r"\) AS\n(.*?);\n", spark_macros(), re.DOTALL)]


def test_the_parts_of_a_text_come_in_their_order_with_their_readers() -> None:
    sql = """
        -- A head with a (bracket.
        WITH RECURSIVE steps AS (SELECT job_id FROM jobs WHERE NOT is_open),
        paths AS MATERIALIZED (SELECT job_id FROM steps UNION ALL SELECT job_id FROM paths)
        SELECT job_id FROM paths INNER JOIN steps USING (job_id) WHERE NOT (job_id IN (SELECT job_id FROM steps))
    """
    assert spark_statement(sql) == Statement(
        (
            Cte("steps", "SELECT job_id FROM jobs WHERE NOT is_open", 3, is_recursive=False),
            Cte(
                "paths",
                "WITH RECURSIVE paths AS (SELECT job_id FROM steps UNION ALL SELECT job_id FROM paths) "
                "SELECT * FROM paths",
                1,
                is_recursive=True,
            ),
        ),
        "SELECT job_id FROM paths INNER JOIN steps USING (job_id) WHERE NOT (job_id IN (SELECT job_id FROM steps))",
    )


@pytest.mark.parametrize(
    ("sql", "of_spark"),
    [
        ("SELECT a // 2, CAST(NULL AS VARCHAR)", "SELECT a DIV 2 , CAST (NULL AS STRING)"),
        ("SELECT 1.5e-6, 3e0, 0.5", "SELECT 1.5e-6 , 3e0 , 0.5"),
        ("SELECT '-- // unnest(a)', 'it''s', '\\z'", "SELECT '-- // unnest(a)' , 'it''s' , '\\\\z'"),
        ("SELECT unnest(days) AS day FROM t", "SELECT explode (days) AS day FROM t"),
        ("SELECT n FROM (VALUES (1), (2)) AS len(n)", "SELECT n FROM (VALUES (1) , (2)) AS len (n)"),
        ("SELECT day_start(created + 1) FROM t", "SELECT (timestamp_micros ((created + 1) * 86400000000)) FROM t"),
        ("SELECT number_text(x)", "SELECT (number_text ((x)))"),
        ("SELECT round(x), round(x, 6)", "SELECT round (x) , (round ((x) * power (10e0 , (6))) / power (10e0 , (6)))"),
    ],
)
def test_words_and_macros_are_spark_s(sql: str, of_spark: str) -> None:
    assert select(sql).replace("((x))", "(x)") == of_spark.replace("((x))", "(x)")


def test_a_macro_of_macros_is_put_in_to_its_end() -> None:
    assert select("SELECT units_of(sum(billionths(units)))") == (
        "SELECT (CAST ((sum ((TRY_CAST (round ((units) * 1e9) AS DECIMAL (18 , 0))))) AS DOUBLE) / 1e9)"
    )
    assert "number_at" not in select("SELECT number_at(body, '$.a')")
    assert "'$.a'" in select("SELECT number_at(body, '$.a')")


def test_a_sum_in_an_order_is_a_sorted_list_that_is_added_up() -> None:
    assert select("SELECT sum(a * 2 ORDER BY b) FILTER (WHERE c) AS total, sum(a) FROM t") == (
        "SELECT aggregate ( array_sort (array_agg (struct (b AS place , CAST (a * 2 AS DOUBLE) AS value)) "
        "FILTER (WHERE c)) , CAST (NULL AS DOUBLE) , (total , each) -> CASE WHEN each . value IS NULL THEN total "
        "ELSE coalesce (total , 0e0) + each . value END) AS total , sum (a) FROM t"
    ).replace("aggregate ( ", "aggregate (")
