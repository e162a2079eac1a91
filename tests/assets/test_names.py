"""Names over HTTP: what is asked for, what is kept of it, what a refusal means, and that nothing secret stays."""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import assets.names as names_module
from assets.api import protocol, questions
from assets.api.auth import FixedToken
from assets.api.budget import Budget
from assets.api.client import Client
from assets.api.errors import Malformed, Throttled
from assets.api.protocol import Tally
from assets.itwins import NoItwins, find_itwins
from assets.name_tables import make_name_tables
from assets.names import ask_for_names
from assets.plan import Plan
from pipelines.sandbox import READY_TOKEN, Faults, NameBook, Sandbox, ScriptedWorld
from warehouse.engine import arrow, connection
from warehouse.lake import Lake
from warehouse.name_tables import MADE_NAME_TABLES, NAME_OBSERVATIONS, NAME_WALKS
from warehouse.tables import JOB_REFERENCES, JOBS

MONTH = "2026-03"
ALL = ("itwin", "reality_data", "detector", "user")
BRIDGE = "aaaaaaaa-0000-4000-8000-000000000001"
OTHER = "aaaaaaaa-0000-4000-8000-000000000002"
HIDDEN = "aaaaaaaa-0000-4000-8000-000000000003"
ANA, STRANGER = "bbbbbbbb-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
SCAN, GONE = "cccccccc-0000-4000-8000-000000000001", "cccccccc-0000-4000-8000-000000000009"
CANARY, MAIL = "sig=SECRET-canary", "ana@example.com"


def itwin(itwin_id: str, name: str, status: str = "Active") -> dict[str, Any]:
    return {"id": itwin_id, "class": "Endeavor", "subClass": "Project", "displayName": name, "status": status}


def reality_data(data_id: str, name: str, at: str = "2026-01-02T00:00:00Z", **more: Any) -> dict[str, Any]:
    return {"id": data_id, "displayName": name, "type": "LAS", "size": 10, "modifiedDateTime": at, **more}


def detector(name: str, latest: str = "2.0") -> dict[str, Any]:
    url = f"https://store.example.com/{name}.zip?sv=1&{CANARY}"
    versions = [{"versionNumber": each, "status": "Ready", "downloadUrl": url} for each in ("1.0", "2.0")]
    return {
        "name": name,
        "displayName": "Cracks",
        "type": "PhotoObjectDetector",
        "latestVersion": latest,
        "versions": versions,
    }


def book() -> NameBook:
    return NameBook(
        itwins={one: itwin(one, "Brücke") for one in (BRIDGE, OTHER)},
        reality_data={BRIDGE: {SCAN: reality_data(SCAN, "橋 scan")}},
        detectors={"@bentley/cracks": detector("@bentley/cracks")},
        users={ANA: {"id": ANA, "email": MAIL, "givenName": "Ana", "surname": "García", "organizationName": "Org"}},
    )


@dataclass
class Course:
    """A ledger with three iTwins whose jobs refer to a scan and to something gone, and a sandbox with a book."""

    lake: Lake
    sandbox: Sandbox
    client: Client
    book: NameBook
    told: list[str] = field(default_factory=list[str])

    def ask(self, *kinds: str, hours: float = 1e-6, itwins: tuple[str, ...] = (BRIDGE, OTHER, HIDDEN)) -> list[str]:
        """Ask, and return the requests that came: method, path, status."""
        before = len(self.sandbox.log)
        plan = Plan(itwins, names=kinds or ALL, names_every_hours=hours, tell=self.told.append)
        ask_for_names(self.lake, self.client, plan, "run")
        return [f"{entry.method} {entry.path} {entry.status}" for entry in list(self.sandbox.log)[before:]]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query in which {table} stands for a table of names."""
        sources = {table.name: self.lake.source(table) for table in (*MADE_NAME_TABLES, NAME_OBSERVATIONS, NAME_WALKS)}
        with connection() as con:
            return [tuple(row.values()) for row in arrow(con, query.format(**sources)).to_pylist()]


@contextmanager
def course(folder: Path, named: NameBook, faults: Faults | None = None) -> Generator[Course]:
    lake = Lake(folder)
    jobs = [
        {"job_id": f"job of {one}", "itwin_id": one, "user_id": user, "created_at": datetime(2026, 3, 1, tzinfo=UTC)}
        for one, user in ((BRIDGE, ANA), (OTHER, STRANGER), (HIDDEN, ANA))
    ]
    references = [
        {
            "job_id": f"job of {BRIDGE}",
            "direction": "input",
            "api_field": name,
            "ordinal": 1,
            "reference": name,
            "kind": kind,
        }
        for name, kind in ((SCAN, "reality_data"), (GONE, "reality_data"), ("bkt:x", "bucket_path"))
    ]
    with lake.exclusive(MONTH) as staging:
        staging.write(JOBS, MONTH, pa.Table.from_pylist(jobs, schema=JOBS.arrow_schema))
        staging.write(JOB_REFERENCES, MONTH, pa.Table.from_pylist(references, schema=JOB_REFERENCES.arrow_schema))
        staging.commit()
    with (
        Sandbox(ScriptedWorld(), names=named, faults=faults) as sandbox,
        Client(sandbox.url, FixedToken(READY_TOKEN), Budget(), backoff_seconds=0.001) as client,
    ):
        yield Course(lake, sandbox, client, named)


def test_each_endpoint_is_asked_once_and_what_it_says_is_in_the_tables(tmp_path: Path) -> None:
    with course(tmp_path, book()) as here:
        asked = here.ask()
        assert sorted(asked) == sorted(
            [
                "GET /itwins/ 200",
                f"GET /itwins/{BRIDGE} 200",
                f"GET /itwins/{OTHER} 200",
                f"GET /itwins/{HIDDEN} 404",
                "GET /reality-analysis/detectors 200",
                "GET /reality-analysis/detectors/@bentley/cracks 200",
                "POST /users/getbyidlist 200",
                "GET /reality-management/reality-data/ 200",
                "GET /reality-management/reality-data/ 200",
                "GET /reality-management/reality-data/ 404",
                f"GET /reality-management/reality-data/{GONE} 404",
            ]
        )
        assert here.rows("SELECT itwin_id, name FROM {itwins}") == [(BRIDGE, "Brücke"), (OTHER, "Brücke")]
        assert here.rows("SELECT reality_data_id, itwin_id, name, size_bytes FROM {reality_data}") == [
            (SCAN, BRIDGE, "橋 scan", 10 * 1024)
        ]
        assert here.rows("SELECT detector_name, name, latest_version FROM {detectors}") == [
            ("@bentley/cracks", "Cracks", "2.0")
        ]
        assert here.rows("SELECT version, is_latest FROM {detector_versions}") == [("1.0", False), ("2.0", True)]
        assert here.rows("SELECT user_id, name, email FROM {users}") == [(ANA, "Ana García", MAIL)]
        assert here.rows("SELECT * FROM {name_drift}") == []


def test_what_a_job_was_to_make_and_did_not_is_not_asked_for(tmp_path: Path) -> None:
    made, never_made = (f"{SCAN[:-4]}{number}" for number in (7001, 7002))
    with course(tmp_path, book()) as here:
        jobs = [
            {"job_id": made, "itwin_id": BRIDGE, "created_at": datetime(2026, 4, 1, tzinfo=UTC), "outcome": "success"},
            {
                "job_id": never_made,
                "itwin_id": BRIDGE,
                "created_at": datetime(2026, 4, 1, tzinfo=UTC),
                "outcome": "failed",
            },
        ]
        outputs = [
            {
                "job_id": one,
                "direction": "output",
                "api_field": "x",
                "ordinal": 1,
                "reference": one,
                "kind": "reality_data",
            }
            for one in (made, never_made)
        ]
        with here.lake.exclusive("2026-04") as staging:
            staging.write(JOBS, "2026-04", pa.Table.from_pylist(jobs, schema=JOBS.arrow_schema))
            staging.write(JOB_REFERENCES, "2026-04", pa.Table.from_pylist(outputs, schema=JOB_REFERENCES.arrow_schema))
            staging.commit()
        asked = here.ask("reality_data")
        assert f"GET /reality-management/reality-data/{made} 404" in asked
        assert not [line for line in asked if never_made in line]


def test_what_was_asked_for_is_left_for_a_day_and_refusals_for_a_week(tmp_path: Path) -> None:
    with course(tmp_path, book()) as here:
        here.ask()
        assert here.ask(hours=24.0) == []
        again = here.ask()
        assert not [line for line in again if line.endswith("404") and "reality-data/ " not in line]
        assert here.rows("SELECT count(*) FROM {name_observations} WHERE body IS NOT NULL") == [(8,)]


def test_a_list_of_what_changed_shows_a_new_name_and_keeps_every_version(tmp_path: Path) -> None:
    with course(tmp_path, book()) as here:
        here.ask()
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        here.book.reality_data[BRIDGE][SCAN] = reality_data(SCAN, "new name", now)
        here.ask("reality_data")
        assert here.rows("SELECT name, versions FROM {reality_data}") == [("new name", 2)]
        since = here.rows("SELECT count(modified_since) FROM {name_walks} WHERE kind = 'reality_data' AND complete")
        assert since == [(2,)]


def test_no_signed_url_and_without_users_nobody_is_kept_anywhere(tmp_path: Path) -> None:
    with course(tmp_path, book()) as here:
        here.ask("itwin", "reality_data", "detector")
        everything = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
        bodies = str(here.rows("SELECT body FROM {name_observations}")) + "".join(here.told)
        assert [secret for secret in (CANARY, MAIL) if secret.encode() in everything] == []
        assert [secret for secret in (CANARY, MAIL, "García") if secret in bodies] == []
        assert here.rows("SELECT count(*) FROM {users}") == [(0,)]


def test_once_users_are_not_asked_for_any_more_they_are_forgotten(tmp_path: Path) -> None:
    with course(tmp_path, book()) as here:
        here.ask()
        assert here.rows("SELECT count(*) FROM {users}") == [(1,)]
        here.ask("itwin", hours=24.0)
        assert here.rows("SELECT count(*) FROM {users}") == [(0,)]
        assert here.rows("SELECT count(*) FROM {name_observations} WHERE kind = 'user'") == [(0,)]


def test_where_everything_is_refused_it_is_told_and_nothing_fails(tmp_path: Path) -> None:
    named = book()
    named.forbidden = True
    with course(tmp_path, named) as here:
        here.ask()
        assert here.rows("SELECT DISTINCT complete FROM {name_walks}") == [(False,)]
        assert all(here.rows(f"SELECT count(*) FROM {{{table.name}}}") == [(0,)] for table in MADE_NAME_TABLES)
        assert here.told
        assert here.ask(hours=24.0) == []


def test_a_network_that_is_down_leaves_the_names_for_the_next_run(tmp_path: Path) -> None:
    with course(tmp_path, book()) as here:
        here.sandbox.__exit__(None, None, None)
        here.ask()
        assert here.told[-1] == "Names are left for the next run; all else goes on."
        assert here.rows("SELECT count(*) FROM {name_observations}") == [(0,)]
        with Sandbox(ScriptedWorld(), names=here.book) as other:
            here.sandbox = other
            here.client = Client(other.url, FixedToken(READY_TOKEN), Budget())
            assert here.ask(hours=24.0)


def test_a_used_up_budget_is_not_waited_for(tmp_path: Path) -> None:
    with course(tmp_path, book()) as here:
        budget = Budget(per_hour=1)
        budget.acquire()
        with (
            Client(here.sandbox.url, FixedToken(READY_TOKEN), budget) as client,
            pytest.raises(Throttled, match="used up for 6"),
        ):
            client.look_up(questions.detectors(), Tally())


@pytest.mark.parametrize("kind", ["elsewhere", "loop", "nojobs", "object", "endless", "shuffle"])
def test_a_list_of_reality_data_that_goes_wrong_is_incomplete_and_heals(kind: str, tmp_path: Path) -> None:
    named = book()
    faults = Faults(1.0, 1, [kind], repeats=100)
    with course(tmp_path, named, faults) as here:
        here.ask("reality_data", itwins=(BRIDGE,))
        assert here.rows("SELECT complete FROM {name_walks} WHERE itwin_id = '" + BRIDGE + "'") == [(False,)]
        faults.probability = 0.0
        faults.forget()
        here.ask("reality_data", itwins=(BRIDGE,))
        assert here.rows("SELECT name FROM {reality_data}") == [("橋 scan",)]


def test_faults_that_pass_cost_nothing(tmp_path: Path) -> None:
    faults = Faults(0.5, 7, ["429zero", "500", "502", "503", "html", "json", "cut"])
    with course(tmp_path, book(), faults) as here:
        here.ask()
        assert here.rows("SELECT count(*) FROM {reality_data}") == [(1,)]
        assert CANARY not in str(here.told)


def test_a_body_that_cannot_be_read_is_not_quoted(tmp_path: Path) -> None:
    faults = Faults(1.0, 1, ["json"], repeats=100)
    faults._spared.clear()  # pyright: ignore[reportPrivateUsage]
    with course(tmp_path, book(), faults) as here:
        client = Client(here.sandbox.url, FixedToken(READY_TOKEN), Budget(), attempts=1)
        with pytest.raises(Malformed) as error:
            client.look_up(questions.users((ANA,)), Tally())
        assert [secret for secret in (MAIL, "García") if secret in str(error.value)] == []


def test_the_list_of_itwins_goes_on_by_skip_and_says_when_it_is_as_long_as_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {f"itwin-{number:05d}": itwin(f"itwin-{number:05d}", "x", "Inactive") for number in range(2500)}
    with course(tmp_path, NameBook(itwins=many)) as here:
        plan = Plan(every_itwin=True, tell=here.told.append)
        assert find_itwins(here.lake, here.client, plan, "run").itwin_ids == tuple(many)
        assert here.told == []
        monkeypatch.setattr(names_module.questions, "MAX_RETURN", 2000)
        assert len(find_itwins(here.lake, here.client, plan, "run").itwin_ids) == 2000
        assert "2000 iTwins at most" in here.told[0]


def test_all_itwins_are_those_of_the_list_before_where_it_cannot_be_had(tmp_path: Path) -> None:
    with course(tmp_path, book()) as here:
        plan = Plan(every_itwin=True, tell=here.told.append)
        here.book.forbidden = True
        with pytest.raises(NoItwins, match="ITWIN_IDS=all"):
            find_itwins(here.lake, here.client, plan, "run")
        here.book.forbidden = False
        assert find_itwins(here.lake, here.client, plan, "run").itwin_ids == (BRIDGE, OTHER)
        here.book.forbidden = True
        assert find_itwins(here.lake, here.client, plan, "run").itwin_ids == (BRIDGE, OTHER)
        here.book.forbidden = False
        del here.book.itwins[OTHER]
        assert find_itwins(here.lake, here.client, plan, "run").itwin_ids == (BRIDGE,)
        assert here.told[-1].startswith(f"Not listed any more, and not walked: iTwin {OTHER}")


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.proof) for seed in range(1, 20))])
def test_after_any_course_of_names_making_the_tables_again_gives_the_same(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "TOLD_SKEW_SECONDS", 60.0)  # else a slow answer is dated by whole seconds
    rng = random.Random(seed)
    with course(tmp_path, book()) as here:
        for step in range(6):
            now = f"{datetime.now(UTC) + timedelta(seconds=step):%Y-%m-%dT%H:%M:%SZ}"
            match rng.randrange(4):
                case 0:
                    here.book.itwins[BRIDGE] = itwin(BRIDGE, f"name {step}")
                case 1:
                    here.book.reality_data[BRIDGE] = {SCAN: reality_data(SCAN, f"scan {step}", now)}
                case 2:
                    here.book.reality_data[BRIDGE] = {}
                case _:
                    here.book.itwins.pop(OTHER, None) or here.book.itwins.update({OTHER: itwin(OTHER, "again")})
            here.ask("itwin", "reality_data")
            assert here.rows("SELECT name FROM {itwins} WHERE itwin_id = '" + BRIDGE + "'") == [
                (here.book.itwins[BRIDGE]["displayName"],)
            ]
        before = [here.rows(f"SELECT * FROM {{{table.name}}}") for table in MADE_NAME_TABLES]
        assert make_name_tables(here.lake, force=True)
        assert [here.rows(f"SELECT * FROM {{{table.name}}}") for table in MADE_NAME_TABLES] == before


def test_what_is_gone_and_comes_back_is_told_so_by_its_404s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_module, "AGAIN_DAYS", 0)  # all is listed in whole, refusals are asked for again
    with course(tmp_path, book()) as here:
        here.ask("reality_data")
        scan = here.book.reality_data[BRIDGE].pop(SCAN)
        here.ask("reality_data")
        assert here.rows("SELECT name, gone_at IS NOT NULL FROM {reality_data}") == [("橋 scan", True)]
        here.book.reality_data[BRIDGE][SCAN] = scan
        here.ask("reality_data")
        assert here.rows("SELECT name, gone_at FROM {reality_data}") == [("橋 scan", None)]


def test_what_the_contract_does_not_know_is_drift_and_of_people_without_an_example(tmp_path: Path) -> None:
    named = book()
    named.reality_data[BRIDGE][SCAN] |= {"strange": "x", "size": "large"}
    named.users[ANA]["phone"] = "+49"
    with course(tmp_path, named) as here:
        here.ask()
        assert here.rows("SELECT type, path, kind, jobs, example FROM {name_drift} ORDER BY ALL") == [
            ("reality_data", "$.size", "wrong_type", 1, "large"),
            ("reality_data", "$.strange", "unknown_field", 1, "x"),
            ("user", "$.phone", "unknown_field", 1, None),
        ]
        assert here.rows("SELECT size_bytes FROM {reality_data}") == [(None,)]


def test_a_day_of_twenty_itwins_and_five_thousand_reality_data_costs_about_sixty_requests(tmp_path: Path) -> None:
    itwins = [f"aaaaaaaa-0000-4000-8000-{number:012d}" for number in range(20)]
    data = {
        one: {key: reality_data(key, "x") for key in (f"{one[:-4]}{number:04d}" for number in range(250))}
        for one in itwins
    }
    detectors = {f"d{number}": detector(f"d{number}") for number in range(15)}
    with course(tmp_path, NameBook({one: itwin(one, "x") for one in itwins}, data, detectors)) as here:
        here.ask(itwins=tuple(itwins))
        assert len(here.ask(itwins=tuple(itwins))) == 57  # and one for a thousand users


def test_an_answer_is_cut_of_signed_urls_wherever_they_stand() -> None:
    from assets.api.bodies import without_signed_urls

    body = rb'{"downloadUrl" : "https://a/b?sig=\"x", "DownloadURL":"y", "z":"https://c/?a=1&X-Amz-Signature=q", "ok":"https://d/?a=1"}'
    assert without_signed_urls(body) == b'{"downloadUrl" : null, "DownloadURL":null, "z":null, "ok":"https://d/?a=1"}'
