"""Explorers, rounds and groups, by the endpoint's own counter: what is added is sent, and nothing else. Ten problems."""

import pyarrow.parquet as pq
import pytest
from endpoints.scripted import answered

from tasks.exchange.exports.exporting import ExportRequest, export_run
from warehouse.catalog import connect
from warehouse.store import Store


@pytest.fixture
def sent(evaluated, endpoint, experiment_data):
    """Run the experiment with these explorers and rounds, each on top of the short form's; the samples sent, by model."""

    def run(explorers=({},), rounds=({},)):
        for one, several, own in (("explorer", "explorers", explorers), ("synthesizer", "rounds", rounds)):
            listed = [{**experiment_data[one], **role} for role in own]
            experiment_data[several] = listed
        kept = {one: experiment_data.pop(one) for one in ("explorer", "synthesizer")}
        endpoint.reset()
        summary = evaluated()
        experiment_data.update(kept)
        assert summary["status"] == "complete"
        endpoint.warnings = summary["warnings"]
        return endpoint.by_model

    return run


def sampling(n, **more):
    return {"n": n, "max_tokens": 64, **more}


def test_only_an_added_explorer_or_round_is_sent(sent, evaluated, endpoint, tmp_path):
    assert evaluated()["status"] == "complete"
    other = {"name": "other", "sampling": sampling(3, seed=5)}
    assert sent([{}, other], [{"name": "first", "reads": ["explore"]}]) == {"small": 30}, "another explorer"
    again = {"references": {"count": 2}, "sampling": sampling(3)}
    assert sent(rounds=[{}, again]) == {"big": 30}, "another round"
    warmer = again | {"sampling": sampling(3, temperature=0.5)}
    assert sent(rounds=[{}, warmer, {"references": {"count": 3}}]) == {"big": 50}, "the first is as it was"
    with connect(Store(str(tmp_path / "root"))) as catalog:
        doubled = catalog.execute("select count(*) - count(distinct trace_id) from traces").fetchone()
    assert doubled == (0,)


def test_only_an_added_group_is_sent_and_each_is_a_training_prompt(sent, endpoint, tmp_path):
    grouped = {"references": {"count": 2, "groups": "disjoint"}, "sampling": sampling(2)}
    assert sent(rounds=[grouped]) == {"small": 40, "big": 20}
    export_run("latest", tmp_path / "grpo", str(tmp_path / "root"), ExportRequest("trl-grpo"))
    prompts = pq.read_table(tmp_path / "grpo" / "data").column("prompt").to_pylist()
    asked = [body["messages"] for body in endpoint.requests if body["model"] == "big"]
    assert sorted(map(str, prompts)) == sorted(map(str, asked))
    more = grouped | {"sampling": sampling(3)}
    assert sent([{"sampling": sampling(6)}], [more]) == {"small": 20, "big": 10}, "and the samples it reads"
    assert sent(rounds=[{"references": {"count": 2}}]) == {"big": 10}, "the first group is what all read else"


def test_ending_samples_once_they_agree_sends_nothing_after_a_full_run(sent, endpoint):
    assert sent([{"sampling": sampling(6)}]) == {"small": 60, "big": 20}
    stopping = {"sampling": sampling(6), "stop": {"agreement": 0.8, "after": 4, "step": 1}}
    assert sent([stopping], [{"when": {"agreement_below": 1.0}}]) == {}, "what it wants is stored"
    changed = {"sampling": sampling(6, temperature=0.5), "stop": {"agreement": 0.8, "after": 4, "step": 1}}
    assert sent([changed])["small"] < 60, "and on its own it asks for less"


def test_selection_answers_with_its_candidate_and_counts_its_fallbacks(sent, endpoint, tmp_path):
    """The model names candidate 2, except for every other problem, where it says nothing of use."""

    def chosen(prompt, seed):
        if "## Candidate 1" not in prompt:
            return answered(prompt, seed)
        return "I cannot say." if int(prompt.split("What is ")[1].split()[0]) % 2 else "Choice: 2"

    endpoint.answer = chosen
    rounds = [{"kind": "select", "sampling": sampling(1)}]
    assert sent(rounds=rounds) == {"small": 40, "big": 10}
    assert sent(rounds=rounds) == {}
    with connect(Store(str(tmp_path / "root"))) as catalog:
        rows = catalog.execute(
            "select traces.selected_id, traces.reasoning, traces.answer = candidates.answer, shown.place "
            "from traces left join traces as candidates on traces.selected_id = candidates.trace_id "
            "left join (from shown_references semi join latest_runs using (run_id)) as shown "
            "on traces.selected_id = shown.reference_id where traces.stage = 'select'"
        ).fetchall()
        counted = catalog.execute(
            "select stage, num_attempts, num_fallbacks, round from leaderboard semi join latest_runs using (run_id) "
            "order by round"
        ).fetchall()
    assert counted == [("explore", 40, None, 0), ("select", 10, 5, 1)]
    assert endpoint.warnings[0].startswith(
        "select: 5 of 10 replies name no candidate; the vote of the candidates"
    )
    named = [row for row in rows if row[0]]
    assert len(named) == 5
    assert all(said.endswith("Choice: 2") and is_same and place == 2 for _, said, is_same, place in named)
