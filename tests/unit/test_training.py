"""What small models are taught, which lessons a training has, and when two lessons are one."""

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
from tasks.benchmarks.families.generate import problems
from tasks.engines.onnx.kind import FILES
from tasks.engines.weights import MODELS
from tasks.graders.extraction import extract_answer
from tasks.research.training.examples import Piece, merged
from tasks.research.training.families import bill, sum3
from tasks.research.training.jobs import exploring, lessons_of, needed
from tasks.research.training.shipped import bring, shipped_name
from tasks.research.training.tokenizer import build_tokenizer

TEACHERS = {"bill": bill, "sum3": sum3}


def puzzles(family, count=30):
    return problems(GeneratedBenchmark(source="generated", family=family, count=count, split="train"))


def whole(pieces):
    return "".join(piece.text for piece in pieces)


@pytest.mark.parametrize("family", TEACHERS)
def test_everything_taught_ends_in_the_right_answer_and_fits_the_alphabet(family):
    teacher, tokenizer, rng = TEACHERS[family], build_tokenizer(), random.Random(0)
    drawn = puzzles(family)
    for puzzle, other in zip(drawn, reversed(drawn), strict=True):
        texts = [teacher.solution(other), teacher.solution(puzzle), "no box at all", "\\boxed{1,2"]
        taught = [
            teacher.solution(puzzle),
            whole(teacher.synthesis(puzzle, texts, [teacher.solution(other)], rng)),
            whole(teacher.synthesis(puzzle, (), [teacher.solution(other)], rng)),
            whole(teacher.solo(puzzle, texts, rng)),
        ]
        for text in taught:
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


def test_sum3_of_a_reordered_hit_that_is_tried_the_numbers_are_read_only():
    [puzzle] = puzzles("sum3", 1)
    a, b, c = puzzle.triple
    seen = set()
    for seed in range(20):
        pieces = sum3.solo(puzzle, [f"\\boxed{{{c},{a},{b}}}"], random.Random(seed))
        [hit] = re.findall(r"Try:(\d+)\+(\d+)=\d+,\d+\+(\d+)=\d+;\d+ ok", whole(pieces))
        learnt = "".join(piece.text for piece in pieces if piece.is_learnt)
        seen.add((hit, f"Try:{hit[0]}+{hit[1]}=" in learnt))
    assert seen == {(tuple(map(str, (c, a, b))), False), (tuple(map(str, (a, b, c))), True)}


def test_sum3_of_wrong_tries_all_but_the_guess_is_learnt():
    for seed in range(20):
        [puzzle] = puzzles("sum3", 1)
        invented = f"\\boxed{{{puzzle.target - 2},1,1}}"
        pieces = sum3.synthesis(puzzle, (), [invented], random.Random(seed))
        text = whole(pieces).partition("Item:")[0]
        assert text.count(" ok") == 1
        assert text.count("Try:") == 1 + text.count(" bad")
        unlearnt = [piece.text for piece in pieces if not piece.is_learnt]
        tries = re.findall(r"Try:(\d+)\??\+(\d+)\??=\d+,\d+\+(\d+)\??=\d+;\d+ bad", text)
        assert unlearnt == [number for guess in tries for number in guess]


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
    assert [line for p in pieces if not p.is_learnt for line in p.text.splitlines()] == [wrong, wrong]


def test_neighbouring_pieces_of_a_kind_are_one():
    pieces = [Piece("a"), Piece("b"), Piece("c", is_learnt=False), Piece("d")]
    assert merged(pieces) == (Piece("ab"), Piece("c", is_learnt=False), Piece("d"))


@pytest.mark.parametrize("name", ["sum3", "bill", "tiny"])
def test_no_lesson_comes_before_what_it_needs(name):
    lessons = lessons_of(load_training(name))
    seen = set()
    for lesson in lessons:
        assert {needed.digest for needed in (lesson.start, *lesson.explorers) if needed} <= seen
        seen.add(lesson.digest)
    assert len(seen) == len(lessons) == len({lesson.name for lesson in lessons})


def test_lesson_is_the_same_whatever_does_not_change_the_weights():
    form = load_training("tiny")
    more = form.model_copy(update={"num_seeds": 5, "description": "other", "num_development": 7})
    known = {lesson.name: lesson.digest for lesson in lessons_of(form)}
    again = {lesson.name: lesson.digest for lesson in lessons_of(more)}
    assert known.items() <= again.items()


def test_lesson_changes_with_what_it_is_made_from():
    form = load_training("tiny")
    longer = form.model_copy(update={"explorer": form.explorer.model_copy(update={"num_examples": 9})})
    known, changed = ({le.name: le.digest for le in lessons_of(f)} for f in (form, longer))
    assert not set(known.values()) & set(changed.values())
    fewer = form.model_copy(update={"references": form.references.model_copy(update={"num_samples": 3})})
    changed = {lesson.name: lesson.digest for lesson in lessons_of(fewer)}
    kinds = {name.split("-")[2] for name in known if known[name] != changed[name]}
    assert kinds == {"synthesizer", "reinforced", "solo"}


def test_limited_problems_make_other_lessons_of_all():
    form = load_training("tiny")
    limited = form.model_copy(update={"explorer_problems": 300})
    known, changed = ({le.name: le.digest for le in lessons_of(f)} for f in (form, limited))
    assert known.keys() == changed.keys()
    assert not set(known.values()) & set(changed.values())
    fewer_asked = limited.references.model_copy(update={"num_problems": 10})
    others = {le.digest for le in lessons_of(limited.model_copy(update={"references": fewer_asked}))}
    assert not set(changed.values()) & others  # those that are asked are drawn first


def test_a_size_may_have_examples_of_its_own():
    form = load_training("tiny")
    more = {
        name: getattr(form, name).model_copy(update={"num_examples_of": {"b": 3}})
        for name in ("explorer", "synthesizer")
    }
    form = form.model_copy(update=more)
    given = {
        (le.kind, le.size): le.supervised.num_examples for le in lessons_of(form) if le.kind != "reinforced"
    }
    assert given["explorer", "a"] == form.explorer.num_examples
    assert given["synthesizer", "a"] == form.synthesizer.num_examples
    assert given["explorer", "b"] == given["synthesizer", "b"] == 3
    assert given["longer", "b"] == form.longer_examples


def test_steps_are_made_only_where_something_is_missing_that_needs_them(tmp_path):
    root, lessons = str(tmp_path), lessons_of(load_training("sum3"))
    steps = [lesson for lesson in lessons if lesson.is_step]
    assert {(le.kind, le.size, le.seed) for le in steps} == {
        ("synthesizer", "m", 0),
        ("synthesizer", "xs", 0),
        ("explorer", "s", 1),
        ("synthesizer", "s", 1),
        ("explorer", "s", 2),
        ("synthesizer", "s", 2),
    }
    assert needed(lessons, root) == lessons
    for lesson in lessons:
        if not lesson.is_step:
            lesson.folder(root).mkdir(parents=True)
            (lesson.folder(root) / "training.json").touch()
    assert needed(lessons, root) == [lesson for lesson in lessons if not lesson.is_step]
    [selector] = [le for le in lessons if (le.kind, le.size) == ("selector", "m")]
    (selector.folder(root) / "training.json").unlink()
    again = needed(lessons, root)
    assert [le.name for le in again if le.is_step] == ["a2r-sum3-synthesizer-m"]


def test_sum3_selector_answers_at_once_where_no_reference_holds():
    [puzzle] = puzzles("sum3", 1)
    wrong, right = sum3.solution(puzzles("sum3", 2)[1]), sum3.solution(puzzle)
    none, some = whole(sum3.selection(puzzle, [wrong])), whole(sum3.selection(puzzle, [wrong, right, right]))
    assert re.findall(r"Check(\d):.*?(ok|bad)", some) == [("1", "bad"), ("2", "ok")]
    assert some.endswith(f"</think>\\boxed{{{puzzle.gold}}}")
    assert none.endswith(f"bad</think>{right}")
    assert "Try" not in none
    assert whole(sum3.selection(puzzle, [])) == f"<think></think>{right}"


def test_explorers_are_asked_training_problems_only(tmp_path):
    explorer = lessons_of(load_training("tiny"))[0]
    assert exploring(explorer, str(tmp_path), "train").benchmark.split == "train"
    assert exploring(explorer, str(tmp_path), "development").benchmark.split == "development"


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


def test_shipped_models_are_brought_into_a_root_that_lacks_them(tmp_path):
    root, lessons = str(tmp_path), lessons_of(load_training("sum3"))
    brought = bring(lessons, root)
    assert {shipped_name(lesson) for lesson in brought} >= {"a2r-sum3-explorer", "a2r-sum3-synthesizer"}
    for lesson in brought:
        assert lesson.is_done(root)
        assert {path.name for path in lesson.folder(root).iterdir()} == {*FILES, "training.json", "README.md"}
    assert bring(lessons, root) == []


def test_every_shipped_model_is_of_a_training_as_it_stands():
    known = {
        shipped_name(le): le.digest for name in ("sum3", "bill") for le in lessons_of(load_training(name))
    }
    shipped = {path.parent.name: json.loads(path.read_bytes()) for path in MODELS.glob("*/training.json")}
    assert {name: record["digest"] for name, record in shipped.items()} == {
        name: known[name] for name in shipped
    }
    assert sum(path.stat().st_size for path in MODELS.rglob("*")) < 40e6


def test_wheel_has_the_models_of_the_quickstart_and_no_others():
    form = tomllib.loads((MODELS.parents[1] / "pyproject.toml").read_text())
    patterns = form["tool"]["hatch"]["build"]["targets"]["wheel"]["exclude"]
    names = [f"tasks/models/{folder.name}" for folder in MODELS.glob("a2r-*")]
    kept = [name for name in names if not any(fnmatch(name, pattern) for pattern in patterns)]
    roles = load_experiment("quickstart")
    assert sorted(kept) == sorted(f"tasks/models/{r.model.id}" for r in (roles.explorer, roles.synthesizer))
