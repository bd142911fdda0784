"""A role ready to work: model, engine and prompt resolved, its recipe known."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from configs.engines import Engine, OnnxEngine, OpenAIEngine, ReplayEngine, Serve, VllmEngine, share_hardware
from configs.experiment import Experiment, Explorer, References
from configs.graders import JudgeGrader
from configs.models import Model, Sampling
from tasks.engines import protocol
from tasks.engines.onnx import engine as onnx
from tasks.engines.openai import engine as openai
from tasks.engines.replay import engine as replay
from tasks.engines.server import command as server_command
from tasks.engines.vllm import arguments as vllm_arguments
from tasks.engines.vllm import engine as vllm_inprocess
from tasks.prompts.render import Prompt, load_prompt
from warehouse.identity import Recipe, explore_recipe, judge_recipe, synthesize_recipe
from warehouse.index import RecipeIndex
from warehouse.store import Store

NUM_SHARDS = 8
"""Shards a stage is cut into; each costs Prefect about a tenth of a CPU second."""
SMALLEST_SHARD = 32


@dataclass(frozen=True, slots=True)
class Role:
    """One role of an experiment on one root; small and picklable, so that a shard can carry it."""

    root: str
    recipe: Recipe
    model: Model
    engine: Engine
    prompt: Prompt
    sampling: Sampling
    shard_size: int | None
    largest_shard: int

    def shard_for(self, num_traces: int) -> int:
        """Traces a shard where so many are missing: about eight shards, so that both stages stream."""
        return self.shard_size or min(self.largest_shard, max(SMALLEST_SHARD, -(-num_traces // NUM_SHARDS)))

    @property
    def index(self) -> RecipeIndex:
        """What the store holds of this role's recipe, shared by all shards of the process."""
        return _index(self.root, self.recipe).refresh()


@dataclass(frozen=True, slots=True)
class SynthesizerRole(Role):
    """The synthesizer also has a reference policy and knows whose traces it reads."""

    references: References
    explorer: Role


def roles_of(experiment: Experiment, root: str) -> tuple[Role, SynthesizerRole | None]:
    """Both roles of an experiment. Raises UserError for a missing model, recording or prompt."""
    shard_size = experiment.execution.shard_size
    explorer = Role(**_parts(experiment.explorer, root, shard_size, explore_recipe))
    form = experiment.synthesizer
    if form is None:
        return explorer, None
    recipe_of = partial(synthesize_recipe, references=form.references, explorer=explorer.recipe)
    parts = _parts(form, root, shard_size, recipe_of)
    return explorer, SynthesizerRole(**parts, references=form.references, explorer=explorer)


def take_turns(one: Role, other: Role) -> bool:
    """Whether two roles cannot be at work together: other weights, and the same accelerator to hold them."""
    is_same = (one.model.id, one.model.revision) == (other.model.id, other.model.revision)
    return not (is_same and _place(one.engine) == _place(other.engine)) and share_hardware(
        one.engine, other.engine
    )


def judge_role(form: JudgeGrader, root: str) -> Role:
    """The judge of a grader's settings. Raises UserError for a missing model, recording or prompt."""
    return Role(**_parts(form, root, None, judge_recipe))


def build_engine(model: Model, settings: Engine) -> protocol.Engine:
    """The engine of a role's settings, not yet started."""
    match settings:
        case OnnxEngine():
            return onnx.EmbeddedEngine(model, settings)
        case OpenAIEngine():
            return openai.EndpointEngine(model, settings)
        case VllmEngine():
            return vllm_inprocess.InProcessEngine(model, settings)
        case ReplayEngine():
            return replay.RecordedEngine(model, settings)


def check_settings(role: Role) -> None:
    """Raise EngineError for what of the engine's settings is known to be wrong before anything is loaded."""
    if isinstance(role.engine, VllmEngine):
        vllm_arguments.check_arguments(role.engine)


def _place(settings: Engine) -> object:
    """What of an engine's settings makes two engines one process: the server, not how it is asked."""
    return settings.serve if isinstance(settings, OpenAIEngine) else settings


def _parts(
    form: Explorer | JudgeGrader,
    root: str,
    shard_size: int | None,
    recipe_of: Callable[[Model, str, Sampling], Recipe],
) -> dict[str, Any]:
    """What every role has, by the names of `Role`'s fields."""
    model, prompt = _pinned(form.model, form.engine), load_prompt(form.prompt)
    return {
        "root": root,
        "recipe": recipe_of(model, prompt.digest, form.sampling),
        "model": model,
        "engine": form.engine,
        "prompt": prompt,
        "sampling": form.sampling,
        "shard_size": shard_size,
        "largest_shard": _largest_shard(form.engine),
    }


def _pinned(model: Model, settings: Engine) -> Model:
    """Weights and recordings that lie here are identified by their content, unless pinned by hand."""
    revision = model.revision
    match settings:
        case VllmEngine(args=args):
            location = vllm_arguments.location_of(model, settings)
            revision = vllm_arguments.pinned_revision(model, location, args)
        case OpenAIEngine(serve=Serve() as serve):
            location = server_command.weights_of(model, serve)
            revision = vllm_arguments.pinned_revision(model, location, serve.options)
        case OnnxEngine() if revision is None:
            revision = onnx.weights_digest(onnx.model_folder(model, settings))
        case ReplayEngine() if revision is None:
            revision = replay.recording_digest(settings)
        case _:
            pass  # an endpoint's weights are known by what the experiment says of them
    return model.model_copy(update={"revision": revision})


def _largest_shard(settings: Engine) -> int:
    """What bounds a shard's memory, and the work that Prefect repeats where a shard is tried again."""
    match settings:
        case OnnxEngine():
            return 16 * settings.batch_size
        case OpenAIEngine():
            return max(512, 16 * settings.concurrency * len(settings.urls))
        case VllmEngine():
            return 4096
        case ReplayEngine():
            return 4096


@lru_cache(maxsize=64)
def _index(root: str, recipe: Recipe) -> RecipeIndex:
    return RecipeIndex(Store(root), recipe)
