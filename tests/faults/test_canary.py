"""Tokens and the secret are nowhere: not in files, tables, footers, logs or errors, whatever the API answered."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from assets.api.client import Client
from assets.api.errors import JobledgerError
from assets.api.transport import AnswerLimits
from assets.by_id import fetch_by_id
from assets.plan import Plan
from pipelines.sandbox import KINDS, Faults, ScriptedWorld
from tests.faults.chains import LIST, chained, page, to
from tests.faults.world import ITWINS, KNOWN, SECRET, Ledger, NotedTokens, client, job, stage
from tests.servers import Reply, Request
from warehouse.lake import Lake

LIMITS = AnswerLimits(seconds=0.5, megabytes=1)


def texts_in(data: Path) -> Iterable[tuple[str, str]]:
    """All that a data folder holds: the bytes of each file, and what Parquet files hold under their compression."""
    for path in sorted(path for path in data.rglob("*") if path.is_file()):
        yield str(path), path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            yield f"rows of {path}", repr(pq.read_table(path, partitioning=None).to_pylist())
            yield f"footer of {path}", repr(pq.read_metadata(path).metadata)


def leaks(texts: Iterable[tuple[str, str]], canaries: Iterable[str]) -> list[str]:
    forms = {form for canary in canaries for form in (canary, quote(canary, safe=""))}
    return [where for where, text in texts if any(form in text for form in forms)]


def test_a_leak_would_be_found(tmp_path: Path) -> None:
    with chained(tmp_path, lambda _: page(job("a", name="canary-1"))) as (ledger, _):
        ledger.sync()
    assert leaks(texts_in(tmp_path), ["canary-1"]) != []
    assert leaks(texts_in(tmp_path), ["canary-2"]) == []


@pytest.mark.proof
def test_after_every_fault_no_token_and_no_secret_is_anywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world = ScriptedWorld(*(job(f"job-{number}", state="Failed") for number in range(6)))
    said: list[str] = []
    noted: set[str] = set()
    with stage() as (playing, sandbox):
        for seed, kind in enumerate(KINDS):
            world.put(job(f"new-{seed}", state="Failed"))  # about whose messages nobody has asked
            playing.play(world, faults := Faults(1, seed, [kind], slow_seconds=0.001, huge_megabytes=2))
            tokens = NotedTokens(sandbox, LIMITS)
            plan = Plan(itwin_ids=ITWINS[:1], page_size=2, tell=said.append)
            with client(sandbox, tokens=tokens, limits=LIMITS) as api:
                said += attempt(Ledger(Lake(tmp_path), api, plan))
            assert faults.counts[kind] > 0, kind
            noted |= tokens.noted
        Ledger(Lake(tmp_path), api).flatten()
    assert len(noted) >= len(KINDS) / 2
    spoken = [("log", caplog.text), ("said", "\n".join(said))]
    assert "POST /connect/token" in caplog.text
    assert leaks([*spoken, *texts_in(tmp_path)], [SECRET, *noted]) == []


def attempt(ledger: Ledger) -> list[str]:
    """A sync and a fetch by id; what their errors say, chained ones included."""
    said: list[str] = []
    try:
        said.append(repr(ledger.sync()))
        said.append(repr(fetch_by_id(ledger.lake, ledger.api, ["job-0", "nobody"], KNOWN, ledger.plan)))
    except JobledgerError as error:
        chain: BaseException | None = error
        while chain is not None:
            said += [str(chain), repr(chain), repr(vars(chain))]
            chain = chain.__cause__ or chain.__context__
    return said


ECHOES = {
    "an HTML page": lambda token: Reply(200, f"<html>You sent {token}</html>".encode()),
    "a server error": lambda token: Reply(500, json.dumps({"error": {"code": token, "message": token}}).encode()),
    "a bad request": lambda token: Reply(400, json.dumps({"error": {"message": token}}).encode()),
    "a refusal": lambda token: Reply(401, json.dumps({"error": {"message": quote(token)}}).encode()),
    "a correlation id": lambda token: Reply(500, b"", {"x-correlation-id": token}),
    "a redirect": lambda token: Reply(302, b"", {"Location": f"http://127.0.0.1:9/{quote(token)}"}),
    "a link to elsewhere": lambda token: page(link=f"http://127.0.0.1:9/?{quote(token)}"),
    "a page cut short": lambda token: Reply(200, f'{{"jobs":[{{"id":"{token}'.encode()),
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES.keys())
def test_a_server_that_echoes_the_token_gets_it_into_no_file_and_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, echo: Callable[[str], Reply]
) -> None:
    caplog.set_level(logging.DEBUG)

    def respond(request: Request) -> Reply:
        token = request.headers["authorization"].removeprefix("Bearer ")
        first = request.target.startswith(f"{LIST}?$filter")
        return page(job("a", state="Failed"), link=to("1")) if first else echo(token)

    with chained(tmp_path, respond, attempts=1) as (ledger, _):
        assert isinstance(ledger.api, Client)
        said = attempt(ledger)
        assert ledger.last_walk("complete") == {"complete": False}
    spoken = [("said", "\n".join(said)), ("log", caplog.text)]
    assert leaks([*spoken, *texts_in(tmp_path)], ["chain-token"]) == []
