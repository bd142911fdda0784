"""Training examples: a prompt and what is to be written, piece by piece learnt or only read."""

from collections.abc import Sequence
from typing import NamedTuple


class Piece(NamedTuple):
    """A piece of a completion."""

    text: str
    is_learnt: bool = True
    """A wrong guess is read, so that what follows it is learnt, but not learnt itself."""


class Example(NamedTuple):
    """A user message and the assistant's completion."""

    prompt: str
    completion: tuple[Piece, ...]


def learnt(text: str) -> tuple[Piece, ...]:
    """A completion all of which is learnt."""
    return (Piece(text),)


def thought(lines: Sequence[Piece], answer: str) -> tuple[Piece, ...]:
    """Reasoning, then the answer."""
    return merged([Piece("<think>"), *lines, Piece(f"</think>{answer}")])


def merged(pieces: list[Piece]) -> tuple[Piece, ...]:
    """Neighbours of one kind as one piece, so that no word of the tokenizer is cut."""
    out: list[Piece] = []
    for piece in pieces:
        if out and out[-1].is_learnt == piece.is_learnt:
            out[-1] = Piece(out[-1].text + piece.text, piece.is_learnt)
        else:
            out.append(piece)
    return tuple(out)
