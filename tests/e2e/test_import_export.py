"""Round trips: real logs of other tools in, graded, compared, synthesized from; runs out, in every format."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from endpoints.scripted import ScriptedEndpoint

from configs.experiment import Experiment
from configs.loading import load_experiment
from configs.schema import UserError
from tasks.analysis.compare import Comparison, changes_of
from tasks.exchange.exports.exporting import ExportRequest, export_run
from tasks.exchange.imports.importing import import_log
from tasks.exchange.imports.outcome import recorded, run_of
from tasks.exchange.imports.samples import Options
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
        return recorded(found, root) or run_of(found, evaluate)(experiment=found.experiment, root=root)

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
        asked_of = [Comparison((before["run_id"],), after["run_id"])]
        compared = {change.metric: change for change in changes_of(catalog, asked_of)}
    change = after["metrics"]["mean@1"]["estimate"] - before["metrics"]["mean@1"]["estimate"]
    assert compared["mean@1"].change == pytest.approx(change)
    assert compared["mean@1"].num_problems == 6
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


def right_or_wrong(prompt, seed):
    """An answer to the sum in a prompt of either stage, right for two seeds in three."""
    total = sum(map(int, re.search(r"What is (\d+) plus (\d+)", prompt).groups()))
    return f"<think>let me see {seed}</think>So it is \\boxed{{{total + (seed % 3 == 0)}}}."


@pytest.fixture(scope="module")
def finished(prefect, tmp_path_factory):
    """A finished run with a synthesizer: its root, its summary, what its endpoint was asked and where that was."""
    from flows.evaluate import evaluate

    folder = tmp_path_factory.mktemp("finished")
    rows = [
        {"id": f"s{i}", "question": f"What is {i} plus {7 * i + 1} ?", "answer": str(8 * i + 1)}
        for i in range(10)
    ]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with ScriptedEndpoint(answer=right_or_wrong) as endpoint:
        engine = {"kind": "openai", "base_url": endpoint.base_url, "samples_per_request": 1}
        data = {
            "name": "sums",
            "benchmark": {"source": "file", "path": str(folder / "sums.jsonl"), "id": "id"},
            "explorer": {"model": {"id": "small"}, "engine": engine, "sampling": {"n": 4}},
            "synthesizer": {"model": {"id": "big"}, "engine": engine, "sampling": {"n": 2}},
        }
        root = folder / "root"
        summary = evaluate(Experiment.model_validate(data), str(root))
        return root, summary, endpoint.requests, endpoint.port


@pytest.fixture
def exported(finished, tmp_path):
    """Export that run."""

    def run(form, name="out", force=False, **request):
        target = tmp_path / name
        export_run(
            finished[1]["run_id"], target, str(finished[0]), ExportRequest(form, **request), force=force
        )
        return target

    return run


def rows(folder):
    return [row for file in sorted(folder.rglob("*.parquet")) for row in pq.read_table(file).to_pylist()]


def loaded(folder, *config, split, monkeypatch, tmp_path):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    return datasets.load_dataset(str(folder), *config, split=split, cache_dir=str(tmp_path / "cache"))


def test_exported_data_set_loads_offline_with_every_trace(exported, finished, monkeypatch, tmp_path):
    folder = exported("hf")
    for stage, count in (("explore", 40), ("synthesize", 20)):
        split = loaded(folder, "traces", split=stage, monkeypatch=monkeypatch, tmp_path=tmp_path)
        assert len(split) == count and set(split["stage"]) == {stage}
        mean = sum(split["is_correct"]) / count
        metric = {"explore": "mean@1", "synthesize": "a2r"}[stage]
        assert mean == pytest.approx(finished[1]["metrics"][metric]["estimate"])
    problems = loaded(folder, "problems", split="test", monkeypatch=monkeypatch, tmp_path=tmp_path)
    assert len(problems) == 10 and problems[0]["num_explored"] == 4


def test_training_prompts_are_what_the_endpoint_was_sent(exported, finished):
    sent = {body["messages"][-1]["content"] for body in finished[2] if body["model"] == "big"}
    prompts = rows(exported("trl-grpo", "grpo"))
    assert {row["prompt"][-1]["content"] for row in prompts} == sent and len(prompts) == 10
    for row in prompts:
        assert [r["role"] for r in row["prompt"]] == ["user"]
        places = [row["prompt"][0]["content"].index(r["answer"]) for r in row["references"]]
        assert len(places) == 4 and row["question"] in row["prompt"][0]["content"]
        assert row["num_correct_references"] == sum(r["verdict"] == "correct" for r in row["references"])
    explorer = rows(exported("trl-sft", "explorer", stage="explore", only_correct=True))
    asked = {body["messages"][-1]["content"] for body in finished[2] if body["model"] == "small"}
    assert {row["prompt"][0]["content"] for row in explorer} <= asked
    assert all(row["references"] == [] and row["verdict"] == "correct" for row in explorer)


def test_training_layouts_of_trl_and_verl(exported, finished):
    summary = finished[1]
    right = round(summary["metrics"]["a2r"]["estimate"] * 20)
    sft = rows(exported("trl-sft", "sft", only_correct=True))
    assert len(sft) == right and {row["verdict"] for row in sft} == {"correct"}
    assert len(rows(exported("trl-sft", "all"))) == 20
    [told] = {tuple(turn["role"] for turn in row["prompt"] + row["completion"]) for row in sft}
    assert told == ("user", "assistant")
    assert all(row["completion"][0]["content"].startswith("<think>\nlet me see") for row in sft)
    pairs = rows(exported("trl-dpo", "dpo"))
    assert pairs
    for row in pairs:
        chosen, rejected = row["chosen"][0]["content"], row["rejected"][0]["content"]
        assert f"\\boxed{{{row['solution']}}}" in chosen and f"\\boxed{{{row['solution']}}}" not in rejected
    verl = rows(exported("verl", "verl", data_source="math_dapo"))
    assert [row["extra_info"]["index"] for row in verl] == list(range(10))
    assert list(verl[0]) == ["data_source", "prompt", "ability", "reward_model", "extra_info"]
    assert verl[0]["data_source"] == "math_dapo" and verl[0]["reward_model"]["style"] == "rule"
    assert {row["extra_info"]["problem_id"]: row["reward_model"]["ground_truth"] for row in verl} == {
        f"s{i}": str(8 * i + 1) for i in range(10)
    }


def test_exports_are_equal_atomic_and_replace_only_exports(exported, tmp_path, monkeypatch):
    def bytes_of(folder):
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    first = bytes_of(exported("parquet"))
    assert set(map(str, first)) == {"traces.parquet", "problems.parquet", "export.json"}
    with pytest.raises(UserError, match="--force"):
        exported("parquet")
    assert bytes_of(exported("parquet", force=True)) == first == bytes_of(exported("parquet", "again"))
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="not an export of a2r"):
        exported("parquet", "mine", force=True)
    with pytest.raises(UserError, match="prompts of its own"):
        exported("trl-sft", "bad", prompt="synthesize")
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp") or path.name == "bad"]
    told = (exported("csv", "csv") / "traces.csv").read_text()
    assert told.count("explore") == 40 and "let me see" in told


def test_golds_are_exported_as_rewards_read_them_and_encrypted_reasoning_is_not(imported, tmp_path):
    root = str(tmp_path / "root")
    told = {"id": 1, "epoch": 1, "input": "Expand.", "target": "x^3-2x"}
    hidden = {"type": "reasoning", "reasoning": "QUJDREVGR0g=", "redacted": True}
    content = [hidden, {"type": "text", "text": "\\boxed{x^3-2x}"}]
    told["output"] = {"choices": [{"message": {"content": content}, "stop_reason": "stop"}]}
    log = tmp_path / "log.json"
    log.write_text(json.dumps({"eval": {"task": "t", "model": "m"}, "samples": [told]}))
    run_id = imported(log)["run_id"]
    for form, column in (("trl-grpo", "$x^3-2x$"), ("verl", "x^3-2x"), ("trl-sft", "$x^3-2x$")):
        export_run(run_id, tmp_path / form, root, ExportRequest(form, stage="explore"))
        [row] = rows(tmp_path / form)
        assert row.get("solution", row.get("reward_model", {}).get("ground_truth")) == column
        assert "QUJD" not in str(row)
    with pytest.raises(
        UserError, match=r"explorer\.sampling\.n is 1, so no problem has both a right and a wrong"
    ):
        export_run(run_id, tmp_path / "dpo", root, ExportRequest("trl-dpo", stage="explore"))


def test_a_changed_prompt_is_not_exported_as_if_it_had_been_sent(experiment_data, prefect, tmp_path):
    from flows.evaluate import evaluate

    prompt = tmp_path / "mine.jinja"
    prompt.write_text("{% block user %}{{ question }}{% endblock %}")
    experiment_data["explorer"]["prompt"] = str(prompt)
    del experiment_data["synthesizer"]
    root = str(tmp_path / "root")
    run_id = evaluate(Experiment.model_validate(experiment_data), root)["run_id"]
    request = ExportRequest("trl-sft", stage="explore")
    export_run(run_id, tmp_path / "before", root, request, force=False)
    prompt.write_text("{% block user %}Think. {{ question }}{% endblock %}")
    with pytest.raises(UserError, match="has changed since"):
        export_run(run_id, tmp_path / "after", root, request, force=False)
    export_run(run_id, tmp_path / "new", root, ExportRequest("verl", num_references=3), force=False)
    assert {len(row["extra_info"]["references"]) for row in rows(tmp_path / "new")} == {3}


def test_no_secret_address_or_path_is_exported(exported, finished, tmp_path):
    for form in ("parquet", "csv", "hf", "trl-sft", "trl-grpo", "verl"):
        for path in exported(form, form).rglob("*"):
            if path.suffix in {".md", ".json", ".csv"}:
                held = path.read_text()
            elif path.suffix == ".parquet":
                held = str(pq.read_table(path).to_pylist()) + str(pq.read_metadata(path).metadata)
            else:
                continue
            for secret in (f":{finished[3]}", "127.0.0.1", str(finished[0].parent), str(tmp_path)):
                assert secret not in held, f"{secret} in {path}"
