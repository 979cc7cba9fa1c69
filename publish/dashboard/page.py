"""Puts the page together: template, style, script, Vega and the figures, all in one file.

Only the page's own scripts run, as its Content-Security-Policy names them by their hashes, and
nothing is loaded. So a text of the data could do no harm even if it were not escaped.
"""

import base64
import hashlib
from dataclasses import asdict
from pathlib import Path

import altair as alt
import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from publish.dashboard.charts import HEADLINE, charts
from publish.dashboard.drawing import CONFIG
from publish.dashboard.figures import Row, compact

HERE = Path(__file__).parent
VEGA_LITE = alt.SCHEMA_VERSION.rpartition(".")[0]  # of Altair's specifications, as v6.4


def render(figures: dict[str, list[Row]]) -> str:
    """Return the page as HTML.

    Args:
        figures: rows by name of the query, as `figures.read` gives them.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"default": str, "separators": (",", ":")}
    scripts = [
        vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE),
        (HERE / "page.js").read_text(),
    ]
    (about,) = figures["about"]
    pictures = [asdict(chart) for chart in charts(about["usual_days_to_convert"])]
    return environment.get_template("page.html").render(
        about=about,
        periods=figures["periods"],
        channels=[row["channel"] for row in figures["channels"]],
        charts=pictures,
        headline=HEADLINE,
        style=(HERE / "page.css").read_text(),
        scripts=scripts,
        script_hashes=[_hash(script) for script in scripts],
        data={
            "charts": pictures,
            "config": CONFIG,
            "tables": {name: compact(rows) for name, rows in figures.items()},
        },
    )


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
