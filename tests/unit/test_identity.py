"""What is in an identity, what is not, and that it never drifts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.models import Model
from configs.roles import References
from configs.sampling import Sampling
from configs.schema import UserError
from warehouse.canonical import canonical_json, digest
from warehouse.identity import (
    Recipe,
    problem_digest,
    recipe_of,
    sample_seed,
    trace_id,
)

MODEL = Model(id="Qwen/Qwen3-4B", revision="abc", params=4e9)
SAMPLING = Sampling(n=4, temperature=0.6, top_p=0.95, top_k=20, max_tokens=32768)
EXPLORER = recipe_of("explore", MODEL, "p1", SAMPLING)
SYNTHESIZER = recipe_of("synthesize", MODEL, "p2", SAMPLING, references=References(), reads=[EXPLORER])
QUESTION = problem_digest("What is 1+1?")


def test_ids_golden():
    assert EXPLORER.digest == "5a24347bea26323a2a5b7dad1190d696307d8fc9ad4f7f58db25935bde2a75fd"
    assert SYNTHESIZER.digest == "c4f0758afba13f76ee7353ce0b89f75a2fb0649cf4e1c5b86ed62c1ad373fcfe"
    assert QUESTION == "01fe503e7cf3f95102b114eff81c16f9"
    assert trace_id(EXPLORER, QUESTION, 3) == "736d342eee33badb661211b5a6dc0476"
    assert trace_id(SYNTHESIZER, QUESTION, 0, ["a", "b"]) == "b54c0464c5c818edb4efc0ad28dce12b"
    assert sample_seed(0, QUESTION, 3) == 1738271577


@pytest.mark.parametrize(
    "change",
    [{"n": 8}],
)
def test_recipe_ignores_what_decides_only_how_much(change):
    assert recipe_of("explore", MODEL, "p1", SAMPLING.model_copy(update=change)) == EXPLORER


def test_recipe_ignores_cost():
    assert recipe_of("explore", Model(id=MODEL.id, revision="abc", params=1.0), "p1", SAMPLING) == EXPLORER


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.7},
        {"top_p": None},
        {"max_tokens": 10},
        {"seed": 1},
        {"stop": ("\n",)},
        {"enable_thinking": False},
        {"extra": {"guided": True}},
    ],
)
def test_recipe_depends_on_every_sampling_setting(change):
    assert recipe_of("explore", MODEL, "p1", SAMPLING.model_copy(update=change)) != EXPLORER


@pytest.mark.parametrize("change", [{"id": "other"}, {"revision": "def"}, {"revision": None}])
def test_recipe_depends_on_the_weights(change):
    assert recipe_of("explore", MODEL.model_copy(update=change), "p1", SAMPLING) != EXPLORER


def test_recipe_depends_on_prompt_references_and_explorer():
    other_explorer = recipe_of("explore", MODEL, "p9", SAMPLING)
    recipes = {
        SYNTHESIZER.digest,
        recipe_of("synthesize", MODEL, "p3", SAMPLING, references=References(), reads=[EXPLORER]).digest,
        recipe_of(
            "synthesize", MODEL, "p2", SAMPLING, references=References(count=2), reads=[EXPLORER]
        ).digest,
        recipe_of(
            "synthesize", MODEL, "p2", SAMPLING, references=References(), reads=[other_explorer]
        ).digest,
    }
    assert len(recipes) == 4


@pytest.mark.parametrize(
    "change", [{"groups": "random"}, {"per_group": 2}, {"seed": 1}, {"shares": {"a": 4}}]
)
def test_what_chooses_references_is_in_the_ids_alone(change):
    """So a trace that is shown the same is the same, however it came to be chosen."""
    policy = References.model_validate(change)
    assert recipe_of("synthesize", MODEL, "p2", SAMPLING, references=policy, reads=[EXPLORER]) == SYNTHESIZER


def test_recipe_read_back_is_the_same():
    assert Recipe.read(SYNTHESIZER.content) == SYNTHESIZER


def test_trace_id_depends_on_reference_order():
    assert trace_id(SYNTHESIZER, QUESTION, 0, ["a", "b"]) != trace_id(SYNTHESIZER, QUESTION, 0, ["b", "a"])


def test_seeds_are_31_bits_and_differ_between_samples():
    seeds = {sample_seed(0, QUESTION, index) for index in range(1000)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)


@given(
    st.dictionaries(st.text(), st.one_of(st.integers(-(2**53), 2**53), st.text(), st.booleans(), st.none()))
)
def test_canonical_json_ignores_key_order(mapping):
    assert canonical_json(mapping) == canonical_json(dict(reversed(list(mapping.items()))))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": {"b": math.nan}}, "value.a.b is nan"),
        ({"a": [1, {2, 3}]}, "value.a[1] is a set"),
        ({1: 2}, "value has the key 1"),
    ],
)
def test_canonical_json_names_what_it_refuses(value, said):
    with pytest.raises(UserError) as error:
        digest(value)
    assert said in str(error.value)
