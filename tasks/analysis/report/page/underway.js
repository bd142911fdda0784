// One stage under way: what arrived last, and any problem's traces so far.

const EVERY_MILLISECONDS = 3000;
const { stage, recipe } = document.getElementById("overview").dataset;
const opened = () => decodeURIComponent(location.hash.slice(1));

async function watch() {
  const found = (await ask("stages")).find((s) => s.recipe === recipe && s.stage === stage);
  document.getElementById("state").textContent = !found ? "finished: its traces are stored" : found.is_alive ? "at work" : "left by a dead run";
  document.getElementById("told").textContent = found
    ? `${found.model}: ${number(found.num_arrived)} arrived, ${number(found.num_failures)} of them failures; ${number(found.num_stored)} were stored before.` : "";
  document.getElementById("latest").replaceChildren(...(found?.latest ?? []).map((name) => make("a", { class: "chip", href: `#${encodeURIComponent(name)}` }, name)));
  setTimeout(watch, EVERY_MILLISECONDS);
}

async function open() {
  const name = opened();
  const reader = document.getElementById("reader");
  if (!name) return reader.replaceChildren();
  const texts = await ask("arrived", { stage, recipe, problem: name });
  if (name !== opened()) return undefined;
  const question = make("div", { class: "prose" });
  const head = make("section", { class: "head" }, make("h1", {}, name), question, metadata(texts.metadata),
    make("p", {}, make("button", { type: "button", class: "copy", onclick: open }, "Look again")));
  await appendText(question, texts.question);
  const samples = texts.runs["under way"];
  const parts = samples.length ? await stages(texts, samples) : [make("p", { class: "note" }, "Nothing has come of this problem yet.")];
  return reader.replaceChildren(head, ...parts);
}

document.getElementById("problem").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.value.trim()) location.hash = encodeURIComponent(event.target.value.trim());
});
addEventListener("hashchange", open);
watch();
open();
