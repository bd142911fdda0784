// Two runs, problem by problem: what one got right and the other wrong.

const KINDS = [["", "All"], ["gained", "Wrong, now right"], ["lost", "Right, now wrong"], ["better", "Better"], ["worse", "Worse"], ["same", "Same"]];
const compared = { a: "", b: "", metric: "a2r", kind: "" };
const pair = { first: 0 };

/** Set up the choice of two runs; nothing to compare where the page has only one. */
function openDifferences() {
  const names = Object.keys(source.runs);
  const section = document.getElementById("differences");
  section.hidden = names.length < 2;
  if (section.hidden) return;
  [compared.a, compared.b] = names.slice(-2);
  for (const side of ["a", "b"]) {
    const select = document.getElementById(`run-${side}`);
    select.append(...names.map((name) => make("option", { value: name }, source.runs[name].label)));
    select.value = compared[side];
  }
  for (const [id, name] of [["run-a", "a"], ["run-b", "b"], ["metric", "metric"]]) {
    document.getElementById(id).addEventListener("input", (event) => { compared[name] = event.target.value; drawDifferences(0); });
  }
  document.getElementById("earlier").addEventListener("click", () => drawDifferences(pair.first - PAGE));
  document.getElementById("later").addEventListener("click", () => drawDifferences(pair.first + PAGE));
  drawDifferences(0);
}

const drawDifferences = latest(async (isLast, first) => {
  const found = await source.differences(compared, first, PAGE);
  if (!isLast()) return;
  pair.first = first;
  const choose = (key) => { compared.kind = key; drawDifferences(0); };
  document.getElementById("kinds").replaceChildren(...chips("kind", KINDS, compared.kind, found.kinds, choose));
  const all = found.kinds[""];
  document.getElementById("change").textContent = all
    ? `Over ${number(all)} problems with a value in both: ${found.before.toFixed(3)}, then ${found.after.toFixed(3)}, a change of ${signed(found.after - found.before)}.`
    : "No problem has a value in both runs.";
  const [before, after] = [source.runs[compared.a], source.runs[compared.b]];
  document.querySelector("#pairs thead tr").replaceChildren(
    ...["problem", "question", "gold"].map((name) => make("th", {}, name)),
    make("th", { class: "n" }, "before"), make("th", { class: "n" }, "after"), make("th", { class: "n" }, "difference"), make("th", {}, "outcome"));
  const link = (run, row, text, title) => make("a", { href: linkTo({ run_id: run, problem_id: row.problem_id }), title }, text);
  document.querySelector("#pairs tbody").replaceChildren(...found.rows.map((row) => make("tr", {},
    make("td", {}, link(compared.b, row, row.problem_id, after.label)),
    make("td", { class: "question" }, row.question ?? "–"), make("td", { class: "answer" }, row.gold),
    make("td", { class: "n" }, link(compared.a, row, row.before.toFixed(3), before.label)),
    make("td", { class: "n" }, link(compared.b, row, row.after.toFixed(3), after.label)),
    make("td", { class: `n strong ${row.difference > 0 ? "good" : row.difference < 0 ? "bad" : ""}` }, signed(row.difference)),
    make("td", {}, outcomeBadge(row.outcome_before), " → ", outcomeBadge(row.outcome_after)))));
  if (!found.rows.length) document.querySelector("#pairs tbody").append(make("tr", {}, make("td", { colspan: 7, class: "none" }, "No problem.")));
  const last = first + found.rows.length;
  document.getElementById("pair-page").textContent = found.total ? `${number(first + 1)}–${number(last)} of ${number(found.total)}` : "0";
  document.getElementById("earlier").disabled = first === 0;
  document.getElementById("later").disabled = last >= found.total;
});
