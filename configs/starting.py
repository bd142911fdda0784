"""A first experiment file: commented, valid, ready to be checked."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from configs.json_schema import schema_of
from configs.schema import UserError

SCHEMA_FILE = ".a2r/experiment.schema.json"
"""Beside the experiment; the first line of the file names it to editors."""
PROBLEMS = "problems.jsonl"
_EXAMPLES = (
    {"id": "p1", "problem": "What is 12 plus 30 ?", "answer": "42"},
    {"id": "p2", "problem": "What is 7 plus 6 ?", "answer": "13"},
)
_COLUMNS = {
    "question": ("question", "problem", "prompt", "input"),
    "answer": ("answer", "gold", "solution", "target", "final_answer"),
    "id": ("id", "problem_id", "unique_id", "question_id"),
}
"""What columns are usually called, the likeliest first."""

_FILE = """\
# yaml-language-server: $schema={schema}
# Check it with `a2r check {name}`, run it with `a2r run {name}`. All settings: `a2r reference experiment`.
name: {experiment}
description: ""
benchmark:
  source: file                # or hf, for a data set of the Hugging Face hub: `a2r presets` shows some
  path: {problems}            # .jsonl, .parquet or .csv, relative to this file
  question: {question}        # the column with the problem's text
  answer: {answer}            # the column with the right answer
{id}
explorer:                     # answers each problem n times, independently
  model:
    id: {model}               # as the endpoint calls it
    # params: 4.0e+9          # number of parameters: gives the cost in FLOP
    # price: {{input: 0.05, output: 0.2}}   # dollars per million tokens: gives the cost in dollars
  engine:
    kind: openai              # any OpenAI-compatible endpoint; also vllm, onnx, replay
    base_url: {endpoint}
    # api_key_env: MY_API_KEY # the environment variable that holds the key
    # concurrency: 64         # samples in flight; absent: as many as keep the endpoint busy
  sampling: {{n: 4, temperature: 0.6, top_p: 0.95, max_tokens: 8192}}

synthesizer:                  # reads the problem and the explorer's answers, and reasons once more; leave it out for a vote alone
  model: {{id: {model}}}
  engine: {{kind: openai, base_url: {endpoint}}}
  references: {{count: 4}}      # how many of the answers it is shown
  sampling: {{n: 1, temperature: 0.6, top_p: 0.95, max_tokens: 8192}}

grader: {{kind: math}}          # also choice, numeric, regex, exact, judge, function
"""


def start_experiment(
    path: Path, endpoint: str, model: str, problems: Path | None, *, force: bool
) -> list[Path]:
    """Write an experiment file, its schema for editors, and two problems where none are named; returns what was written.

    Raises UserError for a file that is there already, or problems whose columns cannot be guessed.
    """
    if path.suffix not in {".yaml", ".yml"}:
        raise UserError(f"{path} does not end in .yaml; name the file such as mine.yaml.")
    if path.exists() and not force:
        raise UserError(f"{path} exists; choose another name, or replace it with --force.")
    folder, written = path.parent, [path]
    if problems is None:
        problems = folder / PROBLEMS
        if not problems.exists():
            _write(problems, "".join(json.dumps(row) + "\n" for row in _EXAMPLES))
            written.append(problems)
    columns = _columns(problems)
    text = _FILE.format(
        schema=SCHEMA_FILE,
        name=path.name,
        experiment="".join(c if c.isalnum() or c in "._-" else "-" for c in path.stem.lower()).lstrip("._-")
        or "mine",
        problems=_quoted(_relative(problems, folder)),
        question=_quoted(columns["question"]),
        answer=_quoted(columns["answer"]),
        id=f"  id: {_quoted(columns['id'])}\n" if columns["id"] else "",
        model=_quoted(model),
        endpoint=_quoted(endpoint),
    )
    schema = folder / SCHEMA_FILE
    _write(schema, json.dumps(schema_of("experiment"), indent=1))
    _write(path, text)
    return [*written, schema]


def _columns(problems: Path) -> dict[str, str]:
    names = _names(problems)
    found = {key: next((name for name in usual if name in names), "") for key, usual in _COLUMNS.items()}
    for key in ("question", "answer"):
        if not found[key]:
            raise UserError(
                f"{problems} has the columns {', '.join(names)}, none of which is usually the {key} "
                f"({', '.join(_COLUMNS[key])}); rename one, or write the file by hand (`a2r reference experiment`)."
            )
    return found


def _names(problems: Path) -> Sequence[str]:
    """The columns of the first row."""
    try:
        with problems.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            if problems.suffix == ".csv":
                return next(csv.reader([first]), [])
            if problems.suffix == ".jsonl":
                return list(json.loads(first))
    except OSError as error:
        raise UserError(f"{problems} cannot be read: {error.strerror}; correct --problems.") from error
    except (ValueError, TypeError) as error:
        raise UserError(f"{problems}: the first line is not a row: {error}") from error
    raise UserError(f"{problems} is neither .jsonl nor .csv; convert it, or write the experiment by hand.")


def _relative(file: Path, folder: Path) -> str:
    absolute, base = file.resolve(), folder.resolve()
    return str(absolute.relative_to(base) if absolute.is_relative_to(base) else absolute)


def _quoted(text: str) -> str:
    """As YAML takes it for a text."""
    return json.dumps(text, ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; choose another place.") from error
