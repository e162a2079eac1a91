"""The report's sections in their order, and the last of them: how good the data is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from assets.report import charts, costs, lineage, outcomes, times, words
from assets.report.figures import ALL_TIME, Column, Figure, Key, Section
from assets.report.questions import Answer, Scope
from assets.unit_budget import UnitBudget

PARTS: Final = {"complete": ("complete", charts.GOOD), "incomplete": ("incomplete", charts.BAD)}


def sections(answers: Mapping[str, Answer], about: Scope, budget: UnitBudget) -> list[Section]:
    """Return all sections of a report, in the order in which they stand."""
    return [
        costs.costs(answers, about, budget),
        costs.week(answers),
        times.open_jobs(answers),
        outcomes.failures(answers),
        times.times(answers),
        times.load(answers),
        lineage.deliverables(answers),
        outcomes.detectors(answers),
        outcomes.options(answers),
        _quality(answers),
    ]


def _quality(answers: Mapping[str, Answer]) -> Section:
    return Section(
        "quality",
        "How good the data is",
        "A walk asks the API for one month of one iTwin. It is complete when it came to its proven end; only then "
        "nothing can be missing.",
        [_walks(answers["walks"]), _drift(answers["drift"])],
    )


def _walks(walks: Answer) -> Figure:
    gaps = sum(row["incomplete"] for row in walks.rows)
    return Figure(
        "walks",
        "Newest walks by month",
        "One for each iTwin and month.",
        f"Stacked columns of walks by month: {gaps} of the newest ones are incomplete.",
        walks,
        [
            Column("month", "Month", words.month),
            Column("complete", "Complete", words.count),
            Column("incomplete", "Incomplete", words.count),
            Column("oldest_complete_at", "Whole as of", words.instant),
            Column("error", "What is missing"),
        ],
        charts.stacked_columns(walks.rows, PARTS, "Walks") if walks.rows else None,
        [Key(*part) for part in PARTS.values()],
        "No walk asked for these months.",
        is_wide=True,
    )


def _drift(drift: Answer) -> Figure:
    return Figure(
        "drift",
        "What the contract does not know",
        f"{ALL_TIME} All of it is kept. docs/contract.md says how to teach the contract a field or a type.",
        "",
        drift,
        [
            Column("kind", "What"),
            Column("type", "Type"),
            Column("path", "Where"),
            Column("jobs", "Jobs", words.count),
            Column("example", "Example"),
        ],
        is_wide=True,
        empty="" if drift.rows else "The API sent nothing that the contract does not know.",
    )
