"""One training job, in a process of its own: `python -m tasks.research.training.trainer ROOT < job.json`.

One process per job, so that a kill costs one job the minute since its last checkpoint, and one thread per
process, because many jobs at once keep all cores busy; OMP_NUM_THREADS gives more to a job that runs alone.
Weights, tokenizer, ONNX graph, then the record.
"""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import torch

from tasks.research.training.checkpoint import TrainingProgress
from tasks.research.training.curve import evaluate_alone, evaluate_reading, evaluate_trying
from tasks.research.training.job_data import (
    TOKENIZER,
    answered_puzzles,
    plain_examples,
    reading_examples,
    rewarded_prompts,
    solo_examples,
)
from tasks.research.training.jobs import TrainingJob
from tasks.research.training.model import MAX_POSITIONS, Qwen3, Qwen3Shape, load, save
from tasks.research.training.onnx_export import export
from tasks.research.training.record import TrainingRecord, write_record
from tasks.research.training.reinforced import reinforce
from tasks.research.training.supervised import train
from tasks.research.training.tokenizer import END, PAD, save_tokenizer
from warehouse.files import leftovers, locked


def run_job(job: TrainingJob, root: str) -> None:
    """Train the job's model unless it is done; an interrupted job resumes from its last checkpoint."""
    folder = job.folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock"):
        if job.is_done(root):
            return
        for left in leftovers(folder / "checkpoint.pt"):
            left.unlink()
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(1)
        torch.set_default_device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(job.seed)
        model = load(job.start.folder(root)) if job.start else _untrained(job)
        progress = _train(job, root, model, folder / "checkpoint.pt")
        save(model, folder, TOKENIZER.token_to_id(END), TOKENIZER.token_to_id(PAD))
        save_tokenizer(folder, MAX_POSITIONS)
        export(folder)
        record = TrainingRecord(
            name=job.name,
            digest=job.digest,
            num_parameters=model.num_parameters(),
            num_steps=progress.num_steps,
            num_tokens=progress.num_tokens,
            seconds=round(progress.seconds, 1),
            machine=_machine(),
            versions={"python": platform.python_version(), "torch": version("torch")},
            curve=progress.curve,
        )
        write_record(folder, record, job.model_dump(mode="json"))
        progress.checkpoint.unlink(missing_ok=True)


def _machine() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f"{platform.machine()}, {threads} thread{'s' if threads > 1 else ''} of {os.cpu_count()} cores"


def _untrained(job: TrainingJob) -> Qwen3:
    shape = job.training.shapes[job.size]
    return Qwen3(Qwen3Shape(**shape.model_dump(), vocab_size=TOKENIZER.get_vocab_size()))


def _train(job: TrainingJob, root: str, model: Qwen3, checkpoint: Path) -> TrainingProgress:
    training = job.training
    match job.kind:
        case "explorer" | "longer":
            examples, evaluate = plain_examples(job), evaluate_alone(job)
        case "synthesizer" | "selector":
            examples = reading_examples(job, answered_puzzles(job, root, "train"))
            evaluate = evaluate_reading(job, root)
        case "solo":
            examples = solo_examples(job, answered_puzzles(job, root, "train"))
            evaluate = evaluate_trying(job)
        case "reinforced":
            assert training.reinforcement  # noqa: S101 - there is no such job without it
            return reinforce(
                model,
                TOKENIZER,
                rewarded_prompts(job, answered_puzzles(job, root, "train")),
                training.reinforcement,
                training.synthesizer_tokens,
                job.seed,
                evaluate_reading(job, root),
                checkpoint,
            )
    return train(model, TOKENIZER, examples, job.supervised, evaluate, checkpoint)


if __name__ == "__main__":
    run_job(TrainingJob.model_validate_json(sys.stdin.buffer.read()), sys.argv[1])
