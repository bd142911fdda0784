"""lm-evaluation-harness: `samples_<task>_<time>.jsonl` of --log_samples, with `results_<time>.json` beside it.

There is one line per document and filter. A document's outputs are in `resps`, as many as the task's `repeats`,
and the same under every filter. A filter's metrics judge the document, not the sample. With one output
they are its verdict; with several they apply to the first output if the filter takes the first, and otherwise
to no single output. The log records neither tokens nor finish reasons.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from configs.schema import UserError
from tasks.exchange.imports.samples import (
    Judgement,
    LogHeader,
    Options,
    ReadReport,
    Sample,
    count_of,
    gold_after_marker,
    json_file,
    json_lines,
    number,
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


def is_row(row: Mapping[str, Any]) -> bool:
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
    first: Mapping[str, Any],
    header: LogHeader,
    options: Options,
    report: ReadReport,
    first_filters: set[str],
) -> Iterator[Sample | Judgement]:
    doc = first["doc"] if isinstance(first["doc"], dict) else {}
    question = options.question or next((name for name in _QUESTIONS if text_of(doc.get(name))), None)
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
    seen: set[str] = set()
    for where, row in json_lines(file, report):
        try:
            problem = _problem(row, question, identity, options.gold, marker)
            outputs = _outputs(row)
        except (KeyError, TypeError, ValueError) as error:
            reason = f"has no field {error}" if isinstance(error, KeyError) else str(error)
            report.broken(f"{where} {reason}")
            continue
        problem_id, text, gold, metadata = problem
        if problem_id not in seen:
            seen.add(problem_id)
            for index, output in enumerate(outputs):
                yield Sample(
                    problem_id=problem_id,
                    question=text,
                    gold=gold,
                    sample_index=index,
                    output=output,
                    metadata=metadata,
                )
        yield from _judgements(row, problem_id, len(outputs), first_filters)


def _problem(
    row: Mapping[str, Any], question: str | None, identity: str | None, gold: str | None, marker: str | None
) -> tuple[str, str, str, dict[str, object]]:
    """Id, question, gold answer and other fields of the document. Raises ValueError with the field and remedy."""
    doc: dict[str, Any] = row["doc"] if isinstance(row["doc"], dict) else {}
    text = text_of(doc.get(question)) if question else _prompt(row)
    if text is None:
        raise ValueError(
            f"has no text in doc.{question}; it has: {', '.join(doc)} (name the question with --question)"
        )
    answer = text_of(row["target"] if gold is None or gold == "target" else doc.get(gold))
    right = gold_after_marker(marker, answer) if answer else None
    if right is None:
        field = gold or "target"
        raise ValueError(
            f"has no gold answer in {field}; the document has: {', '.join(doc)} (--gold, --gold-after)"
        )
    problem_id = text_of(doc.get(identity)) if identity else None
    left_out = {question, identity, gold}
    metadata = {name: value for name, value in doc.items() if name not in left_out}
    return problem_id or str(row["doc_id"]), text, right, metadata


def _outputs(row: Mapping[str, Any]) -> list[str]:
    outputs = row["resps"][0] if row["resps"] else []
    outputs = outputs if isinstance(outputs, list) else [outputs]
    if not all(isinstance(output, str) for output in outputs):
        raise UserError(
            "This log has log-likelihoods, not texts: its task is multiple choice by likelihood. Only tasks of "
            "output_type generate_until have outputs to import."
        )
    return outputs


def _prompt(row: Mapping[str, Any]) -> str | None:
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
            messages = orjson.loads(sent)
        except orjson.JSONDecodeError:
            return text_of(sent)
        contents = [message.get("content") for message in messages if message.get("role") == "user"]
        return text_of(contents[-1]) if contents else None
    return text_of(sent)


def _judgements(
    row: Mapping[str, Any], problem_id: str, num_outputs: int, first_filters: set[str]
) -> Iterator[Judgement]:
    name = str(row.get("filter", "none"))
    if num_outputs > 1 and name not in first_filters:
        return
    filtered = row.get("filtered_resps")
    while isinstance(filtered, list) and filtered:
        filtered = filtered[0]
    for metric in row.get("metrics", ["exact_match", "acc"]):
        is_correct = verdict_of(row.get(metric))
        if is_correct is not None:
            scorer = metric if name == "none" else f"{metric}.{name}"
            yield Judgement(problem_id, 0, scorer, is_correct, text_of(filtered))


def _filters_that_take_the_first(file: Path, task: str) -> set[str]:
    """The names of filters whose metrics judge the first output; the harness calls its default filter `none`."""
    names = {"none"}
    results = _results(file)
    config = results.get("configs", {}).get(task, {}) if results else {}
    for entry in config.get("filter_list") or []:
        steps = [step.get("function") for step in entry.get("filter", [])]
        if steps and steps[-1] == "take_first" and "majority_vote" not in steps:
            names.add(str(entry.get("name")))
    return names


def _header(file: Path, first: Mapping[str, Any]) -> LogHeader:
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
    if "top_k" in header.sampling:
        header.sampling["top_k"] = int(header.sampling["top_k"])
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
    totals = results.get("results", {}).get(header.task, {})
    header.results = {
        name.replace(",", "."): float(value)
        for name, value in totals.items()
        if isinstance(value, int | float) and "," in name
    }
    return header


def _results(file: Path) -> dict[str, Any] | None:
    named = _FILE.fullmatch(file.name)
    path = file.with_name(f"results_{named['time']}.json") if named else None
    return json_file(path) if path and path.is_file() else None
