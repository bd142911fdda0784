"""What makes two traces the same trace: recipes, trace ids and per-sample seeds.

In a recipe is what decides which texts a model can produce: stage, model id and revision, the
prompt's digest, the sampling settings with the base seed; for the synthesizer also the reference
policy and the explorer's recipe. Out of it is what decides only where, when and how fast: endpoint,
engine kind, concurrency, retries, shard size, N, run id, file paths, time, `params` and `price`.
A setting that is absent leaves no mark, so a new optional setting keeps every stored identity.
"""

import hashlib
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from warehouse.canonical import canonical_json, digest

if TYPE_CHECKING:
    from configs.models import Model
    from configs.roles import References
    from configs.sampling import Sampling


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
    def references(self) -> "References | None":
        """The reference policy; None for a role that reads no other stage."""
        from configs.roles import References  # noqa: PLC0415 - most who know of traces need none of the settings

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


def recipe_of(
    stage: str,
    model: "Model",
    prompt_digest: str,
    sampling: "Sampling",
    *,
    references: "References | None" = None,
    reads: Sequence[Recipe] = (),
    left_out: AbstractSet[str] = frozenset(),
) -> Recipe:
    """The recipe of a stage; `model.revision` is resolved before (weights digest, recording digest).

    A stage that reads others also has how its references are made, and the recipes they come from; which of them it is
    shown is in the ids of its traces. What a
    judge is shown is in the ids of its traces instead. Settings in `left_out` never reach the model and so are not in
    the recipe, except the base seed, which tells one draw from another where it is not sent too.
    """
    from configs.roles import CHOICE  # noqa: PLC0415 - as above

    unsent = {"n", *(left_out - {"seed"})}
    settings = sampling.model_dump(mode="json", exclude_none=True, exclude=unsent)
    content: dict[str, object] = {
        "model": model.model_dump(mode="json", include={"id", "revision"}, exclude_none=True),
        "prompt": prompt_digest,
        "sampling": {name: value for name, value in settings.items() if value not in ([], {})},
    }
    if references:
        digests = [recipe.digest for recipe in reads]
        content["references"] = references.model_dump(mode="json", exclude_none=True, exclude=set(CHOICE))
        content["explorer"] = digests[0] if len(digests) == 1 else digests
    return Recipe.of(stage, content)


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


def shown_to_judge(gold: str, answer: str, *scale: str | int) -> str:
    """What takes the place of references in the id of a judge's trace; `scale` is rubric and points, where there are such."""
    return digest([gold, answer, *scale])[:32]


def sample_seed(base_seed: int, problem_digest: str, sample_index: int) -> int:
    """The seed sent with one sample: 31 bits, the widest that every known server accepts.

    It depends on the sample alone, never on batch or order. It is always sent: vLLM's own default
    is a constant, so unseeded replicas would repeat each other.
    """
    text = orjson.dumps([base_seed, problem_digest, sample_index])
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1
