// The table of problems: filtered and sorted by the source, one page at a time. The trace reader steps through it.

const PAGE = 50;
const OUTCOMES = [
  ["", "All"],
  ["rescued", "Overrode a wrong vote"],
  ["harmed", "Overrode a right vote"],
  ["missed-any", "Missed a right sample"],
  ["missed", "Missed"],
  ["kept", "Kept a right vote"],
  ["unjudged", "No outcome"],
];
const share = (right, attempts, wanted) =>
  `${right}/${attempts}${attempts < wanted ? ` of ${wanted}` : ""}`;
const COLUMNS = [
  { name: "problem", value: (p) => p.problem_id },
  { name: "run", value: (p) => source.runs[p.run_id].label, isOn: () => Object.keys(source.runs).length > 1 },
  { name: "question", value: (p) => p.question ?? "–", class: "question" },
  { name: "gold", value: (p) => p.gold, class: "answer" },
  { name: "vote", value: (p) => (p.majority ?? []).join("  |  ") || "–", class: "answer" },
  { name: "explorer", value: (p) => p.num_explored_correct / (p.num_explored_attempts || NaN), isNumber: true,
    text: (p) => share(p.num_explored_correct, p.num_explored_attempts, p.num_explored) },
  { name: "synthesizer", value: (p) => p.num_synthesized_correct / (p.num_synthesized_attempts || NaN), isNumber: true,
    text: (p) => (p.num_synthesized ? share(p.num_synthesized_correct, p.num_synthesized_attempts, p.num_synthesized) : "–") },
  { name: "outcome", value: (p) => p.outcome ?? "–", badge: true },
  { name: "tokens", value: (p) => p.num_tokens ?? NaN, isNumber: true, text: (p) => number(p.num_tokens) },
];

let source = null;
const query = { words: "", run: "", verdict: "", key: "", value: "", outcome: "", sort: "", is_down: false };
let ready = null; // the list that was asked for last
const shown = { first: 0, rows: [], total: 0 };

function outcomeBadge(outcome) {
  return make("span", { class: `badge ${outcome ?? "unknown"}` }, outcome ?? "–");
}

/** Set up the controls and show the first page. */
function openTable() {
  document.getElementById("verdict").append(
    ...source.verdicts.map((verdict) => make("option", { value: verdict }, `${verdict.replace("_", " ").replace(" ", ": ")}`)),
  );
  document.getElementById("key").append(...source.keys.map((key) => make("option", { value: key }, key)));
  document.getElementById("key").hidden = !source.keys.length;
  if (Object.keys(source.runs).length < 2) document.getElementById("run").hidden = true;
  for (const id of ["run", "verdict"]) {
    document.getElementById(id).addEventListener("input", (event) => { query[id] = event.target.value; draw(0); });
  }
  document.getElementById("search").addEventListener("input", (event) => { query.words = event.target.value; draw(0); });
  document.getElementById("key").addEventListener("input", chooseKey);
  document.getElementById("value").addEventListener("input", (event) => { query.value = event.target.value.trim(); draw(0); });
  document.getElementById("before").addEventListener("click", () => draw(shown.first - PAGE));
  document.getElementById("after").addEventListener("click", () => draw(shown.first + PAGE));
  return draw(0);
}

/** A key of the metadata to filter by: offer the values there are of it. */
async function chooseKey(event) {
  query.key = event.target.value;
  query.value = "";
  const field = document.getElementById("value");
  field.value = "";
  field.hidden = !query.key;
  draw(0);
  if (query.key) {
    const values = await source.values(query.key);
    document.getElementById("values").replaceChildren(...values.map((value) => make("option", { value })));
    field.placeholder = values.length ? `such as ${values[0].slice(0, 20)}, or >3` : "a value, or >3";
  }
}

/** Ask for the page of rows from `first` on, and show it. */
const draw = (first) => (ready = fetched(first));

const fetched = latest(async (isLast, first) => {
  const found = await source.page(query, first, PAGE);
  if (!isLast()) return;
  Object.assign(shown, { first, rows: found.rows, total: found.total });
  const choose = (key) => { query.outcome = key; draw(0); };
  document.getElementById("outcomes").replaceChildren(...chips("outcome", OUTCOMES, query.outcome, found.outcomes, choose));
  drawTable();
});

function drawTable() {
  const columns = COLUMNS.filter(({ isOn }) => !isOn || isOn());
  const [head, body] = [document.querySelector("#table thead tr"), document.querySelector("#table tbody")];
  head.replaceChildren(...columns.map((column) => {
    const isSorted = column.name === query.sort;
    const by = () => {
      Object.assign(query, { sort: column.name, is_down: isSorted ? !query.is_down : Boolean(column.isNumber) });
      draw(0);
    };
    return make("th", { class: column.isNumber ? "n" : null, "aria-sort": isSorted ? (query.is_down ? "descending" : "ascending") : null },
      make("button", { type: "button", onclick: by }, `${column.name}${isSorted ? (query.is_down ? " ↓" : " ↑") : ""}`));
  }));
  body.replaceChildren(...shown.rows.map((p) => {
    const cells = columns.map((c) => make("td", { class: c.isNumber ? "n" : (c.class ?? null) },
      c.badge ? outcomeBadge(p.outcome) : (c.text ?? c.value)(p)));
    cells[0].replaceChildren(make("a", { href: linkTo(p) }, p.problem_id));
    return make("tr", { onclick: () => { location.hash = linkTo(p); } }, ...cells);
  }));
  if (!shown.total) body.append(make("tr", {}, make("td", { colspan: columns.length, class: "none" }, "No problems match these filters.")));
  const last = shown.first + shown.rows.length;
  document.getElementById("page").textContent = shown.total ? `${number(shown.first + 1)}–${number(last)} of ${number(shown.total)}` : "0";
  document.getElementById("before").disabled = shown.first === 0;
  document.getElementById("after").disabled = last >= shown.total;
}

/** The problem at an index of the filtered list, or null. */
async function problemAt(index) {
  if (index < 0 || index >= shown.total) return null;
  if (index < shown.first || index >= shown.first + shown.rows.length) await draw(index - (index % PAGE));
  return shown.rows[index - shown.first] ?? null;
}

const isSame = (a, b) => a && b && a.run_id === b.run_id && a.problem_id === b.problem_id;
const linkTo = (p) => `#${encodeURIComponent(p.run_id)}/${encodeURIComponent(p.problem_id)}`;
