"""Training examples: a prompt and its target text, in pieces that the loss covers or skips."""

from collections.abc import Sequence
from typing import NamedTuple


class Piece(NamedTuple):
    """A piece of a completion."""

    text: str
    has_loss: bool = True
    """A wrong guess is in the context of what follows it, but not itself a target."""


class Example(NamedTuple):
    """A user message and the assistant's completion."""

    prompt: str
    completion: tuple[Piece, ...]


def full_target(text: str) -> tuple[Piece, ...]:
    """A completion that the loss covers from beginning to end."""
    return (Piece(text),)


def with_reasoning(lines: Sequence[Piece], answer: str) -> tuple[Piece, ...]:
    """Reasoning, then the answer."""
    return merged([Piece("<think>"), *lines, Piece(f"</think>{answer}")])


def merged(pieces: list[Piece]) -> tuple[Piece, ...]:
    """Adjacent pieces of one kind as one piece, so that the tokenizer never splits a word."""
    out: list[Piece] = []
    for piece in pieces:
        if out and out[-1].has_loss == piece.has_loss:
            out[-1] = Piece(out[-1].text + piece.text, piece.has_loss)
        else:
            out.append(piece)
    return tuple(out)
