"""The three kinds of pictures, as Vega-Lite: lines over time, bars with a part filled, a heat map.

The page's script gives each its rows. Colours are the page's CSS variables, which an SVG takes as
they are: light, dark and print need no other picture.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

ROWS = "rows"  # the data set that the page's script fills in
SERIES = ["var(--series-1)", "var(--series-2)", "var(--series-3)"]
SHAPES = ["circle", "square", "triangle-up"]

CONFIG: dict[str, Any] = {
    "aria": False,  # the page names each picture itself
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "domainColor": "var(--line)",
        "gridColor": "var(--line)",
        "labelColor": "var(--quiet)",
        "labelFontSize": 12,
        "labelPadding": 8,
        "ticks": False,
        "titleColor": "var(--quiet)",
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 12,
    },
    "axisX": {"grid": False},
    "axisY": {"domain": False},
    "legend": {"labelColor": "var(--ink)", "labelFontSize": 12, "orient": "top", "title": None},
    "line": {"strokeWidth": 2},
    "text": {"fill": "var(--ink)", "fontSize": 12},
}


@dataclass(frozen=True)
class Column:
    """A column of a chart's rows: in its table, its tooltip and the text about it.

    Args:
        field: as the query or a rate names it.
        title: as people read it.
        format: d3's, for a number; empty for a text.
    """

    field: str
    title: str
    format: str = ""


def lines(
    time: str,
    measures: Sequence[Column],
    columns: Sequence[Column],
    *,
    is_monthly: bool = True,
    size: str | None = None,
    domain: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Return lines over time, with hollow points where the row's `is_final` is false.

    Args:
        time: field of the days.
        measures: one line each.
        columns: what a tooltip tells.
        is_monthly: whether the days are always those that months begin with.
        size: field that the points' size is of.
        domain: lowest and highest value of the axis; by the data where there is none.
    """
    number = measures[0].format
    base = (
        alt.Chart(alt.NamedData(ROWS))
        .transform_fold([measure.field for measure in measures], as_=["measure", "value"])
        .encode(
            x=alt.X(
                time,
                type="temporal",
                title=None,
                scale=alt.Scale(type="utc"),
                axis=_time_axis(is_monthly),
            ),
            y=alt.Y(
                "value:Q",
                title=None,
                axis=_number_axis(number),
                scale=alt.Scale(domain=domain) if domain else alt.Undefined,
            ),
            stroke=alt.Stroke("measure:N", **_by_measure(measures, SERIES)),
            tooltip=_tooltip(columns),
        )
    )
    points = base.mark_point(opacity=1, strokeWidth=2).encode(
        fill=alt.condition(
            "datum.is_final",
            alt.Fill("measure:N", **_by_measure(measures, SERIES)),
            alt.value("var(--card)"),
        ),
        shape=alt.Shape("measure:N", **_by_measure(measures, SHAPES)),
        size=alt.Size(size, type="quantitative", legend=None, scale=alt.Scale(range=[20, 300]))
        if size
        else alt.value(40),
    )
    return _specification(base.mark_line(), points, height=240)


def bars(
    name: str, whole: Column, part: Column, share: Column, columns: Sequence[Column]
) -> dict[str, Any]:
    """Return a bar for each name, with a part of it filled and the part's share beside it.

    Bars of which the row's `is_chosen` is false are faint.

    Args:
        name: field of the names, in the rows' order.
        whole: what the bar is as long as.
        part: how much of it is filled.
        share: the part of the whole.
        columns: what a tooltip tells.
    """
    base = alt.Chart(alt.NamedData(ROWS)).encode(
        y=alt.Y(
            name,
            type="nominal",
            sort=None,
            title=None,
            axis=alt.Axis(grid=False, labelLimit=130),
        ),
        tooltip=_tooltip(columns),
    )
    both = (whole, part)
    filled = base.transform_fold([column.field for column in both], as_=["measure", "value"])
    return _specification(
        filled.mark_bar(height={"band": 0.7}, cornerRadiusEnd=2).encode(
            x=alt.X(
                "value:Q",
                stack=None,
                title=None,
                axis=_number_axis(whole.format),
            ),
            opacity=alt.condition("datum.is_chosen", alt.value(1), alt.value(0.35)),
            color=alt.Color(
                "measure:N", **_by_measure(both, ["var(--series-1-pale)", "var(--series-1)"])
            ),
        ),
        base.mark_text(align="left", dx=6).encode(
            x=alt.X(whole.field, type="quantitative"),
            text=alt.Text(share.field, type="quantitative", format=share.format),
        ),
        height=alt.Step(28),
    ) | {"padding": {"left": 5, "top": 5, "right": 44, "bottom": 5}}  # for the longest bar's share


def heat_map(
    across: Column, down: Column, share: Column, columns: Sequence[Column]
) -> dict[str, Any]:
    """Return a table of cells that are the darker the larger a share is.

    Args:
        across: the columns of cells.
        down: the rows of cells, in the rows' order.
        share: of which a cell shows the per cent, 0 to 1.
        columns: what a tooltip tells.
    """
    base = (
        alt.Chart(alt.NamedData(ROWS))
        .transform_calculate(per_cent=f"round(100 * datum.{share.field})")
        .encode(
            x=alt.X(
                across.field,
                type="ordinal",
                title=across.title,
                scale=alt.Scale(paddingInner=0.04),
                axis=alt.Axis(orient="top", labelAngle=0, domain=False),
            ),
            y=alt.Y(
                down.field,
                type="nominal",
                sort=None,
                title=None,
                scale=alt.Scale(paddingInner=0.08),
                axis=alt.Axis(grid=False),
            ),
            tooltip=_tooltip(columns),
        )
    )
    return _specification(
        base.mark_rect(cornerRadius=2, fill="var(--heat)").encode(
            # even the darkest leaves the text readable
            fillOpacity=alt.FillOpacity(
                share.field,
                type="quantitative",
                legend=None,
                scale=alt.Scale(domain=[0, 1], range=[0.04, 0.6]),
            ),
        ),
        base.mark_text(fontSize=11).encode(text="per_cent:Q"),
        height=alt.Step(24),
    )


def _time_axis(is_monthly: bool) -> alt.Axis:
    return alt.Axis(
        labelExpr="utcFormat(datum.value, utcdate(datum.value) === 1 ? '%b %Y' : '%-d %b')",
        labelFlush=False,
        labelOverlap="greedy",
        labelSeparation=12,
        tickCount=alt.TimeIntervalStep(interval="month", step=1) if is_monthly else 8,
    )


def _number_axis(number: str) -> alt.Axis:
    if number.endswith("%"):
        return alt.Axis(grid=True, tickCount=5, format=number.replace("%", "~%"))  # 5%, not 5.0%
    return alt.Axis(grid=True, tickCount=5, format=number, tickMinStep=1)


def _by_measure(measures: Sequence[Column], looks: Sequence[str]) -> dict[str, Any]:
    """Return the scale and legend that give each measure a look of its own."""
    titles = {measure.field: measure.title for measure in measures}
    scale = alt.Scale(domain=list(titles), range=list(looks[: len(titles)]))
    if len(titles) == 1:
        return {"scale": scale, "legend": None}
    return {"scale": scale, "legend": alt.Legend(labelExpr=f"{json.dumps(titles)}[datum.label]")}


def _tooltip(columns: Sequence[Column]) -> list[alt.Tooltip]:
    return [
        alt.Tooltip(column.field, type="quantitative", title=column.title, format=column.format)
        if column.format
        else alt.Tooltip(column.field, type="nominal", title=column.title)
        for column in columns
    ]


def _specification(*layers: alt.Chart, height: int | alt.Step) -> dict[str, Any]:
    chart = alt.layer(*layers).properties(width="container", height=height)
    specification: dict[str, Any] = chart.to_dict()
    del specification["config"]  # Altair's own; the page has CONFIG
    return specification
