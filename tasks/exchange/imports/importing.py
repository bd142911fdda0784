"""`a2r import`: turns a log into a recording, an experiment that replays it, and grades from its own verdicts."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from configs.experiment import Experiment
from configs.loading import load_experiment
from configs.schema import UserError
from tasks.engines.replay.recorded_outputs import DETAILS
from tasks.exchange.imports.detect import READERS, files_of, format_of
from tasks.exchange.imports.judgements import keep_judgements
from tasks.exchange.imports.recording import OUTPUTS_FILE, Recorder, Recording
from tasks.exchange.imports.samples import Judgement, LogHeader, Options, ReadReport, Sample
from tasks.run import stages_of
from warehouse.files import write_file
from warehouse.on_progress import OnProgress, silent
from warehouse.store import Store

EXPERIMENT_FILE = "experiment.yaml"
_UNKNOWN_MODEL = "unknown"
_SYNTHESIZER = """
# The recorded outputs are the explorer. To have a synthesizer read them, uncomment this and run the file:
#
# synthesizer:
#   model: {{id: big}}
#   engine: {{kind: openai, base_url: "http://localhost:8000/v1"}}
#   references: {{count: {count}, content: answer, order: shuffled}}
#   sampling: {{n: 1, temperature: 0.6, max_tokens: 32768}}
"""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import found, and the experiment that replays it."""

    experiment: Experiment
    experiment_file: Path
    recording: Recording
    header: LogHeader
    report: ReadReport
    judged: dict[str, tuple[int, int]]
    """For each grader of the log, the number of its verdicts and how many of them are `correct`."""

    def facts(self) -> dict[str, Any]:
        """The same as a dict, for --json."""
        recording = self.recording
        return {
            "format": self.header.tool,
            "recording": recording.name,
            "experiment_file": str(self.experiment_file),
            "problems": len(recording.problems),
            "outputs": recording.num_outputs,
            "failed": recording.num_failed,
            "uneven_problems": recording.num_uneven,
            "repeated_questions": recording.num_shared,
            "broken_lines": self.report.num_broken,
            "log_verdicts": {
                grader: {"verdicts": count, "correct": right}
                for grader, (count, right) in self.judged.items()
            },
            "log_results": self.header.results,
        }


def import_log(
    paths: Sequence[Path],
    root: str,
    options: Options,
    *,
    log_format: str | None = None,
    model: str | None = None,
    benchmark: str | None = None,
    name: str | None = None,
    overrides: Sequence[str] = (),
    on_progress: OnProgress = silent,
) -> Imported:
    """Read a log into the root and build its experiment, without grading it. Raises UserError.

    Importing the same log with the same options again changes nothing. `on_progress` is called with bytes.
    """
    store = Store(root)
    files = files_of(list(paths))
    tool = log_format or format_of(files)
    store.open_for_writing()
    report = ReadReport()
    header, records = READERS[tool](files, options, report)
    header.model, header.task = model or header.model, _safe(benchmark or header.task)
    judgements: list[Judgement] = []
    identity = {
        "model": header.model or _UNKNOWN_MODEL,
        "benchmark": header.task,
        "sampling": header.sampling,
    }
    try:
        with Recorder(store.imports_folder, header.task, report) as recorder:
            num_bytes = sum(file.stat().st_size for file in files)
            judgements.extend(recorder.take(_watched(records, report, num_bytes, on_progress)))
            recording = recorder.finish(header, identity, [file.name for file in files])
            if not store.is_local:
                _take_experiment(store, recording)
            _write_experiment(recording, header, files)
            if not store.is_local and recording.num_samples:
                _share(store, recording)
    except OSError as error:
        raise store.complaint(error) from error
    if not recording.num_outputs:
        first = f" First: {report.breaks[0]}" if report.breaks else ""
        raise UserError(
            f"{files[0]} holds no outputs that can be imported ({report.num_broken} broken lines).{first}"
        )
    file = recording.folder / EXPERIMENT_FILE
    named = [f"name={name}"] if name else []
    experiment = load_experiment(str(file), [*named, *overrides])
    recipe = stages_of(experiment, store.root)[0].recipe
    judged = keep_judgements(store, recipe, tool, judgements, recording)
    return Imported(experiment, file, recording, header, report, judged)


def _write_experiment(recording: Recording, header: LogHeader, files: Sequence[Path]) -> None:
    """Write the experiment file of the recording, last. An existing file may have been edited and is kept."""
    path = recording.folder / EXPERIMENT_FILE
    if path.exists() or not recording.num_samples:
        return
    sources = files[0].name if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"
    model = header.model or _UNKNOWN_MODEL
    content = {
        "name": _experiment_name(f"{header.tool}-{recording.benchmark}-{model.rsplit('/', 1)[-1]}"),
        "description": f"Imported from {sources} ({header.tool}{' ' + header.version if header.version else ''}).",
        "benchmark": {
            "source": "file",
            "path": f"{recording.benchmark}.jsonl",
            "question": "question",
            "answer": "gold",
            "id": "id",
        },
        "explorer": {
            "model": {"id": model, "revision": f"import-{recording.name}"},
            "engine": {
                "kind": "replay",
                "path": OUTPUTS_FILE,
                "question": "question",
                "outputs": "output",
                "scores": "score",
                **{column: column for column in DETAILS},
            },
            "prompt": "recorded",
            "sampling": {"n": recording.num_samples, **header.sampling},
        },
        "grader": {"kind": "math"},
    }
    text = yaml.safe_dump(content, sort_keys=False, width=120)
    text += _SYNTHESIZER.format(count=min(recording.num_samples, 4))
    write_file(path, text.encode())


def _take_experiment(store: Store, recording: Recording) -> None:
    """Take over the experiment file that the same import on another machine left in the root; one of this machine stays."""
    path = recording.folder / EXPERIMENT_FILE
    if not path.exists():
        with suppress(FileNotFoundError):
            write_file(path, store.read_bytes(f"imports/{recording.name}/{EXPERIMENT_FILE}"))


def _share(store: Store, recording: Recording) -> None:
    """Copy to the root what it lacks of a recording, the experiment file last."""
    folder = f"imports/{recording.name}"
    held = {file.path for file in store.files(folder)}
    files = sorted(recording.folder.iterdir(), key=lambda file: (file.name == EXPERIMENT_FILE, file.name))
    for file in files:
        if (path := f"{folder}/{file.name}") not in held:
            store.write_copy(path, file)


def _safe(text: str) -> str:
    """Text as the name of a file and a benchmark: letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "imported"


def _experiment_name(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._") or "imported"


def _watched(
    records: Iterator[Sample | Judgement], report: ReadReport, num_bytes: int, on_progress: OnProgress
) -> Iterator[Sample | Judgement]:
    for record in records:
        on_progress(report.num_bytes, num_bytes)
        yield record
