"""What the command line draws on a terminal and says elsewhere: progress, --quiet, NO_COLOR, JSON and completion."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.sandbox import Sandbox, World
from tests.pipelines.ledger_of_sandbox import JOBLEDGER, environment, jobledger
from warehouse.marts.all import MARTS

ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
COLOR = re.compile(r"\x1b\[[0-9;]*3[0-9]")


def on_a_terminal(arguments: list[str], env: dict[str, str], cwd: Path) -> tuple[int, str]:
    """Run the command with a terminal as stderr; its exit code and what the terminal got."""
    ours, theirs = pty.openpty()
    wide = {**env, "TERM": "xterm-256color", "COLUMNS": "160"}
    process = subprocess.Popen([JOBLEDGER, *arguments], env=wide, cwd=cwd, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that nobody has the other end open any more
            break
        if not part:
            break
        said += part
    os.close(ours)
    if process.stdout:
        process.stdout.close()
    return process.wait(60), said.decode()


@pytest.fixture(scope="module")
def synced(
    world: World, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], Path, str]:
    """A ledger of a month, and what a terminal got to see while it was synced."""
    home = tmp_path_factory.mktemp("progress")
    env = environment(sandbox, world, home / "data")
    code, said = on_a_terminal(["sync", "--from", "2026-03", "--to", "2026-03"], env, home)
    assert code == 0, said
    return env, home, said


@pytest.mark.proof
def test_a_terminal_sees_walks_pages_jobs_and_their_rate(synced: tuple[dict[str, str], Path, str]) -> None:
    plain = ANSI.sub("", synced[2])
    assert "3/3 walks, 3 pages" in plain
    assert re.search(r"\d+ jobs [\d,]+ jobs/s", plain)
    assert "2026-03: " in plain, "the sentences of the steps stand above the bar"


@pytest.mark.proof
def test_a_terminal_sees_months_flattened_with_their_rate_and_marts_made(
    synced: tuple[dict[str, str], Path, str],
) -> None:
    env, home, said = synced
    code, replayed = on_a_terminal(["replay", "--quiet"], env, home)
    assert (code, replayed) == (0, "")
    code, replayed = on_a_terminal(["replay"], {**env, "NO_COLOR": "1"}, home)
    assert code == 0
    assert not COLOR.search(replayed)
    for seen in (ANSI.sub("", said), ANSI.sub("", replayed)):
        assert re.search(r"Flattening .*1/1 months, \d+ jobs [\d,]+ jobs/s", seen)
        made, files = re.findall(r"Marts .*?(\d+)/(\d+) files", seen)[-1]
        assert made == files
        assert int(files) >= len(MARTS)


@pytest.mark.proof
def test_a_pipe_gets_lines_without_a_bar_and_quiet_says_nothing(synced: tuple[dict[str, str], Path, str]) -> None:
    env, home, _ = synced
    again = jobledger("sync", "--from", "2026-03", "--to", "2026-03", "--quiet", env=env, cwd=home)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    synced_again = jobledger("sync", "--from", "2026-03", "--to", "2026-03", env=env, cwd=home)
    assert re.search(r"\d+ marts made in [\d.]+ s, \d+ left as they were\n", synced_again.stderr)
    replayed = jobledger("replay", env=env, cwd=home)
    assert "2026-03 replayed" in replayed.stderr
    assert "marts made anew" in replayed.stderr
    assert "\x1b" not in synced_again.stderr + replayed.stderr + replayed.stdout


def test_quiet_still_says_what_is_wrong(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "JOBLEDGER_DATA": str(tmp_path / "none")}
    done = jobledger("status", "--quiet", env=env, cwd=tmp_path)
    assert done.returncode == 2
    assert "There is no ledger" in done.stderr


def test_no_color_is_honoured_on_a_terminal(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "JOBLEDGER_DATA": str(tmp_path / "none")}
    assert COLOR.search(on_a_terminal(["status"], env, tmp_path)[1])
    assert not COLOR.search(on_a_terminal(["status"], {**env, "NO_COLOR": "1"}, tmp_path)[1])


@pytest.mark.proof
def test_the_status_is_one_json_object_for_programs(synced: tuple[dict[str, str], Path, str]) -> None:
    env, home, _ = synced
    found = json.loads(jobledger("status", "--json", env=env, cwd=home).stdout)
    tables = {"walks", "coverage", "open_by_age", "rejects", "drift", "failed_months", "alerts", "undelivered_alerts"}
    assert set(found) == {"ledger", *tables, "missing_names"}
    assert found["ledger"].endswith("history.duckdb")
    assert found["failed_months"] == []
    assert found["walks"][0]["month"] == "2026-03"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_that_completes(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert "_JOBLEDGER_COMPLETE" in done.output


def test_completion_knows_the_commands() -> None:
    asked = {"_JOBLEDGER_COMPLETE": "bash_complete", "COMP_WORDS": "jobledger st", "COMP_CWORD": "1"}
    done = subprocess.run([JOBLEDGER], env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert "plain,status" in done.stdout


@pytest.mark.parametrize("command", sorted(main.commands))
def test_help_has_examples_that_the_command_takes(command: str) -> None:
    shown = CliRunner().invoke(main, [command, "--help"]).output
    examples = shown.partition("Examples:")[2]
    options = set(re.findall(r"(?<=\s)--[a-z-]+", examples))
    assert f"jobledger {command}" in examples
    assert options <= set(re.findall(r"--[a-z-]+", shown.partition("Examples:")[0]))
