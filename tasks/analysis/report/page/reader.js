// The trace reader: one problem of one run, and what happened: the prompts as sent, every answer, tries, verdicts.

let current = null;
let position = -1; // in the filtered list

/** Open the problem in the address (#run/problem), or the overview. */
async function follow() {
  const [run, problem] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const wanted = problem === undefined ? null : { run_id: run, problem_id: problem };
  current = wanted && (shown.rows.find((p) => isSame(p, wanted)) ?? (await source.find(run, problem)));
  const index = shown.rows.findIndex((p) => isSame(p, current));
  position = index < 0 ? -1 : shown.first + index;
  document.getElementById("overview").hidden = Boolean(current);
  document.getElementById("reader").hidden = !current;
  if (current) await read(current);
  else if (run) document.getElementById(run)?.scrollIntoView();
}

async function step(by) {
  const next = await problemAt(position < 0 ? 0 : position + by);
  if (!next) return;
  position = position < 0 ? 0 : position + by;
  location.replace(linkTo(next));
}

async function read(problem) {
  const elsewhere = source.elsewhere(problem);
  const texts = await source.texts(problem);
  if (current !== problem) return;
  const bar = make("div", { class: "bar" },
    make("a", { class: "back", href: "#problems", title: "Esc" }, "← All problems"),
    make("span", { class: "walk" },
      make("button", { type: "button", onclick: () => step(-1), title: "k or ←", "aria-label": "Previous problem" }, "←"),
      position < 0 ? "–" : `${number(position + 1)} of ${number(shown.total)}`,
      make("button", { type: "button", onclick: () => step(1), title: "j or →", "aria-label": "Next problem" }, "→")));
  const question = make("div", { class: "prose" });
  const head = make("section", { class: "head" },
    make("h1", {}, problem.problem_id, " ", outcomeBadge(problem.outcome)),
    make("p", { class: "note" }, source.runs[problem.run_id].label, " · ", source.runs[problem.run_id].benchmark),
    question,
    make("dl", { class: "facts" },
      ...fact("gold", problem.gold), ...fact("vote", (problem.majority ?? []).join("  |  ") || "–"),
      ...fact("explorer", share(problem.num_explored_correct, problem.num_explored_attempts, problem.num_explored)),
      ...fact("synthesizer", problem.num_synthesized ? share(problem.num_synthesized_correct, problem.num_synthesized_attempts, problem.num_synthesized) : "–"),
      ...fact("tokens", number(problem.num_tokens))),
    metadata(texts?.metadata));
  await appendText(question, texts ? texts.question : problem.question);
  const parts = [bar, head];
  if (texts) parts.push(...(await stages(texts, texts.runs[problem.run_id] ?? [])));
  else {
    parts.push(make("p", { class: "note" }, "This file only contains the texts of the most interesting problems, and this is not one of them. To print its texts: ",
      make("code", {}, `a2r show ${problem.problem_id} --run ${problem.run_id} --full`)));
  }
  if (current !== problem) return;
  document.getElementById("reader").replaceChildren(...parts);
  scrollTo(0, 0);
  const others = inOtherRuns(problem, await elsewhere);
  if (others && current === problem) head.append(others);
}

const fact = (name, value) => [make("div", {}, make("dt", {}, name), make("dd", {}, value))];

/** The benchmark's further columns. */
function metadata(text) {
  const entries = Object.entries(JSON.parse(text ?? "{}"));
  if (!entries.length) return null;
  const isPlain = (value) => ["string", "number", "boolean"].includes(typeof value);
  const written = (value) => (isPlain(value) ? String(value) : Array.isArray(value) && value.every(isPlain) ? value.join(", ") : JSON.stringify(value));
  return make("details", { class: "metadata", open: entries.length < 6 || null }, make("summary", {}, `Metadata (${entries.length})`),
    make("dl", { class: "facts" }, ...entries.flatMap(([name, value]) => fact(name, written(value)))));
}

/** The same wording in other runs, the newest last, each a link. */
function inOtherRuns(problem, rows) {
  const others = rows.filter((p) => !isSame(p, problem));
  if (!others.length) return null;
  const result = (p) => (p.num_synthesized ? share(p.num_synthesized_correct, p.num_synthesized_attempts, p.num_synthesized)
    : share(p.num_explored_correct, p.num_explored_attempts, p.num_explored));
  const address = (p) => (source.runs[p.run_id] ? linkTo(p) : `/report?run=${encodeURIComponent(p.run_id)}${linkTo(p)}`);
  return make("details", { class: "metadata" }, make("summary", {}, `In other runs (${others.length})`),
    make("ul", { class: "runs" }, ...others.map((p) => make("li", {},
      make("a", { href: address(p) }, source.runs[p.run_id]?.label ?? p.run_id, p.problem_id === problem.problem_id ? "" : ` as ${p.problem_id}`), ` ${result(p)} `, outcomeBadge(p.outcome)))));
}

const MANY = 16; // samples of a stage, beyond which those far from the window are not laid out

/** A section for each stage, the last round first; each sample is a card. */
async function stages(texts, samples) {
  const by = new Map(samples.map((s) => [s.trace, s]));
  const names = [...new Set(samples.map((s) => s.stage))].reverse();
  return Promise.all(names.map(async (name) => {
    const mine = samples.filter((s) => s.stage === name);
    const cards = await Promise.all(mine.map((s) => card(s, texts, by)));
    const title = { explore: "Explorer", synthesize: "Synthesizer" }[name] ?? name;
    return make("section", {}, make("h2", {}, title, make("small", {}, ` ${number(mine.length)} sample${mine.length > 1 ? "s" : ""}`)),
      make("div", { class: `cards${mine[0].round ? " big" : ""}${mine.length > MANY ? " many" : ""}` }, ...cards));
  }));
}

/** One sample: verdict, what was sent, reasoning on demand, answer, tries, the judge's word, the record. */
async function card(sample, texts, by) {
  const trace = texts.traces[sample.trace];
  const kind = (VERDICTS[sample.verdict] ?? ["", "unknown"])[1];
  const answer = make("div", { class: "prose" });
  if (trace.error_message) answer.append(make("em", {}, trace.error_message));
  else if (trace.answer === null && trace.reasoning === null) answer.append(make("em", {}, "this trace was never generated"));
  else appendTextWhenNear(answer, trace.answer);
  return make("article", { class: `card sample ${kind}`, "data-sample": `${sample.stage}-${sample.index}` },
    make("header", {}, make("b", {}, `${sample.round ? "answer" : "sample"} ${sample.index}`), verdictBadge(sample.verdict, sample.points),
      sample.by_hand === null ? null : make("span", { class: "badge hand", title: sample.why }, `by hand: ${sample.by_hand}`),
      sample.extracted === null ? null : make("code", { class: "extracted" }, sample.extracted)),
    sample.why === null ? null : make("p", { class: "note" }, `${sample.by_hand}: ${sample.why}`),
    sent("Prompt as sent", sample.prompt, sample, texts),
    sample.shown ? await references(sample, texts, by) : null,
    trace.reasoning ? folded("Reasoning", trace.reasoning, sample.round > 0) : null,
    answer,
    tries(trace),
    sample.judged ? judgement(sample, texts) : null,
    record(trace),
    make("footer", {}, `${number(trace.num_completion_tokens)} tokens`, trace.num_prompt_tokens === null ? null : ` · prompt ${number(trace.num_prompt_tokens)}`,
      ` · seed ${trace.seed ?? "–"}`, trace.latency_seconds === null ? null : ` · ${trace.latency_seconds.toPrecision(3)} s`,
      trace.finish_reason ? ` · ${trace.finish_reason}` : null));
}

/** A details element whose content is made when it is first opened. */
function lazily(title, fill, isOpen = false, attributes = {}) {
  const body = make("div", { class: "lazy" });
  const details = make("details", attributes, make("summary", {}, title), body);
  details.addEventListener("toggle", async () => {
    if (details.open && !body.hasChildNodes()) body.append(...(await fill()));
  });
  details.open = isOpen;
  return details;
}

/** The pieces of a message as texts, each with whether it is from the question or a reference. */
function written(pieces, sample, texts) {
  return pieces.map((piece) => {
    if (typeof piece === "string") return [piece, null];
    if (piece.question) return [texts.question, "question"];
    const reference = sample.shown[piece.reference];
    const trimmed = (text) => (typeof text === "string" ? text.replace(/^[ \t\n\r\f\v]+|[ \t\n\r\f\v]+$/g, "") : text);
    return [reference.text ?? trimmed(texts.traces[reference.of[0]].answer), `reference ${piece.reference + 1}`];
  });
}

/** The messages of a prompt, as they were sent. */
function sent(title, index, sample, texts) {
  const prompt = texts.prompts[index];
  if (!prompt) return null;
  return lazily(title, () => {
    if (prompt.note) return [make("p", { class: "note" }, prompt.note)];
    const messages = prompt.messages.map(({ role, pieces }) => [role, written(pieces, sample, texts)]);
    const whole = () => messages.map(([role, parts]) => (messages.length > 1 ? `[${role}]\n` : "") + parts.map(([text]) => plain(text)).join("")).join("\n\n");
    return [
      ...messages.flatMap(([role, parts]) => [make("div", { class: "from" }, role),
        make("div", { class: "prose message" }, ...parts.map(([text, from]) => make("span", from ? { class: "piece", title: from } : {}, plain(text))))]),
      copyButton("Copy the prompt", whole),
    ];
  }, false, { class: "sent" });
}

/** How often it was sent, and every try that came to nothing. */
function tries(trace) {
  const failures = trace.failures ?? [];
  const isWorthIt = failures.length || trace.num_tries > 1 || trace.error_code;
  if (!isWorthIt) return null;
  const row = (t, what) => make("li", {}, make("span", { class: "from" }, time(t.started_at), ` · sent ${t.num_tries === 1 ? "once" : `${t.num_tries} times`}`), what);
  const why = (t) => make("div", {}, make("span", { class: "badge warn" }, t.error_code ?? t.status), " ", t.error_message ?? "");
  const came = trace.error_code ? why(trace) : make("div", {}, make("span", { class: "badge right" }, trace.status), ` answered after ${trace.latency_seconds?.toPrecision(3) ?? "–"} s`);
  return make("details", { class: "tries" }, make("summary", {}, `${failures.length + 1} ${failures.length ? "tries" : "try"}, ${failures.length + (trace.error_code ? 1 : 0)} failed`),
    make("ol", {}, ...failures.map((t) => row(t, why(t))), row(trace, came)));
}
const time = (moment) => (moment ? new Date(moment).toISOString().slice(0, 19).replace("T", " ") + " UTC" : "–");

/** What the judge was asked about the answer, and what it replied. */
function judgement(sample, texts) {
  const trace = texts.traces[sample.judged.trace];
  return lazily(`The judge: ${sample.verdict?.replace("_", " ") ?? "no verdict"}${sample.points === null ? "" : `, ${sample.points.toFixed(2)} points`}`, async () => {
    const reply = make("div", { class: "prose" });
    if (trace.error_message) reply.append(make("em", {}, trace.error_message));
    else await appendText(reply, trace.answer);
    return [sent("Its question as sent", sample.judged.prompt, sample, texts), trace.reasoning ? folded("Its reasoning", trace.reasoning, false) : null,
      make("div", { class: "from" }, "its reply"), reply, tries(trace), record(trace)].filter(Boolean);
  }, false, { class: "judged" });
}

/** The row as it is stored, to copy. */
function record(trace) {
  return lazily("Record", () => {
    const { failures, ...row } = trace;
    const text = JSON.stringify({ ...row, reasoning: row.reasoning && plain(row.reasoning), answer: row.answer && plain(row.answer) }, null, 2);
    return [make("pre", { class: "record" }, text), copyButton("Copy the record", () => text)];
  }, false, { class: "record-of" });
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
