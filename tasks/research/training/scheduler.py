"""The scheduler of a training: every job of a family of models, each in a process of its own, none run twice."""

import asyncio
import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any, cast

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import CachePolicy
from prefect.context import TaskRunContext
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from configs.schema import UserError
from configs.training import Training
from tasks.engines.pool import ENGINES, Stopped
from tasks.engines.processes import Child, start
from tasks.executor.cache import first_valid_key, quoted, unquoted
from tasks.executor.errors import FlowIncomplete
from tasks.executor.run_log import run_log
from tasks.progress import PROGRESS
from tasks.research.training.jobs import TrainingJob, jobs_of, needed_jobs, sampling_experiment
from tasks.research.training.record import read_record
from tasks.research.training.shipped import install_shipped
from tasks.research.training.training_report import TrainingReport, described, trained_model
from warehouse.store import default_root

MAX_CONCURRENT_JOBS = os.cpu_count() or 1
"""A job takes one core."""

TRAINER = cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner(max_workers=MAX_CONCURRENT_JOBS))

LOG_FILE = "training.log"


@dataclass(kw_only=True)
class TrainingJobContent(CachePolicy):
    """The job's digest and the root; a cached result is valid only while the model's folder is complete."""

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: Mapping[str, object],
        flow_parameters: Mapping[str, object],  # noqa: ARG002
        **_: Any,  # noqa: ANN401 - Prefect's signature
    ) -> str | None:
        """The key."""
        job: TrainingJob = unquoted(inputs["job"])
        key = hashlib.sha256(f"{inputs['root']}\n{job.digest}".encode()).hexdigest()[:32]
        results = task_ctx.result_store
        return first_valid_key(key, lambda key: results.exists(key) and not job.is_done(inputs["root"]))


@task(
    name="train-model",
    task_run_name="{label}",
    cache_policy=TrainingJobContent(),
    persist_result=True,
    result_serializer="json",
)
def train_model(label: str, job: TrainingJob, root: str) -> str:
    """Run one job; returns the model's folder. Raises UserError with the end of the job's log."""
    folder = job.folder(root)
    if not job.is_done(root):
        status = ENGINES.run(_run_in_process(label, job, root))
        if not job.is_done(root):
            tail = (folder / LOG_FILE).read_text(errors="replace")[-600:].strip()
            raise UserError(f"{label} did not finish (exit {status}); {folder / LOG_FILE} ends in:\n{tail}")
    run_log().info("%s: %s", label, described(read_record(folder)))
    return str(folder)


async def _run_in_process(label: str, job: TrainingJob, root: str) -> int | None:
    """Run a job in a process of its own; returns its exit status. Its output goes to its log and to the progress display.

    On cancellation the process is ended and loses the work since its last checkpoint.
    """
    log = job.folder(root) / LOG_FILE
    log.parent.mkdir(parents=True, exist_ok=True)
    run_log().info("%s starts; its log is %s", label, log)
    command = [sys.executable, "-P", "-m", "tasks.research.training.trainer", root]
    child = start(command, log, stdin=job.model_dump_json().encode(), append=True, dies_with_us=True)
    try:
        await asyncio.to_thread(_show, label, child)
    finally:
        await asyncio.to_thread(child.end)
    return child.code


def _show(label: str, child: Child) -> None:
    """Show what a job writes, line by line, until it ends."""
    for line in child.lines():
        PROGRESS.say(f"{label}: {line.strip()}")


def train_models(
    training: Training, root: str | None, explore: Callable[..., Any], *, from_scratch: bool = False
) -> TrainingReport:
    """Run every job that is not done. Raises FlowIncomplete, after all other jobs are done, if one fails.

    `explore` is the pipeline's own flow: synthesizers learn to read traces of the store. Shipped models count
    as done unless everything is to be trained `from_scratch`.
    """
    models_root, jobs = local_root(root), jobs_of(training)
    if not from_scratch:
        install_shipped(jobs, models_root)
    jobs = needed_jobs(jobs, models_root)
    missing = [name for name in ("torch", "onnx") if not find_spec(name)]
    if missing and not all(job.is_done(models_root) for job in jobs):
        raise UserError(f"Training needs {', '.join(missing)}; install the extra: pip install 'a2r[train]'.")
    return Scheduler(training, jobs, models_root, explore).run()


def local_root(root: str | None) -> str:
    """The folder in which models are trained. Raises UserError for a root that is not a local folder."""
    path = root or default_root()
    if "://" in path:
        raise UserError(
            f"Models are trained into a local folder, and {path} is not one; name one with --root."
        )
    return path


class Scheduler:
    """One execution of a training: as many jobs at once as there are cores, each as soon as its inputs exist."""

    def __init__(
        self, training: Training, jobs: list[TrainingJob], root: str, explore: Callable[..., Any]
    ) -> None:
        self._training, self._jobs, self._root, self._explore = training, jobs, root, explore
        unfinished = [job for job in jobs if not job.is_done(root)]
        self._to_sample = {explorer.digest for job in unfinished for explorer in job.explorers}
        self._sampled: set[str] = set()
        self._complaints: list[str] = []

    def run(self) -> TrainingReport:
        """Run all jobs that can run; returns the models that exist. Raises FlowIncomplete."""
        waiting, running, done = list(self._jobs), dict[PrefectFuture[str], TrainingJob](), set[str]()
        while True:
            ready = [job for job in waiting if self._is_ready(job, done)]
            for job in ready[: MAX_CONCURRENT_JOBS - len(running)]:
                waiting.remove(job)
                future = train_model.submit(label=job.name, job=quoted(job), root=self._root)
                running[cast("PrefectFuture[str]", future)] = job
            if not running:
                break
            ended = next(as_completed(list(running)))
            job = running.pop(ended)
            if self._has_succeeded(ended):
                done.add(job.digest)
                if job.digest in self._to_sample:
                    self._sample(job)
        self._complaints += [
            f"{job.name} did not start: a model it depends on is missing." for job in waiting
        ]
        return self._report()

    def _is_ready(self, job: TrainingJob, done: set[str]) -> bool:
        if job.is_done(self._root):
            return True
        has_start = job.start is None or job.start.digest in done
        return has_start and all(explorer.digest in self._sampled for explorer in job.explorers)

    def _has_succeeded(self, future: PrefectFuture[str]) -> bool:
        future.wait()
        outcome = future.state.result(raise_on_failure=False)
        if isinstance(outcome, Stopped):
            raise outcome
        if isinstance(outcome, BaseException):
            self._complaints.append(str(outcome))
        return not isinstance(outcome, BaseException)

    def _sample(self, explorer: TrainingJob) -> None:
        """Sample an explorer on training and development problems, by the pipeline's own flow."""
        try:
            for split in ("train", "development"):
                self._explore(experiment=sampling_experiment(explorer, self._root, split), root=self._root)
        except UserError as error:
            self._complaints.append(f"{explorer.name}: {error}")
        else:
            self._sampled.add(explorer.digest)

    def _report(self) -> TrainingReport:
        models = tuple(trained_model(job, self._root) for job in self._jobs if job.is_done(self._root))
        status = "incomplete" if self._complaints else "complete"
        report = TrainingReport(self._training.name, status, models)
        create_table_artifact(
            table=[asdict(model) for model in models],
            key="a2r-training",
            description=f"Training {self._training.name}.",
        )
        if self._complaints:
            raise FlowIncomplete(
                report,
                "\n".join(self._complaints)
                + f"\n{len(models)} of {len(self._jobs)} models are done; run the same command again for the rest: "
                "an interrupted job resumes from its last checkpoint, at most a minute old.",
            )
        return report
