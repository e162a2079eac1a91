"""Asking for jobs by their ids: those that somebody names, and those that a walk should have listed and did not.

An answer is kept like a record of a page. What it means for a walk that missed the job is decided here; whether it is
new is the business of `assets.landing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from assets.api.asking import ask_each
from assets.api.errors import ApiError, JobledgerError, NotAuthorised, refuses_token
from assets.api.protocol import Answer, Api, Tally
from assets.flatten import plausible_time_macros
from assets.landing import Landed, Unlisted, landing
from assets.messages import fetch_messages
from assets.moves import carry_out
from assets.plan import Plan
from assets.records import RecordFile
from assets.walk import Walk
from warehouse.contract import Contract
from warehouse.engine import connection, run
from warehouse.errors import Busy
from warehouse.lake import Lake, Staging, parquet_files, quote
from warehouse.months import month_of, window
from warehouse.sql import run_macros, statement

LOCK: Final = "by_id"
"""Name of the lock and of the scratch folder of `fetch_by_id`."""

BATCH: Final = 500
"""Jobs that are fetched and landed together: what an interrupted fetch loses at most."""

NOT_ASKED: Final = "it was not asked for: the token was refused before"

FEW_GONE: Final = 10
SHARE_GONE: Final = 0.1
"""A month that would lose more than this share of its jobs, and more than FEW_GONE, at once is not believed."""


class TooManyGone(JobledgerError):
    """A month would lose too many jobs at once: nothing of them was marked, everything was kept."""


@dataclass
class Fetched:
    """What `fetch_by_id` found: the months that it touched, and the ids that the API does not know.

    `failed` says why an id could not be asked for, `failed_months` why what was fetched could not land in a month.
    `token_refusal` is the API's refusal of the token, after which nothing was asked any more.
    """

    landed: dict[str, Landed] = field(default_factory=dict[str, Landed])
    not_found: list[str] = field(default_factory=list[str])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    failed_months: dict[str, JobledgerError] = field(default_factory=dict[str, JobledgerError])
    token_refusal: NotAuthorised | None = None


@dataclass
class Asked:
    """What asking for unlisted jobs brought.

    `gone` are the jobs that are no more, each with the walk that missed it; `shown` counts the answers written to
    the record file; `missing` are the open jobs that no walk covers and that could not be refreshed.
    """

    gone: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    shown: int = 0
    missing: list[str] = field(default_factory=list[str])
    gone_refused: TooManyGone | None = None
    token_refusal: NotAuthorised | None = None


class _JobAnswer(msgspec.Struct):
    job: msgspec.Raw


class _Identity(msgspec.Struct):
    id: str | int | None = None


class _IdentityAnswer(msgspec.Struct):
    job: _Identity


class _ErrorAnswer(msgspec.Struct):
    error: dict[str, Any]


def fetch_by_id(lake: Lake, api: Api, ids: Sequence[str], known: Contract, plan: Plan) -> Fetched:
    """Fetch jobs by id and land each in the month of its creation; walk nothing.

    An id that the API does not know is listed in `not_found`, one that could not be asked for in `failed`. Once the
    token is refused, nothing is asked any more. Raises Busy if another fetch does not end.
    """
    wanted = list(dict.fromkeys(ids))
    fetched = Fetched()
    with _exclusive(lake, LOCK, plan), lake.scratch(LOCK) as scratch:
        for start in range(0, len(wanted), BATCH):
            batch = wanted[start : start + BATCH]
            if fetched.token_refusal is not None:
                fetched.failed |= dict.fromkeys(batch, NOT_ASKED)
                continue
            file = scratch / f"{start}.parquet"
            _fetch_batch(api, batch, plan, file, fetched)
            for month, of_month in sorted(_by_month(file, known).items()):
                _land_month(lake, month, of_month, known, plan, fetched)
    for month in sorted(fetched.landed):
        if fetched.token_refusal is None:
            _ask_why(lake, api, month, known, plan, fetched)
    return fetched


def _ask_why(lake: Lake, api: Api, month: str, known: Contract, plan: Plan, fetched: Fetched) -> None:
    try:
        with _exclusive(lake, month, plan):
            fetch_messages(lake, api, month, known, plan)
    except NotAuthorised as error:
        fetched.token_refusal = error
    except Busy as error:
        fetched.failed_months[month] = error


def ask_for_unlisted(
    api: Api, unlisted: Sequence[Unlisted], jobs: int, walks: Sequence[Walk], file: Path, plan: Plan
) -> Asked:
    """Ask for each known job that was not listed, until too many of the month's `jobs` are gone to be believed.

    Answers that show a job go to the record file `file`. What an answer says of a walk is noted in the walk.
    """
    asked = Asked()

    few = max(FEW_GONE, int(SHARE_GONE * jobs))

    def too_many_gone() -> bool:
        return not plan.accept_gone and len(asked.gone) > few

    by_id = {walk.walk_id: walk for walk in walks}
    walk_of = {row.job_id: by_id.get(row.walk_id or "") for row in unlisted}

    def ask(job_id: str) -> Answer:
        walk = walk_of[job_id]
        return api.job(job_id, walk.tally if walk else Tally())

    with RecordFile(file) as records:
        answers = ask_each(api, [row.job_id for row in unlisted], ask, plan.threads, enough=too_many_gone)
        for row, answer in zip(unlisted, answers, strict=True):
            _judge(row, walk_of[row.job_id], answer, asked, records)
    if too_many_gone():
        _refuse_loss(unlisted[0].month, asked, few, jobs, walks)
    return asked


def _judge(
    row: Unlisted, walk: Walk | None, answer: Answer | ApiError | None, asked: Asked, records: RecordFile
) -> None:
    """Note what the answer about an unlisted job says of the job, and of the walk that missed it."""
    if answer is None:
        _doubt(row, walk, asked, "and it was not asked for by id any more", once=True)
    elif isinstance(answer, ApiError):
        if isinstance(answer, NotAuthorised) and refuses_token(answer):
            asked.token_refusal = answer
        _doubt(row, walk, asked, f"and asking for it by id failed: {answer}")
    elif answer.status == 404:
        if row.why == "gone" and walk and _says_not_found(answer):
            asked.gone.append((row.job_id, walk.walk_id))
        else:
            _doubt(row, walk, asked, "and the 404 for its id does not come from the API")
    else:
        asked.shown += 1
        walk_id = walk.walk_id if walk else None
        records.add([_job_of(answer)], source="get", observed_at=answer.received_at, walk_id=walk_id)
        if not _is_about(answer, row.job_id):
            _doubt(row, walk, asked, "and the answer for its id is about another job")


def _doubt(row: Unlisted, walk: Walk | None, asked: Asked, why: str, *, once: bool = False) -> None:
    """Note that nobody knows what became of a job; with `once`, only where the walk is not in doubt already."""
    if walk is None:
        asked.missing.append(row.job_id)
    elif walk.complete or not once:
        walk.doubt(f"job {row.job_id} was not listed, {why}")


def _refuse_loss(month: str, asked: Asked, few: int, jobs: int, walks: Sequence[Walk]) -> None:
    gone, asked.gone = asked.gone, []
    message = (
        f"{month} would lose more than {few} of its {jobs} jobs at once: nothing was marked as gone "
        f"and everything was kept. Check that the account still sees its iTwins (first missing job: {gone[0][0]}); "
        f"if the jobs were really deleted, run `jobledger sync --accept-gone` with `--from {month} --to {month}`."
    )
    asked.gone_refused = TooManyGone(message)
    for walk in walks:
        if any(walk_id == walk.walk_id for _, walk_id in gone):
            walk.doubt(message)


def _fetch_batch(api: Api, ids: Sequence[str], plan: Plan, file: Path, fetched: Fetched) -> None:
    """Ask for each id and write the answers to the record file `file`."""
    with RecordFile(file) as records:
        answers = ask_each(api, ids, lambda job_id: api.job(job_id, Tally()), plan.threads)
        for job_id, answer in zip(ids, answers, strict=True):
            if answer is None:
                fetched.failed[job_id] = NOT_ASKED
            elif isinstance(answer, ApiError):
                fetched.failed[job_id] = str(answer)
                if isinstance(answer, NotAuthorised) and refuses_token(answer):
                    fetched.token_refusal = answer
            else:
                _take(job_id, answer, records, fetched)


def _take(job_id: str, answer: Answer, records: RecordFile, fetched: Fetched) -> None:
    if answer.status == 404:
        fetched.not_found.append(job_id)
        return
    records.add([_job_of(answer)], source="get", observed_at=answer.received_at)
    if not _is_about(answer, job_id):
        fetched.failed[job_id] = "the API answered with another job, which was kept"


def _land_month(lake: Lake, month: str, file: Path, known: Contract, plan: Plan, fetched: Fetched) -> None:
    try:
        with _exclusive(lake, month, plan), landing(lake, window(month), [], [file], known) as kept:
            landed = kept.keep()
        if landed.moved_in:
            carry_out(lake, landed, known, plan)
    except JobledgerError as error:
        fetched.failed_months[month] = error
        return
    fetched.landed[month] = landed
    if landed.new_rejects:
        plan.tell(f"{month}: {landed.new_rejects} answers cannot become a row; see rejected_records.")


def _exclusive(lake: Lake, name: str, plan: Plan) -> AbstractContextManager[Staging]:
    return lake.exclusive(name, wait_seconds=plan.wait_seconds, on_wait=plan.tell)


def _by_month(file: Path, known: Contract) -> Mapping[str, Path]:
    """The records of a file as one file for each month of creation.

    What has no creation time that can be goes with the present month, to be rejected there.
    """
    files: dict[str, Path] = {}
    with connection() as con:
        run_macros(con)
        for macro in plausible_time_macros(known):
            run(con, macro)
        run(
            con,
            statement("landing/by_month")
            .replace("$records", f"read_parquet({parquet_files([file])}, hive_partitioning = false)")
            .replace("$present", quote(month_of(datetime.now(UTC)))),
        )
        for (month,) in run(con, "SELECT DISTINCT month FROM records ORDER BY month"):
            files[month] = file.with_name(f"{month}.parquet")
            select = f"SELECT * EXCLUDE (month) FROM records WHERE month = {quote(month)}"
            run(con, f"COPY ({select}) TO {quote(str(files[month]))} (FORMAT parquet)")
    return files


def _job_of(answer: Answer) -> bytes:
    """The job of an answer to GET by id, as it was sent."""
    return bytes(msgspec.json.decode(answer.body, type=_JobAnswer).job)


def _is_about(answer: Answer, job_id: str) -> bool:
    """Whether an answer to GET by id shows the job that was asked for."""
    try:
        told = msgspec.json.decode(answer.body, type=_IdentityAnswer).job.id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return str(told).lower() == job_id.lower()


def _says_not_found(answer: Answer) -> bool:
    """Whether a 404 is the API's own, not that of something between."""
    try:
        error = msgspec.json.decode(answer.body, type=_ErrorAnswer).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return str(error.get("code", "")).lower().endswith("notfound")
