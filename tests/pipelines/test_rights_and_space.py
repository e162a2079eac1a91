"""A ledger of another user's, and a disk that is full: the command line as a user without rights meets them.

Linux gives a process a namespace of its own, in which root has no rights either, and a small disk can be mounted.
"""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from pipelines.sandbox import World
from tests.pipelines.ledger_of_sandbox import JOBLEDGER, environment, jobledger, running

SYNC = ("sync", "--from", "2026-03", "--to", "2026-03")
SQL = ("sql", "select 1 as one")
WITHOUT_RIGHTS = ("unshare", "--user")
ON_A_SMALL_DISK = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
MOUNT = 'mount -t tmpfs -o size="$0"k none disk && cp -a data/. disk && JOBLEDGER_DATA=disk exec "$@"'
FULL = ("jobledger: No space is left", "jobledger: The disk is full, or fails, under Dagster's own state")


def has_namespaces() -> bool:
    try:
        return (
            subprocess.run([*ON_A_SMALL_DISK, "mount -t tmpfs none /tmp"], capture_output=True, check=False).returncode
            == 0
        )
    except FileNotFoundError:
        return False


pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(not has_namespaces(), reason="needs namespaces for users and mounts"),
]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Path, dict[str, str]]]:
    """A folder with a ledger `data` of one month and an empty `disk`, and the settings of that ledger."""
    home = tmp_path_factory.mktemp("rights")
    (home / "disk").mkdir()
    world = World(seed=3, jobs_per_month=40, months=1, itwins=2, users=3)
    with running(world) as (sandbox, _):
        env = environment(sandbox, world, home / "data")
        done = jobledger(*SYNC, env=env, cwd=home)
        assert done.returncode == 0, done.stderr
        yield home, env


def failed(ledger: tuple[Path, dict[str, str]], how: Sequence[str], arguments: Sequence[str]) -> tuple[int, str]:
    """The exit code and what is on stderr of a command that fails and shows no traceback."""
    home, env = ledger
    command = [*how, JOBLEDGER, *arguments]
    done = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout, "Traceback" in done.stderr) == ("", False), done.stderr
    return done.returncode, done.stderr


def test_a_door_that_cannot_be_read_is_named(ledger: tuple[Path, dict[str, str]]) -> None:
    door = ledger[0] / "data" / "history.duckdb"
    door.chmod(0)
    try:
        code, said = failed(ledger, WITHOUT_RIGHTS, SQL)
    finally:
        door.chmod(0o600)
    assert (code, said) == (
        1,
        f"jobledger: This user has no right to do that: {door}. "
        "Give the user that runs jobledger the right to read and write there, or name another place.\n",
    )


@pytest.mark.parametrize(
    ("mode", "arguments", "code", "words"),
    [
        (0o000, SYNC, 2, "JOBLEDGER_DATA: the folder {data} cannot be written (Permission denied)."),
        (0o000, SQL, 1, "This user has no right to do that: {data}/ledger.json."),
        (0o555, SYNC, 2, "JOBLEDGER_DATA: the folder {data} cannot be written (Permission denied)."),
        (0o555, ("export", "out.duckdb"), 1, "This user has no right to do that: {data}/locks/export.lock."),
    ],
)
def test_a_data_folder_of_another_user_is_named_and_nothing_is_changed(
    mode: int, arguments: Sequence[str], code: int, words: str, ledger: tuple[Path, dict[str, str]]
) -> None:
    data = ledger[0] / "data"
    (data / "locks").chmod(0o555)
    (data / "locks" / "export.lock").unlink(missing_ok=True)
    before = sorted(path.stat().st_mtime_ns for path in data.rglob("*"))
    data.chmod(mode)
    try:
        found, said = failed(ledger, WITHOUT_RIGHTS, arguments)
    finally:
        data.chmod(0o700)
    after = sorted(path.stat().st_mtime_ns for path in data.rglob("*"))
    (data / "locks").chmod(0o700)
    assert (found, words.format(data=data) in said) == (code, True), said
    assert after == before


@pytest.mark.parametrize("arguments", [SYNC, ("replay",), ("export", "disk/out.duckdb")])
def test_a_full_disk_says_that_no_space_is_left_and_to_free_some(
    arguments: Sequence[str], ledger: tuple[Path, dict[str, str]]
) -> None:
    kilobytes = int(subprocess.check_output(["du", "-sk", ledger[0] / "data"], text=True).split()[0])
    code, said = failed(ledger, [*ON_A_SMALL_DISK, MOUNT, str(kilobytes + 4)], arguments)
    last = said[said.rindex("jobledger: ") :]
    assert (code, last.startswith(FULL)) == (1, True), said
    assert "Free some on that disk, or name a folder on another one; what had landed is kept." in last
