from __future__ import annotations

from typing import Any

import pytest

from pipelines.sandbox import FixedClock, Sandbox, ScriptedWorld
from tests.pipelines.sandbox_client import NOVEMBER, NOW, Client, client_of

ITWIN = "11111111-1111-4111-8111-111111111111"
WINDOW = f"iTwinId eq {ITWIN} and {NOVEMBER}"


def job(job_id: str = "a", created: str = "2025-11-05T00:00:00Z", **more: Any) -> dict[str, Any]:
    return {"id": job_id, "iTwinId": ITWIN, "executionInfo": {"createdDateTime": created}} | more


def running(world: ScriptedWorld) -> Any:
    return client_of(Sandbox(world, clock=FixedClock(NOW)))


def ids(client: Client) -> list[str]:
    return sorted(job["id"] for job in client.walk(filter=WINDOW))


def test_records_are_listed_within_their_window() -> None:
    world = ScriptedWorld(job("a"), job("b", created="2025-10-05T00:00:00Z"), job("c") | {"iTwinId": "other"})
    with running(world) as client:
        assert client.walk(filter=WINDOW) == [job("a")]


def test_a_record_is_kept_byte_for_byte() -> None:
    strange = b'{ "id":"a", "iTwinId":"%s","units":1.50,"units":2E0, "new":[{"x":null}] }' % ITWIN.encode()
    with running(ScriptedWorld(strange)) as client:
        assert client.ask("/a").content == b'{"job":' + strange + b"}"
        assert strange in client.ask(filter=WINDOW).content


@pytest.mark.parametrize("strange", [b"[1,2]", b'"text"', b"null", b'{"name":"no id"}', b'{"id":7}'])
def test_a_record_that_cannot_be_tested_is_in_every_window(strange: bytes) -> None:
    with running(ScriptedWorld(strange)) as client:
        contents = [client.ask(filter=text).content for text in (WINDOW, "state eq Active", "iTwinId eq x")]
    assert all(strange in content for content in contents)


def test_records_are_added_changed_and_removed() -> None:
    world = ScriptedWorld(job("a"))
    with running(world) as client:
        world.put(job("b"))
        added = ids(client)
        world.put(job("a", name="New name"))
        changed = client.ask("/a").json()
        world.remove("a")
        assert (added, changed, ids(client)) == (["a", "b"], {"job": job("a", name="New name")}, ["b"])
        assert client.ask("/a").status_code == 404


def test_messages_are_as_the_test_says() -> None:
    world = ScriptedWorld(job("a"))
    told = {"errors": [{"code": "X", "title": "t", "message": "m %1", "params": ["p"]}], "warnings": []}
    with running(world) as client:
        before = client.ask("/a/messages").json()
        world.set_messages("a", told)
        world.put(job("a", name="changed since"))
        after = client.ask("/a/messages").json()
    assert (before, after) == ({"messages": {"errors": [], "warnings": []}}, {"messages": told})


def test_a_walk_over_many_records_is_whole() -> None:
    world = ScriptedWorld(*(job(f"job-{number}") for number in range(57)))
    with running(world) as client:
        assert ids(client) == sorted(f"job-{number}" for number in range(57))
        assert len(list(client.pages(filter=WINDOW, top=5))) >= 12


def test_a_second_record_with_the_same_id_can_be_put_under_its_own_key() -> None:
    world = ScriptedWorld(job("a"))
    world.put(job("a", name="twin"), key="twin")
    with running(world) as client:
        assert ids(client) == ["a", "a"]
