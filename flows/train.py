"""The training flow: a family of small models, from untrained to reinforced."""

import tasks.executor.environment  # noqa: F401 - before Prefect

from prefect import flow

from configs.training import Training
from flows.stages import explore
from tasks.engines.pool import open_engines
from tasks.research.training.scheduler import TRAINER, train_models
from tasks.research.training.training_report import TrainingReport


@flow(name="train", flow_run_name="{training.name}", task_runner=TRAINER)
def train(training: Training, root: str | None = None, *, from_scratch: bool = False) -> TrainingReport:
    """Train explorers, sample them with the pipeline, train synthesizers on those samples, reinforce one.

    A finished model is never trained again; an interrupted job resumes from its last checkpoint, at most a minute old.

    Args:
        training: The family of models.
        root: Where results and models live: a folder; else A2R_ROOT, else ./a2r-data.
        from_scratch: Train the shipped models too.
    """
    with open_engines():
        return train_models(training, root, explore, from_scratch=from_scratch)
