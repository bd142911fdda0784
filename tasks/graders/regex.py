"""Answers found by a user's pattern, in RE2: linear in the text, so that no text can stall it."""

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from configs.graders import RegexGrader
from configs.schema import UserError
from tasks.graders.exact import is_same
from tasks.graders.extraction import LONGEST
from tasks.graders.normalise import vote_key
from tasks.graders.protocol import Quick, Verdict, key_of, settings_of


class Regex(Quick):
    """The last match's group `answer` against the gold answer. Raises UserError for a pattern it cannot use."""

    def __init__(self, form: RegexGrader) -> None:
        self._form = form
        self.key = key_of("regex", "1", settings_of(form))
        if not re.search(r"\(\?P?<answer>", form.pattern):
            raise UserError(
                f"grader.pattern is {form.pattern!r}; name the group that holds the answer: (?P<answer>…)."
            )
        self._pattern = f"(?s:.*)(?:{form.pattern})"  # greedy, so that the last match is found
        try:
            self.extract([""])
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise UserError(
                f"grader.pattern is {form.pattern!r}, which RE2 refuses: {error}; it knows neither "
                "lookarounds nor back references."
            ) from error

    def extract(self, texts: Sequence[str]) -> list[str | None]:
        """The group `answer` of the last match; None where nothing, or nothing but white space, matches."""
        options = pc.ExtractRegexOptions(self._pattern)
        found = pc.call_function("extract_regex", [pa.array(texts, pa.large_string())], options)
        answers = [row["answer"] if row else None for row in found.to_pylist()]
        return [(answer or "").strip()[:LONGEST] or None for answer in answers]

    def vote_key(self, answer: str) -> str:
        """The normal form of a mathematical answer."""
        return vote_key(answer)

    def decide(self, gold: str, answer: str) -> Verdict:
        """Whether the answer is the gold answer, but for white space."""
        return "correct" if is_same(gold, answer, ignore_case=self._form.ignore_case) else "wrong"
