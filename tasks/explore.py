"""The explorer's stage: sample each problem n times, independently, and keep every trace."""

from configs.experiment import Experiment
from tasks.stage import Stage, stage_of
from warehouse.identity import explore_recipe


def explore_stage(experiment: Experiment, root: str) -> Stage:
    """The explorer of an experiment, which reads no other stage. Raises UserError."""
    return stage_of(
        experiment.explorer,
        root=root,
        recipe_of=explore_recipe,
        shard_size=experiment.execution.shard_size,
    )
