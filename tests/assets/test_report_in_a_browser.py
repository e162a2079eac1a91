"""The report in Chromium, opened from disk: drawn at both widths in light and dark, without scripts, and on paper."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from assets.report.making import render
from assets.unit_budget import read_unit_budget
from tests.browser import CHROMIUM, NEEDS_BROWSER, kept
from tests.report_ledger import SCRIPT
from warehouse.lake import Lake

CHARTS = 17
VIEWS = [(width, scheme) for width in (1400, 390) for scheme in ("light", "dark")]

pytestmark = [pytest.mark.browser, pytest.mark.proof, NEEDS_BROWSER]


@pytest.fixture(scope="module")
def report(report_ledger: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("browser") / "report.html"
    place.write_text(render(Lake(report_ledger), read_unit_budget("300"))[0], encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def opened(browser: Browser, report: Path, **how: Any) -> tuple[Page, list[str]]:
    """The report in a window of its own, and whatever went wrong there or was asked of a host."""
    page = browser.new_context(**how).new_page()
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith("file:") else None)
    page.goto(report.as_uri())
    return page, wrong


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_it_is_drawn_without_an_error_or_a_request_and_everybody_can_read_it(
    browser: Browser, report: Path, tmp_path: Path, width: int, scheme: Any
) -> None:
    page, wrong = opened(browser, report, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.wait_for_selector("html.is-drawn")
    assert page.locator(".drawing.is-live .live svg").count() == CHARTS
    assert page.evaluate("document.documentElement.scrollWidth") == width
    wide = "[...document.querySelectorAll('.live svg')].filter(one => one.getBoundingClientRect().right > innerWidth)"
    assert page.evaluate(f"{wide}.length") == 0
    if width == VIEWS[0][0]:  # colours are the same at every width
        found = Axe().run(page, context={"exclude": [[".static"], [".live"]]}).response["violations"]  # they have words
        assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
    page.screenshot(path=kept(f"report-{width}-{scheme}.png", tmp_path), full_page=True)
    assert wrong == []
    page.context.close()


@pytest.mark.picture
def test_the_picture_of_the_readme_is_how_it_begins(browser: Browser, docs_ledger: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text(render(Lake(docs_ledger), read_unit_budget("1150"))[0], encoding="utf-8")
    page, wrong = opened(browser, report, viewport={"width": 1200, "height": 1400}, color_scheme="light")
    page.wait_for_selector("html.is-drawn")
    page.screenshot(path=kept("report.png", tmp_path))
    assert wrong == []
    page.context.close()


def test_values_stand_under_the_pointer_and_a_script_in_a_name_does_not_run(browser: Browser, report: Path) -> None:
    page, wrong = opened(browser, report, viewport={"width": 1400, "height": 900})
    page.wait_for_selector("html.is-drawn")
    title = page.title()
    page.locator("#open-jobs .live .mark-rect path").first.hover()
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    said = tooltip.inner_text()
    assert SCRIPT[:20] in said
    assert re.search(r"In this state for\s+5\.\d+ d", said)
    page.locator("#units-by-month .live .mark-rect path").first.hover()
    page.wait_for_function("document.querySelector('#vg-tooltip-element').innerText.includes('Units')")
    assert re.search(r"Month\s+\w{3} \d{4}\s+iTwin\s+\S", tooltip.inner_text())
    assert (page.title(), wrong) == (title, [])
    page.context.close()


def test_without_scripts_every_drawing_and_number_is_there(browser: Browser, report: Path, tmp_path: Path) -> None:
    page, wrong = opened(browser, report, viewport={"width": 1400, "height": 900}, java_script_enabled=False)
    drawings = page.locator(".drawing .static svg")
    assert drawings.count() == CHARTS
    assert all(drawings.nth(place).is_visible() for place in range(CHARTS))
    assert "300 units will be passed on" in page.locator("#short").inner_text()
    assert page.locator("#units-by-month tbody tr").count() == 16
    page.screenshot(path=kept("report-no-scripts.png", tmp_path), full_page=True)
    assert wrong == []
    page.context.close()


def test_it_prints(browser: Browser, report: Path, tmp_path: Path) -> None:
    page, wrong = opened(browser, report, viewport={"width": 1400, "height": 900}, color_scheme="dark")
    page.wait_for_selector("html.is-drawn")
    place = kept("report.pdf", tmp_path)
    page.pdf(path=place, format="A4", print_background=True)
    page.emulate_media(media="print")
    assert page.locator(".static svg").first.is_visible()
    assert not page.locator(".live").first.is_visible()
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", place.read_bytes())) <= 14
    assert wrong == []
    page.context.close()
