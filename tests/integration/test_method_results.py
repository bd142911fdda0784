"""The numbers of the study of methods against their definitions: means over seeds, paired differences, costs, paths."""

import random
from statistics import fmean, stdev

import orjson
import pytest
from made_run import Made, finish_run, sums

from tasks.research.study.method_results import FamilyResults, MethodResult, is_run_of
from tasks.research.study.methods import FAMILIES, Scope
from warehouse.catalog import connect
from warehouse.relations import statement

QUESTIONS = [f"What is {i} + {42 - i}?" for i in range(20)]
RUNS = {"run-1": ("a2r", 0), "run-2": ("a2r", 1), "run-3": ("other", 0)}


@pytest.fixture(scope="module")
def values():
    """Whether the answer to a problem is right, by run and problem."""
    return {}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory, values):
    folder, drawn = tmp_path_factory.mktemp("methods"), random.Random(3)
    for run_id, (name, seed) in RUNS.items():

        def made(stage, problem, index, run_id=run_id):
            right = drawn.random() < 0.6
            if stage == "synthesize":
                values.setdefault(run_id, {})[problem.problem_id] = float(right)
            return Made("x" * 40, "correct" if right else "wrong", str(index))

        settings = sums(folder, QUESTIONS, name=f"{name}.{seed}")
        for role in ("explorer", "synthesizer"):
            settings[role] = settings[role] | {"model": {"id": f"{role}-{name}", "params": 1000}}
            settings[role]["sampling"] = {"n": 2 if role == "explorer" else 1, "seed": seed}
        store = finish_run(settings, folder / "root", run_id, made)
    with connect(store) as found:
        yield found


def test_a_problem_counts_with_the_mean_of_its_seeds_and_is_paired_with_the_baseline(catalog, values):
    rows = catalog.execute(
        statement("study/methods"),
        {
            "names": [name for name, _ in RUNS.values()],
            "run_ids": list(RUNS),
            "metrics": ["a2r"] * 3,
            "baseline": "a2r",
        },
    )
    found = {row[0]: dict(zip([d[0] for d in rows.description], row, strict=True)) for row in rows.fetchall()}
    mean = {p: fmean([values["run-1"][p], values["run-2"][p]]) for p in values["run-1"]}
    differences = [values["run-3"][p] - mean[p] for p in mean]
    assert found["a2r"]["estimate"] == pytest.approx(fmean(mean.values()))
    assert found["a2r"]["difference"] == 0
    other = found["other"]
    assert other["estimate"] == fmean(values["run-3"].values())
    assert other["low"] < other["estimate"] < other["high"]
    half = 2.093 * stdev(differences) / len(differences) ** 0.5  # Student's t with 19 degrees of freedom
    assert other["difference"] == pytest.approx(fmean(differences))
    assert other["difference_high"] - other["difference"] == pytest.approx(half, rel=1e-3)
    assert (other["mean_path_tokens"], other["path_tokens_p50"]) == (20, 20), "10 tokens, then 10 more"


def test_a_prompt_is_counted_once_for_the_samples_that_share_it(catalog):
    costs = catalog.execute(statement("study/method_costs"), {"run_ids": [*RUNS, "run-1"]}).fetchall()
    assert sorted(run_id for run_id, *_ in costs) == sorted(RUNS), "a run that is named twice counts once"
    tokens = 20 + 2 * 10 + 20 + 10  # explorers share a prompt of 20 tokens
    assert [megaflops for _, megaflops, *_ in costs] == pytest.approx([2 * 1000 * tokens / 1e6] * 3)


@pytest.mark.parametrize("family", FAMILIES)
def test_methods_share_their_samples_and_each_has_its_metric(family):
    methods = Scope(10, 3).methods(family, 2)
    names = [method.name for method in methods]
    assert len(set(names)) == len(names)
    by_name = {method.name: method for method in methods}
    assert by_name["self-consistency"].experiment == by_name["best-of-n"].experiment
    for method in methods:
        stages = method.experiment.stages
        assert {stage.role.sampling.seed for stage in stages} == {2}
        n = stages[-1].role.sampling.n
        assert (
            method.metric in {"a2r", "mean@1"}
            if n == 1
            else method.metric.endswith(f"cons@{n}") or (method.name == "best-of-n")
        )


def test_a_run_is_of_an_experiment_that_says_the_same_whatever_settings_came_later():
    experiment = Scope(10, 1).methods("bill", 0)[0].experiment
    config = experiment.model_dump(mode="json")
    del config["budget"], config["explorers"][0]["engine"]["think_marks"]
    assert is_run_of(experiment, orjson.dumps(config).decode())
    config["explorers"][0]["sampling"]["n"] += 1
    assert not is_run_of(experiment, orjson.dumps(config).decode())
    assert not is_run_of(experiment, '{"name": "bill", "gone": 1}')


def result(method, difference, low, high, *, cost_ratio=1.0, path_ratio=1.0):
    return MethodResult(
        method,
        (0,),
        (0.5,),
        10,
        0.5,
        0.4,
        0.6,
        difference,
        low,
        high,
        100.0,
        90.0,
        120.0,
        80.0,
        cost_ratio,
        path_ratio,
        None,
    )


def test_page_says_what_is_better_worse_or_neither_among_those_that_cost_as_much(tmp_path):
    by_name = {method.name: method for method in Scope(10, 1).methods("sum3", 0)}
    found = FamilyResults(
        "sum3",
        (
            result(by_name["a2r"], 0.0, 0.0, 0.0),
            result(by_name["moa"], 0.1, 0.05, 0.15),
            result(by_name["rsa"], -0.1, -0.15, -0.05),
            result(by_name["groups"], 0.01, -0.05, 0.07),
            result(by_name["pacore"], 0.3, 0.2, 0.4, cost_ratio=1.06),
            result(by_name["alone"], -0.02, -0.03, -0.01, cost_ratio=0.3),
            result(by_name["alone-vote"], 0.2, 0.1, 0.3, path_ratio=1.5),
        ),
        ("genselect, seed 0",),
    )
    from tasks.research.study.method_page import write_methods_page

    page = write_methods_page([found], 10, tmp_path).read_text()
    assert (
        "- better: alone-vote +0.200; moa +0.100\n- worse: rsa -0.100\n- not distinguishable: groups +0.010\n"
        in page
    )
    assert "1.06 (not equal)" in page
    assert "minus a2r: alone -0.020 [-0.030, -0.010] (critical path × 1.00, cost × 0.30)." in page
    assert (
        "Not in the store yet, and in no number above; `a2r study methods` makes it: genselect, seed 0."
        in page
    )
