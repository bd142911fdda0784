"""What a training reports: a row for each model that exists."""

from dataclasses import dataclass

from tasks.research.training.jobs import TrainingJob
from tasks.research.training.record import TrainingRecord, read_record


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A row of the table that `a2r train` prints, its numbers as they are shown."""

    model: str
    parameters: str
    tokens: str
    seconds: str
    accuracy: str
    folder: str


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """The object of `a2r train --json`."""

    training: str
    status: str
    """complete, or incomplete if a job failed or could not start."""
    models: tuple[TrainedModel, ...]


def trained_model(job: TrainingJob, root: str) -> TrainedModel:
    """A finished job's row."""
    folder = job.folder(root)
    record = read_record(folder)
    return TrainedModel(
        model=job.name,
        parameters=f"{record.num_parameters:,}",
        tokens=f"{record.num_tokens:,}",
        seconds=f"{record.seconds:,.0f}",
        accuracy=f"{record.accuracy:.3f}",
        folder=str(folder),
    )


def described(record: TrainingRecord) -> str:
    """A finished training in one line of the log."""
    return (
        f"{record.num_parameters:,} parameters, {record.num_tokens:,} tokens, {record.seconds:,.0f} s, "
        f"accuracy {record.accuracy:.3f} on development problems"
    )
