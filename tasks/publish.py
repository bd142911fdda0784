"""The last stage: a run's numbers, as data and as an artifact in Prefect."""

from typing import TypeVar

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from tasks.executor.errors import FlowIncomplete
from tasks.executor.flow_runs import wait_for_next_start
from tasks.run import Run, Stages, stage_summary
from warehouse.store import Store
from warehouse.summarize import summarize
from warehouse.summary import StageSummary, Summary

S = TypeVar("S", bound=StageSummary)


def publish(run: Run) -> Summary:
    """Make the run's results visible on its page in Prefect, and return its numbers. Raises FlowIncomplete."""
    return _published(publish_run(run.store, run.run_id), run)


@task(name="publish", task_run_name="publish", cache_policy=NO_CACHE)
def publish_run(store: Store, run_id: str) -> Summary:
    """The numbers of a run on record, also as an artifact. It is given no `Run`, whose every value Prefect would visit."""
    summary = summarize(store, run_id)
    create_table_artifact(
        table=[{"metric": name, **values} for name, values in summary["metrics"].items()],
        key="a2r-results",
        description=f"{run_id}: {summary['status']}. Estimates with 95 % intervals clustered by problem, over `n` of "
        "`wanted` problems; `undecided` samples have no verdict and are left out.\n\n"
        + "".join(f"Warning: {text}\n\n" for text in summary["warnings"])
        + f"`a2r sql \"from leaderboard where run_id = '{run_id}'\" --root {store.root}`",
    )
    return summary


def publish_stages(run: Run, stages: Stages) -> StageSummary:
    """The same of single stages, which leave no run on record. Raises FlowIncomplete."""
    return _published(stage_summary(run, stages), run)


def _published(summary: S, run: Run) -> S:
    """Show what each stage wanted, made, found and lacks; fail the flow, at its end, where the work is not whole."""
    create_table_artifact(
        table=[
            {"stage": stage, **summary.get("verdicts", {}).get(stage, {}), **counts}
            for stage, counts in summary["stages"].items()
        ],
        key="a2r-stages",
        description=f"{summary['run_id']}: {summary['status']}. Traces by what became of them, and verdicts on them.",
    )
    if reason := shortfall(summary, run):
        again = None if run.undecided else run.again_seconds
        if again is not None:
            wait_for_next_start(again, reason)
        raise FlowIncomplete(summary, reason, is_over_budget=run.spending.is_reached, again_seconds=again)
    return summary


def shortfall(summary: StageSummary | Summary, run: Run) -> str | None:
    """Why the work is not whole, and the next step; None where it is: Completed means whole."""
    wanting = ", ".join(
        f"{missing} of {counts['wanted']} {stage}"
        for stage, counts in summary["stages"].items()
        if (missing := counts["wanted"] - counts["generated"] - counts["reused"])
    )
    reasons = (*run.undecided, *run.complaints)
    if not wanting:
        again = "All traces are stored; run the same command again, or press Retry on the flow run."
        return "\n".join((*reasons, again) if run.complaints else reasons) or None
    has_some = any(counts["generated"] + counts["reused"] for counts in summary["stages"].values())
    others, what = ("All others are stored. ", "only what is missing") if has_some else ("", "them")
    if run.complaints:
        told = (
            f"Not made: {wanting} traces. {others}Run the same command again, or press Retry on the flow run, to make "
            f"{what}."
        )
    else:
        told = (
            f"Not made: {wanting} traces, since this command does not make them or the references they read are "
            f"missing. {others}`a2r run` (the flow evaluate) makes {what}."
        )
    return "\n".join((*reasons, told))
