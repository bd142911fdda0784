"""The second layer that never recomputes: Prefect's cache, keyed by what a shard still has to make.

A finished shard is found again from any run and after a wiped Prefect database, since keys and results are
files.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from prefect.cache_policies import CachePolicy
from prefect.context import TaskRunContext
from prefect.results import ResultStore
from prefect.utilities.annotations import quote

from tasks.stage import Shard, missing_of
from warehouse.identity import Recipe
from warehouse.store import Store

T = TypeVar("T")


def quoted(value: T) -> T:
    """A value that Prefect hands to a task as it is, without looking through it for futures."""
    return cast("T", quote(value))


def unquoted(value: Any) -> Any:  # noqa: ANN401 - whatever `quoted` was given
    """What `quoted` handed over."""
    return value.unquote() if isinstance(value, quote) else value


@dataclass(kw_only=True)
class ShardContent(CachePolicy):
    """A key of the traces that a shard still has to make.

    In the key: the root, the recipe, and every missing trace id, which holds problem, sample and
    references. Out of it: run, order, shard size, engine. A result is believed only while the parts that it
    names exist; one that names lost parts gives way to the next key. A shard that begins before the shards it
    reads from have ended has no key: what it will make is not known yet.
    """

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: Mapping[str, object],
        flow_parameters: Mapping[str, object],  # noqa: ARG002
        **_: Any,  # noqa: ANN401 - Prefect's signature
    ) -> str | None:
        """The key, or None where nothing is missing and so nothing is worth remembering."""
        shard: Shard = unquoted(inputs["shard"])
        if unquoted(inputs["sources"]):
            return None
        stage = shard.stage
        missing = [trace.trace_id for plan in missing_of(stage, shard.problems) for trace in plan.wanted]
        if not missing:
            return None
        key, results = shard_key(stage.root, stage.recipe, missing), task_ctx.result_store
        return first_valid_key(key, lambda key: _names_lost_parts(results, key, Store(stage.root)))


def first_valid_key(key: str, is_lost: Callable[[str], bool]) -> str:
    """The key, or the first that follows from it whose result does not name what is lost."""
    while is_lost(key):
        key = hashlib.sha256(key.encode()).hexdigest()[:32]
    return key


def shard_key(root: str, recipe: Recipe, missing: Iterable[str]) -> str:
    """The content key of a shard with these missing trace ids, 32 hexadecimal digits."""
    ids = "\n".join([root, recipe.digest, *sorted(missing)])
    return hashlib.sha256(ids.encode()).hexdigest()[:32]


def _names_lost_parts(results: ResultStore, key: str, store: Store) -> bool:
    return results.exists(key) and not all(map(store.exists, results.read(key).result))
