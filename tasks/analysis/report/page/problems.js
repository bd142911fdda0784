// The table of problems: filtered, sorted, one page at a time. The trace reader steps through `view`.

const PAGE = 50;
const OUTCOMES = [
  ["", "All", () => true],
  ["rescued", "Overrode a wrong vote", (p) => p.outcome === "rescued"],
  ["harmed", "Overrode a right vote", (p) => p.outcome === "harmed"],
  ["missed-any", "Missed a right sample", (p) => p.outcome === "missed" && p.is_any_right],
  ["missed", "Missed", (p) => p.outcome === "missed"],
  ["kept", "Kept a right vote", (p) => p.outcome === "kept"],
  ["unjudged", "No outcome", (p) => p.outcome === null],
];
const share = (right, attempts, wanted) =>
  `${right}/${attempts}${attempts < wanted ? ` of ${wanted}` : ""}`;
const COLUMNS = [
  { name: "problem", value: (p) => p.problem_id },
  { name: "run", value: (p) => runs[p.run_id].label, isOn: () => Object.keys(runs).length > 1 },
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

let runs = {};
let problems = [];
let view = [];
const shown = { outcome: "", column: null, isDown: false, page: 0 };

function outcomeBadge(outcome) {
  return make("span", { class: `badge ${outcome ?? "unknown"}` }, outcome ?? "–");
}

/** Read the rows and set up the controls. */
function openTable(data) {
  runs = data.runs;
  const { columns, rows } = data.problems;
  problems = rows.map((row) => Object.fromEntries(row.map((value, i) => [columns[i], value])));
  for (const problem of problems) {
    problem.text = `${problem.problem_id}\n${problem.question ?? ""}`.toLowerCase();
  }
  const verdicts = [...new Set(problems.flatMap((p) => p.verdicts))].sort();
  document.getElementById("verdict").append(
    ...verdicts.map((verdict) => make("option", { value: verdict }, `${verdict.replace("_", " ").replace(" ", ": ")}`)),
  );
  if (Object.keys(runs).length < 2) document.getElementById("run").hidden = true;
  for (const id of ["search", "run", "verdict"]) document.getElementById(id).addEventListener("input", filter);
  document.getElementById("before").addEventListener("click", () => turn(-1));
  document.getElementById("after").addEventListener("click", () => turn(1));
  filter();
}

/** Apply the filters. */
function filter() {
  const [words, run, verdict] = ["search", "run", "verdict"].map((id) => document.getElementById(id).value);
  const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
  const rest = problems.filter(
    (p) =>
      (!run || p.run_id === run) &&
      (!verdict || p.verdicts.includes(verdict)) &&
      parts.every((part) => p.text.includes(part)),
  );
  drawOutcomes(rest);
  const keep = OUTCOMES.find(([key]) => key === shown.outcome)[2];
  view = rest.filter(keep);
  shown.page = 0;
  sort();
}

function drawOutcomes(rest) {
  const chips = OUTCOMES.map(([key, label, keep]) => {
    const count = rest.filter(keep).length;
    if (!count && key && key !== shown.outcome) return null;
    const choose = () => { shown.outcome = key; filter(); };
    return make("button", { type: "button", class: `chip ${key}`, "aria-pressed": String(shown.outcome === key),
      "data-outcome": key, onclick: choose }, `${label} `, make("b", {}, number(count)));
  });
  document.getElementById("outcomes").replaceChildren(...chips.filter(Boolean));
}

function sort() {
  const column = COLUMNS.find(({ name }) => name === shown.column);
  if (column) {
    const direction = shown.isDown ? -1 : 1;
    const compare = column.isNumber
      ? (a, b) => (Number.isNaN(a) ? 1 : Number.isNaN(b) ? -1 : direction * (a - b))
      : (a, b) => direction * a.localeCompare(b, "en", { numeric: true });
    view = view.map((p) => [column.value(p), p]).sort(([a], [b]) => compare(a, b)).map(([, p]) => p);
  }
  drawTable();
}

function turn(by) {
  shown.page += by;
  drawTable();
}

function drawTable() {
  const columns = COLUMNS.filter(({ isOn }) => !isOn || isOn());
  const [head, body] = [document.querySelector("#table thead tr"), document.querySelector("#table tbody")];
  head.replaceChildren(...columns.map((column) => {
    const isSorted = column.name === shown.column;
    const by = () => {
      Object.assign(shown, { column: column.name, isDown: isSorted ? !shown.isDown : Boolean(column.isNumber), page: 0 });
      sort();
    };
    return make("th", { class: column.isNumber ? "n" : null, "aria-sort": isSorted ? (shown.isDown ? "descending" : "ascending") : null },
      make("button", { type: "button", onclick: by }, `${column.name}${isSorted ? (shown.isDown ? " ↓" : " ↑") : ""}`));
  }));
  const first = shown.page * PAGE;
  body.replaceChildren(...view.slice(first, first + PAGE).map((p) => {
    const cells = columns.map((c) => make("td", { class: c.isNumber ? "n" : (c.class ?? null) },
      c.badge ? outcomeBadge(p.outcome) : (c.text ?? c.value)(p)));
    cells[0].replaceChildren(make("a", { href: linkTo(p) }, p.problem_id));
    return make("tr", { onclick: () => { location.hash = linkTo(p); } }, ...cells);
  }));
  if (!view.length) body.append(make("tr", {}, make("td", { colspan: columns.length, class: "none" }, "No problems match these filters.")));
  const last = Math.min(first + PAGE, view.length);
  document.getElementById("page").textContent = view.length ? `${number(first + 1)}–${number(last)} of ${number(view.length)}` : "0";
  document.getElementById("before").disabled = first === 0;
  document.getElementById("after").disabled = last === view.length;
}

const linkTo = (p) => `#${encodeURIComponent(p.run_id)}/${encodeURIComponent(p.problem_id)}`;
