"""The files in `deploy/`, by the programs that read them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import dagster
import pytest
import yaml
from dagster._cli import cli as dagster_cli
from dagster._daemon.cli import cli as daemon_cli
from dagster_webserver.cli import dagster_webserver as web_cli

from pipelines.settings import DEFAULTS

ROOT = Path(__file__).parents[1]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
NO_SYSTEMD = "systemd-analyze is not installed"


@pytest.mark.skipif(not shutil.which("systemd-analyze") and not os.environ.get("CI"), reason=NO_SYSTEMD)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_reads_a_unit_without_complaint(unit: Path, tmp_path: Path) -> None:
    """The programs that it starts lie elsewhere than here, so they are put where it looks for them."""
    text = unit.read_text(encoding="utf-8")
    here = tmp_path / unit.name
    here.write_text(re.sub(r"(?<=^ExecStart=)\S+", "/bin/true", text, flags=re.MULTILINE), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", here], capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, complaints) == (0, [])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_starts_what_is_installed_with_settings_that_are_there(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    (program,) = re.findall(r"^ExecStart=/opt/jobledger/\.venv/bin/(\S+)", text, re.MULTILINE)
    assert program in ("dagster-daemon", "dagster-webserver")
    set_here = re.findall(r"\b(JOBLEDGER_\w+|ITWIN_\w+)=", text)
    assert set(set_here) <= set(DEFAULTS)
    assert "-w workspace.yaml" in text
    assert (ROOT / "workspace.yaml").exists()


DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
HELM = yaml.safe_load((DEPLOY / "helm" / "values.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
OF_SERVICES = {
    *("image", "build", "restart", "init", "volumes", "environment", "env_file", "command", "ports", "depends_on"),
    *("healthcheck", "stop_grace_period"),
}
"""The keys of a service that are used here, as the Compose specification has them."""

OF_LOCATIONS = {
    *("name", "image", "dagsterApiGrpcArgs", "port", "includeConfigInLaunchedRuns", "env", "envSecrets", "volumes"),
    *("volumeMounts", "podSecurityContext", "resources"),
}
"""The keys of a code location that are used here, as the schema of Dagster's chart has them."""

OF_CHART = {
    *("global", "generatePostgresqlPasswordSecret", "postgresql", "telemetry", "dagster-user-deployments"),
    *("runLauncher", "dagsterDaemon"),
}
"""The keys of Dagster's chart that are used here."""


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile with what is given to them, a line each."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def start_options(words: list[str]) -> list[str]:
    """What a command is given, after the program itself has read it without complaint."""
    program, *given = words
    command: click.Command = {"dagster": dagster_cli, "dagster-daemon": daemon_cli, "dagster-webserver": web_cli}[
        program
    ]
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), given.pop(0))
        assert found is not None, words
        command = found
    command.make_context(command.name, list(given))
    return given


def test_the_image_is_made_from_files_that_are_there_and_runs_as_nobody_special() -> None:
    found = instructions()
    words = {"FROM", "ARG", "RUN", "WORKDIR", "COPY", "ENV", "USER", "VOLUME"}
    assert {name for name, _ in found} == words
    copied = [source for name, given in found if name == "COPY" for source in given.split()[:-1]]
    assert [source for source in copied if not (ROOT / source).exists()] == []
    let_in = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert {source.rstrip("/") for source in copied} == let_in
    assert next(given for name, given in reversed(found) if name == "USER") == "jobledger"
    (extras,) = re.findall(r"EXTRAS=(\S+)", DOCKERFILE)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras.split(",")) <= known.keys()
    assert "-c constraints.txt" in DOCKERFILE


def compose() -> list[str]:
    """Docker Compose, which reads a file without a daemon; it comes with docker, or alone as a package."""
    if alone := shutil.which("docker-compose", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"):
        return [alone]
    plugin = ["docker", "compose"]
    is_there = shutil.which("docker") and not subprocess.run([*plugin, "version"], capture_output=True).returncode
    return plugin if is_there else []


@pytest.mark.skipif(not compose() and not os.environ.get("CI"), reason="Docker Compose is not installed")
def test_compose_reads_its_file(tmp_path: Path) -> None:
    def complaint(file: Path) -> tuple[int, str]:
        command = [*compose(), "-f", file, "config", "--quiet", "--no-env-resolution"]
        env = {**os.environ, "POSTGRES_PASSWORD": "x"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr.strip()

    assert complaint(DEPLOY / "compose.yaml") == (0, "")
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((DEPLOY / "compose.yaml").read_text().replace("healthcheck:", "healthchecks:", 1))
    assert complaint(wrong) == (1, f"validating {wrong}: services.postgres.healthchecks false schema")


def test_the_services_of_compose_start_what_is_installed_in_an_order_that_ends() -> None:
    services = COMPOSE["services"]
    assert set(services) == {"postgres", "code", "webserver", "daemon"}
    for service in services.values():
        assert set(service) <= OF_SERVICES
        assert set(service.get("depends_on", {})) <= services.keys()
        assert {volume.partition(":")[0] for volume in service["volumes"]} <= COMPOSE["volumes"].keys()
        own = {name for name in service.get("environment", {}) if name.startswith(("JOBLEDGER_", "ITWIN_"))}
        assert own <= set(DEFAULTS)
    assert all("healthcheck" in services[name] for row in services.values() for name in row.get("depends_on", {}))
    for name in ("code", "webserver", "daemon"):
        start_options(shlex.split(services[name]["command"]))
    start_options(services["code"]["healthcheck"]["test"][1:])
    (location,) = yaml.safe_load((DEPLOY / "workspace.yaml").read_text())["load_from"]
    assert location["grpc_server"]["host"] in services
    assert f"-p {location['grpc_server']['port']}" in services["code"]["command"]
    assert services["webserver"]["ports"] == ["127.0.0.1:3000:3000"]


def test_the_values_for_the_chart_name_settings_keys_and_releases_that_are_there() -> None:
    assert set(HELM) == OF_CHART
    (location,) = HELM["dagster-user-deployments"]["deployments"]
    assert set(location) == OF_LOCATIONS
    start_options(["dagster", "api", "grpc", "-p", str(location["port"]), *location["dagsterApiGrpcArgs"]])
    own = {name for name in location["env"] if name.startswith(("JOBLEDGER_", "ITWIN_"))}
    assert own <= set(DEFAULTS)
    assert all(isinstance(value, str) for value in location["env"].values())
    assert {mount["name"] for mount in location["volumeMounts"]} == {volume["name"] for volume in location["volumes"]}
    shipped = yaml.safe_load((ROOT / "pipelines" / "dagster.yaml").read_text())["run_coordinator"]["config"]
    queue = HELM["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
    assert queue["tagConcurrencyLimits"] == shipped["tag_concurrency_limits"]
    assert f"--version {dagster.__version__} " in (DEPLOY / "helm" / "values.yaml").read_text()
