"""Logs of other tools: what each reader makes of real ones, of broken ones, and of plain rows."""

import json
import shutil
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs.schema import UserError
from tasks.benchmarks.problems import load_problems
from tasks.engines.replay.recorded_outputs import RecordedOutputs
from tasks.exchange.imports.detect import READERS, files_of, format_of
from tasks.exchange.imports.importing import import_log
from tasks.exchange.imports.samples import Judgement, Options, ReadReport, Sample
from warehouse.integrity import verify
from warehouse.store import Store

LOGS = Path(__file__).parents[1] / "data" / "logs"
LM_EVAL = LOGS / "lm_eval"
[EVAL] = (LOGS / "inspect").glob("*.eval")
[JSON] = (LOGS / "inspect").glob("*.json")


def taken(path, form=None, **options):
    files, report = files_of([path]), ReadReport()
    header, records = READERS[form or format_of(files)](files, Options(**options), report)
    records = list(records)
    samples = [record for record in records if isinstance(record, Sample)]
    return header, samples, [record for record in records if isinstance(record, Judgement)], report


def written(path, rows):
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


def test_lm_eval_log_gives_each_repeat_once_and_the_verdicts_of_the_first():
    header, samples, judgements, report = taken(LM_EVAL)
    assert (header.tool, header.task, header.model, header.version) == ("lm_eval", "sums", "small", "0.4.13")
    assert header.sampling == {"temperature": 0.6, "max_tokens": 256}
    assert len(samples) == 12 and {s.sample_index for s in samples} == {0, 1}
    assert (samples[2].problem_id, samples[2].question, samples[2].gold) == ("s1", "What is 1 plus 8 ?", "9")
    assert {j.scorer for j in judgements} == {"exact_match.first"}, "a vote is nobody's verdict"
    boxed = {s.problem_id: s for s in samples if s.sample_index == 0}
    for judgement in judgements:
        is_right = (
            f"\\boxed{{{boxed[judgement.problem_id].gold}}}" in boxed[judgement.problem_id].recorded.output
        )
        assert (judgement.sample_index, judgement.is_correct) == (0, is_right)
    assert header.results["exact_match.first"] == sum(j.is_correct for j in judgements) / 6
    assert report.num_broken == 0


def test_inspect_archive_compressed_with_zstandard_gives_what_the_log_knows():
    assert {entry.compress_type for entry in zipfile.ZipFile(EVAL).infolist()} == {93}
    header, samples, judgements, report = taken(EVAL)
    assert (header.tool, header.task, header.model, header.version) == (
        "inspect",
        "sums",
        "openai-api/local/small",
        "0.3.285",
    )
    assert header.sampling == {"temperature": 0.6, "max_tokens": 256}
    assert len(samples) == 12 and {s.sample_index for s in samples} == {0, 1}
    cut = [s for s in samples if s.recorded.finish_reason == "length"]
    assert cut and all(s.recorded.finish_reason == "stop" for s in samples if s not in cut)
    whole = next(s for s in samples if s not in cut)
    assert whole.recorded.reasoning.startswith("let me see") and whole.recorded.output.startswith(
        "So it is \\boxed{"
    )
    assert whole.recorded.num_completion_tokens == 25 and whole.recorded.num_prompt_tokens > 0
    assert whole.recorded.latency_seconds > 0 and whole.recorded.started_at.tzinfo is not None
    assert len(judgements) == 12 and {j.scorer for j in judgements} == {"match"}
    assert 0 < sum(j.is_correct for j in judgements) < 12
    assert report.num_broken == 0


def test_inspect_json_and_a_deflated_archive_read_the_same(tmp_path):
    _, samples, judgements, _ = taken(JSON)
    assert len(samples) == len(judgements) == 3
    log = json.loads(JSON.read_bytes())
    with zipfile.ZipFile(tmp_path / "log.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        for sample in log.pop("samples"):
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
        archive.writestr("_journal/start.json", json.dumps(log))
    assert taken(tmp_path / "log.eval")[1:3] == (samples, judgements)


def test_inspect_failures_choices_and_messages_are_told_as_they_are(tmp_path):
    log = json.loads(JSON.read_bytes())
    failed, chosen, chat = log["samples"]
    failed |= {"error": {"message": "refused"}, "output": {"choices": []}, "scores": {}}
    chosen |= {"choices": ["x", "y"], "target": ["B"]}
    chat["input"] = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "1+1?"}]
    chat["target"] = ["2", "two"]
    header, [failed, chosen, chat], judgements, _ = taken(written(tmp_path / "log.json", [log]))
    assert any("lists several answers" in note for note in header.notes)
    assert (failed.recorded.output, failed.recorded.error) == (None, "refused")
    assert chosen.question.endswith("A) x\nB) y") and chosen.gold == "B"
    assert (chat.question, chat.gold, chat.metadata["targets"]) == ("1+1?", "2", ["2", "two"])
    assert len(judgements) == 2, "a failure has no verdict"


def nemo(index, generation="so \\boxed{2}", **more):
    return {"problem": f"q{index}", "expected_answer": "2", "generation": generation, **more}


def test_nemo_skills_seeds_are_samples_in_order(tmp_path):
    for seed in (10, 2):
        rows = [nemo(i, f"seed {seed}", num_generated_tokens=seed, finish_reason="length") for i in range(3)]
        written(tmp_path / f"output-rs{seed}.jsonl", rows)
    header, samples, _, _ = taken(tmp_path)
    assert header.tool == "nemo_skills" and len(samples) == 6
    assert [(s.problem_id, s.sample_index, s.recorded.output) for s in samples[::3]] == [
        ("0", 0, "seed 2"),
        ("0", 1, "seed 10"),
    ]
    assert (samples[0].recorded.num_completion_tokens, samples[0].recorded.finish_reason) == (2, "length")


def test_nemo_skills_verdicts_and_reasoning(tmp_path):
    row = nemo(
        0, "cut", _full_generation="<think>a</think>cut", symbolic_correct=True, judgement="Judgement: No"
    )
    _, [sample], judgements, _ = taken(written(tmp_path / "output.jsonl", [row | {"predicted_answer": "2"}]))
    assert sample.recorded.output == "<think>a</think>cut" and sample.metadata == {}
    assert [(j.scorer, j.is_correct, j.extracted) for j in judgements] == [
        ("symbolic_correct", True, "2"),
        ("judgement", False, "2"),
    ]


ROW = {
    "question": "1+1?",
    "answer": 2.0,
    "outputs": ["2", "3"],
    "ok": [True, False],
    "reward": [[0.9], 0.1],
    "level": 1,
}


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_plain_rows(tmp_path, form):
    path = tmp_path / f"rows.{form}"
    row = ROW if form == "jsonl" else ROW | {"reward": [0.9, 0.1]}
    rows = [row, row | {"question": "2+2?", "outputs": ["4", None]}]
    written(path, rows) if form == "jsonl" else pq.write_table(pa.Table.from_pylist(rows), path)
    header, samples, judgements, _ = taken(path, verdict="ok", scores="reward")
    assert header.tool == "rows"
    assert [(s.problem_id, s.sample_index, s.recorded.output, s.recorded.score) for s in samples] == [
        ("0", 0, "2", 0.9),
        ("0", 1, "3", 0.1),
        ("1", 0, "4", 0.9),
        ("1", 1, None, 0.1),
    ]
    assert (samples[0].gold, samples[0].metadata) == ("2", {"level": 1})
    assert [j.is_correct for j in judgements] == [True, False, True, False]


def test_broken_lines_are_told_by_file_line_and_field_and_the_rest_is_taken(tmp_path):
    rows = [ROW, "{cut\n", ROW | {"answer": None}, "[1]\n", ROW | {"ok": [True]}, ROW, '{"question": "half']
    _, samples, _, report = taken(written(tmp_path / "rows.jsonl", rows), verdict="ok")
    assert len(samples) == 4 and report.num_broken == 5
    for number, reason in zip(
        (2, 3, 4, 5, 7),
        ("not JSON", "gold answer in answer", "list", "1 values in ok", "cut off"),
        strict=True,
    ):
        assert any(f"line {number} " in text and reason in text for text in report.breaks), report.breaks


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "", "convert it, or say what it is with --format"),
        ("a.jsonl", "", "has no rows"),
        (
            "a.jsonl",
            '{"foo": 1}',
            "no column that is known to hold the question; it has: foo. Name it with --question",
        ),
        ("a.eval", "no zip", "not a readable archive"),
        ("a.json", "{}", "has no field eval"),
        ("a.json", "{", "is not JSON"),
        ("samples_x.jsonl", '{"doc_id": 0}', "no column that is known"),
        (
            "a.jsonl",
            '{"doc_id": 0, "doc": {"question": "q"}, "target": "1", "resps": [[["-1.5", "False"]]]}',
            "Only tasks of output_type generate_until",
        ),
    ],
)
def test_what_cannot_be_imported_is_told_with_the_next_step(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        import_log([tmp_path / name], str(tmp_path / "root"), Options())


def test_a_format_that_was_named_wrongly_is_told(tmp_path):
    path = written(tmp_path / "rows.jsonl", [ROW])
    for form, message in (
        ("lm_eval", "no line with doc_id"),
        ("nemo_skills", "no outputs"),
        ("inspect", "no field eval"),
    ):
        with pytest.raises(UserError, match=message):
            import_log([path], str(tmp_path / "root"), Options(), log_format=form)


def test_folders_without_or_with_several_logs_are_told(tmp_path):
    with pytest.raises(UserError, match="holds no log"):
        files_of([tmp_path])
    shutil.copy(EVAL, tmp_path / "a.eval")
    shutil.copy(EVAL, tmp_path / "b.eval")
    with pytest.raises(UserError, match="holds 2 logs"):
        files_of([tmp_path])


def files(root):
    return {path: path.read_bytes() for path in Path(root).rglob("*") if path.is_file()}


def test_importing_twice_changes_nothing_and_the_recording_proves_itself(tmp_path):
    root = str(tmp_path / "root")
    first = import_log([EVAL], root, Options())
    before = files(root)
    again = import_log([EVAL], root, Options())
    assert files(root) == before
    assert first.recording.is_new and not again.recording.is_new
    assert again.experiment == first.experiment
    assert not list(verify(Store(root)))
    [problems] = first.recording.folder.glob("*.jsonl")
    problems.write_text(problems.read_text().replace('"gold":"9"', '"gold":"8"'))
    assert [damage.kind for damage in verify(Store(root))] == ["checksum"]


def test_recorded_outputs_are_sorted_and_found_by_question(tmp_path):
    rows = [{"question": f"q{i % 700}?", "answer": "1", "output": f"{i}"} for i in range(2100)]
    imported = import_log([written(tmp_path / "rows.jsonl", rows)], str(tmp_path / "root"), Options())
    engine = imported.experiment.explorer.engine
    assert pq.ParquetFile(engine.path).num_row_groups > 4
    recorded = RecordedOutputs(engine)
    for i in (0, 3, 699):
        assert [r.output for r in recorded.of(f"q{i}?")] == [f"{i + 700 * k}" for k in range(3)]
    assert recorded.of("unknown") == []
    assert imported.experiment.explorer.sampling.n == 3


def test_problems_that_share_a_question_or_an_id_are_told(tmp_path):
    rows = [{"id": i, "question": q, "answer": "1", "output": "x"} for i, q in enumerate(["a", "b", "a"])]
    imported = import_log([written(tmp_path / "rows.jsonl", rows)], str(tmp_path / "root"), Options())
    assert (imported.recording.num_shared, imported.recording.num_outputs) == (1, 2)
    rows = [{"id": 1, "question": q, "answer": "1", "output": "x"} for q in "ab"]
    imported = import_log([written(tmp_path / "rows.jsonl", rows)], str(tmp_path / "root"), Options())
    assert imported.report.num_broken == 1 and "unique ids with --id" in imported.report.breaks[0]


def test_gold_behind_a_mark_is_found_in_gsm8k_logs(tmp_path):
    row = {"doc_id": 0, "doc": {"question": "q", "answer": "so\n#### 1,234"}, "resps": [["1234"]]}
    path = written(tmp_path / "samples.jsonl", [row | {"target": "so\n#### 1,234", "exact_match": 1.0}])
    header, [sample], [judgement], _ = taken(path)
    assert sample.gold == "1234" and judgement.is_correct
    assert any("####" in note for note in header.notes)


def lm_line(doc_id, question, outputs=("x",), **more):
    doc = {"question": question, "answer": "2"} | more.pop("doc", {})
    return {"doc_id": doc_id, "doc": doc, "target": "2", "resps": [list(outputs)], "exact_match": 1.0, **more}


def test_lm_eval_documents_that_share_an_id_stay_apart_under_every_filter(tmp_path):
    lines = [
        lm_line(i, f"q{i}", [f"o{i}"], doc={"id": 5}, filter=name)
        for name in ("none", "flexible")
        for i in range(3)
    ]
    _, samples, judgements, report = taken(written(tmp_path / "samples.jsonl", lines))
    assert [(s.problem_id, s.question, s.recorded.output) for s in samples] == [
        ("5", "q0", "o0"),
        ("5-1", "q1", "o1"),
        ("5-2", "q2", "o2"),
    ]
    assert sorted((j.problem_id, j.scorer) for j in judgements) == sorted(
        (name, scorer) for name in ("5", "5-1", "5-2") for scorer in ("exact_match", "exact_match.flexible")
    )
    assert report.num_broken == 0


def test_lm_eval_lines_that_contradict_others_are_told_and_the_rest_is_taken(tmp_path):
    lines = [
        lm_line(0, "q0", ["a"], filter="none"),
        lm_line(0, "q0", ["b"], filter="flexible"),
        lm_line(0, "q0", ["a"], filter="none"),
        lm_line(1, "q1", [], filter="none"),
        lm_line(2, "q2", [{"text": "x"}], filter="none"),
        lm_line(3, "q3", ["a", None, "c"], filter="none"),
        lm_line(4, "q4", [None], filter="none"),
    ]
    _, samples, judgements, report = taken(written(tmp_path / "samples.jsonl", lines))
    assert [(s.problem_id, s.recorded.output) for s in samples] == [
        ("0", "a"),
        ("3", "a"),
        ("3", None),
        ("3", "c"),
        ("4", None),
    ]
    assert [j.problem_id for j in judgements] == ["0", "3"], "a missing output has no verdict"
    for number, reason in (
        (2, "other outputs"),
        (3, "repeats document 0"),
        (4, "no outputs"),
        (5, "not text"),
    ):
        assert any(f"line {number} " in text and reason in text for text in report.breaks), report.breaks


def test_inspect_samples_that_cannot_be_read_are_told_and_the_rest_is_taken(tmp_path):
    log = json.loads(JSON.read_bytes())
    first, second, third = log["samples"]
    second["scores"] = {"match": None, "other": {"value": float("nan")}}
    log["samples"] += ["no sample", first | {"target": []}, third]
    log["results"] = {"scores": [{"name": "m", "metrics": {"a": {"value": float("nan")}, "b": {"value": 1}}}]}
    imported = import_log([written(tmp_path / "log.json", [log])], str(tmp_path / "root"), Options())
    assert imported.recording.num_outputs == 3 and imported.report.num_broken == 3
    assert imported.header.results == {"m.b": 1.0}
    for reason in ("sample 4 is str", "sample 5 has no gold answer", "has sample 1 twice"):
        assert any(reason in text for text in imported.report.breaks), imported.report.breaks
    [(num_verdicts, _)] = imported.judged.values()
    assert num_verdicts == 2, "of the second there is none, of the repeated one the first counts"


def test_encrypted_reasoning_is_not_taken_for_text(tmp_path):
    log = json.loads(JSON.read_bytes())
    redacted = {"type": "reasoning", "reasoning": "QUJD", "redacted": True}
    parts = [
        [redacted, {"type": "text", "text": "a"}],
        [redacted | {"summary": "Added."}, redacted, {"type": "text", "text": "b"}],
        [{"type": "reasoning", "reasoning": "", "summary": "Short."}, {"type": "text", "text": "c"}],
    ]
    for sample, content in zip(log["samples"], parts, strict=True):
        sample["output"]["choices"][0]["message"]["content"] = content
    _, samples, _, _ = taken(written(tmp_path / "log.json", [log]))
    assert [(s.recorded.reasoning, s.recorded.output) for s in samples] == [
        (None, "a"),
        ("Added.\n", "b"),
        ("Short.", "c"),
    ]


@pytest.mark.parametrize("cut", ['{"problem": "q1", "expec\n', "\n", ""])
def test_a_cut_or_lost_line_of_a_seed_moves_no_other(tmp_path, cut):
    written(tmp_path / "output-rs0.jsonl", [cut, *(nemo(i, f"a{i}") for i in (0, 2, 3))])
    written(tmp_path / "output-rs1.jsonl", [nemo(i, f"b{i}") for i in range(4)])
    imported = import_log([tmp_path], str(tmp_path / "root"), Options())
    recorded = RecordedOutputs(imported.experiment.explorer.engine)
    assert [[r.output for r in recorded.of(f"q{i}")] for i in range(4)] == [
        ["a0", "b0"],
        ["b1"],
        ["a2", "b2"],
        ["a3", "b3"],
    ]
    assert imported.report.num_broken == bool(cut.strip())


def test_a_question_that_a_nemo_skills_file_repeats_is_another_problem_and_a_null_a_failure(tmp_path):
    for seed in range(2):
        rows = [nemo(0), nemo(1, None, symbolic_correct=False), nemo(0)]
        written(tmp_path / f"output-rs{seed}.jsonl", rows)
    _, samples, judgements, report = taken(tmp_path)
    assert [(s.problem_id, s.recorded.output is None) for s in samples[3:]] == [
        ("0", False),
        ("1", True),
        ("2", False),
    ]
    assert not judgements and report.num_broken == 0


def numbered(questions, golds=None):
    return [
        {"idx": i, "question": q, "answer": (golds or {}).get(i, "1"), "output": f"o{i}"}
        for i, q in enumerate(questions)
    ]


def test_rows_that_are_numbered_one_by_one_are_samples_of_their_questions(tmp_path):
    rows = numbered(["a", "b", "c"] * 4)
    imported = import_log([written(tmp_path / "rows.jsonl", rows)], str(tmp_path / "root"), Options())
    recording = imported.recording
    assert (len(recording.problems), recording.num_outputs, recording.num_samples) == (3, 12, 4)
    recorded = RecordedOutputs(imported.experiment.explorer.engine)
    assert [r.output for r in recorded.of("b")] == ["o1", "o4", "o7", "o10"]
    assert any("numbers the rows" in note for note in imported.header.notes)


def test_a_question_with_two_gold_answers_has_the_outputs_of_one_and_the_others_are_named(tmp_path):
    rows = numbered(["a", "b", "a", "a"], {2: "7"})
    rows[3]["idx"] = rows[0]["idx"]
    path = written(tmp_path / "rows.jsonl", [row | {"ok": True} for row in rows])
    imported = import_log([path], str(tmp_path / "root"), Options(verdict="ok"))
    assert (len(imported.recording.problems), imported.recording.num_outputs) == (2, 3)
    assert imported.report.num_broken == 1 and imported.judged == {"rows-ok": (3, 3)}
    assert (
        "line 3: problem 2 has the gold answer '7', where an earlier line has '1'"
        in imported.report.breaks[0]
    )


def test_problems_that_repeat_a_question_are_named(tmp_path):
    rows = numbered(["a", "b", "c", "a"])
    imported = import_log([written(tmp_path / "rows.jsonl", rows)], str(tmp_path / "root"), Options())
    assert imported.recording.num_shared == 1
    assert imported.report.num_broken == 1
    assert "line 4: problem 3 repeats the question of problem 0" in imported.report.breaks[0]


def test_rows_without_outputs_or_with_a_conversation_are_told(tmp_path):
    chat = [{"role": "user", "content": "2+2?"}]
    rows = [
        ROW,
        ROW | {"outputs": [float("nan"), "x"], "ok": None},
        ROW | {"outputs": []},
        ROW | {"question": chat},
        ROW | {"question": [*chat, {"role": "assistant", "content": "4"}, *chat]},
        ROW | {"answer": ["1", "2"]},
    ]
    _, samples, _, report = taken(written(tmp_path / "rows.jsonl", rows))
    assert [s.question for s in samples[::2]] == ["1+1?", "1+1?", "2+2?"] and samples[
        2
    ].recorded.output is None
    for number, reason in ((3, "no outputs in outputs"), (5, "has a chat"), (6, "has 2 answers (1, 2)")):
        assert any(f"line {number} " in text and reason in text for text in report.breaks), report.breaks


@pytest.mark.parametrize("form", ["lm_eval", "inspect", "nemo_skills", "rows"])
def test_a_byte_order_mark_and_numbers_of_any_length_are_read_in_every_format(tmp_path, form):
    gold, unread = "92233720368547758079", '"unread": NaN, "long": 1' + 30 * "0"
    row = {
        "lm_eval": f'"doc_id": 0, "doc": {{"question": "q", {unread}}}, "target": {gold}, "resps": [["x"]]',
        "nemo_skills": f'"problem": "q", "expected_answer": {gold}, "generation": "x", {unread}',
        "rows": f'"question": "q", "answer": {gold}, "output": "x", {unread}',
        "inspect": f'"eval": {{}}, "samples": [{{"id": 1, "epoch": 1, "input": "q", "target": {gold}, "metadata": '
        f'{{{unread}}}, "output": {{"choices": [{{"message": {{"content": "x"}}}}]}}}}]',
    }[form]
    path = tmp_path / ("log.json" if form == "inspect" else "log.jsonl")
    path.write_bytes(b"\xef\xbb\xbf" + f"{{{row}}}\n".encode())
    imported = import_log([path], str(tmp_path / "root"), Options())
    assert imported.header.tool == form and imported.recording.num_outputs == 1
    [problem] = load_problems(imported.experiment.benchmark)
    assert (problem.question, problem.gold) == ("q", gold)
    assert json.loads(problem.metadata)["long"] == "1" + 30 * "0"
