"""The report as one HTML file: the template, the drawings twice (as SVG, and for scripts to draw), and their scripts.

Nothing is fetched: the page's own policy forbids it, and lets no script run but those that it was made with. All texts
of the ledger are escaped, by the template, and in what scripts read by leaving out every `<`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from typing import Any, Final, cast

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from assets.report import words
from assets.report.figures import Figure, Section
from assets.report.questions import Row, Scope
from assets.report.sentences import Paragraph

VEGA_LITE: Final = "6.4"
SNIPPET: Final = "window.vegaEmbed = vegaEmbed;"
"""What the page's own script takes from the bundle."""

STATIC_WIDTH: Final = {True: 900, False: 520}
"""The width of a drawing without scripts, for one that is as wide as the page and for the others."""


@dataclass(frozen=True)
class Drawing:
    """A figure with its drawing as SVG."""

    figure: Figure
    svg: Markup | None


def page(about: Scope, covered: Row, paragraphs: Sequence[Paragraph], sections: Sequence[Section], bundle: str) -> str:
    """Return the whole page. `covered` is the answer to `scope`; `bundle` holds the libraries that draw in browsers."""
    specs: dict[str, Any] = {}
    drawn = [(section, [_drawing(figure, specs) for figure in section.figures]) for section in sections]
    scripts = [bundle, _part("report.js")]
    template = _environment().from_string(_part("page.html.j2"))
    return template.render(
        about=about,
        itwin=covered["itwin"] if about.itwin_id else None,
        jobs=covered["jobs"],
        words=words,
        paragraphs=paragraphs,
        sections=drawn,
        policy=_policy(scripts),
        css=Markup(_part("report.css")),
        specs=Markup(_json(specs)),
        scripts=[Markup(script) for script in scripts],
    )


def bundle_version() -> str:
    """Return what changes with the bundle."""
    return f"{version('vl-convert-python')}-{VEGA_LITE}"


def javascript_bundle() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script. It takes some seconds to make."""
    import vl_convert as vlc

    return vlc.javascript_bundle(SNIPPET, vl_version=VEGA_LITE).replace("</script", "<\\/script")


def _drawing(figure: Figure, specs: dict[str, Any]) -> Drawing:
    if figure.chart is None:
        return Drawing(figure, None)
    from assets.report.charts import spec

    specs[figure.name] = spec(figure.chart)
    return Drawing(figure, _svg(figure.name, specs[figure.name], STATIC_WIDTH[figure.is_wide]))


def _svg(name: str, spec: Mapping[str, Any], width: int) -> Markup:
    """A drawing as SVG. It fills its place, and its ids are its own among those of the page."""
    import vl_convert as vlc

    text = vlc.vegalite_to_svg(cast("Any", {**spec, "width": width}), vl_version=VEGA_LITE)
    ids = dict.fromkeys(re.findall(r'\bid="([^"]+)"', text))  # they are counted through all drawings of a process
    for place, found in enumerate(ids):
        text = text.replace(f'id="{found}"', f'id="{name}-{place}"').replace(f"url(#{found})", f"url(#{name}-{place})")
    return Markup(re.sub(r'<svg ([^>]*?)width="[\d.]+" height="[\d.]+"', r"<svg \1", text, count=1))


def _policy(scripts: Sequence[str]) -> str:
    """The page's policy: these scripts and no other, no address at all. Vega makes functions of its expressions."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    sources = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {sources} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _json(value: Any) -> str:
    """JSON that no HTML can end."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).replace("<", "\\u003c")


def _environment() -> Environment:
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _part(name: str) -> str:
    return resources.files(__package__ or "").joinpath("parts", name).read_text(encoding="utf-8")
