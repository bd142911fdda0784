"""Critical paths: what SQL says against the definition, worked out in Python over random lengths, three stages deep."""

import random
from statistics import fmean, median

import pytest
from made_run import Made, finish_run, sums
from test_report import experiment

from configs.experiment import Experiment
from configs.roles import References
from tasks.stage import stage_of
from warehouse.catalog import connect

METRICS = {"mean@1", "cons@4", "synthesize/a2r", "synthesize/a2r-cons@2", "a2r", "a2r-cons@2"}
LEFT = ["s0", "s1", "s2"]
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


def test_a_problem_left_to_the_vote_waits_for_the_samples_that_would_have_been_read(tmp_path):
    drawn, lengths = random.Random(8), {}

    def made(stage, problem, index):
        value = 42 if problem.problem_id in LEFT else index
        text = "x" * 4 * drawn.randint(10, 500) + f" \\boxed{{{value}}}"
        lengths[problem.problem_id, stage, index] = len(text) // 4
        return Made(text, "correct", str(value))

    settings = sums(tmp_path, QUESTIONS[:6])
    synthesizer = settings.pop("synthesizer")
    first = {"name": "first", "when": {"agreement_below": 1.0}, "sampling": {"n": 2}}
    settings["rounds"] = [synthesizer | first, synthesizer | {"name": "last"}]
    with connect(finish_run(settings, tmp_path / "root", "run-1", made)) as catalog:
        left = catalog.execute("select stage, left_to_vote from store.roles where round > 0").fetchall()
        found = catalog.execute(
            "select metric, problem_id, path_tokens, path_seconds from problem_paths where stage <> 'explore'"
        ).fetchall()
    assert {stage: sorted(problems) for stage, problems in left} == {"first": LEFT, "last": LEFT}
    assert len(found) == 6 * 3, (
        "each problem has an answer and a vote of the first round, and an answer of the last"
    )
    for metric, problem, tokens, seconds in found:
        vote = max(lengths[problem, "explore", index] for index in range(2))
        if problem in LEFT:
            assert (tokens, seconds) == (vote, 0.5), metric
            continue
        read = [vote + lengths[problem, "first", index] for index in range(2)]
        last = max(read) + lengths[problem, "last", 0]
        expected = {"first/a2r": (fmean(read), 1.0), "first/a2r-cons@2": (max(read), 1.0), "a2r": (last, 1.5)}
        assert (tokens, seconds) == expected[metric]
