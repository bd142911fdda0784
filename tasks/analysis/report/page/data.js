// The embedded data: gzip in base64, unpacked on demand. Nothing here turns text into markup.

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

/** A problem's texts, or null if they are not embedded. */
async function textsOf(index) {
  const chunk = (await directory).chunk_of[index];
  if (chunk === null || chunk === undefined) return null;
  if (!opened.has(chunk)) {
    if (opened.size > 8) opened.delete(opened.keys().next().value);
    opened.set(chunk, unpack(`chunk-${chunk}`).then(JSON.parse));
  }
  return (await opened.get(chunk))[index] ?? null;
}

/** An element with attributes and children; strings become text nodes. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const number = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en"));
const VERDICTS = {
  correct: ["✓", "right"], wrong: ["✗", "wrong"], no_answer: ["∅", "wrong"], truncated: ["✂", "wrong"],
  timeout: ["⏱", "unknown"], grader_error: ["!", "unknown"], infra_error: ["!", "unknown"],
};

/** A verdict with its sign and colour, or "not graded". */
function verdictBadge(verdict, points = null) {
  const [sign, kind] = VERDICTS[verdict] ?? ["?", "unknown"];
  return make("span", { class: `badge ${kind}` }, `${sign} ${verdict ? verdict.replace("_", " ") : "not graded"}${points === null ? "" : `, ${points.toFixed(2)} points`}`);
}
