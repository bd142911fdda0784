"""What small models are trained to write, which jobs a training has, and when two jobs are one."""

import json
import random
import re
import tomllib
from fnmatch import fnmatch

import pytest

from configs.experiment import GeneratedBenchmark
from configs.loading import load_experiment
from configs.schema import UserError
from configs.training import Training, load_training
from tasks.benchmarks.families.draw import problems
from tasks.engines.onnx.model_folder import FILES
from tasks.engines.weights import MODELS
from tasks.graders.extraction import extract_answer
from tasks.research.training import bill_targets as bill
from tasks.research.training import sum3_targets as sum3
from tasks.research.training.examples import TextPiece, merged
from tasks.research.training.jobs import jobs_of, needed_jobs, sampling_experiment
from tasks.research.training.shipped import install_shipped, shipped_name
from tasks.research.training.tokenizer import build_tokenizer

TARGETS = {"bill": bill, "sum3": sum3}

JOB_DIGESTS = {
    "sum3": {
        "a2r-sum3-explorer-xs": "fbcb16287e3c906c",
        "a2r-sum3-explorer-s": "f1974b1a5d950553",
        "a2r-sum3-synthesizer-s": "00970064204cc6d2",
        "a2r-sum3-selector-s": "a0a8e6b440431fcc",
        "a2r-sum3-reinforced-s": "64a598e173b65c48",
        "a2r-sum3-explorer-l": "765f1c9a2a1e071a",
        "a2r-sum3-explorer-m": "41ee36db37453f27",
        "a2r-sum3-synthesizer-m": "a8c4c53363a14376",
        "a2r-sum3-selector-m": "41c037227228eb39",
        "a2r-sum3-synthesizer-xs": "229a143c44a8fad6",
        "a2r-sum3-selector-xs": "1e12c66ec5260b5c",
        "a2r-sum3-solo-s": "5c0be0e4127fa8ec",
        "a2r-sum3-longer-s": "98acea4412ff48dd",
        "a2r-sum3-explorer-xs-seed1": "3b63ec8cde58813c",
        "a2r-sum3-explorer-s-seed1": "2c953e82a5d8f239",
        "a2r-sum3-synthesizer-s-seed1": "2daf4cd09e0a69ce",
        "a2r-sum3-selector-s-seed1": "936459886f12cabe",
        "a2r-sum3-explorer-xs-seed2": "8a7c27e6b91f4c3f",
        "a2r-sum3-explorer-s-seed2": "7b1eb56a2991a622",
        "a2r-sum3-synthesizer-s-seed2": "2704d914469555d2",
        "a2r-sum3-selector-s-seed2": "531e8905bd62d3ea",
    },
    "bill": {
        "a2r-bill-explorer-xs": "47b426c9b7586acd",
        "a2r-bill-synthesizer-xs": "945fcfc9dbbc0787",
        "a2r-bill-reinforced-xs": "9d477d4817914b15",
        "a2r-bill-solo-xs": "9530fb1766ed5aa6",
        "a2r-bill-longer-xs": "79e43d43e8f07269",
    },
}
"""Names of stored and shipped models: a job whose digest changes is another model, and is trained again."""


def puzzles(family, count=30):
    return problems(GeneratedBenchmark(source="generated", family=family, count=count, split="train"))


def whole(pieces):
    return "".join(piece.text for piece in pieces)


@pytest.mark.parametrize("family", TARGETS)
def test_every_target_text_ends_in_the_right_answer_and_fits_the_alphabet(family):
    targets, tokenizer, rng = TARGETS[family], build_tokenizer(), random.Random(0)
    drawn = puzzles(family)
    for puzzle, other in zip(drawn, reversed(drawn), strict=True):
        texts = [targets.solution(other), targets.solution(puzzle), "no box at all", "\\boxed{1,2"]
        texts_to_write = [
            targets.solution(puzzle),
            whole(targets.synthesis(puzzle, texts, [targets.solution(other)], rng)),
            whole(targets.synthesis(puzzle, (), [targets.solution(other)], rng)),
            whole(targets.solo(puzzle, texts, rng)),
        ]
        for text in texts_to_write:
            assert extract_answer(text.rpartition("</think>")[2]) == puzzle.gold
            assert tokenizer.token_to_id("<unk>") not in tokenizer.encode(text).ids
            assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def test_sum3_checks_stop_at_the_first_that_holds():
    [puzzle] = puzzles("sum3", 1)
    wrong = sum3.solution(puzzles("sum3", 2)[1])
    right = sum3.solution(puzzle)
    text = whole(sum3.synthesis(puzzle, [wrong, right, right], (), random.Random(0)))
    assert re.findall(r"Check(\d):.*?(ok|bad)", text) == [("1", "bad"), ("2", "ok")]
    assert "Try" not in text


def test_sum3_reference_holds_in_whatever_order_and_the_answer_has_the_questions():
    [puzzle] = puzzles("sum3", 1)
    a, b, c = puzzle.triple
    text = whole(sum3.synthesis(puzzle, [f"\\boxed{{{c},{a},{b}}}"], (), random.Random(0)))
    checks, _, answer = text.removeprefix("<think>").partition("</think>")
    first, items = checks.splitlines()
    assert first == f"Check1:{c}+{a}={c + a},{c + a}+{b}={a + b + c};{puzzle.target} ok"
    marks = re.findall(r"(\d+) (ok|bad)", items)
    assert [int(n) for n, _ in marks] == list(puzzle.numbers[: len(marks)])
    assert [int(n) for n, mark in marks if mark == "ok"] == [a, b, c]
    assert int(marks[-1][0]) == c
    assert answer == f"\\boxed{{{puzzle.gold}}}"


def test_sum3_reordered_hit_that_is_tried_has_no_loss_on_its_numbers():
    [puzzle] = puzzles("sum3", 1)
    a, b, c = puzzle.triple
    seen = set()
    for seed in range(20):
        pieces = sum3.solo(puzzle, [f"\\boxed{{{c},{a},{b}}}"], random.Random(seed))
        [hit] = re.findall(r"Try:(\d+)\+(\d+)=\d+,\d+\+(\d+)=\d+;\d+ ok", whole(pieces))
        with_loss = "".join(piece.text for piece in pieces if piece.has_loss)
        seen.add((hit, f"Try:{hit[0]}+{hit[1]}=" in with_loss))
    assert seen == {(tuple(map(str, (c, a, b))), False), (tuple(map(str, (a, b, c))), True)}


def test_sum3_of_wrong_tries_all_but_the_guess_has_loss():
    for seed in range(20):
        [puzzle] = puzzles("sum3", 1)
        invented = f"\\boxed{{{puzzle.target - 2},1,1}}"
        pieces = sum3.synthesis(puzzle, (), [invented], random.Random(seed))
        text = whole(pieces).partition("Item:")[0]
        assert text.count(" ok") == 1
        assert text.count("Try:") == 1 + text.count(" bad")
        without_loss = [piece.text for piece in pieces if not piece.has_loss]
        tries = re.findall(r"Try:(\d+)\??\+(\d+)\??=\d+,\d+\+(\d+)\??=\d+;\d+ bad", text)
        assert without_loss == [number for guess in tries for number in guess]


def test_sum3_invented_numbers_are_marked():
    [puzzle] = puzzles("sum3", 1)
    invented = f"\\boxed{{{puzzle.target - 2},1,1}}"
    text = whole(sum3.synthesis(puzzle, [invented], (), random.Random(0)))
    assert text.startswith(f"<think>Check1:{puzzle.target - 2}?+1?=")
    assert f";{puzzle.target} bad" in text


def test_bill_counts_the_references_that_say_what_an_item_comes_to():
    [puzzle] = puzzles("bill", 1)
    price, quantity = puzzle.items[0]
    right = bill.solution(puzzle)
    wrong = right.replace(f"{price}*{quantity}={price * quantity}", f"{price}*{quantity}=7")
    text = whole(bill.synthesis(puzzle, [wrong, "nothing", right, right], (), random.Random(0)))
    assert text.startswith(f"<think>Item1:{price}*{quantity}={price * quantity};2\nItem2:")
    text = whole(bill.synthesis(puzzle, (), (), random.Random(0)))
    assert text.startswith(f"<think>Item1:{price}*{quantity}={price * quantity};0\nItem2:")


def test_bill_of_ones_own_is_worked_out_several_times_then_settled():
    [puzzle] = puzzles("bill", 1)
    price, quantity = puzzle.items[0]
    right = bill.solution(puzzle)
    wrong = right.replace(f"{price}*{quantity}={price * quantity}", f"{price}*{quantity}=7")
    pieces = bill.solo(puzzle, [wrong, right, wrong], random.Random(0))
    assert whole(pieces).startswith("<think>")
    tries, _, answer = whole(pieces).removeprefix("<think>").partition("</think>")
    assert sorted(tries.splitlines()) == sorted([wrong, right, wrong])
    assert answer == right
    assert [line for p in pieces if not p.has_loss for line in p.text.splitlines()] == [wrong, wrong]


def test_neighbouring_pieces_of_a_kind_are_one():
    pieces = [TextPiece("a"), TextPiece("b"), TextPiece("c", has_loss=False), TextPiece("d")]
    assert merged(pieces) == (TextPiece("ab"), TextPiece("c", has_loss=False), TextPiece("d"))


@pytest.mark.parametrize("name", ["sum3", "bill", "tiny"])
def test_no_job_comes_before_its_dependencies(name):
    jobs = jobs_of(load_training(name))
    seen = set()
    for job in jobs:
        assert {needed.digest for needed in (job.start, *job.explorers) if needed} <= seen
        seen.add(job.digest)
    assert len(seen) == len(jobs) == len({job.name for job in jobs})


@pytest.mark.parametrize("name", JOB_DIGESTS)
def test_jobs_keep_their_names_digests_and_order(name):
    jobs = jobs_of(load_training(name))
    assert [(job.name, job.digest) for job in jobs] == list(JOB_DIGESTS[name].items())


def test_job_is_the_same_whatever_does_not_change_the_weights():
    training = load_training("tiny")
    more = training.model_copy(update={"num_seeds": 5, "description": "other", "num_development": 7})
    known = {job.name: job.digest for job in jobs_of(training)}
    again = {job.name: job.digest for job in jobs_of(more)}
    assert known.items() <= again.items()


def test_job_changes_with_what_it_depends_on():
    training = load_training("tiny")
    longer = training.model_copy(
        update={"explorer": training.explorer.model_copy(update={"num_examples": 9})}
    )
    known, changed = ({job.name: job.digest for job in jobs_of(f)} for f in (training, longer))
    assert not set(known.values()) & set(changed.values())
    fewer = training.model_copy(
        update={"references": training.references.model_copy(update={"num_samples": 3})}
    )
    changed = {job.name: job.digest for job in jobs_of(fewer)}
    kinds = {name.split("-")[2] for name in known if known[name] != changed[name]}
    assert kinds == {"synthesizer", "reinforced", "solo"}


def test_limited_problems_change_every_job():
    training = load_training("tiny")
    limited = training.model_copy(update={"explorer_problems": 300})
    known, changed = ({job.name: job.digest for job in jobs_of(f)} for f in (training, limited))
    assert known.keys() == changed.keys()
    assert not set(known.values()) & set(changed.values())
    fewer_asked = limited.references.model_copy(update={"num_problems": 10})
    others = {job.digest for job in jobs_of(limited.model_copy(update={"references": fewer_asked}))}
    assert not set(changed.values()) & others  # those that are asked are drawn first


def test_a_size_may_have_examples_of_its_own():
    training = load_training("tiny")
    more = {
        name: getattr(training, name).model_copy(update={"num_examples_of": {"b": 3}})
        for name in ("explorer", "synthesizer")
    }
    training = training.model_copy(update=more)
    given = {
        (job.kind, job.size): job.supervised.num_examples
        for job in jobs_of(training)
        if job.kind != "reinforced"
    }
    assert given["explorer", "a"] == training.explorer.num_examples
    assert given["synthesizer", "a"] == training.synthesizer.num_examples
    assert given["explorer", "b"] == given["synthesizer", "b"] == 3
    assert given["longer", "b"] == training.longer_examples


def test_intermediate_jobs_are_needed_only_by_unfinished_ones(tmp_path):
    root, jobs = str(tmp_path), jobs_of(load_training("sum3"))
    intermediate = [job for job in jobs if job.is_intermediate]
    assert {(job.kind, job.size, job.seed) for job in intermediate} == {
        ("synthesizer", "m", 0),
        ("synthesizer", "xs", 0),
        ("explorer", "s", 1),
        ("synthesizer", "s", 1),
        ("explorer", "s", 2),
        ("synthesizer", "s", 2),
    }
    assert needed_jobs(jobs, root) == jobs
    for job in jobs:
        if not job.is_intermediate:
            job.folder(root).mkdir(parents=True)
            (job.folder(root) / "training.json").touch()
    assert needed_jobs(jobs, root) == [job for job in jobs if not job.is_intermediate]
    [selector] = [job for job in jobs if (job.kind, job.size) == ("selector", "m")]
    (selector.folder(root) / "training.json").unlink()
    again = needed_jobs(jobs, root)
    assert [job.name for job in again if job.is_intermediate] == ["a2r-sum3-synthesizer-m"]


def test_sum3_selector_answers_at_once_where_no_reference_holds():
    [puzzle] = puzzles("sum3", 1)
    wrong, right = sum3.solution(puzzles("sum3", 2)[1]), sum3.solution(puzzle)
    none, some = whole(sum3.selection(puzzle, [wrong])), whole(sum3.selection(puzzle, [wrong, right, right]))
    assert re.findall(r"Check(\d):.*?(ok|bad)", some) == [("1", "bad"), ("2", "ok")]
    assert some.endswith(f"</think>\\boxed{{{puzzle.gold}}}")
    assert none.endswith(f"bad</think>{right}")
    assert "Try" not in none
    assert whole(sum3.selection(puzzle, [])) == f"<think></think>{right}"


def test_explorers_are_sampled_on_training_problems_only(tmp_path):
    explorer = jobs_of(load_training("tiny"))[0]
    assert sampling_experiment(explorer, str(tmp_path), "train").benchmark.split == "train"
    assert sampling_experiment(explorer, str(tmp_path), "development").benchmark.split == "development"


def test_training_names_what_is_missing():
    data = load_training("tiny").model_dump()
    with pytest.raises(ValueError, match="headline names c; shapes has a, b"):
        Training.model_validate(data | {"headline": ["a", "c"]})
    with pytest.raises(ValueError, match="explorers lacks b"):
        Training.model_validate(data | {"explorers": ["a"]})
    with pytest.raises(ValueError, match=r"explorer\.num_examples_of names c"):
        Training.model_validate(data | {"explorer": {"num_examples": 1, "num_examples_of": {"c": 1}}})
    with pytest.raises(ValueError, match="selection is for sum3 alone, and the family is bill"):
        Training.model_validate(data | {"family": "bill", "selection": {"num_examples": 1}})
    with pytest.raises(
        UserError,
        match="nowhere is not a shipped training; there are: bill, sum3, tiny",
    ):
        load_training("nowhere")


def test_shipped_models_are_installed_into_a_root_that_lacks_them(tmp_path):
    root, jobs = str(tmp_path), jobs_of(load_training("sum3"))
    installed = install_shipped(jobs, root)
    assert {shipped_name(job) for job in installed} >= {"a2r-sum3-explorer", "a2r-sum3-synthesizer"}
    for job in installed:
        assert job.is_done(root)
        assert {path.name for path in job.folder(root).iterdir()} == {*FILES, "training.json", "README.md"}
    assert install_shipped(jobs, root) == []


def test_every_shipped_model_belongs_to_a_current_training():
    known = {
        shipped_name(job): job.digest for name in ("sum3", "bill") for job in jobs_of(load_training(name))
    }
    shipped = {path.parent.name: json.loads(path.read_bytes()) for path in MODELS.glob("*/training.json")}
    assert {name: record["digest"] for name, record in shipped.items()} == {
        name: known[name] for name in shipped
    }
    assert sum(path.stat().st_size for path in MODELS.rglob("*")) < 40e6


def test_wheel_has_the_models_of_the_quickstart_and_no_others():
    project = tomllib.loads((MODELS.parents[1] / "pyproject.toml").read_text())
    patterns = project["tool"]["hatch"]["build"]["targets"]["wheel"]["exclude"]
    names = [f"tasks/models/{folder.name}" for folder in MODELS.glob("a2r-*")]
    kept = [name for name in names if not any(fnmatch(name, pattern) for pattern in patterns)]
    roles = load_experiment("quickstart")
    assert sorted(kept) == sorted(f"tasks/models/{r.model.id}" for r in (roles.explorer, roles.synthesizer))
