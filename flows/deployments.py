"""What `a2r up` offers in Prefect's UI; prefect.yaml says the same for people with their own work pools."""

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
from tasks.operating.run_forms import with_fillable_form

POOL = "a2r"
FLOWS: tuple[Flow[..., Any], ...] = (evaluate, explore, synthesize, grade)


def deployments(night: Nightly, root: str) -> list[RunnerDeployment]:
    """Each stage by itself, the whole, compaction every week, and the night on its schedule, one at a time."""
    parameters = {"experiment": {"experiment": "quickstart", "overrides": []}, "root": root}
    by_hand = [
        flow.to_deployment(
            name="a2r",
            parameters=parameters,
            description=flow.description,
            tags=["a2r", flow.name],
            work_pool_name=POOL,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        for flow in FLOWS
    ]
    every_night = nightly.to_deployment(
        name="a2r",
        parameters={"night": night.model_dump(mode="json", exclude={"cron"}), "root": root},
        description=nightly.description,
        tags=["a2r", "nightly"],
        schedules=[Cron(night.cron, timezone=night.timezone)],
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE
        ),
        work_pool_name=POOL,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    on_demand = sweep.to_deployment(
        name="a2r",
        parameters={"grid": load_sweep("references").model_dump(mode="json"), "root": root},
        description=sweep.description,
        tags=["a2r", "sweep"],
        work_pool_name=POOL,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    every_week = compact.to_deployment(
        name="a2r",
        parameters={"root": root},
        description=compact.description,
        tags=["a2r", "compact"],
        schedules=[Cron("30 5 * * 0", timezone=night.timezone)],
        work_pool_name=POOL,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    # Prefect types them as awaitable too
    made = cast("list[RunnerDeployment]", [*by_hand, on_demand, every_night, every_week])
    return [with_fillable_form(deployment) for deployment in made]
