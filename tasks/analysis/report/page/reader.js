// The trace reader: one problem of one run, with its samples, the references shown and the synthesizer's answers.

let current = null;

/** Open the problem in the address (#run/problem), or the overview. */
async function follow() {
  const [run, problem] = location.hash.slice(1).split("/").map(decodeURIComponent);
  current = problem === undefined ? null : (problems.find((p) => p.run_id === run && p.problem_id === problem) ?? null);
  document.getElementById("overview").hidden = current !== null;
  document.getElementById("reader").hidden = current === null;
  if (current) await read(current);
  else if (run) document.getElementById(run)?.scrollIntoView();
}

function step(by) {
  const index = view.indexOf(current);
  const next = view[index + by] ?? (index < 0 ? view[0] : null);
  if (next) location.replace(linkTo(next));
}

async function read(problem) {
  const reader = document.getElementById("reader");
  const index = view.indexOf(problem);
  const texts = await textsOf(problem.place);
  if (current !== problem) return;
  const bar = make("div", { class: "bar" },
    make("a", { class: "back", href: "#problems", title: "Esc" }, "← All problems"),
    make("span", { class: "walk" },
      make("button", { type: "button", onclick: () => step(-1), title: "k or ←", "aria-label": "Previous problem" }, "←"),
      index < 0 ? "not in the filtered list" : `${number(index + 1)} of ${number(view.length)}`,
      make("button", { type: "button", onclick: () => step(1), title: "j or →", "aria-label": "Next problem" }, "→")));
  const question = make("div", { class: "prose" });
  const head = make("section", { class: "head" },
    make("h1", {}, problem.problem_id, " ", outcomeBadge(problem.outcome)),
    make("p", { class: "note" }, runs[problem.run_id].label, " · ", runs[problem.run_id].benchmark),
    question,
    make("dl", { class: "facts" },
      ...fact("gold", problem.gold), ...fact("vote", (problem.majority ?? []).join("  |  ") || "–"),
      ...fact("explorer", share(problem.num_explored_correct, problem.num_explored_attempts, problem.num_explored)),
      ...fact("synthesizer", problem.num_synthesized ? share(problem.num_synthesized_correct, problem.num_synthesized_attempts, problem.num_synthesized) : "–"),
      ...fact("tokens", number(problem.num_tokens))));
  await appendText(question, texts ? texts.question : problem.question);
  const parts = [bar, head];
  if (texts) parts.push(...(await stages(texts, problem)));
  else {
    parts.push(make("p", { class: "note" }, "This file only contains the texts of the most interesting problems, and this is not one of them. To print its texts: ",
      make("code", {}, `a2r show ${problem.problem_id} --run ${problem.run_id} --full`)));
  }
  if (current !== problem) return;
  reader.replaceChildren(...parts);
  scrollTo(0, 0);
}

const fact = (name, value) => [make("div", {}, make("dt", {}, name), make("dd", {}, value))];

async function stages(texts, problem) {
  const samples = texts.runs[problem.run_id] ?? [];
  const by = new Map(samples.map((s) => [s.trace, s]));
  const names = [...new Set(samples.map((s) => s.stage))].reverse();
  return Promise.all(names.map(async (name) => {
    const mine = samples.filter((s) => s.stage === name);
    const cards = await Promise.all(mine.map((s) => card(s, texts, by)));
    const title = { explore: "Explorer", synthesize: "Synthesizer" }[name] ?? name;
    return mine[0].round ? make("section", {}, make("h2", {}, title), make("div", { class: "cards big" }, ...cards))
      : make("section", {}, make("h2", {}, title, make("small", {}, ` ${mine.length} samples`)), make("div", { class: "cards" }, ...cards));
  }));
}

/** One sample: verdict, references, reasoning on demand, answer. */
async function card(sample, texts, by) {
  const trace = texts.traces[sample.trace];
  const kind = (VERDICTS[sample.verdict] ?? ["", "unknown"])[1];
  const answer = make("div", { class: "prose" });
  if (trace.error) answer.append(make("em", {}, trace.error));
  else if (trace.answer === null && trace.reasoning === null) answer.append(make("em", {}, "this trace was never generated"));
  else await appendText(answer, trace.answer);
  return make("article", { class: `card sample ${kind}`, "data-sample": `${sample.stage}-${sample.index}` },
    make("header", {}, make("b", {}, `${sample.round ? "answer" : "sample"} ${sample.index}`), verdictBadge(sample.verdict, sample.points),
      sample.by_hand === null ? null : make("span", { class: "badge hand", title: sample.why }, `by hand: ${sample.by_hand}`),
      sample.extracted === null ? null : make("code", { class: "extracted" }, sample.extracted)),
    sample.why === null ? null : make("p", { class: "note" }, `${sample.by_hand}: ${sample.why}`),
    sample.shown ? await references(sample, texts, by) : null,
    trace.reasoning ? folded("Reasoning", trace.reasoning, sample.round > 0) : null,
    answer,
    make("footer", {}, `${number(trace.tokens)} tokens`, trace.prompt_tokens === null ? null : ` · prompt ${number(trace.prompt_tokens)}`,
      ` · seed ${trace.seed ?? "–"}`, trace.seconds === null ? null : ` · ${trace.seconds.toPrecision(3)} s`,
      trace.finish ? ` · ${trace.finish}` : null));
}

/** The references as in the prompt, in its order. */
async function references(sample, texts, by) {
  const items = await Promise.all(sample.shown.map(async (reference) => {
    const first = by.get(reference.of[0]);
    const names = reference.of.map((trace) => by.get(trace)?.index ?? "?").join(", ");
    const text = make("div", { class: "prose" });
    await appendText(text, reference.text ?? texts.traces[reference.of[0]].answer);
    return make("li", {}, make("div", { class: "from" }, `sample ${names}`, reference.of.length > 1 ? ` (given ${reference.of.length} times)` : null,
      verdictBadge(first?.verdict), reference.text === null ? null : make("span", { class: "badge" }, "as cut for the prompt")), text);
  }));
  const isExact = sample.shown.every((reference) => reference.is_exact);
  const signs = sample.shown.map((r) => (VERDICTS[by.get(r.of[0])?.verdict] ?? ["?"])[0]).join(" ");
  return make("details", { class: "shown" }, make("summary", {}, `What it was shown: ${sample.shown.length} references  ${signs}`),
    isExact ? null : make("p", { class: "note" }, "It is no longer known how the prompt cut these texts; they are shown in full."),
    make("ol", {}, ...items));
}

/** A text that is rendered when it is first opened. */
function folded(title, text, isOpen) {
  const body = make("div", { class: "prose reasoning" });
  const details = make("details", {}, make("summary", {}, title), body);
  details.addEventListener("toggle", () => {
    if (details.open && !body.hasChildNodes()) appendText(body, text);
  });
  details.open = isOpen;
  return details;
}
