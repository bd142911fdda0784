"""Nothing expensive is computed twice, counted by the endpoint's own counter."""

import shutil
from pathlib import Path

import orjson
import pytest
from endpoints.scripted import ScriptedEndpoint
from endpoints.sums import benchmark_at, experiment_over

from configs.experiment import Experiment
from warehouse.catalog import connect
from warehouse.integrity import verify
from warehouse.loader import load
from warehouse.pruning import plan_pruning, prune, recorded_runs
from warehouse.store import Store


@pytest.fixture(scope="module")
def finished(prefect, tmp_path_factory):
    """A finished run of 10 problems x (4 + 2): its root, its summary and what its endpoint was asked."""
    from flows.evaluate import evaluate

    folder = tmp_path_factory.mktemp("finished")
    with ScriptedEndpoint() as endpoint:
        data = experiment_over(endpoint, benchmark_at(folder / "sums.jsonl"))
        summary = evaluate(Experiment.model_validate(data), str(folder / "root"))
    assert summary["status"] == "complete"
    assert endpoint.by_model == {"small": 40, "big": 20}
    return folder / "root", summary, endpoint.requests


@pytest.fixture
def first(finished, tmp_path):
    """Its summary; a copy of its root is where the test's experiment, which names another file and endpoint, is run."""
    root, summary, _ = finished
    shutil.copytree(root, tmp_path / "root")
    return summary


@pytest.fixture
def first_here(evaluated, endpoint):
    """The same by a run of the test's own, which Prefect remembers; afterwards the endpoint counts anew."""
    summary = evaluated()
    assert summary["status"] == "complete"
    assert endpoint.by_model == {"small": 40, "big": 20}
    endpoint.reset()
    return summary


@pytest.fixture
def sent(finished):
    """What the endpoint of the finished run was asked."""
    return finished[2]


def test_second_run_calls_no_engine(first_here, evaluated, endpoint):
    again = evaluated()
    assert endpoint.requests == []
    assert again["metrics"] == first_here["metrics"]
    assert again["stages"]["explore"] == first_here["stages"]["explore"] | {"generated": 0, "reused": 40}


def test_raising_n_makes_only_the_new_samples(first, evaluated, endpoint):
    summary = evaluated(explorer__sampling={"n": 8, "max_tokens": 64})
    assert endpoint.by_model == {"small": 40}, "4 new samples a problem; references are still the first 4"
    assert summary["stages"]["explore"]["generated"] == 40
    assert summary["stages"]["synthesize"]["reused"] == 20
    assert list(summary["metrics"]) == ["mean@1", "cons@8", "pass@8", "a2r", "a2r-cons@2"]


def test_experiments_share_an_explorer(first, evaluated, endpoint):
    summary = evaluated(name="other", synthesizer__sampling={"n": 2, "max_tokens": 128})
    assert endpoint.by_model == {"big": 20}
    assert summary["stages"]["explore"]["reused"] == 40


def test_changed_prompt_synthesizes_alone(first, evaluated, endpoint, tmp_path):
    prompt = tmp_path / "mine.jinja"
    prompt.write_text(
        "{% block user %}{{ question }}{% for r in references %}\n{{ r.text }}{% endfor %}{% endblock %}"
    )
    evaluated(synthesizer__prompt=str(prompt))
    assert endpoint.by_model == {"big": 20}


def test_more_problems_make_only_theirs(first, evaluated, endpoint, benchmark_file):
    with benchmark_file.open("ab") as file:
        file.write(orjson.dumps({"id": "new", "problem": "What is 3 plus 4 ?", "answer": "7"}) + b"\n")
    evaluated()
    assert endpoint.by_model == {"small": 4, "big": 2}


def test_wiped_prefect_results_and_catalog_change_nothing(first_here, evaluated, endpoint, tmp_path, prefect):
    assert list(prefect.iterdir()), "there is something to wipe"
    shutil.rmtree(prefect)
    (tmp_path / "root" / "catalog.duckdb").unlink()
    again = evaluated()
    assert endpoint.requests == []
    assert again["metrics"] == first_here["metrics"]


def test_other_endpoint_concurrency_and_shards_change_nothing(first, evaluated, endpoint):
    evaluated(execution={"shard_size": 3}, explorer__engine__concurrency=2, explorer__engine__retries=9)
    assert endpoint.requests == []


def test_new_grader_generates_nothing(first, evaluated, endpoint, tmp_path):
    evaluated(grader={"kind": "exact"})
    assert endpoint.requests == []
    graders = {path.name for path in (tmp_path / "root" / "grades").iterdir()}
    assert graders == {"grader=math-7", "grader=exact-6"}


@pytest.mark.parametrize("times", [1, 2])
def test_lost_parts_are_made_again_despite_prefects_cache(first_here, evaluated, endpoint, tmp_path, times):
    for _ in range(times):
        endpoint.reset()
        for part in (tmp_path / "root" / "traces").rglob("part-*.parquet"):
            part.unlink()
        summary = evaluated()
        assert summary["status"] == "complete"
        assert endpoint.by_model == {"small": 40, "big": 20}


def test_corrected_gold_regrades_and_generates_nothing(first, evaluated, endpoint, benchmark_file):
    benchmark_file.write_text(benchmark_file.read_text().replace('"answer": "1"', '"answer": "-5"'))
    summary = evaluated()
    assert endpoint.requests == []
    assert summary["metrics"]["mean@1"]["estimate"] < first["metrics"]["mean@1"]["estimate"]


def test_store_is_sound_and_sql_agrees_with_the_summary(finished):
    root, first, _ = finished
    store = Store(str(root))
    assert list(verify(store)) == []
    with connect(store) as catalog:
        counts = dict(catalog.execute("select stage, count(*) from traces group by all").fetchall())
        [(mean,)] = catalog.execute(
            "select avg(is_correct::int) from samples where stage = 'explore'"
        ).fetchall()
        texts = catalog.execute("select reasoning, answer from traces").fetchall()
    assert counts == {"explore": 40, "synthesize": 20}
    assert first["metrics"]["mean@1"]["estimate"] == pytest.approx(mean)
    assert all(reasoning.startswith("let me see") and "boxed" in answer for reasoning, answer in texts)


def test_synthesizer_reads_the_answers_and_not_the_reasoning(sent):
    prompts = [body["messages"][-1]["content"] for body in sent if body["model"] == "big"]
    assert len(prompts) == 20
    assert all(prompt.count("So it is") == 4 for prompt in prompts)
    assert not any("let me see" in prompt for prompt in prompts)


def test_every_sample_has_a_seed_of_its_own(sent):
    explored = [body["seed"] for body in sent if body["model"] == "small"]
    assert len(set(explored)) == 40


def test_root_may_be_an_object_store(evaluated, endpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = evaluated(root="memory://promises/root")
    endpoint.reset()
    again = evaluated(root="memory://promises/root")
    assert endpoint.requests == []
    assert again["metrics"] == first["metrics"]
    assert list(verify(Store("memory://promises/root"))) == []


def test_run_without_synthesizer_is_a_self_consistency_baseline(evaluated, endpoint):
    summary = evaluated(synthesizer=None)
    assert endpoint.by_model == {"small": 40}
    assert list(summary["metrics"]) == ["mean@1", "cons@4", "pass@4"]
    assert Path(summary["run_id"]).name.count("sums") == 1


def test_concurrency_is_filled_across_shards_and_never_exceeded(evaluated, endpoint):
    endpoint.latency = 0.05
    evaluated(explorer__engine__concurrency=8, synthesizer=None, execution={"shard_size": 4})
    assert endpoint.peak == 8


def test_first_shard_is_synthesized_while_later_ones_are_explored(evaluated, endpoint):
    endpoint.latency = 0.3
    evaluated(
        explorer__engine__concurrency=4, synthesizer__engine__concurrency=4, execution={"shard_size": 8}
    )
    stages = [body["model"] for body in endpoint.requests]
    last_explored = len(stages) - 1 - stages[::-1].index("small")
    assert stages.index("big") < last_explored


def test_judge_is_asked_once_its_cost_is_told_and_it_goes_with_its_last_run(
    first, evaluated, endpoint, tmp_path
):
    def said(prompt, seed):
        return "Verdict: correct" if seed % 2 else "Verdict: incorrect"

    endpoint.answer = said
    model = {"id": "big", "params": 1e9, "price": {"input": 1.0, "output": 2.0}}
    judge = {"kind": "judge", "model": model, "engine": {"kind": "openai", "base_url": endpoint.base_url}}
    root = Store(str(tmp_path / "root"))
    summary = evaluated(grader=judge)
    num_judged = endpoint.num_samples
    assert endpoint.by_model == {"big": num_judged} and 10 <= num_judged < 60, "one a distinct answer"
    [traces] = asked(
        root,
        "select count(*) num, sum(num_prompt_tokens)::int prompt, sum(num_completion_tokens)::int completion "
        "from traces where stage = 'judge'",
    )
    assert traces["num"] == num_judged
    cost = summary["cost"]["judge"]
    assert cost["tokens"] == traces["prompt"] + traces["completion"] == traces["prompt"] + 25 * num_judged
    assert cost["dollars"] == pytest.approx((traces["prompt"] + 50 * num_judged) / 1e6)
    assert cost["petaflops"] == pytest.approx(2e9 * cost["tokens"] / 1e15)
    [other] = asked(
        root, f"select count(*) n from costs where run_id = '{first['run_id']}' and stage = 'judge'"
    )
    assert other["n"] == 0
    again = evaluated(grader=judge, synthesizer=None)
    assert endpoint.num_samples == num_judged
    assert 0 < again["cost"]["judge"]["tokens"] < cost["tokens"], "what this run's own verdicts rest on"
    assert asked(root, "from pareto where dollars is not null") == [], "the judge's price is no answer's"

    both = asked(root, "select trace_id from traces where stage = 'judge'")
    prune_of(root, summary["run_id"])
    assert list(verify(root)) == []
    kept = asked(root, "select trace_id from traces where stage = 'judge'")
    assert 0 < len(kept) < len(both)
    [row] = asked(root, "select num_tokens from costs where stage = 'judge'")
    assert row["num_tokens"] == again["cost"]["judge"]["tokens"]
    prune_of(root, again["run_id"])
    assert asked(root, "select trace_id from traces where stage = 'judge'") == []
    assert list(verify(root)) == []


def asked(store, query):
    with connect(store) as catalog:
        return catalog.sql(query).to_arrow_table().to_pylist()


def prune_of(store, run_id):
    """Take one run away with what only it wanted."""
    runs = {run.run_id: run for run in recorded_runs(store)}
    going = [runs.pop(run_id)]
    list(prune(store, going, plan_pruning(store, going, runs.values())))
    load(store)


def test_a_suite_after_its_benchmark_alone_sends_only_what_is_new(
    first, evaluated, endpoint, experiment_data, tmp_path
):
    alone, path = experiment_data["benchmark"], tmp_path / "more.jsonl"
    path.write_bytes(
        b"".join(
            orjson.dumps({"id": f"m{i}", "problem": f"What is {i} minus 9 ?", "answer": str(i - 9)}) + b"\n"
            for i in range(3)
        )
    )
    suite = {"source": "suite", "of": {"sums": alone, "more": alone | {"path": str(path)}}}
    summary = evaluated(benchmark=suite)
    assert endpoint.by_model == {"small": 12, "big": 6}, "three problems x (4 + 2)"
    assert summary["benchmarks"]["sums"]["mean@1"]["estimate"] == first["metrics"]["mean@1"]["estimate"]
    estimates = [found["a2r"]["estimate"] for found in summary["benchmarks"].values()]
    assert summary["metrics"]["a2r"]["estimate"] == pytest.approx(sum(estimates) / 2)
    endpoint.reset()
    assert evaluated(benchmark=alone | {"path": str(path)})["status"] == "complete"
    assert endpoint.requests == [], "nor does the other benchmark alone"
    assert "benchmarks" not in first
