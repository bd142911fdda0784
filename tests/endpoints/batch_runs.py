"""A run without Prefect, for tests that kill it: everything that is missing of an experiment's one stage."""

from collections import Counter

from configs.experiment import Experiment
from tasks.benchmarks.problems import load_problems
from tasks.engines.openai import batch_engine
from tasks.engines.pool import open_engines
from tasks.run import stages_of
from tasks.stage import jobs_of, missing_of, shards_of
from warehouse.journal import recover
from warehouse.planner import distinct
from warehouse.store import Store


def made(root, data):
    """Make it; returns how many traces were stored, and the failures by code."""
    batch_engine.GATHER_SECONDS = 0.05
    experiment, store = Experiment.model_validate(data), Store(str(root))
    problems = distinct(load_problems(experiment.benchmark))
    store.open_for_writing()
    with open_engines():
        recover(store)
        [stage] = stages_of(experiment, store.root)
        results = [
            stage.make(jobs_of(stage, missing_of(stage, shard.problems)), shard.rank)
            for shard in shards_of(stage, problems)
        ]
    return sum(r.num_stored for r in results), sum((r.failures for r in results), start=Counter())
