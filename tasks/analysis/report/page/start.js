// Tables first, then everything that takes longer.

addEventListener("hashchange", follow);
addEventListener("keydown", (event) => {
  const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "");
  if (event.key === "Escape") {
    if (isTyping) document.activeElement.blur();
    else if (current) location.hash = "#problems";
  }
  if (event.key === "Enter" && document.activeElement?.id === "search" && view.length) {
    document.activeElement.blur();
    location.hash = linkTo(view[0]);
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

(async () => {
  const data = JSON.parse(await unpack("data"));
  openTable(data);
  document.documentElement.dataset.tables = "ready";
  await follow();
  parsed.then(() => drawCharts(data.figures)).then(() => { document.documentElement.dataset.charts = "ready"; });
  const { chunk_of, num_traces, num_cut } = await directory;
  const embedded = chunk_of.filter((chunk) => chunk !== null).length;
  document.getElementById("embedded").textContent =
    `It has the texts of ${number(embedded)} of ${number(chunk_of.length)} problems: ${number(num_traces)} traces, ` +
    `${number(num_cut)} texts without their middle.`;
})();
