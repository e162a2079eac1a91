"""Asking what stands behind the ids: iTwins, reality data, detectors and, only where the operator wants it, users.

Each kind (of reality data: each iTwin) is asked for at most once in so many hours; `name_walks` remembers when. What is
refused is remembered, told, and asked for again after a week. Nothing here fails a run: what cannot be had is told, and
left for the next run. Signed URLs are cut out by the client, before anything of an answer comes here.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import duckdb
import msgspec
import pyarrow as pa

from assets.api import questions
from assets.api.asking import ask_each
from assets.api.errors import ApiError, RefusedLink, Throttled, Unreachable, refuses_token
from assets.api.pool import side_by_side
from assets.api.protocol import Answer, Api, Tally
from assets.api.questions import Question
from assets.name_tables import LOCK, REVISION, make_name_tables
from assets.plan import Plan
from assets.records import body_hash
from warehouse.engine import connection, load, run
from warehouse.errors import Busy
from warehouse.lake import Lake, Staging, copy_to
from warehouse.name_tables import NAME_OBSERVATIONS, NAME_WALKS
from warehouse.sql import run_macros, statement
from warehouse.tables import JOB_REFERENCES, JOBS

AGAIN_DAYS: Final = 7
"""What was refused is asked for again after so long, and reality data are listed in whole, not by what changed."""

SLACK_HOURS: Final = 0.25
"""A daily schedule is no second too early, and what changed while a list was made is asked for twice."""

BY_ID_AT_MOST: Final = 500
"""Reality data of an iTwin that are asked for by id in one run; the others are left for the next one."""

IDLE_PAGES: Final = 3
"""A list whose pages show nothing new so many times in a row is left."""

ITWIN_LIST: Final = "itwin_list"
"""The kind of an asking for the list of iTwins alone: it does not stand for their names."""

USERS_KEPT: Final = "users"
"""Footer key of the raw answers: 'yes' where there are users among them."""


@dataclass
class NameWalk:
    """An asking for the names of a kind: what it showed, and why it is not complete, if it is not."""

    kind: str
    itwin_id: str | None = None
    modified_since: datetime | None = None
    tally: Tally = field(default_factory=Tally)
    seen: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    started_at: datetime | None = None
    finished_at: datetime | None = None
    listed: list[str] | None = None
    is_list: bool = False
    http_status: int | None = None
    error: str | None = None
    walk_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def name(self) -> str:
        what = {"itwin": "iTwins", "reality_data": "reality data", "detector": "detectors", "user": "users"}[self.kind]
        return f"the names of {what}" + (f" of iTwin {self.itwin_id}" if self.itwin_id else "")

    @property
    def refused(self) -> int:
        return sum(row["body"] is None for row in self.seen)

    def heard(self, answer: Answer) -> None:
        """Note when an answer came."""
        self.started_at = self.started_at or answer.received_at
        self.finished_at = answer.received_at

    def doubt(self, error: str, status: int | None = None) -> None:
        """Note why not all that was to be asked for was answered."""
        self.error = self.error or error
        self.http_status = self.http_status or status

    def see(self, thing_id: str, source: str, answer: Answer, body: bytes | None) -> None:
        """Note a body, or without one a refusal."""
        itwin_id = self.itwin_id if self.kind == "reality_data" else None
        self.seen.append(
            {
                "walk_id": self.walk_id,
                "place": len(self.seen),
                "kind": self.kind,
                "id": thing_id,
                "itwin_id": itwin_id,
                "source": source,
                "observed_at": answer.received_at,
                "http_status": answer.status if body is None else 200,
                "body": None if body is None else body.decode(),
                "body_hash": None if body is None else body_hash(body),
            }
        )


@dataclass(frozen=True)
class _Known:
    """What the ledger knows before it asks."""

    itwins_with_jobs: list[str]
    users: list[str]
    references: dict[str, list[str]]
    asked_at: dict[tuple[str, str | None], datetime | None]
    complete_at: dict[tuple[str, str | None], datetime | None]
    whole_at: dict[tuple[str, str | None], datetime | None]
    shown: set[tuple[str, str]]
    listed_in: dict[str, set[str]]
    got_only: dict[str, set[str]]
    refused: dict[tuple[str, str, str | None], datetime]


def ask_for_names(lake: Lake, api: Api, plan: Plan, run_id: str) -> None:
    """Ask for the names that are due, keep what is new, and make the tables of names again where something changed."""
    try:
        with lake.exclusive(LOCK, wait_seconds=0.0):
            forget_users(lake, plan)
            if plan.names:
                _ask(lake, api, plan, run_id)
            make_name_tables(lake)
    except Busy:
        plan.tell("Another run asks for names; this one leaves them to it.")


def forget_users(lake: Lake, plan: Plan) -> None:
    """Remove all that was kept of people, once the operator does not ask for them any more."""
    if "user" in plan.names or lake.metadata(NAME_OBSERVATIONS).get(USERS_KEPT) != "yes":
        return
    with lake.exclusive(LOCK) as staging, connection() as con:
        _write(con, staging, f"SELECT * FROM {lake.source(NAME_OBSERVATIONS)} WHERE kind <> 'user'")
        staging.commit()
    plan.tell("users is not among JOBLEDGER_NAMES any more: what was kept of people is removed.")


def list_itwins(api: Api) -> NameWalk:
    """The list of iTwins that the caller is a member of, inactive ones included; raises ApiError."""
    walk = NameWalk("itwin", is_list=True)
    _list_itwins(api, walk)
    return walk


def keep(lake: Lake, run_id: str, walks: Sequence[NameWalk]) -> None:
    """Land what some askings showed."""
    seen = [row for walk in walks for row in walk.seen]
    with lake.exclusive(LOCK) as staging, connection() as con:
        counts: dict[str, int] = {}
        if seen:
            load(con, "seen", pa.Table.from_pylist(seen, schema=_SEEN))
            run(con, f"CREATE VIEW name_observations AS SELECT * FROM {lake.source(NAME_OBSERVATIONS)}")
            run(con, f"CREATE TABLE new_versions AS {statement('names/new_versions')}")
            counts = dict(run(con, "SELECT walk_id, count(*) FROM new_versions GROUP BY walk_id"))
            if counts:
                _write(con, staging, "SELECT * FROM name_observations UNION ALL BY NAME SELECT * FROM new_versions")
        rows = [_row(walk, run_id, counts.get(walk.walk_id, 0)) for walk in walks]
        load(con, "new_walks", pa.Table.from_pylist(rows, schema=NAME_WALKS.arrow_schema))
        both = f"(SELECT * FROM {lake.source(NAME_WALKS)} UNION ALL BY NAME SELECT * FROM new_walks)"
        copy_to(con, NAME_WALKS, both, staging.reserve(NAME_WALKS), {REVISION: uuid.uuid4().hex})
        staging.commit()


_SEEN: Final = pa.schema(
    [
        ("walk_id", pa.string()),
        ("place", pa.int64()),
        *[NAME_OBSERVATIONS.arrow_schema.field(name) for name in NAME_OBSERVATIONS.column_names],
    ]
)


def _write(con: duckdb.DuckDBPyConnection, staging: Staging, select: str) -> None:
    """Stage the raw answers."""
    run(con, f"CREATE TEMP TABLE kept AS {select}")
    users = bool(run(con, "SELECT 1 FROM kept WHERE kind = 'user' LIMIT 1"))
    footer = {REVISION: uuid.uuid4().hex, USERS_KEPT: "yes" if users else "no"}
    copy_to(con, NAME_OBSERVATIONS, "kept", staging.reserve(NAME_OBSERVATIONS), footer)
    run(con, "DROP TABLE kept")


def _row(walk: NameWalk, run_id: str, new_versions: int) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "walk_id": walk.walk_id,
        "run_id": run_id,
        "kind": ITWIN_LIST if walk.is_list else walk.kind,
        "itwin_id": walk.itwin_id,
        "modified_since": walk.modified_since,
        "started_at": walk.started_at or now,
        "finished_at": walk.finished_at or now,
        "requests": walk.tally.requests,
        "records": len(walk.seen) - walk.refused,
        "new_versions": new_versions,
        "refused": walk.refused,
        "listed": walk.listed,
        "complete": walk.error is None,
        "http_status": walk.http_status,
        "error": walk.error,
    }


def _ask(lake: Lake, api: Api, plan: Plan, run_id: str) -> None:
    """Ask for each kind that is due, and land it; stop where nothing more can be had now."""
    asking = _Asking(api, plan, _known(lake))
    for step in (asking.itwins, asking.detectors, asking.users, asking.reality_data):
        walks = step()
        if walks:
            keep(lake, run_id, walks)
        for walk in walks:
            if walk.error:
                plan.tell(f"Not all is known of {walk.name}: {walk.error}")
        if asking.ended is not None:
            plan.tell("Names are left for the next run; all else goes on.")
            return


class _Asking:
    """What is due, asked for kind by kind. `ended` is the error after which nothing more is asked in this run."""

    def __init__(self, api: Api, plan: Plan, known: _Known) -> None:
        self.ended: ApiError | None = None
        self._api = api
        self._plan = plan
        self._known = known
        self._now = datetime.now(UTC)

    def itwins(self) -> list[NameWalk]:
        if not self._is_due("itwin"):
            return []
        wanted = [*dict.fromkeys((*self._plan.itwin_ids, *self._known.itwins_with_jobs))]
        if self._plan.every_itwin:
            wanted = self._known.itwins_with_jobs  # the others are in the list
        return [self._walked(NameWalk("itwin"), lambda walk: self._itwins(walk, wanted))]

    def _itwins(self, walk: NameWalk, wanted: Sequence[str]) -> None:
        _list_itwins(self._api, walk)
        self._by_id(walk, wanted, questions.itwin)

    def detectors(self) -> list[NameWalk]:
        return [self._walked(NameWalk("detector"), self._detectors)] if self._is_due("detector") else []

    def _detectors(self, walk: NameWalk) -> None:
        answer = self._api.look_up(questions.detectors(), walk.tally)
        walk.heard(answer)
        if _refuses(walk, answer, "the detectors"):
            return
        names = [name for name, body in _things(answer, "detectors", "name") if _noted(walk, name, answer, body)]
        self._by_id(walk, names, questions.detector)

    def users(self) -> list[NameWalk]:
        ids = self._not_refused("user", self._known.users)
        if not ids or not self._is_due("user"):
            return []
        return [self._walked(NameWalk("user"), lambda walk: self._users(walk, ids))]

    def _users(self, walk: NameWalk, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), questions.TOP):
            batch = ids[start : start + questions.TOP]
            answer = self._api.look_up(questions.users(tuple(batch)), walk.tally)
            walk.heard(answer)
            if _refuses(walk, answer, "users"):
                return
            shown = {spelled(key) for key, body in _things(answer, "users", "id") if _noted(walk, key, answer, body)}
            for missing in (user_id for user_id in batch if user_id not in shown):
                walk.see(missing, "list", _absent(answer), None)

    def reality_data(self) -> list[NameWalk]:
        itwins = [*dict.fromkeys((*self._plan.itwin_ids, *self._known.itwins_with_jobs))]
        due = [itwin_id for itwin_id in itwins if self._is_due("reality_data", itwin_id)]
        with side_by_side(self._api, min(self._plan.threads, max(1, len(due)))) as pool:
            walks = list(pool.map(self._walk_reality_data, due))
        done = [walk for walk in walks if walk is not None]
        shown = self._known.shown | {(row["kind"], spelled(row["id"])) for walk in done for row in walk.seen}
        for walk in done:
            if walk.error is None and self.ended is None:
                self._walked(walk, lambda walk: self._unlisted(walk, shown))
        return done

    def _walk_reality_data(self, itwin_id: str) -> NameWalk | None:
        if self.ended is not None:
            return None
        since = self._known.complete_at.get(("reality_data", itwin_id))
        whole = self._known.whole_at.get(("reality_data", itwin_id))
        if whole is None or self._now - whole >= timedelta(days=AGAIN_DAYS, hours=-SLACK_HOURS):
            since = None
        since = since - timedelta(hours=SLACK_HOURS) if since else None
        return self._walked(NameWalk("reality_data", itwin_id, since), self._list_reality_data)

    def _list_reality_data(self, walk: NameWalk) -> None:
        assert walk.itwin_id is not None
        until = self._now + timedelta(days=1)
        question: Question | None = questions.reality_data(walk.itwin_id, walk.modified_since, until)
        links, seen, idle = set[str](), set[str](), 0
        while question is not None:
            answer = self._api.look_up(question, walk.tally)
            walk.heard(answer)
            if _refuses(walk, answer, "the reality data (it takes the right realitydata_use)"):
                return
            page = _things(answer, "realityData", "id")
            new = [key for key, body in page if _noted(walk, key, answer, body) and key not in seen]
            seen.update(new)
            idle = 0 if new else idle + 1
            link = _next_link(answer)
            if link is not None and (link in links or idle == IDLE_PAGES):
                raise RefusedLink("The list of reality data does not come to its end", where=f"GET {question.path}")
            links.add(link or "")
            question = None if link is None else question.after(link)

    def _unlisted(self, walk: NameWalk, shown: set[tuple[str, str]]) -> None:
        """Ask by id for what jobs refer to and nobody showed, and in a whole list for what it showed before."""
        itwin_id = walk.itwin_id
        assert itwin_id is not None
        wanted = [key for key in self._known.references.get(itwin_id, []) if ("reality_data", key) not in shown]
        wanted = self._not_refused("reality_data", wanted, itwin_id)
        if walk.modified_since is None:
            here = {spelled(row["id"]) for row in walk.seen}
            before = self._known.listed_in.get(itwin_id, set()) | self._known.got_only.get(itwin_id, set())
            wanted += self._not_refused("reality_data", sorted(before - here), itwin_id)
        self._by_id(walk, wanted[:BY_ID_AT_MOST], lambda key: questions.one_reality_data(key, itwin_id))
        if len(wanted) > BY_ID_AT_MOST:
            walk.doubt(f"{len(wanted) - BY_ID_AT_MOST} reality data are asked for by id next time")

    def _by_id(self, walk: NameWalk, ids: Sequence[str], question: Callable[[str], Question]) -> None:
        """Ask for things one by one; what is refused is noted. Raises the first error that is no refusal."""
        itwin_id = walk.itwin_id if walk.kind == "reality_data" else None
        wanted = self._not_refused(walk.kind, ids, itwin_id)
        ended: list[ApiError] = []

        def ask(key: str) -> Answer:
            return self._api.look_up(question(key), walk.tally)

        answers = ask_each(self._api, wanted, ask, self._plan.threads, enough=lambda: bool(ended))
        first: ApiError | None = None
        for key, answer in zip(wanted, answers, strict=True):
            if isinstance(answer, Answer):
                walk.heard(answer)
                body = _one(answer, question(key).holds) if answer.status == 200 else None
                walk.see(key, "get", answer, body)
            elif answer is not None:
                first = first or answer
                ended += [answer] if _ends_all(answer) else []
        if first is not None:
            raise ended[0] if ended else first

    def _walked(self, walk: NameWalk, ask: Callable[[NameWalk], None]) -> NameWalk:
        """Ask, and note the error that ended it."""
        try:
            ask(walk)
        except ApiError as error:
            walk.doubt(str(error), error.status)
            if _ends_all(error):
                self.ended = error
        return walk

    def _is_due(self, kind: str, itwin_id: str | None = None) -> bool:
        """Whether a kind is wanted, and was not asked for lately."""
        if kind not in self._plan.names:
            return False
        asked_at = self._known.asked_at.get((kind, itwin_id))
        hours = self._plan.names_every_hours
        pause = timedelta(hours=hours - min(SLACK_HOURS, hours / 10))
        return asked_at is None or self._now - asked_at >= pause

    def _not_refused(self, kind: str, ids: Iterable[str], itwin_id: str | None = None) -> list[str]:
        """The things that were not refused within a week."""
        since = self._now - timedelta(days=AGAIN_DAYS, hours=-SLACK_HOURS)
        refused = self._known.refused
        return [key for key in ids if refused.get((kind, key, itwin_id), since) <= since]


def spelled(text: str) -> str:
    """An id in the one spelling in which it is compared: a GUID in small letters."""
    return text.lower() if len(text) == 36 and text.count("-") == 4 else text


def _list_itwins(api: Api, walk: NameWalk) -> None:
    """Read the list page by page; say so where it is as long as the API shows at most."""
    walk.listed = []
    while True:
        answer = api.look_up(questions.itwins(len(walk.listed)), walk.tally)
        walk.heard(answer)
        if _refuses(walk, answer, "the list of iTwins"):
            walk.listed = None
            return
        page = [key for key, body in _things(answer, "iTwins", "id") if _noted(walk, key, answer, body)]
        new = [key for key in map(spelled, page) if key not in set(walk.listed)]
        walk.listed += new
        if len(walk.listed) >= questions.MAX_RETURN:
            walk.doubt(f"the list shows {questions.MAX_RETURN} iTwins at most, and that many came")
        last = len(page) < questions.TOP and _next_link(answer) is None
        if last or not new or len(walk.listed) >= questions.MAX_RETURN:
            return


def _refuses(walk: NameWalk, answer: Answer, what: str) -> bool:
    """Note that a list is refused."""
    if answer.status == 200:
        return False
    walk.doubt(f"the API answers {answer.status} when asked for {what}", answer.status)
    return True


def _noted(walk: NameWalk, key: str, answer: Answer, body: bytes) -> bool:
    walk.see(key, "list", answer, body)
    return True


def _things(answer: Answer, holds: str, key: str) -> list[tuple[str, bytes]]:
    """The objects of a list, each with its id. What is no object, or has none, is nobody's name."""
    try:
        records = msgspec.json.decode(answer.body, type=dict[str, msgspec.Raw])[holds]
        found = msgspec.json.decode(records, type=list[msgspec.Raw])
    except (msgspec.DecodeError, KeyError):
        return []
    return [(name, bytes(record)) for record in found if (name := _text(record, key))]


def _text(record: msgspec.Raw, key: str) -> str | None:
    try:
        value = msgspec.json.decode(record, type=dict[str, Any]).get(key)
    except msgspec.DecodeError:
        return None
    return value if isinstance(value, str) and value else None


def _one(answer: Answer, holds: str) -> bytes:
    return bytes(msgspec.json.decode(answer.body, type=dict[str, msgspec.Raw])[holds])


def _next_link(answer: Answer) -> str | None:
    links: Any = msgspec.json.decode(answer.body).get("_links")
    following: Any = links.get("next") if isinstance(links, dict) else None
    href: Any = following.get("href") if isinstance(following, dict) else None
    return href if isinstance(href, str) and href else None


def _absent(answer: Answer) -> Answer:
    """The answer that a list of users gives of one that it leaves out."""
    return Answer(404, b"", answer.received_at, answer.correlation_id)


def _ends_all(error: ApiError) -> bool:
    """Whether an error means that nothing more can be had now."""
    return refuses_token(error) or isinstance(error, (Unreachable, Throttled))


def _known(lake: Lake) -> _Known:
    """Read what the ledger knows before it asks."""
    with connection() as con:
        run_macros(con)
        lake.view(con, JOBS, JOB_REFERENCES, NAME_OBSERVATIONS, NAME_WALKS)
        walks = run(con, statement("asking/name_walks"))
        names = run(con, statement("asking/known_names"))
        references: dict[str, list[str]] = {}
        for itwin_id, reference in run(con, statement("asking/references_of_jobs")):
            references.setdefault(itwin_id, []).append(reference)
        known = _Known(
            itwins_with_jobs=[row[0] for row in run(con, statement("asking/itwins_with_jobs"))],
            users=[row[0] for row in run(con, statement("asking/users_with_jobs"))],
            references=references,
            asked_at={(kind, itwin): asked for kind, itwin, asked, _, _ in walks},
            complete_at={(kind, itwin): complete for kind, itwin, _, complete, _ in walks},
            whole_at={(kind, itwin): whole for kind, itwin, _, _, whole in walks},
            shown={(kind, key) for kind, key, _, shown, _, _, _ in names if shown},
            listed_in={},
            got_only={},
            refused={(kind, key, itwin): at for kind, key, itwin, _, _, _, at in names if at is not None},
        )
    for kind, key, itwin, shown, listed, gone, _ in names:
        if kind == "reality_data" and shown and not gone:
            (known.listed_in if listed else known.got_only).setdefault(itwin, set()).add(key)
    return known
