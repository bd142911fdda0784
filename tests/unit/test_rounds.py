"""Explorers and rounds in an experiment file: which stages they come to, what they share, and what is refused."""

import pytest

from configs.experiment import Experiment
from configs.loading import load_experiment
from configs.schema import UserError
from flows.commands.printing.checks import print_check
from tasks.analysis.check import check_experiment
from tasks.analysis.context import context_of
from tasks.benchmarks.problems import load_problems
from tasks.run import stages_of

ROLE = {"model": {"id": "m"}, "engine": {"kind": "openai", "base_url": "http://localhost:1/v1"}}
FILE = """
name: x
base: quickstart
explorer: {sampling: {n: 3}}
explorers:
  - {}
  - {name: seeded, sampling: {n: 5, seed: 1}}
synthesizer: {references: {count: 2}}
rounds:
  - {repeat: 2}
  - {name: last, reads: [explore, synthesize_2], sampling: {n: 1}}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(FILE, encoding="utf-8")
    return str(path)


def told(file, *overrides):
    with pytest.raises(UserError) as error:
        load_experiment(file, overrides)
    return str(error.value).partition(": ")[2]


def made(**fields):
    data = {"name": "x", "benchmark": {"source": "generated", "count": 2}, **fields}
    return stages_of(Experiment.model_validate(data), "root")


def test_stages_follow_from_the_lists(file):
    stages = load_experiment(file).stages
    assert [(s.name, s.kind, s.field, s.reads) for s in stages] == [
        ("explore", "explore", "explorers.0", ()),
        ("seeded", "explore", "explorers.1", ()),
        ("synthesize", "synthesize", "rounds.0", ("explore", "seeded")),
        ("synthesize_2", "synthesize", "rounds.0", ("synthesize",)),
        ("last", "synthesize", "rounds.1", ("explore", "synthesize_2")),
    ]


def test_entry_builds_on_what_all_have_in_common(file):
    explore, seeded, synthesize, *_ = load_experiment(file, ["synthesizer.sampling.temperature=0.5"]).stages
    assert (explore.role.sampling.n, seeded.role.sampling.n, seeded.role.sampling.seed) == (3, 5, 1)
    assert explore.role.model.id == seeded.role.model.id == "a2r-sum3-explorer", "of the preset"
    assert synthesize.role.sampling.temperature == 0.5


def test_override_reaches_an_entry_by_its_number(file):
    assert load_experiment(file, ["rounds.1.sampling.n=4"]).stages[-1].role.sampling.n == 4
    assert told(file, "rounds.2.sampling.n=4") == "2 is not an entry of that list of 2; count them from 0."


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "rounds.1.reads=[last]",
            "rounds.1.reads names last, which is the round itself; name one or more of: explore, seeded, synthesize,",
        ),
        (
            "rounds.0.reads=[last]",
            "rounds.0.reads names last, which is not an earlier stage; name one or more of: ",
        ),
        ("rounds.1.reads=[explore, explore]", "rounds.1.reads names explore twice; name each stage once."),
        ("rounds.1.name=seeded", "rounds.1.name is seeded, as is that of explorers.1; give it another name."),
        ("rounds.1.name=explorers", "rounds.1.name is explorers, which is reserved; give it another name."),
        (
            "rounds.0.references.count=9",
            "rounds.0.references.count is 9 but explorers.0.sampling.n + explorers.1.sampling.n is 8; raise explorers.0",
        ),
        (
            "rounds.0.references.count=5",
            "rounds.0.references.count is 5 but rounds.0.sampling.n is 2; raise rounds.0.sampling.n to 5 or more, or lower",
        ),
        (
            "rounds.0.references={count: 4, shares: {explore: 3, seeded: 2}}",
            "rounds.0.references has shares that add up to 5 but count is 4; make them equal.",
        ),
        (
            "rounds.1.references.shares={explore: 1, seeded: 1}",
            "rounds.1.references.shares names seeded, which rounds.1 does not read; it reads: explore, synthesize_2.",
        ),
        (
            "rounds.1.references={count: 5, shares: {explore: 4, synthesize_2: 1}}",
            "rounds.1.references.shares.explore is 4 but explorers.0.sampling.n is 3; raise explorers.0.sampling.n to 4 or",
        ),
        (
            "rounds.0.references={groups: disjoint, count: 5}",
            "rounds.0.references.count is 5 in 2 disjoint groups, 10 samples, but explorers.0.sampling.n + explorers.1",
        ),
        (
            "explorers.1.stop={agreement: 0.8, after: 6}",
            "explorers.1.stop.after is 6 but explorers.1.sampling.n is 5; raise explorers.1.sampling.n above it, or lower",
        ),
        (
            "rounds=[{sampling: {n: 1}}, {references: {count: 1}, when: {agreement_below: 1.0}}]",
            "rounds.1.when.agreement_below is 1 but it reads one sample per problem, which agrees with itself; raise rounds.0",
        ),
        ("explorers.0.stop.agreement=1.5", "explorers.0.stop.agreement is 1.5; it should be less"),
        ("explorers.0.stop={agreement: 0.8, after: 1}", "explorers.0.stop.after is 1; it should be greater"),
        ("rounds.0.when.agreement_below=0", "rounds.0.when.agreement_below is 0; it should be greater"),
    ],
)
def test_refusal_names_field_value_and_remedy(file, override, said):
    assert told(file, override).startswith(said)


def test_groups_that_need_more_samples_than_there_are_have_three_ways_out(file):
    said = told(file, "rounds.0.references={groups: disjoint, count: 5}")
    assert said.endswith(
        "is 8; raise explorers.0.sampling.n or explorers.1.sampling.n to 10 or more together, set "
        "rounds.0.references.groups to random, or lower rounds.0.references.count."
    )


def test_both_forms_at_once_are_refused_where_nothing_merges_them():
    with pytest.raises(
        ValueError, match="explorer and explorers are both given; put explorer into explorers"
    ):
        made(explorer=ROLE, explorers=[ROLE])
    with pytest.raises(ValueError, match="explorer is missing; add it"):
        made(synthesizer=ROLE)


def test_list_has_the_identities_of_its_short_form():
    reading = {**ROLE, "references": {"count": 1}}
    short = made(explorer=ROLE, synthesizer=reading)
    listed = made(
        explorers=[{**ROLE, "name": "small"}],
        rounds=[{**reading, "name": "first"}, {**reading, "name": "second"}],
    )
    assert [stage.name for stage in listed] == ["small", "first", "second"]
    assert [stage.recipe for stage in listed[:2]] == [stage.recipe for stage in short]
    assert [stage.round for stage in listed] == [0, 1, 2]
    other = made(explorers=[ROLE], rounds=[reading, {**reading, "sampling": {"seed": 1}}])
    assert other[1].recipe == listed[1].recipe, "another second round leaves the first"
    assert other[2].recipe != listed[2].recipe


def test_stages_that_would_be_the_same_traces_are_refused():
    with pytest.raises(
        UserError, match=r"explorers\.1 has model, prompt.* give explorers\.1\.sampling\.seed another"
    ):
        made(explorers=[ROLE, {**ROLE, "name": "again", "sampling": {"n": 3}}])


@pytest.mark.parametrize(
    ("preset", "wanted"),
    [
        ("rsa", [("explore", 16), *((f"aggregate{n}", 16) for n in ("", *(f"_{i}" for i in range(2, 10))))]),
        ("pacore", [("explore", 32), ("coordinate", 4), ("conclude", 1)]),
        ("moa", [("small", 3), ("big", 3), ("small_2", 3), ("big_2", 3), ("aggregator", 1)]),
        ("genselect", [("explore", 8), ("select", 8)]),
        ("best-of-n", [("explore", 8)]),
        ("fast-slow", [("explore", 4), ("synthesize", 4)]),
    ],
)
def test_preset_has_the_stages_of_its_paper_and_every_request_fits(preset, wanted, tmp_path):
    experiment = load_experiment(preset, ["benchmark={source: generated, count: 2}"])
    stages = stages_of(experiment, str(tmp_path))
    assert [(stage.name, stage.num_samples) for stage in stages] == wanted
    problems = load_problems(experiment.benchmark)
    contexts = [context_of(stage, problems) for stage in stages]
    assert [context.needed <= (context.room or 40_960) for context in contexts] == [True] * len(stages)


def test_check_adds_up_and_prices_all_stages(capsys, tmp_path):
    problems = ["benchmark={source: generated, count: 30}"]
    priced = [f"{role}.model.price={{input: 1, output: 2}}" for role in ("explorer", "synthesizer")]
    report = check_experiment(load_experiment("rsa-small", [*problems, *priced]), str(tmp_path))
    tokens = 30 * 8 * (64 + 320 + 320)
    assert [check.missing for check in report.stages.values()] == [240] * 3
    print_check(report, as_json=False)
    [line] = [line for line in capsys.readouterr().out.splitlines() if "all stages" in line]
    assert [cell.strip() for cell in line.split("│") if cell.strip()] == [
        *("all stages", "720", "0", "720", f"{tokens:,}", f"{2 * tokens / 1e6:,.2f}")
    ]
