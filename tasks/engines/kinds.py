"""What each kind of engine is: how it is built, identified, checked, and what it claims of this machine."""

from configs.engines import Engine, OnnxEngine, OpenAIEngine, ReplayEngine, Serve, VllmEngine
from configs.models import Model
from tasks.engines import protocol
from tasks.engines.onnx import engine as onnx
from tasks.engines.openai import engine as openai
from tasks.engines.replay import engine as replay
from tasks.engines.server import command as server_command
from tasks.engines.vllm import arguments as vllm_arguments
from tasks.engines.vllm import engine as vllm_inprocess


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


def check_settings(settings: Engine) -> None:
    """Raise EngineError for what of the settings is known to be wrong before anything is loaded."""
    if isinstance(settings, VllmEngine):
        vllm_arguments.check_arguments(settings)


def process_of(settings: Engine) -> object:
    """What of an engine's settings makes two engines one process: the server, not how it is asked."""
    return settings.serve if isinstance(settings, OpenAIEngine) else settings


def identified(model: Model, settings: Engine) -> Model:
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


def largest_shard_of(settings: Engine) -> int:
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
