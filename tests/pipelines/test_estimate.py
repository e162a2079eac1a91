"""`jobledger estimate` as a user meets it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.pipelines.ledger_of_sandbox import imported_by, jobledger
from tests.warehouse.made_ledgers import made_ledger
from tests.warehouse.mart_worlds import AS_OF
from tests.warehouse.test_estimate import BRIDGE, golden
from tests.warehouse.test_marts_estimation import sized_world


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    data = made_ledger(tmp_path_factory.mktemp("ledger") / "data", golden(), AS_OF)
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("ITWIN_", "JOBLEDGER_"))}
    return {**plain, "JOBLEDGER_DATA": str(data)}


def asked(env: dict[str, str], cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return jobledger("estimate", *arguments, env=env, cwd=cwd)


def test_an_estimate_says_what_it_rests_on(env: dict[str, str], tmp_path: Path) -> None:
    done = asked(env, tmp_path, "--type", "Objects2D", "--itwin", BRIDGE, "--option", "fine=true")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == f"The next Objects2D job, told by the newest 20 jobs with iTwin {BRIDGE}"
    assert "units, as estimated │ 1 │ 1 │ 2 │ 20" in lines
    assert "run, in seconds │ 100 │ 100 │ 200 │ 20" in lines
    assert "0.0% of the 20 that finished failed." in lines
    assert "Dropped in this order, until 20 like jobs had finished: fine=true." in lines
    assert lines[-3:] == [
        "all conditions │ 10 │ 10 │ 0.0% │ 1 │ │ 100",
        "without fine=true │ 20 │ 20 │ 0.0% │ 1 │ │ 100",
        f"without iTwin {BRIDGE} │ 70 │ 70 │ 0.0% │ 3 │ │ 300",
    ]


def test_inputs_whose_size_is_not_known_are_said_to_be_so(env: dict[str, str], tmp_path: Path) -> None:
    done = asked(env, tmp_path, "--type", "Objects2D", "--input", "photos-of-harbour")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == (
        "The size of these inputs, or of those of like jobs, is not known: nothing can be told by it."
    )


def test_what_the_size_of_an_input_explains_is_said(env: dict[str, str], tmp_path: Path) -> None:
    jobs = [("orthophoto", (1 + number % 4) * 10**9, 1.0 + number % 3, 2.0 + number % 4 * 2) for number in range(24)]
    data = made_ledger(tmp_path / "data", sized_world(jobs), AS_OF)
    done = asked({**env, "JOBLEDGER_DATA": str(data)}, tmp_path, "--type", "Objects2D", "--input", "data-3")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "processing_units of 4 GB │ 8 │ 8 │ 8 │ 24 │ 100%" in lines
    assert lines[-1] == "run_seconds by km2: explains nothing of the spread; what stands above is better."


def test_an_estimate_as_json_is_the_same_for_programs(env: dict[str, str], tmp_path: Path) -> None:
    done = asked(env, tmp_path, "--type", "Objects2D", "--detector", "rail/2.0", "--json")
    found = json.loads(done.stdout)
    assert (found["type"], found["dropped"]) == ("Objects2D", ["version 2.0"])
    assert found["answer"]["run_seconds"] == {"jobs": 50, "p10": 100.0, "p50": 300.0, "p90": 400.0}
    assert [each["jobs"] for each in found["tried"]] == [15, 50, 70]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--type", "Nothing"], 2, "jobledger: No type 'Nothing' is known."),
        (["--type", "Objects2D", "--option", "fine"], 2, "jobledger: --option 'fine': write it NAME=VALUE."),
        (["--type", "Objects2D", "--option", "fine=1", "--option", "fine=2"], 2, "--option fine is given twice"),
        (["--type", "EvalO2D"], 1, "jobledger: No EvalO2D job is known yet: there is nothing to estimate from."),
        ([], 2, "Missing option '--type'"),
    ],
)
def test_what_cannot_be_estimated_is_said_in_a_sentence(
    env: dict[str, str], tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    done = asked(env, tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_estimate_imports_neither_dagster_nor_arrow(env: dict[str, str], tmp_path: Path) -> None:
    assert imported_by("estimate", "--type", "Objects2D", env=env, cwd=tmp_path) == set()
