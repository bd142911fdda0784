"""The synthesizer's stage: read the problem and its references, reason once more, keep every trace."""

from configs.experiment import Experiment, Synthesizer
from tasks.stage import Stage, stage_of


def synthesize_stage(experiment: Experiment, synthesizer: Synthesizer, explorer: Stage) -> Stage:
    """The synthesizer of an experiment, which reads the explorer's traces. Raises UserError."""
    return stage_of(
        "synthesize",
        synthesizer,
        explorer.root,
        references=synthesizer.references,
        reads=(explorer,),
        shard_size=experiment.execution.shard_size,
    )
