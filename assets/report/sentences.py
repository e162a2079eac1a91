"""The sentences that the report begins with. Each answers what somebody would ask first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from markupsafe import Markup

from assets.report import words
from assets.report.questions import Answer, Row, Scope
from assets.unit_budget import UnitBudget, crossed_at
from warehouse.months import month_of, window

Tone = Literal["plain", "good", "bad"]
LARGE_CHANGE = 0.02
"""The share by which a week's units must differ from those of the week before to be told as more or fewer."""


@dataclass(frozen=True)
class Paragraph:
    """A few sentences under a heading; the tone says whether somebody should look. Names in them are escaped."""

    heading: str
    sentences: Sequence[Markup]
    tone: Tone = "plain"


def paragraphs(answers: Mapping[str, Answer], about: Scope, budget: UnitBudget) -> list[Paragraph]:
    """Return what the report begins with."""
    if not answers["scope"].rows[0]["jobs"]:
        return [
            Paragraph(
                "Nothing yet", [Markup("The ledger holds no jobs yet. <code>jobledger sync</code> fetches them.")]
            )
        ]
    return [
        this_month(answers, about, budget),
        open_jobs(answers),
        failures(answers, about),
        since_last_week(answers),
        freshness(answers, about),
    ]


def this_month(answers: Mapping[str, Answer], about: Scope, budget: UnitBudget) -> Paragraph:
    """What the month has cost so far, what it will have cost, and how that compares with the budget."""
    rows = answers["forecast"].rows
    whole = next((row for row in rows if row["itwin_id"] == (about.itwin_id or "all")), None)
    if whole is None:
        return Paragraph(
            "This month",
            [Markup("There is no forecast: no complete walk, or no job with units, tells what the month costs.")],
        )
    kind = "consumed" if about.kind == "processingUnits" else "estimated"
    sentences, over = [_so_far(whole, kind), _expectation(whole)], False
    for row in rows:
        units = budget.of(row["itwin_id"], row["itwin_name"])
        if units is not None:
            said, is_over = _against(row, units, about)
            sentences.append(said)
            over |= is_over
    return Paragraph("This month", sentences, "bad" if over else "good" if budget else "plain")


def _so_far(row: Row, kind: str) -> Markup:
    month, have = words.month(row["month"]), "has" if row["jobs"] == 1 else "have"
    if not row["jobs"]:
        return _said("No job came in {} so far.", month)
    said = f"So far {{}} {have} cost {{}} {kind} units in {{}}."
    return _said(said, words.jobs(row["jobs"]), words.number(row["units_so_far"]), month)


def _expectation(row: Row) -> Markup:
    if row["expected_units"] is None:
        return Markup("There is too little history to say what the month will cost.")
    expected = words.number(row["expected_units"])
    if row["low_units"] is None:
        return _said("By its end it will be about {} units.", expected)
    low, high = words.number(row["low_units"]), words.number(row["high_units"])
    before = (
        _said(" The month before cost {}.", words.number(row["last_month_units"])) if row["last_month_units"] else ""
    )
    return (
        _said("By its end it will be about {} units, in four of five such months {} to {}.", expected, low, high)
        + before
    )


def _against(row: Row, budget: float, about: Scope) -> tuple[Markup, bool]:
    """How a forecast compares with its budget, and whether it is above."""
    units = words.number(budget)
    whole = _said("The budget of {} units", units)
    budgeted = whole if row["itwin_id"] == "all" else _said("The budget of {}, {} units,", row["itwin"], units)
    known, remaining = row["units_so_far"] + (row["open_units"] or 0), row["remaining_units"] or 0
    at = crossed_at(budget, known, remaining, about.as_of, window(row["month"]).end) if about.as_of else None
    if at is None:
        used = words.share((known + remaining) / budget)
        return budgeted + _said(" holds: {} of it will be used.", used), False
    if at == about.as_of:
        return budgeted + _said(" is exceeded already, by {} units.", words.number(known - budget)), True
    day = f"{at.day} {words.month(month_of(at))}"
    return budgeted + _said(" will be passed on {}, at the pace of recent weeks.", day), True


def open_jobs(answers: Mapping[str, Answer]) -> Paragraph:
    """What waits, what runs, and what is stuck."""
    phases = {row["phase"]: row for row in answers["open_summary"].rows}
    counts = {phase: phases[phase]["jobs"] if phase in phases else 0 for phase in ("queue", "run")}
    if not any(counts.values()):
        return Paragraph("Open jobs", [_said("No job is open: nothing waits, nothing runs.")], "good")
    waiting, running = counts["queue"], counts["run"]
    sentences = [
        _said(
            f"{{}} {_verb(waiting, 'wait')} and {{}} {_verb(running, 'run')}.", words.jobs(waiting), words.none(running)
        )
    ]
    stuck = sum(row["stuck"] for row in phases.values())
    if not stuck:
        return Paragraph("Open jobs", [*sentences, _said("None of them is stuck.")], "good")
    named = [row for row in answers["open_jobs"].rows if row["is_stuck"]][:3]
    worst = [f"{words.text(row['job'])} ({row['type']}, {words.duration(row['age_seconds'])})" for row in named]
    more = f" and {stuck - len(worst)} more" if stuck > len(worst) else ""
    sentences.append(
        _said(
            f"{{}} {'is' if stuck == 1 else 'are'} stuck, for more than three times as long as is usual: {{}}.",
            words.count(stuck),
            words.listed(worst) + more,
        )
    )
    return Paragraph("Open jobs", sentences, "bad")


def failures(answers: Mapping[str, Answer], about: Scope) -> Paragraph:
    """What failed in the newest month, what that had cost, and why in most cases over the range."""
    month = next((row for row in reversed(answers["months"].rows) if row["month"] <= about.last), None)
    if month is None:
        return Paragraph("Failures", [Markup("No job was created in these months.")])
    failed, ended_early = month["failed"] or 0, month["cancelled"] or 0
    of = (
        _said(" ({} of those that ended)", words.share(failed / month["finished"])) if month["finished"] else Markup("")
    )
    lost = month["failed_units"] + month["cancelled_units"]
    sentences = [
        _said("Of the jobs of {}, {} failed", words.month(month["month"]), f"{failed:,}")
        + of
        + _said(
            " and {} were cancelled; that cost {} units and {} of run time.",
            f"{ended_early:,}",
            words.number(lost),
            words.hours(month["run_hours_lost"]),
        )
    ]
    if answers["failures"].rows:
        top = answers["failures"].rows[0]
        sentences.append(
            _said(
                "The most frequent reason since {} is {}, {} and {} units.",
                words.month(about.first),
                top["reason"],
                words.jobs(top["jobs"]),
                words.number(top["units"]),
            )
        )
    return Paragraph("Failures", sentences)


def since_last_week(answers: Mapping[str, Answer]) -> Paragraph:
    """How the last seven days differ from the seven before, and what most of that comes from."""
    weeks = {row["week"]: row for row in answers["week"].rows}
    this, before = weeks.get("this"), weeks.get("before")
    if this is None or before is None:
        return Paragraph("Since last week", [Markup("The last fourteen days hold too few jobs to compare two weeks.")])
    difference = this["units"] - before["units"]
    sentences = [_week(this, before, difference), *_why(this, before, difference, answers["week_parts"].rows)]
    failed, failed_before = _failed_share(this), _failed_share(before)
    if failed is not None and failed_before is not None:
        sentences.append(
            _said(
                "{} of the jobs failed (before: {}); half waited {} at most (before: {}).",
                words.share(failed),
                words.share(failed_before),
                words.duration(this["queue_seconds_p50"]),
                words.duration(before["queue_seconds_p50"]),
            )
        )
    return Paragraph("Since last week", sentences)


def _week(this: Row, before: Row, difference: float) -> Markup:
    known = f"{words.number(this['units'])} units"
    if not before["units"] or abs(difference) / before["units"] < LARGE_CHANGE:
        return _said(
            "The last seven days cost {}, about as many as the seven before ({}).", known, words.number(before["units"])
        )
    way = "more" if difference > 0 else "fewer"
    return _said(
        "The last seven days cost {}, {} than the seven before ({}).",
        known,
        f"{words.share(abs(difference) / before['units'])} {way}",
        words.number(before["units"]),
    )


def _why(this: Row, before: Row, difference: float, parts: Sequence[Row]) -> list[Markup]:
    """What the change comes from: how many jobs there were and what one cost, and the part that changed most."""
    if (
        not (this["with_units"] and before["with_units"] and before["units"])
        or abs(difference) / before["units"] < LARGE_CHANGE
    ):
        return []
    each, each_before = this["units"] / this["with_units"], before["units"] / before["with_units"]
    by_count = (this["with_units"] - before["with_units"]) * (each + each_before) / 2
    by_price = difference - by_count
    first, second = f"{words.signed(by_count)} units", f"{words.signed(by_price)} units"
    said = [
        _said(
            "The number of jobs ({}, before {}) accounts for {}, what a job costs ({} units, before {}) for {}.",
            f"{this['jobs']:,}",
            f"{before['jobs']:,}",
            first,
            words.number(each),
            words.number(each_before),
            second,
        )
    ]
    same_way = [part for part in parts if part["change"] * difference > 0]
    if same_way:
        top = same_way[0]
        said.append(
            _said(
                "The largest part of it is {}: {} units.",
                f"{top['type'] or 'no type'} in {words.text(top['itwin'])}",
                words.signed(top["change"]),
            )
        )
    return said


def freshness(answers: Mapping[str, Answer], about: Scope) -> Paragraph:
    """How fresh and how whole the ledger is."""
    walks, drift = answers["walks"].rows, answers["drift"].rows
    gaps = [row for row in walks if row["incomplete"]]
    if gaps:
        first = f"{len(gaps)} of {len(walks)} months"
        sentences = [_said("The newest walks of {} are incomplete: some of their jobs may be missing.", first)]
    else:
        sentences = [
            _said(
                "Every walk of these {} months is complete: no job is missing that the API shows.",
                words.count(len(walks)),
            )
        ]
    covered = sum(row["with_units"] for row in answers["months"].rows)
    finished = sum(row["finished"] for row in answers["months"].rows)
    if finished:
        sentences.append(_said("Units are known of {} of the finished jobs.", words.share(covered / finished)))
    if drift:
        sentences.append(
            _said(
                "The API sent {} that the contract does not know; it is kept and listed below.",
                f"{len(drift)} {'thing' if len(drift) == 1 else 'things'}",
            )
        )
    return Paragraph("The data", sentences, "bad" if gaps else "good")


def _failed_share(week: Row) -> float | None:
    return week["failed"] / week["finished"] if week["finished"] else None


def _verb(jobs: int, verb: str) -> str:
    return verb if jobs > 1 else f"{verb}s"


def _said(template: str, *values: Any) -> Markup:
    """A sentence with its values in bold, each escaped."""
    return Markup(template).format(*(Markup("<b>{}</b>").format(value) for value in values))


def as_markdown(paragraphs: Sequence[Paragraph]) -> str:
    """Return paragraphs for the UI; whatever a name holds is text there too."""
    return "\n\n".join(f"**{paragraph.heading}.** {Markup(' ').join(paragraph.sentences)}" for paragraph in paragraphs)
