"""Figures of deliverables: what they cost with all that they were made from, and the dearest one's lineage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from assets.report import charts, words
from assets.report.figures import Column, Figure, Key, Section, told, unlike
from assets.report.questions import Answer, Row

MOST_JOBS: Final = 40
"""The jobs of a lineage that are drawn."""

PARTS: Final = {"own_units": ("its own", charts.WAITING), "upstream_units": ("the jobs before it", charts.RUNNING)}
NONE: Final = "No job used the result of another one."


def deliverables(answers: Mapping[str, Answer]) -> Section:
    """The most expensive deliverables, and what the first of them was made from."""
    return Section(
        "deliverables",
        "The most expensive deliverables",
        "A job together with all the jobs before it whose results it used, failed ones too. What several deliverables "
        "share counts in each of them.",
        [_dearest(answers["deliverables"]), _lineage(answers["deliverables"].rows, answers["lineage"])],
    )


def graph(deliverable: Row, pairs: Sequence[Row]) -> tuple[list[Row], list[tuple[Row, Row]]]:
    """Return the jobs of a lineage, each once and below a job that used its result, and which used which."""
    jobs = {row["producer_job_id"]: row for row in pairs}
    used: dict[str, list[str]] = {}
    for row in pairs:
        used.setdefault(row["consumer_job_id"], []).append(row["producer_job_id"])
    first = {**deliverable, "units": deliverable["own_units"], "state": "the deliverable"}
    nodes: dict[str, Row] = {}

    def place(job_id: str, row: Row, step: int) -> None:
        if job_id not in nodes and len(nodes) < MOST_JOBS:
            nodes[job_id] = {**row, **_labels(row), "row": len(nodes), "step": step}
            for producer in used.get(job_id, []):
                place(producer, jobs[producer], step + 1)

    place(deliverable["job_id"], first, 0)
    found = ((row["consumer_job_id"], row["producer_job_id"]) for row in pairs)
    edges = [(nodes[user], nodes[maker]) for user, maker in found if user in nodes and maker in nodes]
    return list(nodes.values()), edges


def _dearest(answer: Answer) -> Figure:
    rows = [
        {
            **row,
            "label": words.short(row["job"], 24),
            "tip_more": f"{row['type']}, {words.jobs(row['upstream_jobs'])} before it",
        }
        for row in answer.rows
    ]
    return Figure(
        "deliverables",
        "Units of a deliverable and of what it was made from",
        "The ten dearest that were made from other jobs' results.",
        told("Bars of units by deliverable", rows, "label", "total_units", words.number),
        answer,
        [
            Column("job", "Deliverable"),
            Column("itwin", "iTwin"),
            Column("type", "Type"),
            Column("created_at", "Created", words.instant),
            Column("own_units", "Own units", words.number),
            Column("upstream_units", "Before it", words.number),
            Column("total_units", "Together", words.number),
            Column("upstream_jobs", "Jobs before it", words.count),
        ],
        charts.stacked_bars(unlike(rows, "label"), "label", PARTS, "Units") if rows else None,
        [Key(*part) for part in PARTS.values()],
        NONE,
    )


def _lineage(dearest: Sequence[Row], answer: Answer) -> Figure:
    nodes, edges = graph(dearest[0], answer.rows) if dearest else ([], [])
    left_out = f" The first {MOST_JOBS} jobs." if len(nodes) == MOST_JOBS else ""
    return Figure(
        "lineage",
        f"What “{words.short(dearest[0]['job'])}” was made from" if dearest else "What it was made from",
        f"The dearest deliverable, and below it the jobs whose results it used, step by step.{left_out}",
        "A tree of jobs: " + "; ".join(words.one_line(node["label"]) for node in nodes[:8]),
        answer,
        [
            Column("step", "Steps before", words.count),
            Column("job", "Job"),
            Column("type", "Type"),
            Column("state", "State"),
            Column("units", "Units", words.number),
        ],
        charts.lineage(nodes, edges) if nodes else None,
        [Key("the deliverable", charts.WAITING, "dot"), Key("a job before it", charts.RUNNING, "dot")],
        NONE,
    )


def _labels(row: Row) -> Row:
    units = f"{words.number(row['units'])} units" if row["units"] is not None else "units not known"
    return {"tip_units": units, "label": f"{row['type']} “{words.short(row['job'], 24)}”\n{units}"}
