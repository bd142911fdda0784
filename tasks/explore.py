"""The explorer's stage: sample each problem n times, independently, and keep every trace."""

from configs.experiment import Experiment
from tasks.stage import Stage, stage_of


def explore_stage(experiment: Experiment, root: str) -> Stage:
    """The explorer of an experiment, which reads no other stage. Raises UserError."""
    return stage_of("explore", experiment.explorer, root, shard_size=experiment.execution.shard_size)
