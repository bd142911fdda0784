"""An explorer's stage: sample each problem n times, independently, and keep every trace."""

from configs.roles import StageSettings
from tasks.stage import Stage, stage_of


def explore_stage(settings: StageSettings, root: str, shard_size: int | None) -> Stage:
    """The stage of an explorer, which reads no other. Raises UserError."""
    return stage_of(
        settings.name,
        settings.role,
        root,
        stored_as=settings.kind,
        field=settings.field,
        shard_size=shard_size,
    )
