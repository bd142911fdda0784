"""Files of real tools in which a gold answer, a sample or an output was once altered or lost on its way in or out."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from configs.engines import ReplaySettings
from configs.experiment import FileBenchmark
from configs.schema import UserError
from tasks.benchmarks.problems import load_problems
from tasks.engines.endings import ending_of
from tasks.engines.openai.replies import Sent, outcomes_of
from tasks.engines.replay.recorded_outputs import RecordedOutputs
from tasks.exchange.exports.solutions import trl_solution, verl_ground_truth
from tasks.exchange.imports.importing import import_log
from tasks.exchange.imports.samples import Options

CASES = Path(__file__).parents[1] / "cases"
ALL = [json.loads(line) for line in (CASES / "data.jsonl").read_text().splitlines()]


def of(read):
    return [pytest.param(case, id=case["kind"]) for case in ALL if case["read"] == read]


def file_of(case, folder):
    """The case's file, or one with its content."""
    if "content" not in case:
        return CASES / "files" / case["file"]
    path = folder / case.get("file", "rows.jsonl")
    path.write_text(case["content"])
    return path


@pytest.mark.parametrize("case", of("benchmark"))
def test_a_benchmark_keeps_its_questions_and_gold_answers(case, tmp_path):
    benchmark = FileBenchmark(source="file", path=str(file_of(case, tmp_path)), **case["settings"])
    expected = case["expected"]
    if "error" in expected:
        with pytest.raises(UserError, match=expected["error"]):
            load_problems(benchmark)
        return
    [problem] = load_problems(benchmark)
    assert {name: getattr(problem, name) for name in expected} == expected


@pytest.mark.parametrize("case", of("import"))
def test_an_import_keeps_every_sample_or_names_it(case, tmp_path):
    expected = case["expected"]
    log = file_of(case, tmp_path)
    if "error" in expected:
        with pytest.raises(UserError, match=expected["error"]):
            import_log([log], str(tmp_path), Options())
        return
    imported = import_log([log], str(tmp_path), Options())
    facts, report, engine = imported.facts(), imported.report, imported.experiment.explorer.engine
    assert isinstance(engine, ReplaySettings)
    problems, recorded = load_problems(imported.experiment.benchmark), RecordedOutputs(engine)
    outputs = [output for problem in problems for output in recorded.of(problem.question)]
    found = {
        "problems": facts["problems"],
        "outputs": facts["outputs"],
        "failed": facts["failed"],
        "broken": report.num_broken,
        "verdicts": {name: list(counts) for name, counts in imported.judged.items()},
        "told": " ".join(report.breaks),
        "reasoning": [output.reasoning for output in outputs],
        "texts": [output.output for output in outputs],
        "golds": [problem.gold for problem in problems],
    }
    assert expected.pop("told", "") in found.pop("told")
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("case", of("reply"))
def test_a_reply_in_parts_is_reasoning_and_answer(case):
    sent = Sent(seed=None, started_at=datetime.now(UTC), latency_seconds=0.0, num_tries=1)
    [done] = outcomes_of(json.loads(case["content"]), sent)
    assert {name: getattr(done, name) for name in case["expected"]} == case["expected"]


@pytest.mark.parametrize("case", of("ending"))
def test_a_cut_off_answer_is_known_by_every_provider_s_word(case):
    assert ending_of(json.loads(case["content"])["finish_reason"]) == case["expected"]["ending"]


@pytest.mark.parametrize("case", of("recording"))
def test_a_recording_keeps_its_longest_outputs(case, tmp_path):
    path = tmp_path / case["file"]
    path.write_text(case["content"].replace("{140000}", "x" * 140_000))
    settings = ReplaySettings(kind="replay", path=str(path), question="question", outputs="output")
    found = [len(recorded.output or "") for recorded in RecordedOutputs(settings).of("q")]
    assert found == case["expected"]["lengths"]


def accuracy_reward(completion, solution):
    """TRL's `accuracy_reward` for one completion: its calls of math-verify, without its logging and time limits.

    TRL itself is not installed. Source: trl/rewards/accuracy_rewards.py at commit 010eddf (2026), Apache-2.0.
    """
    from latex2sympy2_extended import NormalizationConfig
    from math_verify import LatexExtractionConfig, parse, verify

    gold = parse(solution)
    if not gold:
        return None
    boxed = LatexExtractionConfig(
        normalization_config=NormalizationConfig(units=True),
        boxed_match_priority=0,
        try_extract_without_anchor=False,
    )
    return float(verify(gold, parse(completion, extraction_config=[boxed], extraction_mode="first_match")))


def verl_reward(completion, ground_truth):
    """The `compute_score` of verl's math_verify, which is not installed either.

    Source: verl/utils/reward_score/math_verify.py at commit 1309a22, Apache-2.0.
    """
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

    gold = parse(f"\\boxed{{{ground_truth}}}", extraction_config=[LatexExtractionConfig()])
    answer = parse(completion, extraction_config=[ExprExtractionConfig(), LatexExtractionConfig()])
    return float(verify(gold, answer))


@pytest.mark.parametrize("case", of("trl"))
def test_trl_rewards_a_right_completion(case):
    assert accuracy_reward(case["output"], trl_solution(case["gold"])) == case["expected"]["reward"]


GOLDS = [
    "8",
    "-3",
    "0.5",
    "1,234",
    "1/2",
    "50\\%",
    "\\$18.90",
    "$18.90",
    "18.90 dollars",
    "B",
    "east",
    "\\text{Evelyn}",
    "x=5",
    "x+1",
    "10:30",
    "[0,1)",
    "\\{1,2\\}",
    "1.2 \\cdot 10^3",
    "\\infty",
    "1{,}234",
    "$3^{12}$",
]


@pytest.mark.parametrize("gold", GOLDS)
def test_any_notation_of_a_gold_answer_is_rewarded(gold):
    bare = gold.strip("$")
    completion = f"Hence $\\boxed{{{bare}}}$."
    assert accuracy_reward(completion, trl_solution(gold)) == 1.0
    if "dollars" not in gold and "$1" not in gold:
        assert verl_reward(completion, verl_ground_truth(gold)) == 1.0


@pytest.mark.parametrize(
    ("gold", "braced"),
    [("\\frac43", "\\frac{4}{3}"), ("11\\sqrt2", "11\\sqrt{2}"), ("\\frac 59", "\\frac{5}{9}")],
)
def test_gold_answers_without_braces_are_rewarded_where_the_completion_has_them(gold, braced):
    """TRL reads no completion without them, whatever the solution says."""
    completion = f"Hence $\\boxed{{{braced}}}$."
    assert accuracy_reward(completion, trl_solution(gold)) == 1.0
    assert verl_reward(completion, verl_ground_truth(gold)) == 1.0


def test_delimiters_around_a_whole_gold_answer_are_not_exported_to_verl():
    golds = ["$3^{12}$", "$$x$$", "\\(x\\)", "\\[x\\]", "\\boxed{\\frac{1}{2}}", "$-1$, $0$", "\\$5", "8"]
    told = ["3^{12}", "x", "x", "x", "\\frac{1}{2}", "$-1$, $0$", "\\$5", "8"]
    assert [verl_ground_truth(gold) for gold in golds] == told
