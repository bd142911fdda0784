// The source of a page that `a2r view` serves: the root is asked for each page of rows and each problem.

/** Load a library that the server has. */
function library(name) {
  return new Promise((resolve) => {
    const script = make("script", { src: `/assets/${name}.js` });
    script.addEventListener("load", () => resolve(true));
    script.addEventListener("error", () => resolve(false));
    document.head.append(script);
  });
}

/** The server's answer; its sentence is shown where it is an error. */
async function ask(path, values = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) for (const one of [value].flat()) query.append(name, one);
  let answer;
  try {
    answer = await fetch(`/api/${path}?${query}`);
  } catch {
    return complain("The server does not answer; start `a2r view` again.");
  }
  if (answer.status >= 500) return complain("The server failed at this; its terminal says why.");
  const content = await answer.json();
  return answer.ok ? content : complain(content.error);
}

function complain(sentence) {
  const place = document.getElementById("complaint");
  place.textContent = sentence;
  place.hidden = false;
  throw new Error(sentence);
}

function servedSource(data) {
  const run = Object.keys(data.runs);
  return {
    ...data,
    charts: () => ask("charts", { run }),
    page: (query, first, count) => ask("problems", { ...query, run, only: query.run, first, count }),
    values: (key) => ask("values", { run, key }),
    find: (only, problem) => (run.includes(only) ? ask("find", { run, only, problem }) : null),
    texts: (problem) => ask("texts", { run: problem.run_id, digest: problem.problem_digest }),
    elsewhere: (problem) => ask("elsewhere", { digest: problem.problem_digest }),
    differences: (query, first, count) => ask("differences", { ...query, run, first, count }),
  };
}
