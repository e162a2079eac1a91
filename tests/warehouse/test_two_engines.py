"""The text of a mart is read alike by DuckDB and by Spark 4."""

from __future__ import annotations

import pytest

from tests.warehouse.two_engines import EXCEPTIONS, faults
from warehouse.marts.all import MARTS

TEXTS = (
    {mart.name: mart.sql for mart in MARTS}
    | {name: step for mart in MARTS for name, step in mart.step_sql.items()}
    | {f"{mart.name}_holds": mart.holds_sql for mart in MARTS if mart.holds_sql}
)


@pytest.mark.parametrize("name", sorted(TEXTS.keys() - EXCEPTIONS))
def test_a_mart_says_only_what_both_engines_read_alike(name: str) -> None:
    assert faults(TEXTS[name]) == []


@pytest.mark.parametrize("name", sorted(EXCEPTIONS))
def test_an_exception_that_is_none_any_more_leaves_the_list(name: str) -> None:
    assert faults(TEXTS[name]), f"take {name} from the exceptions in data/two_engines.toml"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("SELECT * EXCLUDE (a) FROM t", "EXCLUDE is not read alike"),
        ("SELECT * FROM t ASOF JOIN u USING (a)", "ASOF is not read alike"),
        ("SELECT body -> 'a' FROM t", "-> is not read alike"),
        ("SELECT body ->> 'a' FROM t", "->> is not read alike"),
        ("SELECT items[1] FROM t", "[ is not read alike"),
        ("SELECT strftime(a, '%Y') FROM t", "strftime() is no function"),
        ("SELECT 1 UNION SELECT 2", "UNION is UNION ALL"),
        ("SELECT CAST(amount AS VARCHAR) FROM t", "a number becomes text by number_text"),
        ("SELECT amount::VARCHAR FROM t", "a number becomes text by number_text"),
        ("SELECT array_agg(a ORDER BY a DESC) FROM t", "array_agg() takes no order"),
        ("SELECT lag(a) OVER (ORDER BY units) FROM t", "ORDER BY units does not say where nulls come"),
        ("SELECT a FROM t ORDER BY job_id, units LIMIT 1", "ORDER BY units does not say where nulls come"),
        ("SELECT row_number() OVER (PARTITION BY a) FROM t", "row_number() has no ORDER BY"),
        ("SELECT unnest(numbers_between(1, n)) AS day FROM t", "unnest() takes a column"),
        ("SELECT unnest(list_value(1, 2)) AS day FROM t", "unnest() takes a column"),
        ("SELECT unnest(days || days) AS day FROM t", "unnest() takes a column"),
        ("SELECT t.* FROM t INNER JOIN u USING (a)", "t.* has another order beside USING"),
        ("SELECT row_number() OVER w FROM t WINDOW w AS (PARTITION BY a)", "row_number() has no ORDER BY"),
    ],
)
def test_what_only_one_engine_reads_is_found_and_told_with_its_line(text: str, fault: str) -> None:
    found = faults(f"-- A head.\n{text}")
    assert found
    assert all(each.startswith("line 2: ") for each in found)
    assert any(each.startswith(f"line 2: {fault}") for each in found)


def test_what_both_read_alike_is_no_fault() -> None:
    text = """
        -- EXCLUDE in a comment, '->' in a text.
        WITH RECURSIVE lists AS (SELECT numbers_between(1, 3) AS days),
        days AS (SELECT unnest(days) AS day, unnest(lists.days) AS day_too FROM lists),
        steps AS MATERIALIZED (SELECT CAST(NULL AS VARCHAR) AS note, 1 AS n UNION ALL SELECT '->', n + 1)
        SELECT
            number_text(n) AS n,
            sum(units::DOUBLE ORDER BY units) AS units,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY units) AS half,
            row_number() OVER latest AS nth,
            lag(n) OVER (PARTITION BY note ORDER BY units NULLS LAST, job_id) AS before
        FROM steps CROSS JOIN (VALUES (1, 2)) AS wide(a, b)
        WINDOW latest AS (PARTITION BY note ORDER BY jobs.created_at DESC)
    """
    assert faults(text) == []
