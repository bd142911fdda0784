"""lm-evaluation-harness: `samples_<task>_<time>.jsonl` of --log_samples, with `results_<time>.json` beside it.

There is one line per document and filter. A document's outputs are in `resps`, as many as the task's `repeats`,
and the same under every filter. A filter's metrics judge the document, not the sample. With one output
they are its verdict; with several they apply to the first output if the filter takes the first, and otherwise
to no single output. The log records neither tokens nor finish reasons.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from configs.schema import JsonObject, UserError
from tasks.benchmarks.cell_text import after_mark, answer_text, question_text
from tasks.benchmarks.json_text import parse_json
from tasks.engines.replay.recorded_outputs import Recorded
from tasks.exchange.imports.samples import (
    Judgement,
    LogHeader,
    Options,
    ReadReport,
    Sample,
    count_of,
    has_question,
    json_file,
    json_lines,
    number,
    object_of,
    text_of,
    verdict_of,
)

NAME = "lm_eval"
_FILE = re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d+)\.jsonl")
_QUESTIONS = ("question", "problem", "Problem", "Question", "input", "query")
_IDS = ("id", "unique_id", "problem_id", "question_id", "ID")
_GSM8K_MARKER = "####"
_SETTINGS = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "min_p": "min_p"}
_LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")


def is_row(row: JsonObject) -> bool:
    """Whether a line is from a log of this format."""
    return {"doc_id", "doc", "target", "resps"} <= row.keys()


def read(
    files: list[Path], options: Options, report: ReadReport
) -> tuple[LogHeader, Iterator[Sample | Judgement]]:
    """The log's header and its samples. Raises UserError if it has no texts."""
    if len(files) > 1:
        raise UserError(
            f"{len(files)} lm-evaluation-harness logs were named; import them one by one: each is a separate task."
        )
    file = files[0]
    first = next((row for _, row in json_lines(file, ReadReport()) if is_row(row)), None)
    if first is None:
        raise UserError(
            f"{file} has no line with doc_id, doc, target and resps, as lm_eval --log_samples writes them; "
            "name another file or another --format."
        )
    header = _header(file, first)
    first_filters = _filters_that_take_the_first(file, header.task)
    return header, _samples(file, first, header, options, report, first_filters)


def _samples(  # noqa: PLR0917 - called once, with arguments named alike
    file: Path,
    first: JsonObject,
    header: LogHeader,
    options: Options,
    report: ReadReport,
    first_filters: set[str],
) -> Iterator[Sample | Judgement]:
    doc = first["doc"] if isinstance(first["doc"], dict) else {}
    question = options.question or next((name for name in _QUESTIONS if has_question(doc.get(name))), None)
    identity = options.id or next((name for name in _IDS if text_of(doc.get(name))), None)
    marker = options.gold_after
    if marker is None and options.gold is None and _GSM8K_MARKER in str(first["target"]):
        marker = _GSM8K_MARKER
        header.notes.append(f"the gold answer is what follows {marker} in `target`")
    header.notes.append(
        f"the question is the document's column {question}"
        if question
        else "the question is the rendered prompt"
    )
    documents = _Documents()
    for where, row in json_lines(file, report):
        try:
            named, text, gold, metadata = _problem(row, question, identity, options.gold, marker)
            outputs = _outputs(row)
            problem_id, is_new, filter_name = documents.place(row, named, text, outputs)
        except (KeyError, TypeError, ValueError) as error:
            reason = f"has no field {error}" if isinstance(error, KeyError) else str(error)
            report.broken(f"{where} {reason}")
            continue
        for index, output in enumerate(outputs if is_new else ()):
            yield Sample(
                problem_id=problem_id,
                question=text,
                gold=gold,
                sample_index=index,
                recorded=Recorded(output=output),
                metadata=metadata,
                where=where,
            )
        if outputs[0] is not None:
            yield from _judgements(row, problem_id, len(outputs), filter_name, first_filters)


class _Documents:
    """The documents so far, and the filters that each of them was seen under.

    Documents are told apart by question where they share an id. Logs from before filters had names repeat a
    document once per filter: the second is called `filter2`, and so on.
    """

    def __init__(self) -> None:
        self._ids: dict[str, bytes] = {}
        self._outputs: dict[str, bytes] = {}
        self._filters: dict[str, set[str]] = {}

    def place(
        self, row: JsonObject, named: str, question: str, outputs: Sequence[str | None]
    ) -> tuple[str, bool, str]:
        """The problem's id, whether it is new, and its filter. Raises ValueError for a line that contradicts others."""
        digest = _digest([str(row["doc_id"]), question])
        problem_id = named
        if self._ids.setdefault(problem_id, digest) != digest:
            problem_id = f"{named}-{row['doc_id']}"
            if self._ids.setdefault(problem_id, digest) != digest:
                raise ValueError(f"repeats the id {named} and doc_id {row['doc_id']} with another question")
        is_new = problem_id not in self._outputs
        if self._outputs.setdefault(problem_id, _digest(outputs)) != _digest(outputs):
            raise ValueError(
                f"has other outputs for document {row['doc_id']} than an earlier line; are two runs in one file?"
            )
        filters = self._filters.setdefault(problem_id, set())
        name = str(row.get("filter", "none"))
        if "filter" not in row and filters:
            name = f"filter{len(filters) + 1}"
        if name in filters:
            raise ValueError(f"repeats document {row['doc_id']} under the filter {name}")
        filters.add(name)
        return problem_id, is_new, name


def _problem(
    row: JsonObject, question: str | None, identity: str | None, gold: str | None, marker: str | None
) -> tuple[str, str, str, dict[str, object]]:
    """Id, question, gold answer and other fields of the document. Raises ValueError with the field and remedy."""
    doc: JsonObject = row["doc"] if isinstance(row["doc"], dict) else {}
    text = question_text(doc.get(question)) if question else _prompt(row)
    if text is None:
        raise ValueError(
            f"has no text in doc.{question}; it has: {', '.join(doc)} (name the question with --question)"
        )
    answer = answer_text(row["target"] if gold is None or gold == "target" else doc.get(gold))
    right = after_mark(marker, answer) if answer else None
    if right is None:
        field = gold or "target"
        raise ValueError(
            f"has no gold answer in {field}; the document has: {', '.join(doc)} (--gold, --gold-after)"
        )
    problem_id = text_of(doc.get(identity)) if identity else None
    left_out = {question, identity, gold}
    metadata = {name: value for name, value in doc.items() if name not in left_out}
    return problem_id or str(row["doc_id"]), text, right, metadata


def _outputs(row: JsonObject) -> list[str | None]:
    """A document's outputs, None for one that is missing. Raises ValueError if there are none."""
    outputs = row["resps"][0] if row["resps"] else []
    outputs = outputs if isinstance(outputs, list) else [outputs]
    if not outputs:
        raise ValueError("has no outputs in resps")
    if any(isinstance(output, list) for output in outputs):
        raise UserError(
            "This log has log-likelihoods, not texts: its task is multiple choice by likelihood. Only tasks of "
            "output_type generate_until have outputs to import."
        )
    if not all(isinstance(output, str | None) for output in outputs):
        raise ValueError("has values that are not text in resps")
    return outputs


def _digest(parts: Sequence[str | None]) -> bytes:
    return hashlib.sha256(repr(parts).encode("utf-8", "backslashreplace")).digest()[:16]


def _prompt(row: JsonObject) -> str | None:
    """The text that was sent: the last user message of a chat, else the whole prompt."""
    arguments = row.get("arguments")
    match arguments:
        case {"gen_args_0": {"arg_0": sent}}:
            pass
        case [[sent, *_], *_]:
            pass
        case _:
            return None
    sent = sent[0] if isinstance(sent, list) and sent else sent
    if isinstance(sent, str) and sent.startswith("[{"):
        try:
            messages = parse_json(sent.encode())
        except ValueError:
            return text_of(sent)
        if not isinstance(messages, list):
            return text_of(sent)
        contents = [turn.get("content") for turn in map(object_of, messages) if turn.get("role") == "user"]
        return text_of(contents[-1]) if contents else None
    return text_of(sent)


def _judgements(
    row: JsonObject, problem_id: str, num_outputs: int, name: str, first_filters: set[str]
) -> Iterator[Judgement]:
    if num_outputs > 1 and name not in first_filters:
        return
    filtered = row.get("filtered_resps")
    while isinstance(filtered, list) and filtered:
        filtered = filtered[0]
    named = row.get("metrics")
    for metric in named if isinstance(named, list) else ["exact_match", "acc"]:
        is_correct = verdict_of(row.get(metric))
        if is_correct is not None:
            scorer = metric if name == "none" else f"{metric}.{name}"
            yield Judgement(problem_id, 0, scorer, is_correct, text_of(filtered))


def _filters_that_take_the_first(file: Path, task: str) -> set[str]:
    """The names of filters whose metrics judge the first output; the harness calls its default filter `none`."""
    names = {"none"}
    results = _results(file)
    config = object_of(object_of(object_of(results).get("configs")).get(task))
    for entry in map(object_of, config.get("filter_list") or []):
        steps = [object_of(step).get("function") for step in entry.get("filter") or []]
        if steps and steps[-1] == "take_first" and "majority_vote" not in steps:
            names.add(str(entry.get("name")))
    return names


def _header(file: Path, first: JsonObject) -> LogHeader:
    named = _FILE.fullmatch(file.name)
    header = LogHeader(NAME, named["task"] if named else file.stem)
    arguments = first.get("arguments")
    match arguments:
        case {"gen_args_0": {"arg_1": dict(settings)}}:
            pass
        case [[_, dict(settings), *_], *_]:
            pass
        case _:
            settings = {}
    header.sampling = {
        ours: value
        for theirs, ours in _SETTINGS.items()
        if (value := number(settings.get(theirs))) is not None
    }
    if "top_k" in header.sampling and (top_k := int(header.sampling.pop("top_k"))) > 0:  # -1 and 0: no limit
        header.sampling["top_k"] = top_k
    if settings.get("do_sample") is False:
        header.sampling["temperature"] = 0.0
    if length := next((count for name in _LENGTHS if (count := count_of(settings.get(name)))), None):
        header.sampling["max_tokens"] = length
    results = _results(file)
    if results is None:
        header.model = file.parent.name or None
        header.notes.append("there is no results file beside it, so the folder's name is used as the model")
        return header
    header.model = text_of(results.get("model_name"))
    header.version = text_of(results.get("lm_eval_version"))
    totals = object_of(object_of(results.get("results")).get(header.task))
    header.results = {
        name.replace(",", "."): total
        for name, value in totals.items()
        if (total := number(value)) is not None and "," in name
    }
    return header


def _results(file: Path) -> JsonObject | None:
    named = _FILE.fullmatch(file.name)
    path = file.with_name(f"results_{named['time']}.json") if named else None
    return json_file(path) if path and path.is_file() else None
