"""The messages of failed jobs: the only place where the API says why a job failed.

A job is asked about until the API answered. A refusal is kept too, as an answer without a body: the job is asked about
again after growing pauses (`warehouse/sql/landing/failures_to_ask_about.sql`), a few times at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa

from assets.api.asking import ask_each
from assets.api.errors import ApiError, Malformed, NotAuthorised, ProxyRefused, refuses_token
from assets.api.protocol import Answer, Api, Tally
from assets.plan import Plan
from warehouse.contract import Contract
from warehouse.engine import connection, load, run
from warehouse.lake import Lake, copy_to, quote
from warehouse.raw import raw_footer, raw_views
from warehouse.sql import run_macros, statement
from warehouse.tables import MESSAGE_OBSERVATIONS

BATCH: Final = 500
"""Answers that are kept together: what an interrupted run loses at most."""

PAUSES_HOURS: Final = (1, 6, 24, 168, 720)
"""After each refusal, how long a job is not asked about again; after one more refusal it is given up."""


@dataclass
class _Asked:
    """The rows to keep, the refusals by job, how many jobs got no answer at all, and the refusal of the token."""

    rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    refusals: dict[str, ApiError] = field(default_factory=dict[str, ApiError])
    unanswered: int = 0
    token_refusal: NotAuthorised | None = None


def fetch_messages(lake: Lake, api: Api, month: str, known: Contract, plan: Plan) -> int:
    """Ask for the messages of each failed job of a month that is due; return how many jobs the API answered about.

    The caller holds the month's lock. Where the token is refused, raises NotAuthorised after the answers are kept.
    """
    due = _due(lake, month, known)
    answered, unanswered = 0, 0
    refused_first: dict[str, ApiError] = {}
    for start in range(0, len(due), BATCH):
        batch = dict(due[start : start + BATCH])
        asked = _ask(api, list(batch), plan.threads)
        if asked.rows:
            _keep(lake, month, asked.rows)
        if asked.token_refusal is not None:
            raise asked.token_refusal
        answered += len(asked.rows) - len(asked.refusals)
        unanswered += asked.unanswered
        refused_first |= {job_id: error for job_id, error in asked.refusals.items() if batch[job_id] == 0}
    _report(plan, month, refused_first, unanswered)
    return answered


def _due(lake: Lake, month: str, known: Contract) -> list[tuple[str, int]]:
    """The failed jobs of a month to ask about now, each with how often the API refused to answer."""
    failed = [quote(state.name) for state in known.states if state.outcome == "failed"]
    parts = {
        "$failed_states": ", ".join(failed),
        "$mention_one": " OR ".join(f"contains(o.body, {state})" for state in failed),
        "$pauses_hours": f"[{', '.join(map(str, PAUSES_HOURS))}]",
        "$now": f"TIMESTAMPTZ {quote(datetime.now(UTC).isoformat())}",
    }
    text = statement("landing/failures_to_ask_about")
    for placeholder, part in parts.items():
        text = text.replace(placeholder, part)
    with connection() as con:
        run_macros(con)
        raw_views(con, lake, month)
        return [(job_id, refusals) for job_id, refusals in run(con, text)]


def _ask(api: Api, job_ids: Sequence[str], threads: int) -> _Asked:
    asked = _Asked()
    answers = ask_each(api, job_ids, lambda job_id: api.messages(job_id, Tally()), threads)
    for job_id, answer in zip(job_ids, answers, strict=True):
        if isinstance(answer, Answer):
            asked.rows.append(_row(job_id, answer.received_at, answer.status, _text(answer)))
        elif isinstance(answer, NotAuthorised) and refuses_token(answer):
            asked.token_refusal = answer
        elif isinstance(answer, ApiError) and _is_refusal(answer):
            asked.refusals[job_id] = answer
            asked.rows.append(_row(job_id, datetime.now(UTC), answer.status, None))
        else:
            asked.unanswered += 1
    return asked


def _is_refusal(error: ApiError) -> bool:
    """Whether the same request would get the same answer again, as far as one can tell: not so of a passing fault."""
    return isinstance(error, Malformed) or not (error.transient or isinstance(error, ProxyRefused))


def _text(answer: Answer) -> str | None:
    return answer.body.decode(errors="replace") if answer.status == 200 else None


def _row(job_id: str, observed_at: datetime, status: int | None, body: str | None) -> dict[str, Any]:
    return {"job_id": job_id, "observed_at": observed_at, "http_status": status, "body": body}


def _keep(lake: Lake, month: str, rows: list[dict[str, Any]]) -> None:
    """Add rows to the month's file of `message_observations`."""
    with lake.exclusive(month) as staging, connection() as con:
        load(con, "answers", pa.Table.from_pylist(rows, schema=MESSAGE_OBSERVATIONS.arrow_schema))
        both = f"(SELECT * FROM {lake.source(MESSAGE_OBSERVATIONS, month)} UNION ALL BY NAME SELECT * FROM answers)"
        path = staging.reserve(MESSAGE_OBSERVATIONS, month)
        copy_to(con, MESSAGE_OBSERVATIONS, both, path, raw_footer(lake, MESSAGE_OBSERVATIONS, month))
        staging.commit()


def _report(plan: Plan, month: str, refused: Mapping[str, ApiError], unanswered: int) -> None:
    if refused:
        job_id, error = next(iter(refused.items()))
        plan.tell(
            f"{month}: the API does not give the messages of {len(refused)} failed jobs (first: {job_id}: {error}) "
            "They are asked for again a few times, with growing pauses."
        )
    if unanswered:
        plan.tell(f"{month}: the messages of {unanswered} failed jobs could not be fetched; next time.")
