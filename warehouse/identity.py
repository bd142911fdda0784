"""What makes two traces the same trace: recipes, trace ids and per-sample seeds.

In a recipe is what decides which texts a model can produce: stage, model id and revision, the
prompt's digest, the sampling settings with the base seed; for the synthesizer also the reference
policy and the explorer's recipe. Out of it is what decides only where, when and how fast: endpoint,
engine kind, concurrency, retries, shard size, N, run id, file paths, time, `params` and `price`.
A setting that is absent leaves no mark, so a new optional setting keeps every stored identity.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from configs.experiment import References
from configs.models import Model, Sampling
from warehouse.canonical import canonical_json


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything but the problem and the sample index that decides what a trace can be."""

    stage: str
    content: bytes
    """Canonical JSON, kept beside the traces as recipe.json."""
    digest: str

    @property
    def key(self) -> str:
        """The first 16 hexadecimal digits: the folder's name."""
        return self.digest[:16]

    @property
    def prompt_digest(self) -> str:
        """The digest of the prompt's template."""
        return orjson.loads(self.content)["prompt"]

    @property
    def references(self) -> References | None:
        """The reference policy; None for a role that reads no other stage."""
        policy = orjson.loads(self.content).get("references")
        return References.model_validate(policy) if policy else None

    @classmethod
    def of(cls, stage: str, content: Mapping[str, object]) -> "Recipe":
        """The recipe of its parts; `content` lacks the stage, which is added."""
        text = canonical_json({"stage": stage, **content}, "recipe")
        return cls(stage, text, hashlib.sha256(text).hexdigest())

    @classmethod
    def read(cls, text: bytes) -> "Recipe":
        """The recipe that a recipe.json holds."""
        return cls(orjson.loads(text)["stage"], text, hashlib.sha256(text).hexdigest())


def explore_recipe(model: Model, prompt_digest: str, sampling: Sampling) -> Recipe:
    """The explorer's recipe; `model.revision` is resolved before (weights digest, recording digest)."""
    return Recipe.of("explore", _common(model, prompt_digest, sampling))


def synthesize_recipe(
    model: Model,
    prompt_digest: str,
    sampling: Sampling,
    references: References,
    explorer: Recipe,
    *,
    stage: str = "synthesize",
) -> Recipe:
    """The recipe of a stage that reads another: its own settings, how references are made, and from what they come.

    A further round has another stage's name, and for it `explorer` is the recipe of the round before.
    """
    policy = references.model_dump(mode="json", exclude_none=True)
    return Recipe.of(
        stage,
        {**_common(model, prompt_digest, sampling), "references": policy, "explorer": explorer.digest},
    )


def judge_recipe(model: Model, prompt_digest: str, sampling: Sampling) -> Recipe:
    """The recipe of a model that grades; what it is shown is in the ids of its traces."""
    return Recipe.of("judge", _common(model, prompt_digest, sampling))


def _common(model: Model, prompt_digest: str, sampling: Sampling) -> dict[str, object]:
    settings = sampling.model_dump(mode="json", exclude_none=True, exclude={"n"})
    return {
        "model": model.model_dump(mode="json", include={"id", "revision"}, exclude_none=True),
        "prompt": prompt_digest,
        "sampling": {name: value for name, value in settings.items() if value not in ([], {})},
    }


def problem_digest(question: str) -> str:
    """Identity of a problem, 32 hexadecimal digits: its text alone, so that benchmarks share traces.

    The gold answer is not in it: a corrected gold regrades and generates nothing.
    """
    return hashlib.sha256(canonical_json({"question": question})).hexdigest()[:32]


def trace_id(
    recipe: Recipe, problem_digest: str, sample_index: int, reference_ids: Sequence[str] = ()
) -> str:
    """Identity of one trace, 32 hexadecimal digits.

    A synthesizer's trace also hashes its ordered reference trace ids: other references, or the
    same in another order, make another prompt and so another trace.
    """
    parts = [recipe.digest, problem_digest, sample_index, list(reference_ids)]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:32]


def sample_seed(base_seed: int, problem_digest: str, sample_index: int) -> int:
    """The seed sent with one sample: 31 bits, the widest that every known server accepts.

    It depends on the sample alone, never on batch or order. It is always sent: vLLM's own default
    is a constant, so unseeded replicas would repeat each other.
    """
    text = orjson.dumps([base_seed, problem_digest, sample_index])
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1
