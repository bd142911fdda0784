// Text with maths: plain parts become text nodes, and KaTeX renders formulas as MathML. A formula that requests a
// link, a picture or an attribute is refused. Formulas that are refused or cannot be rendered stay plain text.

const MOST_FORMULAS = 400; // per text
const LONGEST_FORMULA = 4000; // characters
const DELIMITED = new RegExp(
  [
    String.raw`\$\$(?<display>[^$]+?)\$\$`,
    String.raw`\\\[(?<bracket>[\s\S]+?)\\\]`,
    String.raw`\\\((?<paren>[\s\S]+?)\\\)`,
    String.raw`(?<environment>\\begin\{(?<name>(?:align|equation|gather|cases|[bpv]?matrix)\*?)\}[\s\S]+?\\end\{\k<name>\})`,
    String.raw`(?<![\\$\w])\$(?<inline>[^\s$](?:[^$\n]*[^\s$\\])?)\$(?![\d$])`,
    String.raw`(?<boxed>\\boxed\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})`,
  ].join("|"),
  "g",
);

const refuse = () => {
  throw new Error("not allowed in a model's text");
};
const maths = library("katex").then((isThere) => isThere && typeof katex !== "undefined");

/** Append `text` to `parent`. A cut text is [head, characters left out, tail]. */
async function appendText(parent, text) {
  const parts = Array.isArray(text) ? text : [text ?? ""];
  const canRender = await maths;
  for (const part of parts) {
    if (typeof part === "number") {
      parent.append(make("em", { class: "cut" }, ` … ${number(part)} characters left out of this file … `));
    } else if (canRender) appendMaths(parent, part);
    else parent.append(part);
  }
}

function appendMaths(parent, text) {
  let from = 0;
  let count = 0;
  for (const match of text.matchAll(DELIMITED)) {
    if (++count > MOST_FORMULAS) break;
    const { display, bracket, paren, environment, inline, boxed } = match.groups;
    const formula = display ?? bracket ?? paren ?? environment ?? inline ?? boxed;
    parent.append(text.slice(from, match.index), rendered(formula, display ?? bracket ?? environment, match[0]));
    from = match.index + match[0].length;
    if ((display ?? bracket ?? environment) && text[from] === "\n") from += 1; // a display formula is a block of its own
  }
  parent.append(text.slice(from));
}

function rendered(formula, isDisplay, source) {
  if (formula.length > LONGEST_FORMULA) return document.createTextNode(source);
  const element = make("span", { class: isDisplay ? "maths display" : "maths", title: source });
  try {
    katex.render(formula, element, {
      output: "mathml", displayMode: Boolean(isDisplay), throwOnError: true, trust: refuse, strict: "ignore", maxSize: 10, maxExpand: 200,
    });
    return element;
  } catch {
    return document.createTextNode(source);
  }
}

const waiting = new WeakMap();
const nearby = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    nearby.unobserve(target);
    target.replaceChildren();
    appendText(target, waiting.get(target));
  }
}, { rootMargin: "800px" });

/** The same, with the formulas drawn only when the element comes near the window: a problem may have many samples. */
function appendTextWhenNear(parent, text) {
  parent.append(plain(text));
  waiting.set(parent, text);
  nearby.observe(parent);
}

/** A text as one string, with a word where a cut one lacks its middle. */
const plain = (text) => [text ?? ""].flat().map((part) => (typeof part === "number" ? ` … ${number(part)} characters left out of this file … ` : part)).join("");
