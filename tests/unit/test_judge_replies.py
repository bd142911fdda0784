"""Verdicts and scores in the dress that judges give them: Markdown, JSON, LaTeX, tags, sentences."""

import pytest

from configs.graders import JudgeGrader
from tasks.graders.protocol import Scored
from tasks.grading.judge import said_in, scored_in

CORRECT = (
    "Verdict: correct", "**Verdict:** Correct", "verdict = correct", '{"verdict": "correct", "why": ""}', "Verdict: [correct]",
    "The verdict is correct.", "Verdict:\n\nCorrect", "Verdict - correct", "### Verdict\ncorrect", r"Verdict: \boxed{correct}",
    "<verdict>correct</verdict>", "Verdict: ✅ correct", "Verdict: _correct_", "Verdict: incorrect? No.\nVerdict: correct",
)  # fmt: skip
WRONG = (
    "Verdict: incorrect", "**Verdict: Incorrect**", 'Verdict: "incorrect"', "Verdict: not correct", "Verdict: **not** correct",
    r"Verdict: $\text{incorrect}$", "Verdict: Wrong", "Verdict: correct? No.\nVerdict: not correct",
)  # fmt: skip
NEITHER = ("correct", "Verdict: partially correct", "Verdict: correctly", "Verdict: none.\n\nCorrect me.", "")


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [(text, "correct") for text in CORRECT]
    + [(text, "wrong") for text in WRONG]
    + [(text, "grader_error") for text in NEITHER],
)
def test_a_judges_last_verdict_is_read_in_any_dress(reply, verdict):
    assert said_in("ok", reply) == verdict


@pytest.mark.parametrize(
    ("reply", "points"),
    [("Score: 7", 0.7), ("**Score**: 7 out of 10", 0.7), ('{"score": 7.5, "why": ""}', 0.75), ("Score: [[7]]", 0.7),
     (r"Score: \boxed{7}", 0.7), ("<score>7</score>", 0.7), ("The score is 7.", 0.7), ("Score: 7-8", None), ("Score: -1", None),
     ("Score: 7,5", None), ("Score: 70%", None)],
)  # fmt: skip
def test_a_judges_last_score_is_read_in_any_dress(reply, points):
    form = JudgeGrader.model_validate(
        {
            "kind": "judge",
            "rubric": "r",
            "points": 10,
            "model": {"id": "m"},
            "engine": {"kind": "openai", "base_url": "http://localhost:1/v1"},
        }
    )
    found = scored_in("ok", reply, form)
    assert (found.points if isinstance(found, Scored) else None) == points
