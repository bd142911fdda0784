"""Where a model's reasoning ends and its answer begins."""

OPEN, CLOSE = "<think>", "</think>"


def split_reasoning(text: str) -> tuple[str | None, str]:
    """Reasoning and answer of a raw completion; None where there was no reasoning.

    What stands before the last `</think>` is reasoning, also without an opening tag, since some chat
    templates open it in the prompt. Reasoning that was never closed has no answer.
    """
    before, tag, after = text.rpartition(CLOSE)
    if tag:
        return before.strip().removeprefix(OPEN).strip(), after.strip()
    if text.lstrip().startswith(OPEN):
        return text.strip().removeprefix(OPEN).strip(), ""
    return None, text.strip()
