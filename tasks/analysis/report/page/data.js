// What is embedded: gzip in base64, unpacked when it is needed. Nothing here makes markup of text.

/** The text of a packed element. */
async function unpack(id) {
  const packed = document.getElementById(id).textContent;
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

/** Run an embedded library; the policy lets it run because its hash is known. */
async function library(id) {
  if (!document.getElementById(id)) return false;
  const script = document.createElement("script");
  script.textContent = await unpack(id);
  document.head.append(script);
  return true;
}

const whole = new Promise((resolve) => {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", resolve);
  else resolve();
});

const directory = whole.then(() => unpack("directory")).then(JSON.parse);
const opened = new Map(); // the chunks that were opened last

/** A problem's texts, or null where they are not embedded. */
async function textsOf(place) {
  const chunk = (await directory).chunk_of[place];
  if (chunk === null || chunk === undefined) return null;
  if (!opened.has(chunk)) {
    if (opened.size > 8) opened.delete(opened.keys().next().value);
    opened.set(chunk, unpack(`chunk-${chunk}`).then(JSON.parse));
  }
  return (await opened.get(chunk))[place] ?? null;
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

/** A verdict with its sign and colour; an absent one says so. */
function verdictBadge(verdict) {
  const [sign, kind] = VERDICTS[verdict] ?? ["?", "unknown"];
  return make("span", { class: `badge ${kind}` }, `${sign} ${verdict ? verdict.replace("_", " ") : "not graded"}`);
}
