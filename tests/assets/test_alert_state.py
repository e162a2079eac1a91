"""Which runs still fail, what was told to whom, and what a message says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.alert_state import (
    AlertState,
    Message,
    Occurrence,
    Outcome,
    Undelivered,
    message_for,
    observed,
    read_state,
    sent,
    text_of,
    title_of,
    write_state,
)
from assets.failing_runs import EndedRun, failing_runs
from warehouse.errors import JobledgerError
from warehouse.lake import Lake

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
UI = "http://127.0.0.1:3000"
FEBRUARY, MARCH = "2026-02", "2026-03"


def run(minute: int, *months: str, job: str = "sync", whole: bool = True, reason: str | None = None) -> EndedRun:
    return EndedRun(job, months, f"run-{minute}", NOW + timedelta(minutes=minute), whole, reason)


def failing(*ended: EndedRun) -> list[tuple[str, tuple[str, ...]]]:
    return [(row.run_id, row.left) for row in failing_runs([], ended)]


def test_a_run_that_fails_again_is_the_same_failure_and_the_newest_is_shown() -> None:
    assert failing(run(1, MARCH, reason="a"), run(2, MARCH, reason="b")) == [("run-2", (MARCH,))]


def test_a_failure_lasts_until_each_of_its_months_came_through() -> None:
    wide = run(1, FEBRUARY, MARCH, reason="a")
    assert failing(wide, run(2, MARCH)) == [("run-1", (FEBRUARY,))]
    assert failing(wide, run(2, MARCH), run(3, FEBRUARY)) == []
    assert failing(run(0, FEBRUARY, MARCH), wide) == [("run-1", (FEBRUARY, MARCH))]


def test_a_run_of_a_part_or_of_another_job_makes_good_its_own_kind_alone() -> None:
    failed, part = run(1, MARCH, reason="a"), run(1, MARCH, whole=False, reason="a")
    assert failing(failed, run(2, MARCH, whole=False)) == [("run-1", (MARCH,))]
    assert failing(part, run(2, MARCH, whole=False)) == []
    assert failing(part, run(2, MARCH)) == []
    pruning = run(1, job="prune", whole=False, reason="a")
    assert failing(pruning, run(2, MARCH)) == [("run-1", ())]
    assert failing(pruning, run(2, job="prune", whole=False)) == []


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sets(st.sampled_from([FEBRUARY, MARCH]), min_size=1), st.booleans()), max_size=8))
def test_ended_runs_that_are_looked_at_twice_change_nothing(course: list[tuple[set[str], bool]]) -> None:
    ended = [run(n, *sorted(months), reason="a" if bad else None) for n, (months, bad) in enumerate(course)]
    for cut in range(len(ended) + 1):
        assert failing_runs(failing_runs([], ended), ended[cut:]) == failing_runs([], ended)


def wrong(key: str, *, begins: bool = True, since: datetime = NOW, run_id: str | None = None) -> Occurrence:
    return Occurrence("stuck_job", key, f"job {key}", "It hangs.", "Look at it.", since, run_id, begins)


def told(state: AlertState, *addresses: str) -> dict[str, tuple[list[str], list[str]]]:
    messages = {name: message_for(state, name) for name in addresses}
    return {
        name: ([row.key for row in found.news], [row.key for row in found.over])
        for name, found in messages.items()
        if found is not None
    }


def tick(state: AlertState, now_wrong: Sequence[Occurrence], **works: bool) -> tuple[AlertState, object]:
    """A tick with some addresses, each of which works or does not; what each was sent."""
    state = observed(state, now_wrong, works)
    messages = told(state, *works)
    outcomes = {name: Outcome(f"{name}://", None if works[name] else "down") for name in messages}
    return sent(state, outcomes, NOW), messages


def test_each_occurrence_is_told_once_and_once_when_it_is_over() -> None:
    state, messages = tick(AlertState(), [wrong("a"), wrong("b")], mail=True)
    assert messages == {"mail": (["a", "b"], [])}
    state, messages = tick(state, [wrong("a"), wrong("b")], mail=True)
    assert messages == {}
    state, messages = tick(state, [wrong("b"), wrong("c")], mail=True)
    assert messages == {"mail": (["c"], ["a"])}
    state, messages = tick(state, [], mail=True)
    assert messages == {"mail": ([], ["b", "c"])}
    assert state == AlertState()
    assert tick(state, [wrong("a")], mail=True)[1] == {"mail": (["a"], [])}


def test_what_one_address_did_not_get_is_kept_for_it_and_not_told_to_the_other_again() -> None:
    state, _ = tick(AlertState(), [wrong("a")], mail=True, chat=False)
    assert state.undelivered == {"chat": Undelivered("chat://", NOW, 1, "down")}
    state, messages = tick(state, [wrong("a"), wrong("b")], mail=True, chat=False)
    assert messages == {"mail": (["b"], []), "chat": (["a", "b"], [])}
    assert state.undelivered["chat"].tries == 2
    state, messages = tick(state, [wrong("b")], mail=True, chat=True)
    assert messages == {"mail": ([], ["a"]), "chat": (["b"], [])}  # of what came and went, chat never heard
    assert state.undelivered == {}


def test_an_all_clear_that_did_not_get_through_is_told_later_unless_it_is_wrong_again() -> None:
    state, _ = tick(AlertState(), [wrong("a")], mail=True)
    state, _ = tick(state, [], mail=False)
    assert told(state, "mail") == {"mail": ([], ["a"])}
    again, messages = tick(state, [wrong("a")], mail=True)
    assert (messages, again.undelivered) == ({}, {})
    assert tick(state, [], mail=True) == (AlertState(), {"mail": ([], ["a"])})


def test_a_new_address_hears_of_all_that_stands_and_one_that_is_gone_is_forgotten() -> None:
    state, _ = tick(AlertState(), [wrong("a")], mail=True, chat=False)
    state, messages = tick(state, [wrong("a")], sms=True)
    assert messages == {"sms": (["a"], [])}
    assert (state.standing[0].told, state.undelivered) == (("sms",), {})


def test_what_begins_no_alert_keeps_one_and_the_first_time_stays() -> None:
    faint = wrong("a", begins=False, since=NOW + timedelta(hours=1))
    assert tick(AlertState(), [faint], mail=True) == (AlertState(), {})
    state, _ = tick(AlertState(), [wrong("a")], mail=True)
    state, messages = tick(state, [faint], mail=True)
    assert (messages, state.standing[0].occurrence.since) == ({}, NOW)


def test_a_message_is_grouped_by_kind_and_says_what_to_do_once() -> None:
    check = Occurrence("failed_check", "c", "units, 2026-03", "3 rows.", "See the UI.", NOW)
    message = Message((wrong("a", run_id="r-1"), check, wrong("b")), (wrong("z"),))
    assert title_of(message) == "jobledger: 3 new, 1 over"
    assert text_of(message, Path("/ledger"), UI) == "\n".join(
        [
            "FAILED CHECK",
            "- units, 2026-03: 3 rows. Since 2026-03-10 12:00 UTC.",
            "  What to do: See the UI.",
            "",
            "STUCK JOB",
            "- job a: It hangs. Since 2026-03-10 12:00 UTC.",
            "  http://127.0.0.1:3000/runs/r-1",
            "- job b: It hangs. Since 2026-03-10 12:00 UTC.",
            "  What to do: Look at it.",
            "",
            "OVER",
            "- Stuck job: job z, since 2026-03-10 12:00 UTC",
            "",
            "Ledger: /ledger. `jobledger status` lists all that stands.",
        ]
    )


def test_a_message_tells_ten_of_a_kind_and_how_many_more() -> None:
    text = text_of(Message(tuple(wrong(f"{n:02}") for n in range(13)), ()), Path("/ledger"), UI)
    assert "- job 09:" in text
    assert "- job 10:" not in text
    assert "- and 3 more\n" in text


def test_no_secret_of_the_environment_is_in_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBLEDGER_ALERT_URLS", "slack://canary-1/b/c, json://host/canary-2")
    monkeypatch.setenv("ITWIN_CLIENT_SECRET", "canary-3")
    said = "slack://canary-1/b/c json://host/canary-2 canary-3 Bearer canary-4 https://canary-5@host"
    row = Occurrence("drift", "k", said, said, said, NOW)
    assert "canary" not in text_of(Message((row,), (row,)), Path("/ledger"), UI)


def test_the_state_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    state, _ = tick(AlertState(runs_until=NOW), [wrong("a")], mail=True, chat=False)
    state = observed(state, [wrong("b")], ["mail", "chat"])
    write_state(Lake(tmp_path), state)
    assert read_state(Lake(tmp_path)) == state


def test_a_damaged_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "alerts.json").write_text("{")
    with pytest.raises(JobledgerError, match=r"alerts\.json is damaged.* Delete it"):
        read_state(Lake(tmp_path))
