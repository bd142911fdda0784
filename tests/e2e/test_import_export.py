"""Round trips: real logs of other tools in, graded, compared, synthesized from."""

from pathlib import Path

import pytest

from configs.loading import load_experiment
from tasks.compare import differences
from tasks.imports.importing import import_log
from tasks.imports.outcome import run_of
from tasks.imports.samples import Options
from warehouse.catalog import connect
from warehouse.integrity import verify
from warehouse.store import Store

LOGS = Path(__file__).parents[1] / "data" / "logs"
LM_EVAL = LOGS / "lm_eval"
[EVAL] = (LOGS / "inspect").glob("*.eval")


@pytest.fixture
def imported(prefect, tmp_path):
    """Import a log into one root and return its summary, as `a2r import` does."""
    from flows.evaluate import evaluate

    def run(path, root=str(tmp_path / "root"), **options):
        found = import_log([path], root, Options(**options))
        return run_of(found, evaluate, root)(experiment=found.experiment, root=root)

    return run


def asked(root, query, values=()):
    with connect(Store(str(root))) as catalog:
        return catalog.execute(query, list(values)).fetchall()


def test_real_logs_are_graded_and_compared_and_disagreements_are_one_query(imported, tmp_path):
    root = tmp_path / "root"
    before, after = imported(LM_EVAL), imported(EVAL)
    assert before["status"] == after["status"] == "complete"
    assert before["stages"]["explore"]["generated"] == after["stages"]["explore"]["generated"] == 12
    assert after["stages"]["explore"]["truncated"] > 0 and after["stages"]["explore"]["tokens"] > 300
    assert set(before["metrics"]) == {"mean@1", "cons@2", "pass@2"}
    with connect(Store(str(root))) as catalog:
        compared = {row["metric"]: row for row in differences(catalog, before["run_id"], after["run_id"])}
    change = after["metrics"]["mean@1"]["estimate"] - before["metrics"]["mean@1"]["estimate"]
    assert compared["mean@1"]["change"] == pytest.approx(change)
    assert compared["mean@1"]["num_problems"] == 6
    query = (
        "select ours.verdict, log.is_correct, count(*) from grades as log join grades as ours using (trace_id) "
        "where log.grader = ? and ours.grader like 'math-%' group by all"
    )
    told = {grader: asked(root, query, [grader]) for grader in ("lm_eval-exact_match.first", "inspect-match")}
    assert {(verdict, right) for verdict, right, _ in told["lm_eval-exact_match.first"]} <= {
        ("correct", True),
        ("wrong", False),
        ("no_answer", False),
        ("truncated", False),
    }
    assert sum(count for *_, count in told["inspect-match"]) == 12
    [(seeds, latency)] = asked(
        root, "select count(seed), min(latency_seconds) from traces where finish_reason is not null"
    )
    assert seeds == 0 and latency > 0
    assert not list(verify(Store(str(root))))


def test_importing_again_makes_no_second_run(imported, tmp_path):
    first, again = imported(EVAL), imported(EVAL)
    assert again["run_id"] == first["run_id"] and again["metrics"] == first["metrics"]
    assert asked(tmp_path / "root", "select count(*) from runs") == [(1,)]


def test_broken_lines_make_the_import_incomplete(imported, tmp_path):
    log = tmp_path / LM_EVAL.name
    [samples] = LM_EVAL.rglob("samples_*.jsonl")
    log.mkdir()
    (log / samples.name).write_text(samples.read_text() + '{"doc_id": 7, "doc":')
    summary = imported(log)
    assert summary["status"] == "incomplete" and summary["import"]["broken_lines"] == 1
    assert summary["stages"]["explore"]["generated"] == 12


def test_a_synthesizer_reads_imported_outputs_and_only_it_is_asked(imported, endpoint, tmp_path):
    from flows.evaluate import evaluate

    told = imported(EVAL)["import"]
    path = Path(told["experiment_file"])
    path.write_text(
        path.read_text()
        + "\nsynthesizer:\n  model: {id: big}\n"
        + f"  engine: {{kind: openai, base_url: '{endpoint.base_url}', samples_per_request: 1}}\n"
        + "  references: {count: 2, truncated: keep}\n  sampling: {n: 1}\n"
    )
    root = str(tmp_path / "root")
    summary = evaluate(load_experiment(str(path)), root)
    assert summary["stages"]["explore"] | {"generated": 0, "reused": 12} == summary["stages"]["explore"]
    assert summary["stages"]["synthesize"]["generated"] == 6
    assert endpoint.by_model == {"big": 6}
    prompts = [body["messages"][-1]["content"] for body in endpoint.requests]
    assert all("So it is" in prompt or "Reference 2" in prompt for prompt in prompts)
    assert not list(verify(Store(root))), "an experiment file may be edited"
