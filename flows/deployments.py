"""What `a2r up` offers in Prefect's UI; prefect.yaml says the same for people with their own work pools."""

import shlex
import sys
from typing import Any, cast

from prefect import Flow
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from configs.nightly import Nightly
from configs.sweep import load_sweep
from flows.evaluate import evaluate
from flows.nightly import nightly
from flows.stages import explore, grade, synthesize
from flows.sweep import sweep
from flows.upkeep import compact
from tasks.ops.run_forms import with_fillable_form

POOL = "a2r"
NAMES: dict[str, str] = {
    evaluate.name: "run-experiment",
    explore.name: "explore-only",
    synthesize.name: "synthesize-only",
    grade.name: "grade-only",
    sweep.name: "run-sweep",
    nightly.name: "every-night",
    compact.name: "compact-weekly",
}
"""What each flow's deployment does: a list in the UI shows little else of it."""
_START = shlex.join([sys.executable, "-m", "prefect.engine"])
"""How a run's process is started. Where no command is named, Prefect first starts another one that fetches the flow's code,
which is installed here: it imports Prefect once more, 2 s of each run."""


def deployments(nights: Nightly, root: str) -> list[RunnerDeployment]:
    """Each stage by itself, the whole, compaction every week, and the night on its schedule, one at a time."""
    quickstart = {"experiment": {"experiment": "quickstart", "overrides": []}, "root": root}
    grid = load_sweep("references").model_dump(mode="json")
    experiments = nights.night.model_dump(mode="json")
    return [
        *(_deployment(flow, quickstart) for flow in (evaluate, explore, synthesize, grade)),
        _deployment(sweep, {"grid": grid, "root": root}),
        _deployment(
            nightly,
            {"night": experiments, "root": root},
            schedules=[Cron(nights.cron, timezone=nights.timezone)],
            concurrency_limit=ConcurrencyLimitConfig(
                limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE
            ),
        ),
        _deployment(compact, {"root": root}, schedules=[Cron("30 5 * * 0", timezone=nights.timezone)]),
    ]


def _deployment(flow: Flow[..., Any], parameters: dict[str, object], **settings: Any) -> RunnerDeployment:  # noqa: ANN401 - Prefect's
    made = flow.to_deployment(
        name=NAMES[flow.name],
        parameters=parameters,
        description=flow.description,
        tags=["a2r", flow.name],
        work_pool_name=POOL,
        job_variables={"command": _START},
        entrypoint_type=EntrypointType.MODULE_PATH,
        **settings,
    )
    return with_fillable_form(cast("RunnerDeployment", made))  # Prefect types it as awaitable too
