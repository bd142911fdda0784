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

_GROUP = re.compile(r"\\Q.*?(?:\\E|\Z)|\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]|\((?!\?)", re.DOTALL)
"""A group without a name, among what can hold a bracket that opens none: escapes and classes."""

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
"""Code points that are no characters: no text holds them for a reason."""


class Regex(Quick):
    """The last match's group `answer` against the gold answer. Raises UserError for a pattern it cannot use."""

    def __init__(self, form: RegexGrader) -> None:
        self._form = form
        self.key = key_of("regex", "3", settings_of(form))
        if not re.search(r"\(\?P?<answer>", form.pattern):
            raise UserError(
                f"grader.pattern is {form.pattern!r}; name the group that holds the answer: (?P<answer>…)."
            )
        self._pattern = _GROUP.sub(lambda match: "(?:" if match[0] == "(" else match[0], form.pattern)
        try:
            fields = pc.call_function(
                "extract_regex", [pa.array([""])], pc.ExtractRegexOptions(self._pattern)
            ).type
            self._marked = f"{_OPEN}\\{fields.get_field_index('answer') + 1}{_CLOSE}"
            self.extract([""])
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise UserError(
                f"grader.pattern is {form.pattern!r}, which RE2 refuses: {error}; it knows neither "
                "lookarounds nor back references."
            ) from error

    def extract(self, texts: Sequence[str]) -> list[str | None]:
        """The group `answer` of the last match; None where nothing, or nothing but white space, matches.

        RE2 finds matches from left to right, as a user's editor does: each is put between marks, and the
        last pair of marks is read.
        """
        plain = pa.array([text.replace(_OPEN, "").replace(_CLOSE, "") for text in texts], pa.large_string())
        options = pc.ReplaceSubstringOptions(self._pattern, self._marked)
        found = pc.call_function("replace_substring_regex", [plain], options)
        return [_last(text) for text in found.to_pylist()]

    def vote_key(self, answer: str) -> str:
        """The normal form of a mathematical answer."""
        return vote_key(answer)

    def decide(self, gold: str, answer: str) -> Verdict:
        """Whether the answer is the gold answer, but for white space."""
        return "correct" if is_same(gold, answer, ignore_case=self._form.ignore_case) else "wrong"


def _last(text: str) -> str | None:
    """What the last marks enclose that enclose anything."""
    end = len(text)
    while (end := text.rfind(_CLOSE, 0, end)) >= 0:
        if answer := text[text.rfind(_OPEN, 0, end) + 1 : end].strip():
            return answer[:LONGEST]
    return None
