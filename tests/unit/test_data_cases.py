"""Files of real tools in which a gold answer, a sample or an output was once altered or lost on its way in or out."""

import json
from pathlib import Path

import pytest

from configs.engines import ReplaySettings
from configs.experiment import FileBenchmark
from configs.schema import UserError
from tasks.benchmarks.load import load_problems
from tasks.engines.replay.recordings import RecordedOutputs
from tasks.exchange.imports.importing import import_log
from tasks.exchange.imports.samples import Options

CASES = Path(__file__).parents[1] / "cases"
ALL = [json.loads(line) for line in (CASES / "data.jsonl").read_text().splitlines()]


def of(read):
    return [pytest.param(case, id=case["kind"]) for case in ALL if case["read"] == read]


@pytest.mark.parametrize("case", of("benchmark"))
def test_a_benchmark_keeps_its_questions_and_gold_answers(case):
    benchmark = FileBenchmark(source="file", path=str(CASES / "files" / case["file"]), **case["settings"])
    expected = case["expected"]
    if "error" in expected:
        with pytest.raises(UserError, match=expected["error"]):
            load_problems(benchmark)
        return
    [problem] = load_problems(benchmark)
    assert {name: getattr(problem, name) for name in expected} == expected


@pytest.mark.parametrize("case", of("import"))
def test_an_import_keeps_every_sample_or_names_it(case, tmp_path):
    expected = case["expected"]
    log = CASES / "files" / case["file"]
    if "error" in expected:
        with pytest.raises(UserError, match=expected["error"]):
            import_log([log], str(tmp_path), Options())
        return
    imported = import_log([log], str(tmp_path), Options())
    facts, report, engine = imported.facts(), imported.report, imported.experiment.explorer.engine
    assert isinstance(engine, ReplaySettings)
    found = {
        "problems": facts["problems"],
        "outputs": facts["outputs"],
        "failed": facts["failed"],
        "broken": report.num_broken,
        "verdicts": {name: list(counts) for name, counts in imported.judged.items()},
        "told": " ".join(report.breaks),
        "reasoning": [
            recorded.reasoning
            for problem in load_problems(imported.experiment.benchmark)
            for recorded in RecordedOutputs(engine).of(problem.question)
        ],
    }
    assert expected.pop("told", "") in found.pop("told")
    assert {name: found[name] for name in expected} == expected
