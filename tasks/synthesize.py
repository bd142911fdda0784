"""The synthesizer's stage: read the problem and its references, reason once more, keep every trace."""

from functools import partial

from configs.experiment import Experiment, Synthesizer
from tasks.stage import Stage, stage_of
from warehouse.identity import synthesize_recipe


def synthesize_stage(experiment: Experiment, synthesizer: Synthesizer, explorer: Stage) -> Stage:
    """The synthesizer of an experiment, which reads the explorer's traces. Raises UserError."""
    policy = synthesizer.references
    return stage_of(
        synthesizer,
        root=explorer.root,
        recipe_of=partial(synthesize_recipe, references=policy, explorer=explorer.recipe),
        references=policy,
        reads=(explorer,),
        shard_size=experiment.execution.shard_size,
    )
