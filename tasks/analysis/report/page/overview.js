// All runs of a root: what is under way, looked at again every few seconds, and the history of the newest run's experiment.

const EVERY_MILLISECONDS = 3000;

async function watch() {
  const stages = await ask("stages");
  document.getElementById("underway").hidden = !stages.length;
  document.getElementById("stages").replaceChildren(...stages.map((s) => make("tr", { "data-recipe": s.recipe },
    make("td", {}, make("a", { href: `/underway?stage=${encodeURIComponent(s.stage)}&recipe=${s.recipe}` }, s.stage)),
    make("td", {}, s.model), make("td", { class: "n strong" }, number(s.num_arrived)),
    make("td", { class: `n ${s.num_failures ? "bad" : ""}` }, number(s.num_failures)), make("td", { class: "n" }, number(s.num_stored)),
    make("td", {}, s.is_alive ? "at work" : make("span", { class: "badge warn" }, "left by a dead run; the next one takes it over")))));
  document.documentElement.dataset.watched = "yes";
  setTimeout(watch, EVERY_MILLISECONDS);
}
watch();

document.getElementById("experiment")?.addEventListener("input", (event) => event.target.form.submit());
const history_ = document.getElementById("history");
if (history_) {
  ask("history", { run: history_.dataset.run }).then(async (charts) => {
    history_.hidden = !charts.length;
    if (charts.length) await drawCharts(document.getElementById("drawn"), charts, true);
    document.documentElement.dataset.charts = "ready";
  });
}
