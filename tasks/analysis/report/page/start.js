// Tables first, then everything that takes longer.

addEventListener("keydown", (event) => {
  const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "");
  if (event.key === "Escape") {
    if (isTyping) document.activeElement.blur();
    else if (current) location.hash = "#problems";
  }
  if (event.key === "Enter" && document.activeElement?.id === "search") {
    document.activeElement.blur();
    openFirst();
    return;
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    const search = document.getElementById("search");
    if (!current) search.focus();
    else {
      addEventListener("hashchange", () => search.focus(), { once: true });
      location.hash = "#problems";
    }
  }
  if (!current) return;
  if (event.key === "j" || event.key === "ArrowRight") step(1);
  if (event.key === "k" || event.key === "ArrowLeft") step(-1);
});

/** The first problem of the filtered list, once that is there. */
async function openFirst() {
  await ready;
  const first = await problemAt(0);
  if (first) location.hash = linkTo(first);
}

/** The page of a report, from its source. */
async function start(from) {
  source = from;
  await openTable();
  openDifferences();
  document.documentElement.dataset.tables = "ready";
  addEventListener("hashchange", follow);
  await follow();
  const place = document.getElementById("drawn");
  const isLabelled = new Set(Object.values(source.runs).map((run) => run.benchmark)).size > 1;
  drawCharts(place, await source.charts(), isLabelled).then(() => { document.documentElement.dataset.charts = "ready"; });
}
