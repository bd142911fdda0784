"""Problems from files and generators: mapping, answers as text, clear errors."""

import itertools
import json
from contextlib import closing
from decimal import Decimal

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs.experiment import Columns, FileBenchmark, GeneratedBenchmark, HubBenchmark
from configs.loading import load_experiment
from configs.schema import UserError
from tasks.benchmarks.families.draw import FAMILIES, parse, problems, puzzles
from tasks.benchmarks.families.puzzles import split_of
from tasks.benchmarks.mapping import problems_of
from tasks.benchmarks.problems import load_problems
from tasks.graders.protocol import Case
from tasks.grading.grader_of import grader_of

ROWS = [{"question": "1+1?", "answer": 2.0, "level": 1}, {"question": "3+4?", "answer": "7", "level": 2}]


def benchmark(path, **columns):
    return FileBenchmark(source="file", path=str(path), **columns)


@pytest.fixture(params=["jsonl", "parquet", "csv"])
def file(request, tmp_path):
    path = tmp_path / f"b.{request.param}"
    if request.param == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif request.param == "parquet":
        pq.write_table(pa.Table.from_pylist([row | {"answer": str(row["answer"])} for row in ROWS]), path)
    else:
        path.write_text("question,answer,level\n1+1?,2,1\n3+4?,7,2\n")
    return path


def test_file_formats_give_the_same_questions(file):
    problems = load_problems(benchmark(file))
    assert [(p.problem_id, p.question) for p in problems] == [("0", "1+1?"), ("1", "3+4?")]
    assert problems[1].gold == "7"
    assert set(json.loads(problems[0].metadata)) == {"level"}


def test_whole_numbers_lose_their_point(tmp_path):
    path = tmp_path / "b.jsonl"
    path.write_text(json.dumps(ROWS[0]))
    assert load_problems(benchmark(path))[0].gold == "2"


def test_answer_behind_a_mark(tmp_path):
    path = tmp_path / "b.jsonl"
    path.write_text(json.dumps({"question": "q", "answer": "so\n#### 1,234"}))
    assert load_problems(benchmark(path, answer_after="####"))[0].gold == "1234"


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (ROWS, {"question": "questoin"}, "did you mean question"),
        (ROWS, {"answer": "gold"}, r"has no column gold \(benchmark.answer\)"),
        (ROWS, {"id": "no"}, r"benchmark.id"),
        ([{"question": " ", "answer": "1"}], {}, "row 0: column question .* is empty"),
        ([{"question": "q", "answer": None}], {}, "row 0: column answer .* is empty"),
        ([{"id": "a", **ROWS[0]}, {"id": "a", **ROWS[1]}], {"id": "id"}, "the id a occurs twice"),
        ([{"question": "q", "answer": "5"}], {"answer_after": "####"}, "has no '####'"),
        ([], {}, "has no rows"),
    ],
)
def test_rows_that_cannot_be_used_are_named(tmp_path, rows, columns, message):
    path = tmp_path / "b.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=message):
        load_problems(benchmark(path, **columns))


def test_missing_and_malformed_files_are_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.jsonl cannot be read: No such file"):
        load_problems(benchmark(tmp_path / "nowhere.jsonl"))
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"question": "q", "answer": "1"}\n{"question"\n')
    with pytest.raises(UserError, match=r"line 2 is not JSON"):
        load_problems(benchmark(broken))
    with pytest.raises(UserError, match=r"neither \.jsonl"):
        load_problems(benchmark(tmp_path / "b.txt"))


def test_generated_problems_are_reproducible_and_unambiguous():
    form = GeneratedBenchmark(source="generated", count=50)
    first, again = load_problems(form), load_problems(form)
    assert first == again
    assert len({p.question for p in first}) == 50


def generated(family, count, **settings):
    return problems(GeneratedBenchmark(source="generated", family=family, count=count, **settings))


def test_sum3_has_exactly_one_triple():
    for puzzle in generated("sum3", 50):
        hits = [t for t in itertools.combinations(puzzle.numbers, 3) if sum(t) == puzzle.target]
        assert [",".join(map(str, t)) for t in hits] == [puzzle.gold]


def test_bill_comes_to_its_total():
    for puzzle in generated("bill", 50):
        assert int(puzzle.gold) == sum(price * quantity for price, quantity in puzzle.items)


@pytest.mark.parametrize("family", FAMILIES)
def test_splits_never_meet(family):
    train = {p.key for p in generated(family, 2000, split="train")}
    development = {p.key for p in generated(family, 500, split="development")}
    test = {p.key for p in generated(family, 500)}
    assert not train & test
    assert not development & (train | test)
    assert all(split_of(p) == "test" for p in generated(family, 100, seed=9))


@pytest.mark.parametrize("family", FAMILIES)
def test_difficulty_is_how_much_there_is_to_do(family):
    module = FAMILIES[family]
    easy, hard = (generated(family, 20, difficulty=d) for d in (module.EASIEST, module.HARDEST))
    assert all(len(h.question) > len(e.question) for e, h in zip(easy, hard, strict=True))
    with pytest.raises(UserError, match=f"benchmark.difficulty is 99; {family} has"):
        puzzles(family, 99, 0, "test")


@pytest.mark.parametrize("difficulty", [1, 2, 3, 4])
def test_numbers_of_a_bill_have_six_digits(difficulty):
    for puzzle in generated("bill", 50, difficulty=difficulty):
        amounts = [price * quantity for price, quantity in puzzle.items]
        assert len(amounts) == difficulty
        assert {len(str(number)) for number in [*amounts, sum(amounts)]} == {6}


@pytest.mark.parametrize("family", FAMILIES)
def test_question_says_the_whole_puzzle(family):
    assert all(parse(family, p.question) == p for p in generated(family, 50))
    with pytest.raises(UserError, match="is not a question"):
        parse(family, "What is 1?")


def test_first_problems_do_not_depend_on_how_many_are_asked_for():
    few = load_problems(GeneratedBenchmark(source="generated", count=5))
    many = load_problems(GeneratedBenchmark(source="generated", count=50))
    assert many[:5] == few


def gpqa(**settings):
    rows = [
        {"q": f"What is {i}?", "right": f"r{i}", "w1": f"a{i}", "w2": f"b{i}", "w3": f"c{i}", "id": f"g{i}"}
        for i in range(40)
    ]
    columns = Columns(question="q", answer="right", id="id", choices=("w1", "w2", "w3"), **settings)
    return problems_of(rows, columns, "gpqa", "gpqa")


def test_choices_are_lettered_in_an_order_of_the_problems_own():
    problems = gpqa()
    for number, problem in enumerate(problems):
        kept = orjson.loads(problem.metadata)
        original = [f"r{number}", f"a{number}", f"b{number}", f"c{number}"]
        assert kept["choices"] == [original[place] for place in kept["permutation"]]
        shown = dict(line.split(") ") for line in problem.question.splitlines()[2:])
        assert list(shown) == ["A", "B", "C", "D"]
        assert list(shown.values()) == kept["choices"]
        assert shown[problem.gold] == f"r{number}"
    assert {problem.gold for problem in problems} == {"A", "B", "C", "D"}
    assert gpqa() == problems, "the same on every run"
    assert gpqa()[7:9] == problems[7:9]
    assert {problem.gold for problem in gpqa(shuffle_choices=False)} == {"A"}


OLYMPIAD = {
    "context": None,
    "image_1": None,
    "solution": ["…"],
    "unit": None,
    "error": None,
    "subfield": "Algebra",
}
DOCUMENTED = [
    (
        "aime24",
        {"id": 60, "problem": "Find m+n.", "solution": "…", "answer": "204", "url": "…", "year": "2024"},
        "60",
        "Find m+n.",
        "204",
    ),
    ("aime25", {"problem": "Find b.", "answer": "70", "id": "0"}, "0", "Find b.", "70"),
    (
        "math-500",
        {
            "problem": "Convert.",
            "solution": "…",
            "answer": "\\left( 3, \\frac{\\pi}{2} \\right)",
            "subject": "Precalculus",
            "level": 2,
            "unique_id": "test/precalculus/807.json",
        },
        "test/precalculus/807.json",
        "Convert.",
        "\\left( 3, \\frac{\\pi}{2} \\right)",
    ),
    (
        "gsm8k",
        {"question": "How much?", "answer": "So 2 * 617 = <<2*617=1234>>1234\n#### 1,234"},
        "0",
        "How much?",
        "1234",
    ),
    ("aime26", {"problem_idx": 7, "answer": 277, "problem": "Find n."}, "7", "Find n.", "277"),
    (
        "hmmt25",
        {"problem_idx": 1, "problem": "Find p.", "answer": "\\frac{1}{576}", "problem_type": ["Algebra"]},
        "1",
        "Find p.",
        "\\frac{1}{576}",
    ),
    ("beyond-aime", {"problem": "Find N.", "answer": 10**18}, "0", "Find N.", "1" + 18 * "0"),
    (
        "olympiadbench",
        OLYMPIAD | {"id": 1709, "question": "Find all.", "final_answer": ["$(1,8,19), (2,7,13)$"]},
        "1709",
        "Find all.",
        "$(1,8,19), (2,7,13)$",
    ),
    (
        "mmlu-pro",
        {
            "question_id": 70,
            "question": "How many?",
            "options": ["3", "2", "0", "1"],
            "answer": "C",
            "answer_index": 2,
        },
        "70",
        "How many?\n\nA) 3\nB) 2\nC) 0\nD) 1",
        "C",
    ),
]


@pytest.mark.parametrize(("preset", "row", "problem_id", "question", "gold"), DOCUMENTED)
def test_a_preset_reads_rows_of_the_documented_shape(preset, row, problem_id, question, gold):
    columns = load_experiment(preset).benchmark
    assert isinstance(columns, HubBenchmark)
    [problem] = problems_of([row], columns, preset, preset)
    assert (problem.problem_id, problem.question, problem.gold) == (problem_id, question, gold)


@pytest.mark.parametrize(
    ("row", "answer", "verdict"),
    [
        ({"error": "1e-1", "final_answer": ["2.3"]}, "2.36", "correct"),
        ({"error": "1e-1", "final_answer": ["2.3"]}, "2.45", "wrong"),
        ({"error": ".01", "final_answer": ["$\\pi$"]}, "3.14", "correct"),
        ({"error": None, "final_answer": ["2.3"]}, "2.36", "wrong"),
        ({"error": "0.1,0.2", "final_answer": ["2.3"]}, "2.36", "wrong"),
        ({"error": "0.1", "final_answer": ["2x"]}, "x+x", "correct"),
        ({"unit": "$\\Omega$", "final_answer": ["30"]}, "30 \\Omega", "correct"),
        ({"unit": "$\\Omega$", "final_answer": ["30"]}, "31 \\Omega", "wrong"),
        ({"unit": "\\mathrm{m}", "error": "1", "final_answer": ["30"]}, "30.5\\mathrm{~m}", "correct"),
        ({"final_answer": ["$1$,$\\frac{1}{2}$"], "is_multiple_answer": True}, "\\frac12, 1", "correct"),
        ({"final_answer": ["$1$,$\\frac{1}{2}$"], "is_multiple_answer": True}, "1", "wrong"),
        ({"final_answer": ["$10^{3}$,10"], "is_multiple_answer": True}, "x=1000, y=10", "correct"),
    ],
)
def test_olympiadbench_allows_what_its_columns_say(row, answer, verdict):
    experiment = load_experiment("olympiadbench")
    assert isinstance(experiment.benchmark, HubBenchmark)
    rows = [
        OLYMPIAD | {"id": 1, "question": "Find it.", **row},
        OLYMPIAD | {"id": 2, "question": "Else?", "final_answer": ["7"]},
    ]
    problems = problems_of(rows, experiment.benchmark, "olympiadbench", "olympiadbench")
    with closing(grader_of(experiment.grader, "nowhere", problems)) as grader:
        [found] = grader.extract([f"\\boxed{{{answer}}}"])
        case = Case(problems[0].problem_digest, problems[0].gold, found or "")
        assert (grader.decide(case.gold, case.answer) or grader.work_out([case])[case]) == verdict


def test_the_preset_of_gpqa_letters_the_right_answer_among_the_wrong():
    experiment = load_experiment("gpqa-diamond")
    columns = experiment.benchmark
    assert isinstance(columns, HubBenchmark) and experiment.grader.kind == "choice"
    rows = [
        {
            "Record ID": f"rec{i}",
            "Question": f"q{i}",
            "Correct Answer": f" right{i}\n",
            "Subdomain": "Physics",
        }
        | {f"Incorrect Answer {k}": f"wrong{i}{k}" for k in (1, 2, 3)}
        for i in range(20)
    ]
    problems = problems_of(rows, columns, "gpqa", "gpqa")
    assert all(f"{p.gold}) right{i}" in p.question for i, p in enumerate(problems))
    assert {p.gold for p in problems} == set("ABCD")


def of_text(tmp_path, text, suffix="jsonl", **columns):
    path = tmp_path / f"b.{suffix}"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_problems(benchmark(path, **columns))


@pytest.mark.parametrize(
    ("written", "gold"),
    [
        ("9223372036854775807", "9223372036854775807"),
        ("-92233720368547758079", "-92233720368547758079"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("3.14159265358979323846", "3.14159265358979323846"),
        ("0.1", "0.1"),
        ("0.10000000000000001", "0.1"),
        ("27.0", "27"),
        ("-0.0", "0"),
        ("2e-8", "0.00000002"),
        ("1.5E+25", "15000000000000000000000000"),
        ("1e400", r"1 \cdot 10^{400}"),
        ("-2.5e-300", r"-2.5 \cdot 10^{-300}"),
        ("true", "True"),
        ('"0.50"', "0.50"),
        ('["x"]', "x"),
        ("[[5]]", "5"),
    ],
)
def test_a_gold_answer_in_json_is_the_number_that_was_written(tmp_path, written, gold):
    [problem] = of_text(tmp_path, f'{{"question": "q", "answer": {written}, "unread": {written}}}')
    assert problem.gold == gold


@pytest.mark.parametrize(
    ("value", "kind", "gold"),
    [
        (1e23, pa.float64(), "1" + 23 * "0"),
        (Decimal("1e23"), pa.decimal128(38, 0), "1" + 23 * "0"),
        (Decimal("2.50"), pa.decimal128(10, 2), "2.50"),
        (0.1, pa.float32(), "0.1"),
        (2**64 - 1, pa.uint64(), "18446744073709551615"),
        (b"x^2", pa.binary(), "x^2"),
        (["x"], pa.list_(pa.string()), "x"),
    ],
)
def test_a_gold_answer_in_parquet_is_what_was_written(tmp_path, value, kind, gold):
    path = tmp_path / "b.parquet"
    pq.write_table(pa.table({"question": ["q"], "answer": pa.array([value], kind)}), path)
    assert load_problems(benchmark(path))[0].gold == gold


@pytest.mark.parametrize(
    ("question", "answer", "said"),
    [
        ("q", ["1", "2"], r"benchmark.answer\) has 2 answers \(1, 2\), not one"),
        ("q", [], "answer .* is empty"),
        ("q", float("nan"), "answer .* is empty"),
        ("q", {"value": 3}, "an object with value, not an answer"),
        (["a", "b"], "1", "a list of 2 values"),
        ({"text": "q"}, "1", "an object with text, not a text"),
        (
            [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
            "1",
            "a chat that is not one",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}],
            "1",
            "parts that are not text",
        ),
    ],
)
def test_values_without_one_text_are_named_not_spelled_out(tmp_path, question, answer, said):
    with pytest.raises(UserError, match=said):
        of_text(tmp_path, json.dumps({"question": question, "answer": answer}))


def test_the_question_of_a_chat_is_its_user_message(tmp_path):
    told = {"role": "system", "content": "be brief"}
    for content in ("1+1?", [{"type": "text", "text": "1+1?"}]):
        chat = [told, {"role": "user", "content": content}]
        [problem] = of_text(tmp_path, json.dumps({"question": chat, "answer": "2"}))
        assert problem.question == "1+1?"


def test_byte_order_marks_and_long_fields_of_csv_are_read(tmp_path):
    for suffix, text in (
        ("csv", f'question,answer,work\r\n1+1?,2,"{"x" * 200_000}"\r\n'),
        ("jsonl", '{"question": "1+1?", "answer": "2"}\n'),
    ):
        [problem] = of_text(tmp_path, b"\xef\xbb\xbf" + text.encode(), suffix)
        assert (problem.question, problem.gold) == ("1+1?", "2")
    with pytest.raises(UserError, match="UTF-16; save it as UTF-8"):
        of_text(tmp_path, '{"question": "1+1?", "answer": "2"}'.encode("utf-16"))
    with pytest.raises(UserError, match="more fields than the heading"):
        of_text(tmp_path, "question,answer\na, b,2\nc,2\n", "csv")
    with pytest.raises(UserError, match="save it as UTF-8"):
        of_text(tmp_path, "question,answer\nà,2\n".encode("latin-1"), "csv")


def test_infinities_and_broken_texts_of_json(tmp_path):
    [problem] = of_text(
        tmp_path, '{"question": "q", "answer": "NaN", "a": -Infinity, "b": [NaN, {"c": 1e999}]}'
    )
    assert problem.gold == "NaN"
    for text in ('{"question": "\\ud800", "answer": NaN}', '{"question": "q", "answer": Nan, "b": NaN}'):
        with pytest.raises(UserError, match="is not JSON"):
            of_text(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("#### 1,234,567", "1234567"),
        ("#### $1,234.50", "$1234.50"),
        ("#### 12,345 dollars", "12345 dollars"),
        ("#### -1,000", "-1000"),
        ("#### (1,234, 5)", "(1,234, 5)"),
        ("#### (100,200)", "(100,200)"),
        ("#### {1,2}", "{1,2}"),
        ("#### 1, 2, 3", "1, 2, 3"),
        ("#### x=1, y=2", "x=1, y=2"),
        ("#### 12,34", "12,34"),
    ],
)
def test_only_the_commas_of_thousands_are_removed_behind_a_mark(tmp_path, text, gold):
    [problem] = of_text(tmp_path, json.dumps({"question": "q", "answer": text}), answer_after="####")
    assert problem.gold == gold


def picked(answers, choices, **settings):
    rows = [{"question": f"q{i}", "answer": a, "choices": choices} for i, a in enumerate(answers)]
    columns = Columns(choices="choices", shuffle_choices=False, **settings)
    return "".join(problem.gold for problem in problems_of(rows, columns, "mmlu", "mmlu"))


def test_a_column_names_the_right_choices_in_one_way():
    digits, letters = ["3", "2", "0", "1"], ["K", "B", "D", "C"]
    assert picked([0, 1, 2, 3], digits) == picked([0.0, 1.0, 2.0, 3.0], digits) == "ABCD"
    assert picked(["A", "B", "C"], letters) == "ABC", "A is no choice's text, so all are letters"
    assert picked(["K", "B", "C"], letters) == "ABD", "K is no letter, so all are texts"
    assert picked(["#### A", "#### C"], letters, answer_after="####") == "AC"
    assert picked(["B"], letters) == "B", "letter and text agree"
    assert picked([7], ["5", "7"]) == "B"
    for ambiguous in (["C", "D"], ["2", "3"]):
        with pytest.raises(UserError, match=r"can be read as text .* and as"):
            picked(ambiguous, letters if ambiguous == ["C", "D"] else digits)
    with pytest.raises(UserError, match=r"can be read as text '2' and as index '0'"):
        picked([2], [3, 2, 0, 1])


@pytest.mark.parametrize("answer", ["C", 2, "three", "c"])
def test_right_choice_is_named_by_letter_place_or_text(answer):
    rows = [{"question": "Which?", "answer": answer, "choices": ["one", "two", "three"]}]
    [problem] = problems_of(rows, Columns(choices="choices", shuffle_choices=False), "mmlu", "mmlu")
    assert problem.gold == "C"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"answer": "Z", "choices": ["one", "two"]}, "neither a choice's letter"),
        ({"answer": "A", "choices": "one"}, "not a list of 2 to 26 choices"),
    ],
)
def test_choices_that_cannot_be_used_are_told(row, said):
    with pytest.raises(UserError, match=said):
        problems_of([{"question": "Which?", **row}], Columns(choices="choices"), "mmlu", "mmlu")
