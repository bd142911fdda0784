"""Critical paths: what SQL says against the definition, worked out in Python over random lengths, three stages deep."""

import random
from statistics import fmean, median

import pytest
from made_run import Made, finish_run
from test_report import experiment

from configs.experiment import Experiment
from configs.roles import References
from tasks.stage import stage_of
from warehouse.catalog import connect

METRICS = {"mean@1", "cons@4", "synthesize/a2r", "synthesize/a2r-cons@2", "a2r", "a2r-cons@2"}
QUESTIONS = [f"What is {i} + {42 - i}?" for i in range(12)]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    folder, drawn = tmp_path_factory.mktemp("paths"), random.Random(7)
    settings = experiment(folder, QUESTIONS, count=3)

    def made(stage, problem, index):
        if stage == "explore" and problem.problem_id == "s3" and index == 0:
            return Made(None, None, status="error")
        return Made("x" * 4 * drawn.randint(10, 500), drawn.choice(["correct", "wrong"]), "42")

    def refine(run):
        synthesizer = Experiment.model_validate(settings).synthesizer
        policy = References(count=2)
        run.add(stage_of("refine", synthesizer, run.store.root, references=policy, reads=(run.stages[-1],)))

    with connect(finish_run(settings, folder / "root", "run-1", made, refine)) as found:
        yield found


@pytest.fixture(scope="module")
def expected(catalog):
    """Path in tokens of every trace, by its definition."""
    rows = catalog.execute(
        "select samples.problem_id, samples.stage, trace_id, samples.num_completion_tokens, reference_ids "
        "from samples inner join traces using (trace_id) where samples.status = 'ok'"
    ).fetchall()
    own = {trace_id: (tokens, shown) for _, _, trace_id, tokens, shown in rows}

    def path(trace_id):
        tokens, shown = own[trace_id]
        return tokens + max(map(path, shown), default=0)

    lengths = {}
    for problem, stage, trace_id, *_ in rows:
        lengths.setdefault((problem, stage), []).append(path(trace_id))
    return lengths


def test_a_trace_waits_for_the_longest_of_its_references(catalog, expected):
    rows = catalog.execute(
        "select metric, stage, problem_id, path_tokens, path_seconds from problem_paths"
    ).fetchall()
    assert {metric for metric, *_ in rows} == METRICS
    assert len(rows) == 12 * 2 * 3, "explore, synthesize and refine, each with one answer and the vote"
    seconds = {"explore": 0.5, "synthesize": 1.0, "refine": 1.5}
    for metric, stage, problem, tokens, found in rows:
        lengths = expected[problem, stage]
        assert tokens == (fmean(lengths) if metric.rsplit("/")[-1] in {"mean@1", "a2r"} else max(lengths))
        assert found == seconds[stage]


def test_percentiles_are_taken_over_problems(catalog, expected):
    rows = catalog.execute(
        "select path_tokens_p50, mean_path_tokens, num_counted from critical_paths where metric = 'cons@4'"
    )
    longest = [max(lengths) for (_, stage), lengths in expected.items() if stage == "explore"]
    assert rows.fetchall() == [(median(longest), fmean(longest), 12)]
