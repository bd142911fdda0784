"""What a shard and a flow raise where something could not be made; what could is stored."""

from collections.abc import Sequence
from typing import Any

from configs.schema import UserError


class ShardFailed(UserError):
    """Some traces of a shard failed; the others are stored in `parts`."""

    def __init__(self, message: str, parts: Sequence[str] = (), *, is_transient: bool = False) -> None:
        super().__init__(message)
        self.parts = list(parts)
        self.is_transient = is_transient


class FlowIncomplete(UserError):
    """What a flow raises at its end, after all that could be done is done."""

    def __init__(self, summary: Any, message: str) -> None:  # noqa: ANN401 - whatever the flow would have returned
        super().__init__(message)
        self.summary = summary
