"""Alerts as somebody gets them: the sensor on real runs and a ledger on disk, Apprise, and a server that receives."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from pipelines import answering
from pipelines.alert_addresses import Address, read_addresses
from pipelines.alerting import alerts_sensor
from pipelines.cli import main
from pipelines.definitions import build_defs
from pipelines.delivery import NO_APPRISE, REFUSED, UNKNOWN, Letter, deliver
from pipelines.settings import read_settings
from pipelines.sync import range_tags
from tests.servers import Reply, Server, serving
from tests.warehouse.alert_ledger import put
from warehouse.catalog import publish
from warehouse.contract import contract
from warehouse.errors import WrongUsage
from warehouse.explain import redacted
from warehouse.lake import Lake
from warehouse.marts.all import all_tables
from warehouse.name_tables import ITWINS
from warehouse.tables import CONTRACT_DRIFT, WALKS

MONTH, NORTH = "2026-03", "11111111-0000-4000-8000-000000000000"
CANARY = "canary"
LETTER = Letter("title", "body", "info")


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A ledger that was walked whole a moment ago, and settings whose secrets are canaries."""
    monkeypatch.chdir(tmp_path)
    settings = {
        "JOBLEDGER_DATA": str(tmp_path / "data"),
        "JOBLEDGER_START": MONTH,
        "ITWIN_IDS": NORTH,
        "ITWIN_CLIENT_ID": "somebody",
        "ITWIN_CLIENT_SECRET": "canary-of-a-secret",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    lake = Lake(tmp_path / "data")
    put(lake, ITWINS, [{"itwin_id": NORTH, "name": "Bridge North"}])
    put_walks(lake, complete=True)
    return lake


def put_walks(lake: Lake, *, complete: bool) -> None:
    now = datetime.now(UTC)
    walk = {"itwin_id": NORTH, "created_from": datetime(2026, 3, 1, tzinfo=UTC), "run_id": "run"}
    whole = walk | {"walk_id": "a", "finished_at": now - timedelta(hours=1), "complete": True}
    newest = walk | {"walk_id": "b", "finished_at": now, "complete": complete, "error": None if complete else "page 2"}
    put(lake, WALKS, [whole, newest], MONTH)


def tick(instance: dg.DagsterInstance) -> str:
    """Evaluate the sensor as the daemon does; the sentence that it ends with."""
    with dg.build_sensor_context(instance=instance) as context:
        done = alerts_sensor().evaluate_tick(context)
    assert not done.run_requests
    assert done.skip_message
    return done.skip_message


def end_run(instance: dg.DagsterInstance, reason: str | None = None) -> str:
    """Let a run of a job that is called as the ledger's end, as a failure if there is a reason; its id."""

    @dg.op
    def step() -> None:
        if reason:
            raise dg.Failure(description=reason)

    @dg.job(name="sync", executor_def=dg.in_process_executor, logger_defs={})
    def sync() -> None:
        step()

    done = sync.execute_in_process(instance=instance, tags=range_tags(MONTH, MONTH), raise_on_error=False)
    assert done.success == (reason is None)
    return done.run_id


def posts(server: Server) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in server.requests]


def address(server: Server, path: str = "alerts") -> str:
    return f"json://canary-user:canary-password@{server.url.removeprefix('http://')}/{path}"


@pytest.mark.proof
def test_over_two_ticks_each_alert_arrives_once_then_one_all_clear_and_no_canary_is_anywhere(
    ledger: Lake,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(Reply(200)) as server, dg.DagsterInstance.ephemeral() as instance:
        dead = "mailto://canary-user:canary-password@127.0.0.1:1/?from=canary@example.org&to=canary@example.org"
        monkeypatch.setenv("JOBLEDGER_ALERT_URLS", f"{address(server, 'canary-path')}, {dead}")
        said = [tick(instance)]
        run_id = end_run(instance, "The token canary-of-a-secret was refused.")
        put_walks(ledger, complete=False)
        drift = {"type": "Objects2D", "path": "$.new", "kind": "unknown_field", "jobs": 4}
        put(ledger, CONTRACT_DRIFT, [drift], MONTH)
        said += [tick(instance), tick(instance)]
        publish(ledger, all_tables(contract()), "views")
        answering.show_status(read_settings())
        status = capsys.readouterr().out
        end_run(instance)
        put_walks(ledger, complete=True)
        said += [tick(instance), tick(instance)]
    first, last = posts(server)
    assert (first["title"], first["type"]) == ("jobledger: 3 new", "warning")
    assert (last["title"], last["type"]) == ("jobledger: 2 over", "success")
    headings = [line for line in first["message"].splitlines() if line.isupper()]
    assert headings == ["FAILED RUN", "INCOMPLETE WALK", "DRIFT"]
    assert f"The token [redacted] was refused. Since {datetime.now(UTC):%Y-%m-%d}" in first["message"]
    assert f"http://127.0.0.1:3000/runs/{run_id}" in first["message"]
    assert "- 2026-03, iTwin Bridge North: page 2 Since " in first["message"]
    assert [line.rpartition(", since")[0] for line in last["message"].splitlines()[1:3]] == [
        "- Failed run: sync of 2026-03",
        "- Incomplete walk: 2026-03, iTwin Bridge North",
    ]
    assert said == [
        "0 alerts stand; nothing new.",
        "3 alerts stand; told 1 of 2 addresses.",
        "3 alerts stand; told 0 of 1 addresses.",
        "1 alerts stand; told 1 of 2 addresses.",
        "1 alerts stand; told 0 of 1 addresses.",
    ]
    stand, undelivered = status.split("Alerts that stand")[1].split("Alerts that could not be delivered")
    assert all(word in stand for word in ("sync of 2026-03", "2026-03, iTwin Bridge North", "$.new"))
    assert "mailto://127.0.0.1" in undelivered
    assert REFUSED.split(":")[0] in undelivered
    files = [file.read_bytes().decode(errors="ignore") for file in ledger.data.rglob("*") if file.is_file()]
    bodies = [request.body.decode() for request in server.requests]
    logs = [record.getMessage() for record in caplog.records if not record.name.startswith("dagster")]
    for text in (*said, status, *bodies, *files, *logs, repr(read_settings()), capsys.readouterr().err):
        assert CANARY not in text


def test_a_server_that_comes_back_gets_what_it_missed_and_no_tick_fails(
    ledger: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Reply(503), Reply(200)) as server, dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("JOBLEDGER_ALERT_URLS", address(server))
        put_walks(ledger, complete=False)
        said = [tick(instance) for _ in range(3)]
    assert said == [
        "1 alerts stand; told 0 of 1 addresses.",
        "1 alerts stand; told 1 of 1 addresses.",
        "1 alerts stand; nothing new.",
    ]
    assert [post["title"] for post in posts(server)] == ["jobledger: 1 new"] * 2


def test_without_an_address_a_tick_says_so_and_looks_at_nothing(ledger: Lake) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        end_run(instance, "down")
        assert tick(instance) == "JOBLEDGER_ALERT_URLS names no address."
    assert not (ledger.data / "alerts.json").exists()


def test_a_failure_of_the_day_before_is_told_by_the_first_tick_and_one_made_good_is_not(
    ledger: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Reply(200)) as server, dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("JOBLEDGER_ALERT_URLS", address(server))
        end_run(instance, "down")
        end_run(instance)
        assert tick(instance) == "0 alerts stand; nothing new."
        end_run(instance, "down again")
        assert tick(instance) == "1 alerts stand; told 1 of 1 addresses."
    assert "- sync of 2026-03: down again Since " in posts(server)[0]["message"]


def test_the_sensor_is_off_until_switched_on_starts_no_job_and_says_what_it_tells() -> None:
    [sensor] = build_defs(start=MONTH).sensors or []
    assert isinstance(sensor, dg.SensorDefinition)
    assert (sensor.name, sensor.default_status) == ("alerts", dg.DefaultSensorStatus.STOPPED)
    assert not sensor.targets
    assert all(word in str(sensor.description) for word in ("failed run", "stale ledger", "JOBLEDGER_UNIT_BUDGET"))


def test_a_tick_with_nothing_to_send_imports_neither_apprise_nor_pandas(
    ledger: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBLEDGER_ALERT_URLS", "json://127.0.0.1:1")
    heavy = ("apprise", "pandas")
    for name in [name for name in sys.modules if name.partition(".")[0] in heavy]:
        monkeypatch.delitem(sys.modules, name)
    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(instance) == "0 alerts stand; nothing new."
    assert not set(heavy) & set(sys.modules)


def alert(monkeypatch: pytest.MonkeyPatch, urls: str, *arguments: str) -> tuple[int, str, str]:
    """Run `jobledger alert` with these addresses: its exit code, and what it printed on stdout and stderr."""
    monkeypatch.setenv("JOBLEDGER_ALERT_URLS", urls)
    done = CliRunner().invoke(main, ["alert", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_a_test_alert_says_to_how_many_addresses_it_went_by_scheme_and_host(
    ledger: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Reply(200)) as server:
        tried = alert(monkeypatch, f"{address(server)}, {address(server, 'other')}", "--test")
    assert tried == (0, "Sent to 2 of 2 addresses.\njson://127.0.0.1\njson://127.0.0.1\n", "")
    assert [post["title"] for post in posts(server)] == ["jobledger: a test"] * 2


def test_a_test_alert_that_does_not_arrive_is_a_failure_that_shows_no_secret(
    ledger: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Reply(403)) as server:
        code, out, err = alert(monkeypatch, f"{address(server)}, slack://canary-of-a-token", "--test")
    assert (code, out) == (1, "Sent to 0 of 2 addresses.\n")
    assert err.splitlines() == [
        "jobledger: Not sent to 2 of 2 addresses.",
        f"json://127.0.0.1: {REFUSED}",
        f"slack://: {UNKNOWN}",
    ]


@pytest.mark.parametrize(
    ("arguments", "urls", "said"),
    [
        ([], "", "Say what to do: `jobledger alert --test`"),
        (["--test"], "", "JOBLEDGER_ALERT_URLS is not set"),
        (["--test"], "canary@example.org", "JOBLEDGER_ALERT_URLS: address 1 of 1 is none; it is not shown"),
    ],
)
def test_what_cannot_be_tried_is_wrong_usage(
    ledger: Lake, monkeypatch: pytest.MonkeyPatch, arguments: list[str], urls: str, said: str
) -> None:
    code, out, err = alert(monkeypatch, urls, *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert CANARY not in err


def test_without_apprise_a_delivery_fails_with_a_sentence_and_nothing_else_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    [outcome] = deliver({Address("slack://canary/b/c"): LETTER}).values()
    assert (outcome.shown, outcome.reason) == ("slack://", NO_APPRISE)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "slack://"),
        ("gotify://127.0.0.1:1/canary-of-a-token", "gotify://127.0.0.1"),
        ("tgram://123456789:abcdefghijklmnopqrstuvwxyz012345678/", "tgram://"),
    ],
)
def test_of_an_address_its_scheme_is_shown_and_its_host_only_where_it_is_one(
    url: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.delivery._notify", lambda service, letter: False)
    [outcome] = deliver({Address(url): LETTER}).values()
    assert outcome.shown == shown


def test_whatever_a_plug_in_raises_is_a_delivery_that_failed_without_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(service: object, letter: object) -> bool:
        raise ValueError("canary")

    monkeypatch.setattr("pipelines.delivery._notify", explode)
    [outcome] = deliver({Address("json://127.0.0.1:1"): LETTER}).values()
    assert (outcome.shown, outcome.reason) == ("json://127.0.0.1", f"{REFUSED} (ValueError)")


def test_addresses_stand_by_comma_and_a_comma_within_one_is_its_own() -> None:
    read = read_addresses(
        " mailto://a:b@example.org/?to=c@example.org,d@example.org , json://127.0.0.1 ,json://127.0.0.1,"
    )
    assert [address.url for address in read] == [
        "mailto://a:b@example.org/?to=c@example.org,d@example.org",
        "json://127.0.0.1",
    ]
    assert read_addresses("") == ()


def test_an_address_shows_nothing_of_itself_and_its_digest_tells_it_from_others() -> None:
    one, other = Address("slack://canary-a"), Address("slack://canary-b")
    assert (repr(one), one.scheme) == ("Address()", "slack://")
    assert one.digest != other.digest
    assert len(one.digest) == 6


@pytest.mark.parametrize("text", ["canary://", "one canary", "json://canary, nothing", "json://a canary"])
def test_what_is_no_address_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(WrongUsage, match="is none; it is not shown") as raised:
        read_addresses(text)
    assert CANARY not in str(raised.value)


def test_each_address_of_the_environment_is_blotted_out_wherever_it_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBLEDGER_ALERT_URLS", "slack://canary/b/c, json://host/canary")
    assert redacted("to slack://canary/b/c and json://host/canary") == "to [redacted] and [redacted]"
