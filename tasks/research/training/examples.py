"""Training examples: a prompt and its target text, in pieces that the loss covers or skips."""

from collections.abc import Sequence
from typing import NamedTuple


class TextPiece(NamedTuple):
    """A piece of a completion."""

    text: str
    has_loss: bool = True
    """A wrong guess is in the context of what follows it, but not itself a target."""


class Example(NamedTuple):
    """A user message and the assistant's completion."""

    prompt: str
    completion: tuple[TextPiece, ...]


def full_target(text: str) -> tuple[TextPiece, ...]:
    """A completion that the loss covers from beginning to end."""
    return (TextPiece(text),)


def with_reasoning(lines: Sequence[TextPiece], answer: str) -> tuple[TextPiece, ...]:
    """Reasoning, then the answer."""
    return merged([TextPiece("<think>"), *lines, TextPiece(f"</think>{answer}")])


def merged(pieces: list[TextPiece]) -> tuple[TextPiece, ...]:
    """Adjacent pieces of one kind as one piece, so that the tokenizer never splits a word."""
    out: list[TextPiece] = []
    for piece in pieces:
        if out and out[-1].has_loss == piece.has_loss:
            out[-1] = TextPiece(out[-1].text + piece.text, piece.has_loss)
        else:
            out.append(piece)
    return tuple(out)
