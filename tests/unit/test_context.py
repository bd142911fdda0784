"""Whether a role's longest request fits: bounds, and which setting to change."""

import pytest

from configs.experiment import Experiment
from tasks.analysis.context import complaint, context_of
from tasks.benchmarks.problems import load_problems
from tasks.run import stages_of


def contexts(tmp_path, **changes):
    """Both roles' contexts of an experiment on in-process vLLM with a window of 512 tokens."""
    args = {"dtype": "float32", "max_model_len": 512}
    settings = {"references": {"count": 4, "max_tokens": 32}, "max_tokens": 320, "args": args} | changes
    engine = {"kind": "vllm", "args": settings["args"]}
    experiment = Experiment.model_validate(
        {
            "name": "window",
            "benchmark": {"source": "generated", "count": 20},
            "explorer": {
                "model": {"id": "a2r-sum3-explorer"},
                "engine": engine,
                "prompt": "explore-small",
                "sampling": {"n": 4, "max_tokens": 64},
            },
            "synthesizer": {
                "model": {"id": "a2r-sum3-synthesizer"},
                "engine": engine,
                "prompt": "synthesize-small",
                "references": settings["references"],
                "sampling": {"max_tokens": settings["max_tokens"]},
            },
        }
    )
    problems = load_problems(experiment.benchmark)
    stages = {stage.name: stage for stage in stages_of(experiment, str(tmp_path))}
    found = {name: context_of(stage, problems) for name, stage in stages.items()}
    return found, {name: complaint(stage, found[name]) for name, stage in stages.items()}


def test_context_is_counted_by_the_models_tokenizer(tmp_path):
    found, complaints = contexts(tmp_path, max_tokens=200)
    assert complaints == {"explore": None, "synthesize": None}
    explore = found["explore"]
    assert explore.is_counted and explore.fits and explore.room == 512 and explore.references == 0
    assert explore.needed == explore.prompt + 64
    assert found["synthesize"].references >= 4 * 32


def test_context_that_overflows_names_the_setting(tmp_path):
    found, complaints = contexts(tmp_path)
    synthesize = found["synthesize"]
    assert synthesize.fits is False and complaints["explore"] is None
    over = synthesize.needed - 512
    said = complaints["synthesize"]
    assert f"need {synthesize.needed} tokens" in said and "the context holds 512" in said
    assert f"synthesizer.references.max_tokens to {(synthesize.references - over) // 4}" in said
    assert f"synthesizer.engine.args.max_model_len to {synthesize.needed}" in said
    assert f"lower synthesizer.sampling.max_tokens to {320 - over}" in said
    lowered, complaints = contexts(tmp_path, max_tokens=320 - over)
    assert lowered["synthesize"].needed == 512 and complaints["synthesize"] is None


def test_reference_without_a_budget_may_be_as_long_as_a_completion(tmp_path):
    bounded = contexts(tmp_path)[0]["synthesize"].references
    found = contexts(tmp_path, references={"count": 4})[0]["synthesize"]
    assert found.references - bounded == 4 * (64 - 32)
    capped = contexts(tmp_path, references={"count": 4, "total_max_tokens": 100})[0]["synthesize"]
    assert found.references - capped.references == 4 * 64 - 100


@pytest.mark.parametrize(("args", "room"), [({}, 1024), ({"max_model_len": 300}, 300)])
def test_room_is_the_setting_or_the_models_own(tmp_path, args, room):
    assert contexts(tmp_path, args=args)[0]["explore"].room == room
