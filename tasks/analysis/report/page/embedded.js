// The source of a page that is one file: everything is in it, gzipped in base64, and unpacked on demand.

/** The text of a packed element. */
async function unpack(id) {
  const packed = document.getElementById(id).textContent;
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

/** Run an embedded library; the policy allows it by its hash. */
async function library(id) {
  if (!document.getElementById(id)) return false;
  const script = document.createElement("script");
  script.textContent = await unpack(id);
  document.head.append(script);
  return true;
}

const parsed = new Promise((resolve) => {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", resolve);
  else resolve();
});

const directory = parsed.then(() => unpack("directory")).then(JSON.parse);
const opened = new Map(); // the most recently opened chunks

const OUTCOME_OF = {
  "": () => true,
  "missed-any": (p) => p.outcome === "missed" && p.is_any_right,
  unjudged: (p) => p.outcome === null,
};
const isOutcome = (key) => OUTCOME_OF[key] ?? ((p) => p.outcome === key);

/** Whether a problem's metadata has the value, one such as ">3", or any where none is wanted. */
function hasValue(metadata, key, wanted) {
  if (!key) return true;
  const held = [metadata?.[key] ?? []].flat();
  const compared = wanted.match(/^\s*([<>]=?)\s*(-?[\d.]+)\s*$/);
  if (!wanted) return held.length > 0;
  if (!compared) return held.some((value) => String(value) === wanted);
  const [sign, limit] = [compared[1], Number(compared[2])];
  return held.some((value) => typeof value !== "boolean" && value !== "" && { "<": Number(value) < limit, "<=": Number(value) <= limit,
    ">": Number(value) > limit, ">=": Number(value) >= limit }[sign]);
}

const VALUE_OF = {
  a2r: (p) => (p.num_synthesized_attempts ? p.num_synthesized_correct / p.num_synthesized_attempts : null),
  cons: (p) => p.majority_accuracy,
  mean: (p) => (p.num_explored_attempts ? p.num_explored_correct / p.num_explored_attempts : null),
};
const KIND_OF = {
  "": () => true, better: (d) => d.difference > 0, worse: (d) => d.difference < 0, same: (d) => d.difference === 0,
  gained: (d) => d.before < 0.5 && d.after > 0.5, lost: (d) => d.before > 0.5 && d.after < 0.5,
};

function embeddedSource(data) {
  const { columns, rows } = data.problems;
  const problems = rows.map((row) => Object.fromEntries(row.map((value, i) => [columns[i], value])));
  for (const problem of problems) problem.text = `${problem.problem_id}\n${problem.question ?? ""}`.toLowerCase();
  let view = [];
  let asked = null;

  function chosen(query) {
    const parts = query.words.toLowerCase().split(/\s+/).filter(Boolean);
    return problems.filter((p) =>
      (!query.run || p.run_id === query.run) &&
      (!query.verdict || p.verdicts.includes(query.verdict)) &&
      hasValue(p.metadata, query.key, query.value) &&
      parts.every((part) => p.text.includes(part)));
  }

  function sorted(rest, query) {
    const column = COLUMNS.find(({ name }) => name === query.sort);
    if (!column) return rest;
    const direction = query.is_down ? -1 : 1;
    const compare = column.isNumber
      ? (a, b) => (Number.isNaN(a) ? 1 : Number.isNaN(b) ? -1 : direction * (a - b))
      : (a, b) => direction * a.localeCompare(b, "en", { numeric: true });
    return rest.map((p) => [column.value(p), p]).sort(([a], [b]) => compare(a, b)).map(([, p]) => p);
  }

  return {
    runs: data.runs,
    keys: data.keys,
    verdicts: [...new Set(problems.flatMap((p) => p.verdicts))].sort(),
    charts: async () => data.charts,
    async page(query, first, count) {
      const question = JSON.stringify(query);
      if (asked?.question !== question) {
        const rest = chosen(query);
        view = sorted(rest.filter(isOutcome(query.outcome)), query);
        asked = { question, outcomes: Object.fromEntries(OUTCOMES.map(([key]) => [key, rest.filter(isOutcome(key)).length])) };
      }
      return { rows: view.slice(first, first + count), total: view.length, outcomes: asked.outcomes };
    },
    async values(key) {
      const held = new Set(problems.flatMap((p) => [p.metadata?.[key] ?? []].flat()).map(String));
      return [...held].sort((a, b) => a.localeCompare(b, "en", { numeric: true })).slice(0, 200);
    },
    find: async (run, problem) => problems.find((p) => p.run_id === run && p.problem_id === problem) ?? null,
    async texts(problem) {
      const chunk = (await directory).chunk_of[problem.place];
      if (chunk === null || chunk === undefined) return null;
      if (!opened.has(chunk)) {
        if (opened.size > 8) opened.delete(opened.keys().next().value);
        opened.set(chunk, unpack(`chunk-${chunk}`).then(JSON.parse));
      }
      return (await opened.get(chunk))[problem.place] ?? null;
    },
    elsewhere: async (problem) => problems.filter((p) => p.place === problem.place),
    async differences({ a, b, metric, kind }, first, count) {
      const before = new Map(problems.filter((p) => p.run_id === a).map((p) => [p.place, p]));
      const value = VALUE_OF[metric];
      const pairs = problems.filter((p) => p.run_id === b && before.has(p.place)).map((p) => ({
        problem_id: p.problem_id, question: p.question, gold: p.gold, outcome_before: before.get(p.place).outcome, outcome_after: p.outcome,
        before: value(before.get(p.place)), after: value(p),
      })).filter((d) => d.before !== null && d.after !== null && d.before !== undefined && d.after !== undefined);
      for (const pair of pairs) pair.difference = pair.after - pair.before;
      const rest = pairs.filter(KIND_OF[kind]).sort((x, y) => Math.abs(y.difference) - Math.abs(x.difference));
      return { rows: rest.slice(first, first + count), total: rest.length,
        kinds: Object.fromEntries(Object.keys(KIND_OF).map((key) => [key, pairs.filter(KIND_OF[key]).length])),
        before: mean(pairs.map((d) => d.before)), after: mean(pairs.map((d) => d.after)) };
    },
  };
}

const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);
