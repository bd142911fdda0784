r"""Gold answers as the reward functions of trainers read them.

TRL's `accuracy_reward` (trl/rewards/accuracy_rewards.py) hands `solution` to math-verify without saying that it is
mathematics: bare LaTeX is then read up to its first digit, or not at all, and the reward is 0 or None for a right
answer. verl's `math_verify` and `math_dapo` put \boxed{} around `ground_truth`, or compare it as text; delimiters inside
it are in their way.
"""

import re

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_MATHEMATICS = re.compile(r"\\boxed|\\\(|\\\[")
_DOLLAR = re.compile(r"(?<!\\)\$")
_DELIMITED = re.compile(r"\$\$?([^$]+)(?<!\\)\$\$?|\\\((.+)\\\)|\\\[(.+)\\\]", re.DOTALL)
_BOX = re.compile(r"\\boxed\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")


def trl_solution(gold: str) -> str:
    """The gold answer between dollar signs, unless it is a number or has delimiters of its own."""
    num_dollars = len(_DOLLAR.findall(gold))
    has_delimiters = num_dollars and num_dollars % 2 == 0
    if _NUMBER.fullmatch(gold) or _MATHEMATICS.search(gold) or has_delimiters:
        return gold
    return f"${_DOLLAR.sub(lambda _: chr(92) + '$', gold)}$"


def verl_ground_truth(gold: str) -> str:
    """The gold answer without delimiters or a box around the whole of it."""
    found = _DELIMITED.fullmatch(gold) or _BOX.fullmatch(gold)
    return next(group for group in found.groups() if group).strip() if found else gold
