"""Inspect: `.eval` archives and `.json` logs, read by their documented layout without Inspect itself.

An `.eval` file is a ZIP with header.json and one samples/<id>_epoch_<n>.json per sample. It is deflated or, in
newer versions, compressed with Zstandard (method 93), which Python's zipfile supports only from 3.14; Arrow's
codec reads it. An interrupted run has _journal/start.json instead of header.json.
"""

import struct
import zipfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from configs.schema import JsonObject, UserError
from tasks.benchmarks.json_text import parse_json
from tasks.engines.replay.recorded_outputs import Recorded
from tasks.exchange.imports.samples import (
    Judgement,
    LogHeader,
    Options,
    ReadReport,
    Sample,
    count_of,
    json_file,
    number,
    object_of,
    text_of,
    verdict_of,
)

NAME = "inspect"
_ZSTANDARD = 93
_LOCAL_HEADER = struct.Struct("<26xHH")
_SETTINGS = ("temperature", "top_p", "top_k", "presence_penalty", "max_tokens", "seed")
_LENGTH = {"max_tokens", "model_length"}
_SEVERAL = (
    "where `target` lists several answers, the gold answer is the first; all are in the metadata as `targets`"
)
_ATTACHMENT = "attachment://"


def read(
    files: list[Path], options: Options, report: ReadReport
) -> tuple[LogHeader, Iterator[Sample | Judgement]]:
    """The log's header and its samples; an archive is read one sample at a time. Raises UserError."""
    if len(files) > 1:
        raise UserError(
            f"{len(files)} Inspect logs were named; import them one by one: each is a separate run."
        )
    file = files[0]
    if file.suffix == ".eval":
        header, samples = _archive(file, report)
    else:
        header = json_file(file)
        report.num_bytes += file.stat().st_size
        listed = header.get("samples") or []
        samples = ((f"{file}, sample {number}", sample) for number, sample in enumerate(listed, start=1))
    if not isinstance(header.get("eval"), dict):
        raise UserError(f"{file} has no field eval, so it is not an Inspect log; name its --format.")
    about = _header(file, header)
    return about, _samples(samples, options, report, about)


def _archive(file: Path, report: ReadReport) -> tuple[JsonObject, Iterator[tuple[str, Any]]]:
    try:
        archive = zipfile.ZipFile(file)
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{file} is not a readable archive ({error}); copy it again.") from error
    names = set(archive.namelist())
    header = next((name for name in ("header.json", "_journal/start.json") if name in names), None)
    if header is None:
        raise UserError(f"{file} has neither header.json nor _journal/start.json; it is not an Inspect log.")

    def samples() -> Iterator[tuple[str, Any]]:
        with archive:
            for entry in archive.infolist():
                if entry.filename.startswith("samples/"):
                    report.num_bytes += entry.compress_size
                    where = f"{file}, {entry.filename}"
                    try:
                        yield where, parse_json(_content(archive, entry))
                    except (ValueError, OSError, zipfile.BadZipFile, pa.ArrowException) as error:
                        report.broken(f"{where} cannot be read: {str(error).splitlines()[0]}")

    try:
        fields = parse_json(_content(archive, archive.getinfo(header)))
    except (ValueError, OSError, zipfile.BadZipFile, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{file}, {header} cannot be read: {reason}; copy the log again.") from error
    return fields if isinstance(fields, dict) else {}, samples()


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """An entry's decompressed bytes."""
    if entry.compress_type != _ZSTANDARD:
        return archive.read(entry)
    with Path(str(archive.filename)).open("rb") as file:
        file.seek(entry.header_offset)
        lengths = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        file.seek(sum(lengths), 1)
        packed = file.read(entry.compress_size)
    return bytes(pa.input_stream(pa.BufferReader(packed), compression="zstd").read(entry.file_size))


def _samples(
    samples: Iterator[tuple[str, Any]], options: Options, report: ReadReport, header: LogHeader
) -> Iterator[Sample | Judgement]:
    for where, row in samples:
        try:
            sample = _sample(row, where, options)
        except (KeyError, TypeError, ValueError) as error:
            reason = f"has no field {error}" if isinstance(error, KeyError) else str(error)
            report.broken(f"{where} {reason}")
            continue
        if "targets" in sample.metadata and _SEVERAL not in header.notes:
            header.notes.append(_SEVERAL)
        yield sample
        for scorer, score in object_of(row.get("scores")).items():
            value = object_of(score).get("value")
            values = value.items() if isinstance(value, dict) else [(None, value)]
            for part, single in values:
                is_correct = verdict_of(single)
                if is_correct is not None and sample.recorded.output is not None:
                    name = f"{scorer}.{part}" if part else scorer
                    answer = text_of(score.get("answer"))
                    yield Judgement(sample.problem_id, sample.sample_index, name, is_correct, answer)


def _sample(row: Any, where: str, options: Options) -> Sample:  # noqa: ANN401 - whatever the log holds
    """Raises ValueError with the field and remedy, KeyError for a missing required field."""
    if not isinstance(row, dict):
        raise TypeError(f"is {type(row).__name__}, not an object with fields")
    attachments: Mapping[str, str] = object_of(row.get("attachments"))
    metadata = object_of(row.get("metadata"))
    question = text_of(metadata.get(options.question)) if options.question else _question(row, attachments)
    if not question:
        raise ValueError("has no text in input (name a metadata field with --question)")
    target = metadata.get(options.gold) if options.gold else row["target"]
    gold = text_of(target[0] if isinstance(target, list) and target else target)
    if gold is None:
        raise ValueError("has no gold answer in target (name a metadata field with --gold)")
    if isinstance(target, list) and len(target) > 1:
        metadata = {**metadata, "targets": target}
    output = object_of(row.get("output"))
    choices = output.get("choices") or []
    failure = object_of(row.get("error")).get("message") or row.get("error") or output.get("error")
    reasoning, answer = _texts(choices[0]["message"]["content"], attachments) if choices else (None, None)
    stop = text_of(choices[0].get("stop_reason")) if choices else None
    usage = object_of(output.get("usage"))
    epoch = count_of(int(row["epoch"]) if isinstance(row["epoch"], str) else row["epoch"])
    if not epoch:
        raise ValueError(f"has no whole number in epoch ({str(row['epoch'])[:20]})")
    return Sample(
        problem_id=text_of(metadata.get(options.id) if options.id else row["id"]) or str(row["id"]),
        question=question,
        gold=gold,
        sample_index=epoch - 1,
        recorded=Recorded(
            output=answer if failure is None or answer else None,
            reasoning=reasoning,
            finish_reason="length" if stop in _LENGTH else stop,
            num_prompt_tokens=count_of(usage.get("input_tokens")),
            num_completion_tokens=count_of(usage.get("output_tokens")),
            started_at=datetime.fromisoformat(row["started_at"]) if row.get("started_at") else None,
            latency_seconds=number(output.get("time")),
            error=str(failure) if failure else None,
        ),
        metadata=metadata,
        where=where,
    )


def _question(row: JsonObject, attachments: Mapping[str, str]) -> str:
    """The input's text, or its last user message; choices are listed below it by letter."""
    content = row["input"]
    if isinstance(content, list):
        messages = [message for message in map(object_of, content) if message.get("role") == "user"]
        content = (_texts(messages[-1]["content"], attachments)[1] or "") if messages else ""
    text = _resolved(str(content), attachments).strip()
    choices = row.get("choices") or []
    letters = [f"{chr(ord('A') + index)}) {choice}" for index, choice in enumerate(choices)]
    return "\n".join([text, "", *letters]) if letters else text


def _texts(content: object, attachments: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Reasoning and answer of a message's content, which is one text or a list of typed parts; no answer where it is null."""
    if content is None:
        return None, None
    if isinstance(content, str):
        return None, _resolved(content, attachments)
    parts = content if isinstance(content, list) else []
    reasoning, text = (
        [
            _resolved(_part(part), attachments)
            for part in parts
            if isinstance(part, dict) and part.get("type") == kind
        ]
        for kind in ("reasoning", "text")
    )
    thought = "\n".join(reasoning)
    return thought if thought.strip() else None, "\n".join(text)


def _part(part: JsonObject) -> str:
    """A part's text; of reasoning that the provider encrypted, or withheld, its summary if there is one."""
    if part["type"] == "reasoning" and (part.get("redacted") or not part.get("reasoning")):
        return str(part.get("summary") or "")
    return str(part.get(part["type"]) or "")


def _resolved(text: str, attachments: Mapping[str, str]) -> str:
    """The text, or the attachment that it refers to: Inspect stores long texts separately."""
    if text.startswith(_ATTACHMENT):
        return attachments.get(text.removeprefix(_ATTACHMENT), text)
    return text


def _header(file: Path, fields: JsonObject) -> LogHeader:
    about: JsonObject = fields["eval"]
    header = LogHeader(NAME, str(about.get("task") or file.stem).rsplit("/", 1)[-1])
    header.model = text_of(about.get("model"))
    header.version = text_of(object_of(about.get("packages")).get("inspect_ai"))
    config = {
        **object_of(about.get("model_generate_config")),
        **object_of(object_of(fields.get("plan")).get("config")),
    }
    header.sampling = {name: config[name] for name in _SETTINGS if number(config.get(name)) is not None}
    if fields.get("status") not in {"success", None}:
        header.notes.append(f"the log's status is {fields['status']}: it has only what was finished by then")
    for score in map(object_of, object_of(fields.get("results")).get("scores") or []):
        for name, metric in object_of(score.get("metrics")).items():
            value = number(object_of(metric).get("value"))
            if value is not None:
                header.results[f"{score.get('name')}.{name}"] = value
    return header
