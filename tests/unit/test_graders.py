"""Extraction, normal forms and verdicts."""

import re
from contextlib import ExitStack, closing
from fractions import Fraction
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from configs.graders import ChoiceGrader, ExactGrader, GraderSettings, MathGrader, NumericGrader, RegexGrader
from configs.schema import UserError
from tasks.engines.reasoning import split_reasoning
from tasks.graders.arithmetic import value_of
from tasks.graders.equality import decided
from tasks.graders.exact import Exact
from tasks.graders.extraction import extract_answer
from tasks.graders.normalise import vote_key
from tasks.graders.phrases import last_number, stated_answer
from tasks.graders.protocol import Case
from tasks.grading.grader_of import grader_of


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{42}.", "42"),
        (r"\boxed{1} no, \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{1} and then \boxed{2", "1"),
        (r"\boxed 7.", "7"),
        (r"\fbox{x}", "x"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{}", None),
        ("the answer is 42", None),
    ],
)
def test_last_whole_box_is_the_answer(text, answer):
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "stated", "number"),
    [
        ("The answer is 42.", "42", "42"),
        ("So the answer is: $\\frac{1}{2}$, as wanted", r"\frac{1}{2}", "2"),
        ("reasoning 7\n#### 1,234", "1,234", "1,234"),
        ("**Answer:** 3.5", "3.5", "3.5"),
        ("the answer is 4. No, the answer is 5", "5", "5"),
        ("no number", None, None),
        ("answer is " + "x" * 300, None, None),
    ],
)
def test_fallbacks_read_the_last_statement_or_number(text, stated, number):
    assert stated_answer(text) == stated
    assert last_number(text) == number


TABLES = Path(__file__).parents[1] / "cases"
CASES = [orjson.loads(line) for line in (TABLES / "verdicts.jsonl").open("rb")]
PAIRS = [orjson.loads(line) for line in (TABLES / "pairs.jsonl").open("rb")]
REPORTED = [orjson.loads(line) for line in (TABLES / "grading.jsonl").open("rb")]


@pytest.fixture(scope="module")
def graders(tmp_path_factory):
    """Graders by their settings, workers and all."""
    made = {}
    with ExitStack() as stack:

        def grader(**settings):
            key = orjson.dumps(settings)
            if key not in made:
                form = TypeAdapter(GraderSettings).validate_python(settings)
                made[key] = stack.enter_context(
                    closing(grader_of(form, str(tmp_path_factory.mktemp("root"))))
                )
            return made[key]

        yield grader


def said(grader, gold, answer):
    if answer is None:
        return "no_answer"
    case = Case("", gold, answer)
    return grader.decide(gold, answer) or grader.work_out([case])[case]


@pytest.mark.parametrize(
    "case", CASES, ids=lambda c: f"{c['grader']}-{c['gold']}-{c.get('answer', c.get('text'))}"[:60]
)
def test_table_of_verdicts(graders, case):
    """`answer` is what stands in the box, `text` a whole output; `source` says whose format it is."""
    grader = graders(kind=case["grader"], **case.get("settings", {}))
    answer = case["answer"] if "answer" in case else grader.extract([case["text"]])[0]
    assert said(grader, case["gold"], answer) == case["verdict"]


@pytest.mark.parametrize("case", REPORTED, ids=lambda c: f"{c['kind']}-{c['gold']}-{c['output']}"[:70])
def test_reported_outputs_have_their_right_verdict(graders, case):
    """Outputs of public bug reports; `raw_completion`: the reasoning is still in the text."""
    grader = graders(**case["grader"])
    text = split_reasoning(case["output"])[1] if case.get("raw_completion") else case["output"]
    assert said(grader, case["gold"], grader.extract([text])[0]) == case["expected"]


@pytest.mark.parametrize("case", PAIRS, ids=lambda c: f"{c['gold']}-{c['answer']}"[:60])
def test_pairs_have_their_right_verdict(graders, case):
    """Tails, units, intervals, lists, names, equations and dresses, right and wrong ones beside each other."""
    assert said(graders(kind="math"), case["gold"], case["answer"]) == case["verdict"]


def test_table_is_as_large_as_promised():
    assert len({(c["gold"], c.get("answer"), c.get("text")) for c in CASES}) >= 150


def test_exact_ignores_white_space_alone():
    grader = Exact(ExactGrader(kind="exact"))
    assert grader.decide("1, 2", "1,2") == "correct"
    assert grader.decide("1,2", "2,1") == "wrong"


@pytest.mark.parametrize("spelling", ["0.5", "1/2", r"\frac{2}{4}", r"\dfrac12", "$.5$", r"\tfrac{1}{2}"])
def test_equal_answers_vote_alike(spelling):
    assert vote_key(spelling) == "1/2"


@settings(deadline=None)
@given(st.text(max_size=300))
def test_graders_never_raise(text):
    for form in (
        MathGrader(kind="math", fallback="phrase"),
        ExactGrader(kind="exact", fallback="last_number"),
        NumericGrader(kind="numeric"),
        ChoiceGrader(kind="choice", fallback="phrase"),
        RegexGrader(kind="regex", pattern="x(?P<answer>.)"),
    ):
        grader = grader_of(form, "nowhere")
        grader.extract([text])
        grader.vote_key(text)
        assert grader.decide("1", text) in {None, "correct", "wrong", "grader_error"}


@given(st.integers(-(10**30), 10**30), st.sampled_from(["{}", "{}.0", "{:,}", r"\text{{{}}}", "${}$"]))
def test_integers_in_any_dress_are_recognised(number, dress):
    assert decided(str(number), dress.format(number)) == "correct"


@given(st.fractions(max_denominator=10**6), st.integers(-9, 9).filter(bool), st.integers(0, 40))
def test_arithmetic_is_exact(fraction, factor, power):
    text = rf"\frac{{{fraction.numerator}}}{{{fraction.denominator}}}*({factor})^{{{power}}}-1/2^{{{power}}}"
    assert value_of(text) == fraction * factor**power - Fraction(1, 2**power)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1+",
        "(1",
        "2^10",
        "2^{1/2}",
        "2^3^4",
        "1/0",
        "2^{99999}",
        "9" * 401,
        "1" + "+1" * 300,
        "import",
        "(" * 150 + "1" + ")" * 150,
    ],
)
def test_what_is_no_arithmetic_has_no_value(text):
    assert value_of(text) is None


def test_very_long_answers_are_decided_quickly():
    assert decided("1", "1+" * 100_000 + "1") == "wrong"
    assert extract_answer("\\boxed{" * 50_000 + "1") is None


@pytest.mark.parametrize(
    ("form", "key"),
    [
        (MathGrader(kind="math"), r"math-7"),
        (MathGrader(kind="math", fallback="phrase"), r"math-7\.[0-9a-f]{8}"),
        (ExactGrader(kind="exact"), r"exact-6"),
        (NumericGrader(kind="numeric", absolute=0.1), r"numeric-6\.[0-9a-f]{8}"),
    ],
)
def test_settings_that_change_a_verdict_are_in_the_key(form, key):
    assert re.fullmatch(key, grader_of(form, "nowhere").key)


def test_other_settings_are_other_keys():
    keys = {grader_of(NumericGrader(kind="numeric", absolute=a), "nowhere").key for a in (0.0, 0.1, 0.2)}
    assert len(keys) == 3


@pytest.mark.parametrize("pattern", ["no group", "(?P<answer>[", r"(?P<answer>a)\1", "(?=x)(?P<answer>a)"])
def test_pattern_that_cannot_work_is_told(pattern):
    with pytest.raises(UserError, match=r"grader\.pattern"):
        grader_of(RegexGrader(kind="regex", pattern=pattern), "nowhere")
