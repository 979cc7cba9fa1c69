"use strict";

// Filters the counts that the page holds, adds them up, and shows what comes of it. What a count
// means is decided where it is made: in the project's SQL.

const page = JSON.parse(document.getElementById("data").textContent);
const COUNT = ",d";
const SHARE = ".1%";
const POINTS = "points"; // of per cent
// what has no name of its own: in the table, but its bar would dwarf the others
const REST = ["other channels", "other countries"];
const oneDigit = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
const signed = { signDisplay: "exceptZero" };
const formats = {
  [COUNT]: new Intl.NumberFormat("en"),
  [SHARE]: new Intl.NumberFormat("en", { style: "percent", ...oneDigit }),
  "+,.0f": new Intl.NumberFormat("en", { ...signed, maximumFractionDigits: 0 }),
  "+.1f": new Intl.NumberFormat("en", { ...signed, ...oneDigit }),
  "+.1%": new Intl.NumberFormat("en", { style: "percent", ...signed, ...oneDigit }),
};
const tables = Object.fromEntries(
  Object.entries(page.tables).map(([name, columns]) => [name, rowsOf(columns)]),
);

function rowsOf(columns) {
  const names = Object.keys(columns);
  const length = names.length ? columns[names[0]].codes.length : 0;
  return Array.from({ length }, (_, number) =>
    Object.fromEntries(
      names.map((name) => [name, columns[name].values[columns[name].codes[number]]]),
    ),
  );
}

/** Adds up the rows that have the same keys: every number but the keys. */
function addUp(rows, keys) {
  const groups = new Map();
  for (const row of rows) {
    const id = JSON.stringify(keys.map((key) => row[key]));
    const group = groups.get(id);
    if (!group) {
      groups.set(id, { ...row });
      continue;
    }
    for (const [name, value] of Object.entries(row)) {
      if (typeof value === "number" && !keys.includes(name)) group[name] += value;
    }
  }
  return [...groups.values()];
}

const divide = (part, whole) => (whole ? part / whole : null);

function addRates(row, rates) {
  for (const [name, [part, whole]] of Object.entries(rates)) {
    row[name] = divide(row[part], row[whole]);
  }
  return row;
}

/** A number as its format says, a text as it is. */
function show(value, format) {
  if (value === null || value === undefined) return "–";
  if (format === POINTS) return `${show(100 * value, "+.1f")} points`;
  return format ? formats[format].format(value).replace("-", "−") : value;
}

function chosenRows(query, period, channel) {
  return tables[query].filter(
    (row) => row.period === period.period && (!channel || row.channel === channel),
  );
}

// ---- key figures

function arrivals(now, before, period) {
  if (!period.last_day) return "";
  const arrived = `${show(now, COUNT)} new in the period`;
  if (!period.has_previous) return arrived;
  const span = `the ${period.day_count} days before`;
  return before
    ? `${arrived}, ${show(now / before - 1, "+.1%")} against ${span}`
    : `${arrived}, none in ${span}`;
}

function difference(now, before, format, period) {
  if (!period.has_previous || now === null || before === null) return "";
  return `${show(now - before, format)} since ${period.day_before}`;
}

function showFigures(period, channel) {
  const [sum] = addUp(chosenRows("headline", period, channel), []);
  const put = (name, value, change) => {
    const card = document.getElementById(name);
    card.querySelector(".value").textContent = sum ? value : "No data";
    card.querySelector(".change").textContent = sum ? change : "";
  };
  const all = sum ?? {};
  const rate = divide(all.conversions, all.leads);
  const previousRate = divide(all.previous_conversions, all.previous_leads);
  put(
    "contacts",
    show(all.total_contacts, COUNT),
    arrivals(all.new_contacts, all.previous_new_contacts, period),
  );
  put("users", show(all.total_users, COUNT), arrivals(all.new_users, all.previous_new_users, period));
  put(
    "conversion-rate",
    show(rate, SHARE),
    difference(rate, previousRate, POINTS, period),
  );
  put(
    "active",
    show(all.active, COUNT),
    difference(all.active, all.previous_active, "+,.0f", period),
  );
}

// ---- charts

function rowsOfChart(chart, period, channel) {
  const field = chart.order.replace("-", "");
  const direction = chart.order.startsWith("-") ? -1 : 1;
  return addUp(chosenRows(chart.query, period, chart.compares_channels ? "" : channel), chart.keys)
    .map((row) => addRates(row, chart.rates))
    .map((row) => ({
      ...row,
      is_chosen: !chart.compares_channels || !channel || row.channel === channel,
    }))
    .sort((a, b) => direction * ((a[field] > b[field]) - (a[field] < b[field])));
}

function summaryOf(chart, rows) {
  if (!rows.length) return "No data for this choice.";
  const [sum] = addUp(rows, []).map((row) => addRates(row, chart.rates));
  const format = (field) =>
    chart.columns.find((column) => column.field === field)?.format ??
    (field in chart.rates ? SHARE : COUNT);
  return chart.summary.replace(/\{(\w+)\}/g, (_, field) => show(sum[field], format(field)));
}

function fillTable(table, columns, rows) {
  table.replaceChildren(
    ...rows.map((row) => {
      const line = document.createElement("tr");
      for (const { field, format } of columns) {
        const cell = line.insertCell();
        cell.textContent = show(row[field], format);
        if (format) cell.className = "number";
      }
      return line;
    }),
  );
}

/** The height in pixels: Vega-Lite warns of one by the step in a chart as wide as the page. */
function heightOf({ height, layer }, rows) {
  if (!height.step) return height;
  const { field } = layer[0].encoding.y;
  return height.step * new Set(rows.map((row) => row[field])).size;
}

/** Draws anew; what was drawn stays as high as it was until then, so that nothing jumps. */
async function draw(picture, specification, rows) {
  picture.style.minHeight = `${picture.offsetHeight}px`;
  const place = document.createElement("div");
  picture.replaceChildren(place);
  if (rows.length) {
    await vegaEmbed(
      place,
      { ...specification, height: heightOf(specification, rows), datasets: { rows } },
      {
        actions: false,
        ast: true, // no eval, which the page's policy forbids
        config: page.config,
        defaultStyle: false,
        renderer: "svg",
        tooltip: { disableDefaultStyle: true },
      },
    );
  } else {
    place.className = "empty";
    place.textContent = "No data";
  }
  picture.style.minHeight = "";
}

function showChart(chart, number, period, channel) {
  const rows = rowsOfChart(chart, period, channel);
  const summary = summaryOf(chart, rows);
  const figure = document.getElementById(`chart-${number}`);
  const picture = figure.querySelector(".picture");
  figure.querySelector(".summary").textContent = summary;
  picture.setAttribute("aria-label", `${chart.title}: ${summary}`);
  fillTable(figure.querySelector("tbody"), chart.columns, rows);
  const named = rows.filter((row) => !REST.includes(row[chart.keys[0]]));
  return draw(picture, chart.picture, named.length ? named : rows);
}

// ---- page

async function showPage() {
  const channel = document.getElementById("channel").value;
  const name = document.getElementById("period").value;
  const period = tables.periods.find((row) => row.period === name);
  document.getElementById("span").textContent = period.last_day
    ? `${period.first_day} to ${period.last_day}, so far` +
      (period.has_previous ? "" : "; no full period before to compare with")
    : "";
  showFigures(period, channel);
  document.body.dataset.state = "drawing";
  await Promise.all(page.charts.map((chart, number) => showChart(chart, number, period, channel)));
  document.body.dataset.state = "drawn";
}

document.querySelector(".filters").addEventListener("change", ({ target }) => {
  document.documentElement.style.colorScheme = document.getElementById("theme").value;
  if (target.id === "theme") return;
  showPage();
  const contacts = document.querySelector("#contacts .value").textContent;
  document.getElementById("announcement").textContent =
    `${document.getElementById("period").value}, ` +
    `${document.getElementById("channel").selectedOptions[0].text}: ${contacts} contacts. ` +
    "Figures and charts are updated.";
});
showPage();
