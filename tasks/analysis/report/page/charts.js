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

/** Draw every chart, and redraw when the colour scheme changes. */
async function drawCharts(figures) {
  const elements = [...document.querySelectorAll("[data-figure]")];
  if (!elements.length || !(await library("plotly"))) return;
  const draw = async () => {
    for (const element of elements) {
      const { data, layout } = themed(figures[element.dataset.figure]);
      await Plotly.react(element, data, layout, { responsive: true, displayModeBar: false });
      await new Promise((resolve) => setTimeout(resolve)); // keep the page responsive between charts
    }
  };
  await draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
