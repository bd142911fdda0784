"""What goes wrong is told, kept apart from answers, and costs nothing that was done."""

import threading
import time

import pytest

from configs.schema import UserError
from tasks.executor.errors import FlowIncomplete
from warehouse.catalog import connect
from warehouse.integrity import verify
from warehouse.store import Store

OVERFLOW = (400, "This model's maximum context length is 64 tokens. Please reduce the length.", {})


@pytest.fixture
def root(tmp_path):
    return Store(str(tmp_path / "root"))


def asked(root, query):
    with connect(root) as catalog:
        return catalog.execute(query).fetchall()


def question(body):
    return body["messages"][-1]["content"]


def test_mixed_faults_lose_no_sample(evaluated, endpoint, root):
    faults = [(429, "slow down", {"Retry-After": "0"}), (500, "oh", {}), "reset", "cut"]
    endpoint.fault = lambda number, _: faults[number // 7 % 4] if number % 7 == 0 else None
    summary = evaluated()
    assert summary["status"] == "complete"
    assert asked(root, "select count(*), count(distinct trace_id) from traces where status = 'ok'") == [
        (60, 60)
    ]
    assert list(verify(root)) == []


def test_refused_problem_is_an_error_row_and_never_a_wrong_answer(evaluated, endpoint, root):
    endpoint.fault = lambda _, body: OVERFLOW if "What is 3 plus" in question(body) else None
    with pytest.raises(FlowIncomplete, match="4 of 40 explore, 2 of 20 synthesize") as failure:
        evaluated()
    assert "context_overflow" in str(failure.value)
    summary = failure.value.summary
    assert summary["status"] == "incomplete"
    assert summary["stages"]["explore"]["errors"] == 4
    assert summary["metrics"]["mean@1"]["n"] == 9, "the denominator shows it"
    assert asked(root, "select count(*) from samples where problem_id = 's3' and is_correct is not null") == [
        (0,)
    ]
    assert asked(root, "select distinct status, error_code from traces where problem_id = 's3'") == [
        ("error", "context_overflow")
    ]
    endpoint.fault = None
    endpoint.reset()
    assert evaluated()["status"] == "complete"
    assert endpoint.by_model == {"small": 4, "big": 2}, "only what failed is asked again"
    assert asked(
        root,
        "select count(*) from samples join runs using (run_id) where runs.status = 'complete' and error_code is not null",
    ) == [(0,)]


def test_withheld_answer_leaves_its_problem_with_fewer_references(evaluated, endpoint):
    withheld = {"choices": [{"index": 0, "message": {"content": ""}, "finish_reason": "content_filter"}]}
    seen = []

    def fault(_, body):
        if body["model"] == "small" and "What is 5 plus" in question(body) and not seen:
            seen.append(body)
            return withheld
        return None

    endpoint.fault = fault
    with pytest.raises(FlowIncomplete, match="content_filter"):
        evaluated()
    prompts = [
        question(b) for b in endpoint.requests if b["model"] == "big" and "What is 5 plus" in question(b)
    ]
    assert [prompt.count("So it is") for prompt in prompts] == [3, 3]


def test_endpoint_that_comes_back_is_waited_for(evaluated, endpoint):
    endpoint.latency = 0.05

    def outage():
        while len(endpoint.requests) < 20:
            time.sleep(0.01)
        endpoint.shut()
        time.sleep(1.0)
        endpoint.open()

    thread = threading.Thread(target=outage)
    thread.start()
    summary = evaluated(explorer__engine__patience_seconds=30.0, explorer__engine__retries=8)
    thread.join()
    assert summary["status"] == "complete"


def test_endpoint_gone_for_good_fails_the_flow_and_keeps_what_was_done(evaluated, endpoint, root):
    endpoint.latency = 0.02

    def outage():
        while len(endpoint.requests) < 20:
            time.sleep(0.005)
        endpoint.shut()

    thread = threading.Thread(target=outage)
    thread.start()
    with pytest.raises(FlowIncomplete, match="Run the same command again") as failure:
        evaluated(explorer__engine__retries=1)
    thread.join()
    assert "does not answer" in str(failure.value)
    kept = failure.value.summary["stages"]["explore"]["generated"]
    assert kept > 0
    endpoint.open()
    endpoint.reset()
    assert evaluated()["status"] == "complete"
    assert endpoint.by_model["small"] == 40 - kept
    assert list(verify(root)) == []


def test_flow_is_failed_for_prefect_too(prefect, experiment_data, endpoint, tmp_path):
    from configs.experiment import Experiment
    from flows.evaluate import evaluate

    endpoint.fault = lambda _, body: OVERFLOW if "What is 3 plus" in question(body) else None
    state = evaluate(Experiment.model_validate(experiment_data), str(tmp_path / "root"), return_state=True)
    assert state.is_failed()
    assert "Not made" in state.message and "All others are stored." in state.message


@pytest.mark.parametrize(
    ("overrides", "environment", "message"),
    [
        ({"explorer__engine__api_key_env": "A2R_TEST_KEY"}, {}, "A2R_TEST_KEY is not set"),
        ({"explorer__engine__base_url": "http://127.0.0.1:9/v1"}, {}, "does not answer"),
        ({"explorer__model": {"id": "smal"}}, {}, "does not serve smal; it serves small, big"),
        (
            {"explorer__engine__api_key_env": "A2R_TEST_KEY"},
            {"A2R_TEST_KEY": "sk-wrong"},
            "refuses the API key",
        ),
    ],
)
def test_engine_that_cannot_work_is_one_clear_error(
    evaluated, endpoint, monkeypatch, overrides, environment, message
):
    endpoint.key = "sk-right" if environment else None
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=message) as failure:
        evaluated(**overrides, explorer__engine__retries=0, synthesizer=None)
    assert "sk-wrong" not in str(failure.value)


def test_secret_reaches_no_file(evaluated, endpoint, monkeypatch, tmp_path):
    endpoint.key = "sk-very-secret-0123"
    monkeypatch.setenv("A2R_TEST_KEY", endpoint.key)
    evaluated(explorer__engine__api_key_env="A2R_TEST_KEY", synthesizer__engine__api_key_env="A2R_TEST_KEY")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if endpoint.key.encode() in path.read_bytes()]


def test_root_that_is_a_file(evaluated, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(
        UserError, match=r"taken/root cannot be written to: Not a directory; choose another with --root"
    ):
        evaluated(root=str(tmp_path / "taken" / "root"))


def test_references_are_decided_when_their_explorers_have_settled(evaluated, endpoint, root):
    """Samples that were refused for good exist at the next start: other references are then the first usable ones."""
    refused = lambda number, body: OVERFLOW if body["model"] == "small" and body["seed"] % 5 == 0 else None  # noqa: E731
    settings = {"explorer__sampling": {"n": 8, "max_tokens": 64}}
    endpoint.fault = refused
    with pytest.raises(FlowIncomplete):
        evaluated(**settings)
    lost = sum(1 for body in endpoint.requests if refused(0, body))
    endpoint.fault = None
    endpoint.reset()
    summary = evaluated(**settings)
    assert summary["status"] == "complete"
    assert {m["n"] for m in summary["metrics"].values()} == {10}, "every number is over all problems"
    assert endpoint.by_model["small"] == lost > 0
    undisturbed = evaluated(root=f"{root.root}-undisturbed", **settings)
    assert summary["metrics"] == undisturbed["metrics"]
