"""Symbolic equality by math-verify; runs in worker processes alone, never beside the flow."""

import logging

from tasks.graders.workers import Decide


def load() -> Decide:
    """Import math-verify, which takes seconds, and say how it is asked."""
    from math_verify import (  # noqa: PLC0415 - seconds, and few answers need it
        ExprExtractionConfig,
        LatexExtractionConfig,
        parse,
        verify,
    )

    for name in ("math_verify", "latex2sympy2_extended"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    forms = (LatexExtractionConfig(), ExprExtractionConfig())

    def is_equal(gold: str, answer: str) -> bool:
        """Its own alarms are off: the worker's CPU clock is the one that counts."""
        parsed = [
            parse(f"${text}$", forms, parsing_timeout=None)  # pyright: ignore[reportArgumentType] - no alarm
            for text in (gold, answer)
        ]
        return all(parsed) and bool(verify(parsed[0], parsed[1], timeout_seconds=None))

    return is_equal
