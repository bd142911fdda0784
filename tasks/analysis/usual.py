"""What an answer usually takes, from what the root holds: of the same recipe, else of the same model by another one."""

from collections.abc import Iterable, Sequence
from itertools import islice
from statistics import fmean, median
from typing import NamedTuple

import orjson
import pyarrow as pa

from tasks.stage import Stage
from warehouse.identity import Recipe
from warehouse.index import RecipeIndex

_COLUMNS = ("latency_seconds", "num_completion_tokens", "num_billed_prompt_tokens", "started_at")
_MOST_RECIPES = 8
"""Of the same model, that are looked at."""
_MOST_ANSWERS = 5_000


class Usual(NamedTuple):
    """What an answer takes; None where nothing stored says it."""

    seconds: float | None = None
    tokens: float | None = None
    prompt_tokens: float | None = None
    """As billed."""
    tokens_per_second: float | None = None
    """Of all answers that were made together, over the time in which any was."""
    is_of_recipe: bool = True
    """Whether the answers are of the very recipe; else of the same model."""


def usual(stage: Stage, trace_ids: Sequence[str]) -> Usual:
    """What the wanted traces that are stored took, else what the same model's answers took."""
    stored = [trace_id for trace_id in trace_ids if stage.index.has(trace_id)]
    if stored:
        return _of(stage.index.rows(stored, list(_COLUMNS)))
    for index in _of_same_model(stage):
        if ids := list(islice(index.answers(), _MOST_ANSWERS)):
            return _of(index.rows(ids, list(_COLUMNS)))._replace(is_of_recipe=False)
    return Usual()


def _of_same_model(stage: Stage) -> Iterable[RecipeIndex]:
    """Other recipes of the model on this root, those of the same stage first."""
    store, ours = stage.index.store, orjson.loads(stage.recipe.content)
    paths = sorted(
        (file.path for file in store.files("traces") if file.path.endswith("/recipe.json")),
        key=lambda path: (f"/stage={stage.recipe.stage}/" not in path, path),
    )
    recipes = (Recipe.read(store.read_bytes(path)) for path in paths)
    same = (r for r in recipes if orjson.loads(r.content).get("model") == ours["model"] and r != stage.recipe)
    return (RecipeIndex(store, recipe).refresh() for recipe in islice(same, _MOST_RECIPES))


def _of(rows: pa.Table) -> Usual:
    seconds, tokens, prompts, starts = (rows[name].to_pylist() for name in _COLUMNS)
    known = [v for v in seconds if v is not None]
    counted = [v for v in tokens if v is not None]
    read = [v for v in prompts if v is not None]
    times = [
        (start.timestamp(), took, count)
        for start, took, count in zip(starts, seconds, tokens, strict=True)
        if start is not None and took is not None and count is not None
    ]
    busy = busy_seconds([(start, start + took) for start, took, _ in times])
    return Usual(
        median(known) if known else None,
        fmean(counted) if counted else None,
        fmean(read) if read else None,
        sum(count for *_, count in times) / busy if busy else None,
    )


def busy_seconds(spans: Iterable[tuple[float, float]]) -> float:
    """How long at least one of the spans, each from and to, was under way."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
