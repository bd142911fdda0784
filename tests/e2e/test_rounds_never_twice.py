"""Explorers, rounds and groups, by the endpoint's own counter: what is added is sent, and nothing else. Ten problems."""

import pytest

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


def test_only_an_added_group_is_sent(sent):
    grouped = {"references": {"count": 2, "groups": "disjoint"}, "sampling": sampling(2)}
    assert sent(rounds=[grouped]) == {"small": 40, "big": 20}
    more = grouped | {"sampling": sampling(3)}
    assert sent([{"sampling": sampling(6)}], [more]) == {"small": 20, "big": 10}, "and the samples it reads"
    assert sent(rounds=[{"references": {"count": 2}}]) == {"big": 10}, "the first group is what all read else"
