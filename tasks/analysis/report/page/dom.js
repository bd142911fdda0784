// Elements, numbers and badges. Nothing here turns text into markup.

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
const signed = (value) => (value === null || value === undefined ? "–" : `${value > 0 ? "+" : ""}${value.toFixed(3)}`);
const VERDICTS = {
  correct: ["✓", "right"], wrong: ["✗", "wrong"], no_answer: ["∅", "wrong"], truncated: ["✂", "wrong"],
  timeout: ["⏱", "unknown"], grader_error: ["!", "unknown"], infra_error: ["!", "unknown"],
};

/** A verdict with its sign and colour, or "not graded". */
function verdictBadge(verdict, points = null) {
  const [sign, kind] = VERDICTS[verdict] ?? ["?", "unknown"];
  return make("span", { class: `badge ${kind}` }, `${sign} ${verdict ? verdict.replace("_", " ") : "not graded"}${points === null ? "" : `, ${points.toFixed(2)} points`}`);
}

/** A button that copies the text that `text` gives, also from a file, where browsers offer no clipboard. */
function copyButton(label, text) {
  const button = make("button", { type: "button", class: "copy" }, label);
  button.addEventListener("click", async () => {
    const copied = await copy(text());
    button.textContent = copied ? "Copied" : "Not copied: select the text";
    setTimeout(() => { button.textContent = label; }, 2000);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = make("textarea", { class: "offscreen" });
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

/** Choices of one of several, as buttons with counts; those without any are left out unless chosen. */
function chips(name, choices, chosen, counts, choose) {
  return choices
    .filter(([key]) => counts[key] || !key || key === chosen)
    .map(([key, label]) => make("button", { type: "button", class: `chip ${key}`, "aria-pressed": String(chosen === key),
      [`data-${name}`]: key, onclick: () => choose(key) }, `${label} `, make("b", {}, number(counts[key] ?? 0))));
}

/** A task of which, of several calls under way only the last one's answer counts. */
function latest(task) {
  let last = 0;
  return async (...given) => {
    const mine = ++last;
    await task(() => mine === last, ...given);
  };
}
