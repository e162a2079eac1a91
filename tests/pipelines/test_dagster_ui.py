"""The real web server and daemon: a run is launched over GraphQL, waits in the queue, runs, and shows in a browser."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from contextlib import suppress
from html import unescape
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from pipelines.sync import range_tags
from tests.browser import CHROMIUM, NEEDS_BROWSER, kept
from tests.pipelines.ledger_of_sandbox import environment, running, small_world
from tests.pipelines.ui_server import Ui, graphql, serving_ui, until

pytestmark = pytest.mark.proof

LAUNCH = """
mutation Launch($parameters: ExecutionParams!) {
  launchRun(executionParams: $parameters) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
STATUS = "query Status($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
LAPTOP = "1366,768"


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Generator[Ui]:
    home = tmp_path_factory.mktemp("ui")
    world = small_world()
    with running(world) as (sandbox, _), serving_ui(environment(sandbox, world, home / "data"), home) as found:
        yield found


def processes_of(home: Path) -> set[int]:
    """The processes whose environment names a data folder below `home`: the UI and all that it began."""
    found: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"JOBLEDGER_DATA={home}".encode() in (folder / "environ").read_bytes():
                found.add(int(folder.name))
    return found


def runs(url: str) -> dict[str, str]:
    """How each run stands, by its id."""
    found = graphql(url, "query { runsOrError { ... on Runs { results { runId status } } } }")
    return {run["runId"]: run["status"] for run in found["runsOrError"]["results"]}


def run_of_months(url: str, first: str, last: str) -> tuple[str, str]:
    """Launch the job on months as a person would, and wait for its end: the run's id and how it ended."""
    tags = [{"key": key, "value": value} for key, value in range_tags(first, last).items()]
    selector = {"repositoryLocationName": "jobledger", "repositoryName": "__repository__", "pipelineName": "sync"}
    parameters = {"selector": selector, "mode": "default", "executionMetadata": {"tags": tags}, "runConfigData": "{}"}
    launched = graphql(url, LAUNCH, parameters=parameters)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]

    def status() -> str | None:
        word: str = graphql(url, STATUS, id=run_id)["runOrError"]["status"]
        return word if word in ENDED else None

    return run_id, until(status, 90, "the run to end")


@pytest.fixture
def page() -> Generator[Page]:
    """A page of a browser as large as a laptop's."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        found = browser.new_page(viewport={"width": 1366, "height": 768})
        found.set_default_timeout(60_000)
        yield found
        browser.close()


def shoot(page: Page, folder: Path, name: str) -> None:
    """Keep a screenshot."""
    page.wait_for_timeout(1_000)  # what is drawn moves into its place
    page.screenshot(path=kept(f"{name}.png", folder))


def look(url: str, profile: Path, *how: str) -> str:
    """Open a page in a browser as large as a laptop's; what it printed."""
    assert CHROMIUM is not None, "CI installs Chromium"
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *(f"--user-data-dir={profile}", f"--window-size={LAPTOP}", "--virtual-time-budget=20000", *how, url),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout


def test_a_run_launched_over_graphql_succeeds_and_lands_its_months(ui: Ui) -> None:
    run_id, ended = run_of_months(ui.url, "2026-02", "2026-03")
    assert ended == "SUCCESS"
    data = ui.home / "data"
    assert (data / "history.duckdb").exists()
    assert (data / "dagster" / "running" / f"{run_id}.lock").exists()
    months = sorted(folder.name for folder in (data / "lake" / "jobs").iterdir())
    assert months == ["created_month=2026-02", "created_month=2026-03"]


@NEEDS_BROWSER
@pytest.mark.picture
def test_a_person_sees_the_assets_in_their_groups(ui: Ui, page: Page, tmp_path: Path) -> None:
    page.goto(f"{ui.url}/asset-groups")
    for group in ("raw", "core", "specifications", "quality", "names", "marts", "published"):
        page.get_by_text(group, exact=True).locator("visible=true").nth(1).wait_for()  # in the list and in the graph
    page.get_by_text("Hide navigation").click()
    shoot(page, tmp_path, "assets")


@NEEDS_BROWSER
def test_a_person_sees_where_a_column_comes_from_and_a_mart_s_chart(ui: Ui, page: Page, tmp_path: Path) -> None:
    page.goto(f"{ui.url}/assets/objects2d_jobs")
    page.get_by_text("(from observations: body)").first.wait_for()
    page.goto(f"{ui.url}/assets/duration_stats")
    page.get_by_text("[Show Markdown]").first.click()
    drawn = page.locator('img[src^="data:image/svg+xml"]')
    drawn.wait_for()
    assert drawn.evaluate("image => image.complete && image.naturalWidth") > 100
    shoot(page, tmp_path, "the_chart_of_a_mart")


@NEEDS_BROWSER
def test_a_person_sees_in_red_which_month_of_three_is_bad_why_and_what_to_do(ui: Ui, tmp_path: Path) -> None:
    in_the_way = ui.home / "data" / "scratch" / "2026-02"
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("in the way")
    run_id, ended = run_of_months(ui.url, "2026-01", "2026-03")
    in_the_way.unlink()
    assert ended == "FAILURE"
    shot = kept("one_bad_month_of_three.png", tmp_path)
    look(f"{ui.url}/runs/{run_id}", tmp_path / "profile", f"--screenshot={shot}")
    assert shot.stat().st_size > 50_000  # an empty page takes less
    page = unescape(look(f"{ui.url}/runs/{run_id}", tmp_path / "profile", "--dump-dom"))
    why = f"2026-02: Something of that name is there already: {in_the_way}. Move it away, or name another place."
    red = f"StepFailed: 1 month failed; all other months are done.\n{why}\n"
    for row in ("STEP_FAILURE", "RUN_FAILURE"):
        assert red in page.rpartition(row)[2].split("_EVENT")[0], f"{row} does not say why"
        assert row in page


@NEEDS_BROWSER
def test_a_person_sees_what_a_failed_check_found(ui: Ui, page: Page, tmp_path: Path) -> None:
    """The run with the bad month is the newest one of that check."""
    page.goto(f"{ui.url}/assets/history_duckdb?view=checks")
    page.get_by_text("every_month_came_through").first.click()
    page.get_by_text("[Show Markdown]").first.click()
    page.get_by_role("cell", name="2026-02", exact=True).wait_for()
    shoot(page, tmp_path, "a_check_with_its_rows")


@NEEDS_BROWSER
def test_a_person_launches_a_run_by_clicks_and_it_succeeds(ui: Ui, page: Page, tmp_path: Path) -> None:
    before = runs(ui.url)
    page.goto(f"{ui.url}/assets/walks")
    page.get_by_role("button", name="Materialize…").click()
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("button", name="Latest").click()
    page.get_by_role("button", name="Launch 1 run").click()
    launched = until(lambda: set(runs(ui.url)) - set(before), 60, "a run to be launched")
    assert len(launched) == 1
    assert until(lambda: runs(ui.url)[next(iter(launched))] in ENDED and runs(ui.url), 90, "the run to end")
    assert runs(ui.url)[next(iter(launched))] == "SUCCESS"
    page.goto(f"{ui.url}/runs")
    page.get_by_text("4 assets").first.wait_for()
    shoot(page, tmp_path, "a_run_launched_by_clicks")


@NEEDS_BROWSER
def test_a_person_sees_plots_of_the_walks_and_the_numbers_of_a_month(ui: Ui, page: Page, tmp_path: Path) -> None:
    page.goto(f"{ui.url}/assets/walks")
    page.get_by_role("button", name="Plots").click()
    for name in ("complete_walks", "new_jobs", "requests", "retries", "seconds"):
        page.get_by_text(name, exact=True).last.scroll_into_view_if_needed()
    shoot(page, tmp_path, "an_asset_with_plots")
    page.goto(f"{ui.url}/assets/jobs?view=partitions&partition=2026-03")
    page.get_by_text("newest_job").wait_for()
    page.get_by_text("dagster/partition_row_count").wait_for()
    shoot(page, tmp_path, "the_partitions_after_a_backfill")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_sigterm_ends_the_web_server_the_daemon_and_the_code_servers(ui: Ui) -> None:
    assert len(processes_of(ui.home)) >= 4
    ui.process.terminate()
    ui.process.wait(60)
    assert processes_of(ui.home) == set()
