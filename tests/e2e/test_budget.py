"""A budget ends a run before it is passed by more than what was in flight; a larger one continues and sends nothing twice."""

import json

import pytest

from configs.loading import load_experiment
from flows.commands.process import EXIT_OVER_BUDGET
from flows.commands.run_flow import run_flow
from tasks.executor.errors import FlowIncomplete
from warehouse.catalog import connect
from warehouse.integrity import verify
from warehouse.store import Store

CONCURRENCY = 8
PRICE = {"input": 1.0, "output": 1000.0}
PER_ANSWER = 0.03
"""Dollars at most: 25 tokens and a short prompt."""


def seeds(endpoint):
    return [(body["model"], body["messages"][-1]["content"], body["seed"]) for body in endpoint.requests]


@pytest.fixture
def priced(experiment_data):
    for role in ("explorer", "synthesizer"):
        experiment_data[role]["model"]["price"] = PRICE
        experiment_data[role]["engine"] = experiment_data[role]["engine"] | {"concurrency": CONCURRENCY}
    return experiment_data


def test_budget_ends_a_run_and_a_larger_one_continues(evaluated, priced, endpoint, tmp_path):
    endpoint.latency = 0.02
    with pytest.raises(FlowIncomplete, match=r"budget is spent \(\$0\.\d\d of 0\.50\)") as ended:
        evaluated(budget={"dollars": 0.5})
    assert ended.value.is_over_budget and ended.value.summary["status"] == "incomplete"
    first = seeds(endpoint)
    spent = sum(cost["dollars"] or 0 for cost in ended.value.summary["cost"].values())
    assert 0.5 <= spent <= 0.5 + CONCURRENCY * PER_ANSWER
    assert len(first) == sum(c["generated"] for c in ended.value.summary["stages"].values())
    with pytest.raises(FlowIncomplete, match="budget is spent") as ended:
        evaluated(budget={"dollars": 0.5})
    assert seeds(endpoint) == first, "the same budget sends nothing more"
    summary = evaluated(budget={"tokens": 10_000})
    every = seeds(endpoint)
    assert summary["status"] == "complete"
    assert len(every) == len(set(every)) == 60, "nothing was sent twice"
    store = Store(str(tmp_path / "root"))
    assert list(verify(store)) == []
    with connect(store) as catalog:
        [(dollars,)] = catalog.execute(
            "select sum(dollars) from costs where run_id = ?", [summary["run_id"]]
        ).fetchall()
    assert dollars == pytest.approx(sum(cost["dollars"] for cost in summary["cost"].values()))


def test_what_a_provider_bills_is_spent_without_a_price(evaluated, experiment_data, endpoint):
    def billed(_, body):
        reply = endpoint._reply(body)
        reply["usage"]["cost"] = 0.01
        return reply

    endpoint.fault = billed
    experiment_data["explorer"]["engine"] = experiment_data["explorer"]["engine"] | {"dialect": "openrouter"}
    del experiment_data["synthesizer"]
    with pytest.raises(FlowIncomplete) as ended:
        evaluated(budget={"dollars": 0.1})
    num_made = ended.value.summary["stages"]["explore"]["generated"]
    assert 10 <= num_made <= 10 + 16
    assert ended.value.summary["cost"]["explore"]["dollars"] == pytest.approx(0.01 * num_made)
    assert ended.value.summary["cost"]["explore"]["cost_note"] == "petaflops: small has no params"


def test_command_exits_with_a_status_of_its_own(prefect, priced, tmp_path, capsys):
    from functools import partial

    from flows.commands.printing.runs import print_summary
    from flows.evaluate import evaluate

    del priced["synthesizer"]
    (tmp_path / "sums.yaml").write_text(json.dumps(priced | {"budget": {"tokens": 300}}))
    experiment, root = load_experiment(str(tmp_path / "sums.yaml")), str(tmp_path / "root")
    with pytest.raises(SystemExit) as left:
        run_flow(
            lambda: partial(evaluate, experiment=experiment, root=root),
            root,
            as_json=False,
            show=print_summary,
        )
    assert left.value.code == EXIT_OVER_BUDGET == 4
    told = capsys.readouterr().err
    assert "incomplete: The budget is spent" in told and "of 300 tokens" in told
