"""A synthesizer's stage: read the problem and its references, reason once more, keep every trace."""

from configs.roles import StageSettings
from tasks.stage import Stage, stage_of


def synthesize_stage(settings: StageSettings, reads: tuple[Stage, ...], shard_size: int | None) -> Stage:
    """The stage of a synthesizer, which reads the traces of earlier ones. Raises UserError."""
    return stage_of(
        settings.name,
        settings.role,
        reads[0].root,
        stored_as=settings.kind,
        field=settings.field,
        references=settings.references,
        reads=reads,
        shard_size=shard_size,
    )
