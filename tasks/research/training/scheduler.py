"""A training: every lesson of a family of models, each in a process of its own, none given twice."""

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import orjson
from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import CachePolicy
from prefect.context import TaskRunContext
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from rich.console import Console
from rich.table import Table

from configs.schema import UserError
from configs.training import Training
from tasks.engines.pool import ENGINES, Stopped
from tasks.executor.cache import first_valid_key, quoted, unquoted
from tasks.executor.failures import FlowIncomplete
from tasks.executor.shards import run_log
from tasks.progress import PROGRESS
from tasks.research.training.jobs import Lesson, exploring, lessons_of, needed
from tasks.research.training.shipped import bring
from tasks.run import default_root

Taught = PrefectFuture[str]

NUM_AT_ONCE = os.cpu_count() or 1
"""A lesson takes one core."""

TRAINER = cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner(max_workers=NUM_AT_ONCE))


@dataclass(kw_only=True)
class LessonContent(CachePolicy):
    """The lesson's digest and the root; a result is believed only while the model it names is there."""

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],  # noqa: ARG002
        **_: Any,  # noqa: ANN401 - Prefect's signature
    ) -> str | None:
        """The key."""
        lesson: Lesson = unquoted(inputs["lesson"])
        key = hashlib.sha256(f"{inputs['root']}\n{lesson.digest}".encode()).hexdigest()[:32]
        results = task_ctx.result_store
        return first_valid_key(key, lambda key: results.exists(key) and not lesson.is_done(inputs["root"]))


@task(
    name="train-model",
    task_run_name="{label}",
    cache_policy=LessonContent(),
    persist_result=True,
    result_serializer="json",
)
def train_model(label: str, lesson: Lesson, root: str) -> str:
    """Give one lesson; returns the model's folder. Raises UserError with the end of its log."""
    folder = lesson.folder(root)
    if not lesson.is_done(root):
        status = ENGINES.run(_teach(label, lesson, root))
        if not lesson.is_done(root):
            tail = (folder / "training.log").read_text(errors="replace")[-600:].strip()
            raise UserError(
                f"{label} was broken off (exit {status}); {folder / 'training.log'} ends in:\n{tail}"
            )
    record = orjson.loads((folder / "training.json").read_bytes())
    run_log().info("%s: %s", label, _told(record))
    return str(folder)


async def _teach(label: str, lesson: Lesson, root: str) -> int:
    """Give a lesson in a process of its own; what it says goes into its log and to whoever watches.

    Cancelled, it ends the process, whose last minute is lost.
    """
    folder = lesson.folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    run_log().info("%s begins; its log is %s", label, folder / "training.log")
    with subprocess.Popen(  # noqa: S603, ASYNC220 - this interpreter; forking takes no time
        [sys.executable, "-m", "tasks.research.training.trainer", root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdin  # noqa: S101 - both are pipes
        process.stdin.write(lesson.model_dump_json().encode())
        process.stdin.close()
        try:
            await asyncio.to_thread(_listen, label, process, folder / "training.log")
        except asyncio.CancelledError:
            process.terminate()
            raise
    return process.returncode


def _listen(label: str, process: subprocess.Popen[bytes], path: Path) -> None:
    assert process.stdout  # noqa: S101 - a pipe
    with path.open("ab") as log:
        for line in process.stdout:
            log.write(line)
            log.flush()
            PROGRESS.say(f"{label}: {line.decode(errors='replace').strip()}")


def train_models(
    training: Training, root: str | None, explore: Callable[..., Any], *, from_scratch: bool = False
) -> dict[str, Any]:
    """Give every lesson that is not given yet. Raises FlowIncomplete after all others are done.

    `explore` is the pipeline's own flow: what synthesizers learn to read are traces of the store. Models that
    come with the project count as given, unless all is to be made `from_scratch`.
    """
    place, lessons = local_root(root), lessons_of(training)
    if not from_scratch:
        bring(lessons, place)
    lessons = needed(lessons, place)
    missing = [name for name in ("torch", "onnx") if not find_spec(name)]
    if missing and not all(lesson.is_done(place) for lesson in lessons):
        raise UserError(f"Training needs {', '.join(missing)}; install the extra: pip install 'a2r[train]'.")
    return _School(training, lessons, place, explore).run()


def local_root(root: str | None) -> str:
    """The folder in which models are trained. Raises UserError where it is none of this machine."""
    place = root or default_root()
    if "://" in place:
        raise UserError(
            f"Models are trained into a folder of this machine, and {place} is none; give one with --root."
        )
    return place


class _School:
    """One execution of a training: as many lessons at once as there are cores, each as soon as it can be given."""

    def __init__(
        self, training: Training, lessons: list[Lesson], root: str, explore: Callable[..., Any]
    ) -> None:
        self._training, self._lessons, self._root, self._explore = training, lessons, root, explore
        open_ones = [lesson for lesson in self._lessons if not lesson.is_done(root)]
        self._read = {explorer.digest for lesson in open_ones for explorer in lesson.explorers}
        self._explored: set[str] = set()
        self._complaints: list[str] = []

    def run(self) -> dict[str, Any]:
        """Give all lessons that can be given; returns what models there are. Raises FlowIncomplete."""
        waiting, under_way, done = list(self._lessons), dict[Taught, Lesson](), set[str]()
        while True:
            ready = [lesson for lesson in waiting if self._can_be_given(lesson, done)]
            for lesson in ready[: NUM_AT_ONCE - len(under_way)]:
                waiting.remove(lesson)
                future = train_model.submit(label=lesson.name, lesson=quoted(lesson), root=self._root)
                under_way[cast("Taught", future)] = lesson
            if not under_way:
                break
            ended = next(as_completed(list(under_way)))
            lesson = under_way.pop(ended)
            if self._has_succeeded(ended):
                done.add(lesson.digest)
                if lesson.digest in self._read:
                    self._sample(lesson)
        self._complaints += [f"{lesson.name} was not begun: what it needs is missing." for lesson in waiting]
        return self._report()

    def _can_be_given(self, lesson: Lesson, done: set[str]) -> bool:
        if lesson.is_done(self._root):
            return True
        is_started = lesson.start is None or lesson.start.digest in done
        return is_started and all(explorer.digest in self._explored for explorer in lesson.explorers)

    def _has_succeeded(self, future: Taught) -> bool:
        future.wait()
        outcome = future.state.result(raise_on_failure=False)
        if isinstance(outcome, Stopped):
            raise outcome
        if isinstance(outcome, BaseException):
            self._complaints.append(str(outcome))
        return not isinstance(outcome, BaseException)

    def _sample(self, explorer: Lesson) -> None:
        """Have an explorer answer training and development problems, by the pipeline's own flow."""
        try:
            for split in ("train", "development"):
                self._explore(experiment=exploring(explorer, self._root, split), root=self._root)
        except UserError as error:
            self._complaints.append(f"{explorer.name}: {error}")
        else:
            self._explored.add(explorer.digest)

    def _report(self) -> dict[str, Any]:
        models = [_line(lesson, self._root) for lesson in self._lessons if lesson.is_done(self._root)]
        report = {
            "training": self._training.name,
            "status": "incomplete" if self._complaints else "complete",
            "models": models,
        }
        create_table_artifact(
            table=models, key="a2r-training", description=f"Training {self._training.name}."
        )
        if self._complaints:
            raise FlowIncomplete(
                report,
                "\n".join(self._complaints)
                + f"\n{len(models)} of {len(self._lessons)} models are done; run the same command again for the rest: "
                "a lesson that was broken off goes on from its last minute.",
            )
        return report


def print_training(report: dict[str, Any], console: Console, root: str) -> None:  # noqa: ARG001 - folders say it
    """The table at the end of `a2r train`."""
    table = Table(title=f"training {report['training']}", title_justify="left", caption_justify="left")
    table.caption = "accuracy: one sample a development problem, temperature 1, at the end of training"
    for heading in report["models"][0] if report["models"] else ():
        table.add_column(heading, justify="left" if heading in {"model", "folder"} else "right")
    for model in report["models"]:
        table.add_row(*map(str, model.values()))
    console.print(table)


def _line(lesson: Lesson, root: str) -> dict[str, Any]:
    record = orjson.loads((lesson.folder(root) / "training.json").read_bytes())
    return {
        "model": lesson.name,
        "parameters": f"{record['num_parameters']:,}",
        "tokens": f"{record['num_tokens']:,}",
        "seconds": f"{record['seconds']:,.0f}",
        "accuracy": f"{record['curve'][-1]['accuracy']:.3f}",
        "folder": str(lesson.folder(root)),
    }


def _told(record: dict[str, Any]) -> str:
    last = record["curve"][-1]
    return (
        f"{record['num_parameters']:,} parameters, {record['num_tokens']:,} tokens, "
        f"{record['seconds']:,.0f} s, {last['accuracy']:.3f} right on development problems"
    )
