"""Suites in experiment files: which benchmarks they hold, their problems, and what is wrong with them."""

import json

import pytest
from typer.testing import CliRunner

from configs.experiment import Experiment
from configs.loading import load_experiment
from configs.schema import UserError
from flows.cli import app
from tasks.analysis.check import check_experiment
from tasks.benchmarks.problems import load_problems
from warehouse.kept_rows import keep_rows
from warehouse.store import Store

HEAD = "name: mine\nbase: quickstart\nbenchmark: {source: suite, of: %s}\n"


@pytest.fixture
def suite(tmp_path):
    """Load an experiment over a suite of these benchmarks, from a folder with a file `sums.jsonl`."""
    rows = [{"id": f"s{i}", "question": f"{i}+1?", "answer": str(i + 1)} for i in range(4)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "copy.jsonl").write_text(json.dumps(rows[2] | {"id": "c"}))

    def load(of, *overrides):
        file = tmp_path / "mine.yaml"
        file.write_text(HEAD % of)
        return load_experiment(str(file), overrides)

    return load


def test_presets_files_and_settings_stand_side_by_side(suite, tmp_path):
    (tmp_path / "theirs.yaml").write_text(
        "name: theirs\nbase: quickstart\nbenchmark: {source: file, path: ./sums.jsonl, id: id}\n"
    )
    settings = "{source: hf, path: org/Their-Set, split: test, revision: abc}"
    made = suite(f"[aime24, theirs.yaml, {settings}, {{source: generated, count: 3}}]").benchmark
    assert list(made.of) == ["aime24", "theirs", "Their-Set", "3"]
    assert made.of["aime24"] == load_experiment("aime24").benchmark
    assert made.of["theirs"].path == str(tmp_path / "sums.jsonl")
    again = Experiment.model_validate(suite("[aime24, aime25]").model_dump(mode="json"))
    assert list(again.benchmark.of) == ["aime24", "aime25"], "as a run has it on record"
    named = suite("{a: aime24, b: {source: file, path: sums.jsonl}}").benchmark
    assert (list(named.of), named.of["b"].path) == (["a", "b"], str(tmp_path / "sums.jsonl"))
    assert list(suite("[aime24, aime25]", "benchmark.of.1=beyond-aime").benchmark.of)[1] == "beyond-aime"


def test_problems_are_those_of_the_benchmarks_alone_under_their_name(suite):
    made = suite(
        "[{source: generated, family: sum3, count: 3}, {source: file, path: sums.jsonl, id: id}]"
    ).benchmark
    problems = load_problems(made)
    alone = [problem for member in made.of.values() for problem in load_problems(member)]
    assert [p.problem_digest for p in problems] == [p.problem_digest for p in alone]
    assert [p.gold for p in problems] == [p.gold for p in alone]
    assert [p.problem_id for p in problems[2:5]] == ["sum3/sum3-0-0002", "sums/s0", "sums/s1"]
    assert {p.benchmark for p in problems} == {"sum3 + sums"}
    limited = [p.problem_id for p in load_problems(made, 1)]
    assert limited == ["sum3/sum3-0-0000", "sums/s0"], "of each benchmark"


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (
            "[aime42, aime25]",
            "mine.yaml: benchmark.of: aime42 is not a preset; did you mean aime2",
        ),
        (
            "[aime24]",
            "mine.yaml: benchmark.of holds aime24 alone; add another, or name its benchmark without a suite.",
        ),
        (
            "[aime24, aime24]",
            "mine.yaml: benchmark.of holds aime24 twice; remove one, or give two that differ names",
        ),
        (
            "{a: aime24, b: aime24}",
            "mine.yaml: benchmark holds one benchmark twice, in of.a and of.b; remove one.",
        ),
        (
            "[aime26, {source: suite, of: [aime24, aime25]}]",
            "mine.yaml: benchmark.of holds a suite; name its benchmarks instead: aime24, aime25.",
        ),
        (
            "[aime26, mine.yaml]",
            "benchmark.of holds mine.yaml, which is a suite; name its benchmarks instead: aime26, mine",
        ),
        (
            "[aime26, 3]",
            "benchmark.of.1 is 3, which has no benchmark; give a preset's name, an experiment file, or",
        ),
        (
            "aime24",
            "mine.yaml: benchmark.of is 'aime24'; give a list of benchmarks, such as [aime24, aime25].",
        ),
        ("[]", "mine.yaml: benchmark.of is {}; give a list of benchmarks, such as [aime24, aime25]."),
        (
            "{a b: aime24, c: aime25}",
            "benchmark.of names a benchmark 'a b'; use letters, digits, dots, dashes",
        ),
        (
            "[aime24, {source: file, pth: x}]",
            "mine.yaml: benchmark.of.1.pth is 'x' but is not a known setting",
        ),
    ],
)
def test_a_wrong_suite_is_told_in_one_sentence(suite, of, said):
    with pytest.raises(UserError) as error:
        suite(of)
    assert any(said in line for line in str(error.value).splitlines())
    assert sum("benchmark" in line for line in str(error.value).splitlines()) <= 2


def test_two_benchmarks_with_the_same_problems_are_refused(suite):
    made = suite("[{source: file, path: sums.jsonl, id: id}, {source: file, path: copy.jsonl, id: id}]")
    with pytest.raises(
        UserError, match=r"benchmark\.of: sums and copy share problems \(sums/s2 and copy/c ask"
    ):
        load_problems(made.benchmark)


def test_a_missing_file_of_a_suite_is_found_before_anything_starts(suite, tmp_path):
    made = suite("[aime24, {source: file, path: gone.jsonl}]")
    with pytest.raises(UserError, match=r"gone\.jsonl cannot be read"):
        check_experiment(made, str(tmp_path / "root"))


def test_check_counts_in_all_and_for_each_benchmark(suite, tmp_path):
    made = suite(
        "[{source: generated, family: sum3, count: 3}, {source: file, path: sums.jsonl, id: id}]",
        "explorer.model.price={input: 1, output: 2}",
    )
    report = check_experiment(made, str(tmp_path / "root"))
    shares = {name: share["explore"] for name, share in report.benchmarks.items()}
    assert {name: (share.num_problems, share.wanted, share.missing) for name, share in shares.items()} == {
        "sum3": (3, 12, 12),
        "sums": (4, 16, 16),
    }
    whole = report.stages["explore"]
    assert whole.max_dollars == pytest.approx(sum(share.max_dollars for share in shares.values()))
    assert whole.max_completion_tokens == sum(share.max_completion_tokens for share in shares.values())
    assert "benchmarks" not in check_experiment(load_experiment("quickstart"), str(tmp_path)).as_dict()


PAPER = {"paper-a2r": (640, 640), "paper-a2r-efficient": (640, 640), "paper-qwen3-32b": (640,)}
"""Traces of each stage: 30 + 30 + 100 problems, four samples each."""


@pytest.fixture
def papers_root(tmp_path) -> Store:
    """A root that keeps rows in the numbers of the three competitions, so that the hub is asked for nothing."""
    store = Store(str(tmp_path / "root"))
    store.open_for_writing()
    suite = load_experiment("paper-a2r").benchmark
    for size, (name, benchmark) in zip((30, 30, 100), suite.of.items(), strict=True):
        keep_rows(
            store, benchmark, [{"problem": f"{name} {i}?", "answer": str(i), "id": i} for i in range(size)]
        )
    return store


@pytest.mark.parametrize("preset", list(PAPER))
def test_the_papers_table_is_counted_and_priced_where_vllm_is_not_installed(preset, papers_root):
    experiment = load_experiment(preset)
    report = check_experiment(experiment, papers_root.root)
    assert tuple(stage.missing for stage in report.stages.values()) == PAPER[preset]
    prices = [
        stage.role.model.price.output * stage.role.sampling.max_tokens * 640 / 1e6
        for stage in experiment.stages
    ]
    assert [stage.max_dollars for stage in report.stages.values()] == pytest.approx(prices)
    assert [share["explore"].num_problems for share in report.benchmarks.values()] == [30, 30, 100]
    assert all(stage.is_absent and not stage.is_started for stage in report.stages.values())
    assert [told.partition(":")[0] for told in report.absent] == [stage.field for stage in experiment.stages]


def test_a_check_shows_its_table_before_it_says_that_the_engine_is_not_here(papers_root):
    done = CliRunner().invoke(app, ["check", "paper-a2r", "--root", papers_root.root])
    assert isinstance(done.exception, UserError)
    assert "vLLM is not installed here" in str(done.exception)
    assert "beyond-aime" in done.stdout
    assert "runs elsewhere" in done.stdout


def test_a_misspelt_setting_is_told_first_where_vllm_is_not_installed(papers_root):
    experiment = load_experiment("paper-a2r", ["explorer.prompt=gone.jinja"])
    with pytest.raises(UserError, match=r"gone\.jinja") as raised:
        check_experiment(experiment, papers_root.root)
    assert "vLLM" not in str(raised.value)
