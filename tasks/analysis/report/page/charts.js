// Draws the figures made in Python, in the page's colours.

function themed(figure) {
  const style = getComputedStyle(document.documentElement);
  const [ink, faint, line] = ["--ink", "--faint", "--line"].map((name) => style.getPropertyValue(name).trim());
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickfont: { color: faint }, automargin: true };
  const layout = {
    ...figure.layout,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: ink, family: style.getPropertyValue("--sans"), size: 13 },
    margin: { l: 52, r: 16, t: 12, b: 48 },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { color: ink } },
    hoverlabel: { font: { family: style.getPropertyValue("--sans") } },
    hovermode: "closest",
    dragmode: false,
  };
  if (figure.data[0].type === "sankey") layout.margin = { l: 8, r: 8, t: 8, b: 12 };
  for (const name of ["xaxis", "yaxis"]) {
    const own = figure.layout[name] ?? {};
    layout[name] = { ...axis, ...own, title: { ...own.title, font: { color: faint, size: 12 } } };
  }
  const data = figure.data.map((trace) =>
    trace.type === "sankey" ? { ...trace, textfont: { color: ink, size: 13, shadow: "none" } } : trace,
  );
  return { data, layout };
}

/** Make a place for each chart and draw them in the page's colours; redraw when the colour scheme changes. */
async function drawCharts(place, charts, isLabelled) {
  const flows = charts.filter((chart) => chart.run_id);
  const drawn = charts.map((chart) => [chart, make("div", { class: `chart ${chart.key}` })]);
  const figure = ([chart, element]) => make("figure", { class: "card" },
    make("h3", {}, chart.title, isLabelled ? make("small", {}, ` ${chart.benchmark}`) : null), element, make("figcaption", {}, chart.note));
  const [small, big] = [drawn.filter(([chart]) => chart.run_id && flows.length > 1), drawn.filter(([chart]) => !chart.run_id || flows.length === 1)];
  place.replaceChildren(make("div", { class: "charts" }, ...big.map(figure)));
  if (small.length) place.append(make("div", { class: "charts small" }, ...small.map(figure)));
  if (!charts.length) place.append(make("p", { class: "note" }, "There is nothing to draw yet: no sample of these runs has a verdict."));
  if (!charts.length || !(await plotly())) return;
  const draw = async () => {
    for (const [chart, element] of drawn) {
      if (!element.isConnected) continue;
      const { data, layout } = themed(chart.figure);
      await Plotly.react(element, data, layout, { responsive: true, displayModeBar: false });
      await new Promise((resolve) => setTimeout(resolve)); // keep the page responsive between charts
    }
  };
  await draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

let plotlyIsThere = null;
const plotly = () => (plotlyIsThere ??= library("plotly"));
