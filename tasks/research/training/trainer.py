"""One lesson, in a process of its own: `python -m tasks.research.training.trainer ROOT < lesson.json`.

A process a lesson, so that what a kill takes away is one lesson's last minute, and a thread a process,
because many lessons at once keep all cores busy; OMP_NUM_THREADS gives more to one that is alone.
Weights, tokenizer, ONNX graph, then the record.
"""

import os
import platform
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import orjson
import torch
from filelock import FileLock

from tasks.benchmarks.families.generate import parse, problems, puzzles
from tasks.benchmarks.families.puzzles import Puzzle
from tasks.benchmarks.load import load_problems
from tasks.explore import explore_stage
from tasks.prompts.references import Reference
from tasks.prompts.render import load_prompt
from tasks.research.training.examples import Example, learnt
from tasks.research.training.export import export
from tasks.research.training.families import bill, sum3
from tasks.research.training.jobs import EXPLORE, PLAIN_SHARE, SYNTHESIZE, Lesson, asked_problems, exploring
from tasks.research.training.model import MAX_POSITIONS, Qwen3, Shape, load, save
from tasks.research.training.progress import Progress
from tasks.research.training.reinforced import Question, is_right, reinforce
from tasks.research.training.sample import sample
from tasks.research.training.supervised import train
from tasks.research.training.tokenizer import END, PAD, build_tokenizer, save_tokenizer
from warehouse.planner import distinct, wanted_traces

TEACHERS = {"bill": bill, "sum3": sum3}
TOKENIZER = build_tokenizer()
END_ID, PAD_ID = TOKENIZER.token_to_id(END), TOKENIZER.token_to_id(PAD)

ALONE, READING = load_prompt(EXPLORE), load_prompt(SYNTHESIZE)

EMPTY_SHARE = 1 / 16
"""Of a synthesizer's examples, prompts without references."""
HELPED_SHARE = 1 / 2
"""Of its prompts without a right reference: one is put in, or checking would rarely be seen to succeed."""

Asked = tuple[Puzzle, list[str]]
"""A puzzle and what an explorer answered to it."""


def teach(lesson: Lesson, root: str) -> None:
    """Give a lesson that is not given yet; one that was broken off goes on from its last checkpoint."""
    folder = lesson.folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if lesson.is_done(root):
            return
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(1)
        torch.set_default_device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(lesson.seed)
        model = load(lesson.start.folder(root)) if lesson.start else _untrained(lesson)
        progress = _give(lesson, root, model, folder / "checkpoint.pt")
        save(model, folder, END_ID, PAD_ID)
        save_tokenizer(folder, MAX_POSITIONS)
        export(folder)
        record = {
            "name": lesson.name,
            "digest": lesson.digest,
            "num_parameters": model.num_parameters(),
            "num_steps": progress.num_steps,
            "num_tokens": progress.num_tokens,
            "seconds": round(progress.seconds, 1),
            "machine": _machine(),
            "versions": {"python": platform.python_version(), "torch": version("torch")},
            "curve": progress.curve,
            "lesson": lesson.model_dump(mode="json"),
        }
        beside = folder / "training.json.tmp"
        beside.write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2))
        beside.replace(folder / "training.json")
        progress.checkpoint.unlink(missing_ok=True)


def _machine() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f"{platform.machine()}, {threads} thread{'s' if threads > 1 else ''} of {os.cpu_count()} cores"


def _untrained(lesson: Lesson) -> Qwen3:
    form = lesson.training.shapes[lesson.size]
    return Qwen3(Shape(**form.model_dump(), vocab_size=TOKENIZER.get_vocab_size()))


def _give(lesson: Lesson, root: str, model: Qwen3, checkpoint: Path) -> Progress:
    form = lesson.training
    match lesson.kind:
        case "explorer" | "longer":
            return train(model, TOKENIZER, _plain(lesson), lesson.supervised, _alone(lesson), checkpoint)
        case "synthesizer" | "selector":
            examples = _with_references(lesson, _asked(lesson, root, "train"))
            return train(model, TOKENIZER, examples, lesson.supervised, _reading(lesson, root), checkpoint)
        case "solo":
            examples = _without_references(lesson, _asked(lesson, root, "train"))
            return train(model, TOKENIZER, examples, lesson.supervised, _trying(lesson), checkpoint)
        case "reinforced":
            assert form.reinforcement  # noqa: S101 - no such lesson without it
            return reinforce(
                model,
                TOKENIZER,
                _questions(lesson, _asked(lesson, root, "train")),
                form.reinforcement,
                form.synthesizer_tokens,
                lesson.seed,
                _reading(lesson, root),
                checkpoint,
            )


# --- prompts, by the templates that the pipeline uses -----------------------------------------------


def prompt_alone(question: str) -> str:
    """The explorer's prompt."""
    return ALONE.render(question)[0].content


def prompt_with(question: str, texts: Sequence[str]) -> str:
    """The synthesizer's prompt."""
    references = tuple(Reference(place, text, 1) for place, text in enumerate(texts, start=1))
    return READING.render(question, references)[0].content


# --- what a lesson is given ---------------------------------------------------------------------------


def _plain(lesson: Lesson) -> Callable[[int, int], list[Example]]:
    """Training problems with their solutions: fresh ones, or a limited number of them again and again."""
    form, solution = lesson.training, TEACHERS[lesson.training.family].solution
    drawn = _again(_budget(lesson)) if form.explorer_problems else _fresh(lesson)

    def examples(block: int, count: int) -> list[Example]:
        return [Example(prompt_alone(p.question), learnt(solution(p))) for p in drawn(block, count)]

    return examples


def _fresh(lesson: Lesson) -> Callable[[int, int], Iterable[Puzzle]]:
    form = lesson.training

    def drawn(block: int, count: int) -> Iterable[Puzzle]:
        seed = f"{lesson.kind}/{lesson.seed}/{block}"
        return islice(puzzles(form.family, form.difficulty, seed, "train"), count)

    return drawn


def _budget(lesson: Lesson) -> list[Puzzle]:
    """Every problem whose solution a lesson may see: those that explorers are asked, not for an explorer; then its own."""
    asked = asked_problems(lesson, "train")
    own = lesson.training.explorer_problems or 0
    drawn = problems(asked.model_copy(update={"count": asked.count + own}))
    return drawn[asked.count :] if lesson.kind == "explorer" else drawn


def _again(pool: Sequence[Puzzle]) -> Callable[[int, int], Iterable[Puzzle]]:
    """All of a pool, then all of it again in another order, and so on."""

    @lru_cache(maxsize=2)
    def order(epoch: int) -> list[int]:
        places = list(range(len(pool)))
        random.Random(epoch).shuffle(places)  # noqa: S311 - reproducible, not secret
        return places

    def drawn(block: int, count: int) -> Iterable[Puzzle]:
        turns = (divmod(number, len(pool)) for number in range(block * count, (block + 1) * count))
        return (pool[order(epoch)[place]] for epoch, place in turns)

    return drawn


def _with_references(lesson: Lesson, asked: Sequence[Asked]) -> Callable[[int, int], list[Example]]:
    """Prompts of the explorers' own samples, one to `count` of them, and some plain problems."""
    family, plain = TEACHERS[lesson.training.family], _plain(lesson)

    def examples(block: int, count: int) -> list[Example]:
        rng = random.Random(f"{lesson.kind}/{lesson.seed}/{block}")  # noqa: S311 - reproducible
        num_plain = round(count * PLAIN_SHARE)
        made = plain(block, num_plain)
        for _ in range(count - num_plain):
            puzzle, references, others = _drawn(lesson, asked, rng)
            if lesson.kind == "selector":
                completion = family.selection(puzzle, references)
            else:
                completion = family.synthesis(puzzle, references, others, rng)
            made.append(Example(prompt_with(puzzle.question, references), completion))
        return made

    return examples


def _drawn(lesson: Lesson, asked: Sequence[Asked], rng: random.Random) -> tuple[Puzzle, list[str], list[str]]:
    """A puzzle, the references of its prompt, and the texts that are not shown."""
    puzzle, texts = rng.choice(asked)
    most = lesson.training.references.count
    num = 0 if rng.random() < EMPTY_SHARE else rng.choice([*range(1, most + 1), *[most] * most])
    places = rng.sample(range(len(texts)), min(num, len(texts)))
    references = [texts[place] for place in places]
    others = [text for place, text in enumerate(texts) if place not in places]
    solution = TEACHERS[lesson.training.family].solution(puzzle)
    if references and solution not in references and rng.random() < HELPED_SHARE:
        references[rng.randrange(len(references))] = solution
    return puzzle, references, others


def _without_references(lesson: Lesson, asked: Sequence[Asked]) -> Callable[[int, int], list[Example]]:
    """The same problems and prompts as the synthesizer's, without references: try, check, try again."""
    family = TEACHERS[lesson.training.family]

    def examples(block: int, count: int) -> list[Example]:
        rng = random.Random(f"{lesson.kind}/{lesson.seed}/{block}")  # noqa: S311 - reproducible
        drawn = [rng.choice(asked) for _ in range(count)]
        return [Example(prompt_with(p.question, ()), family.solo(p, texts, rng)) for p, texts in drawn]

    return examples


def _questions(lesson: Lesson, asked: Sequence[Asked]) -> Callable[[int], list[Question]]:
    """The prompts of a step: `count` references each, as the explorers gave them, none put in."""
    form = lesson.training

    def questions(step: int) -> list[Question]:
        assert form.reinforcement  # noqa: S101
        rng = random.Random(f"{lesson.kind}/{lesson.seed}/{step}")  # noqa: S311 - reproducible
        drawn = [rng.choice(asked) for _ in range(form.reinforcement.num_prompts)]
        return [
            Question(
                prompt_with(p.question, rng.sample(texts, min(form.references.count, len(texts)))), p.gold
            )
            for p, texts in drawn
        ]

    return questions


def _asked(lesson: Lesson, root: str, split: str) -> list[Asked]:
    """What the explorers answered, read from the store; those that ran into the limit are left out."""
    asked = []
    for explorer in lesson.explorers if split == "train" else lesson.explorers[:1]:
        experiment = exploring(explorer, root, split)
        role = explore_stage(experiment, root)
        held = distinct(load_problems(experiment.benchmark))
        wanted = {
            problem: [w.trace_id for w in wanted_traces(role.recipe, problem, role.sampling.n)]
            for problem in held
        }
        ids = [trace_id for group in wanted.values() for trace_id in group]
        rows = role.index.rows(ids, ["answer", "status"]).to_pylist()
        texts = {row["trace_id"]: row["answer"] or "" for row in rows if row["status"] == "ok"}
        for problem, group in wanted.items():
            puzzle = parse(lesson.training.family, problem.question)
            asked.append((puzzle, [texts[trace_id] for trace_id in group if trace_id in texts]))
    return asked


# --- how the curve is measured ------------------------------------------------------------------------


def _accuracy(
    model: Qwen3, prompts: Sequence[str], golds: Sequence[str], max_tokens: int
) -> dict[str, float]:
    """Share of right answers, one sample a problem at temperature 1."""
    drawn = sample(model, TOKENIZER, prompts, max_tokens=max_tokens, temperature=1.0, seed=0)
    right = [is_right(TOKENIZER, ids, gold) for ids, gold in zip(drawn, golds, strict=True)]
    return {"accuracy": sum(right) / len(right)}


def _development(lesson: Lesson) -> list[Puzzle]:
    form = lesson.training
    return list(islice(puzzles(form.family, form.difficulty, 0, "development"), form.num_development))


def _alone(lesson: Lesson) -> Callable[[Qwen3], dict[str, float]]:
    held = _development(lesson)
    prompts, golds = [prompt_alone(p.question) for p in held], [p.gold for p in held]
    return lambda model: _accuracy(model, prompts, golds, lesson.training.explorer_tokens)


def _trying(lesson: Lesson) -> Callable[[Qwen3], dict[str, float]]:
    held = _development(lesson)
    prompts, golds = [prompt_with(p.question, ()) for p in held], [p.gold for p in held]
    return lambda model: _accuracy(model, prompts, golds, lesson.training.synthesizer_tokens)


def _reading(lesson: Lesson, root: str) -> Callable[[Qwen3], dict[str, float]]:
    held = _asked(lesson, root, "development")
    prompts, golds = [prompt_with(p.question, texts) for p, texts in held], [p.gold for p, _ in held]
    return lambda model: _accuracy(model, prompts, golds, lesson.training.synthesizer_tokens)


if __name__ == "__main__":
    teach(Lesson.model_validate_json(sys.stdin.buffer.read()), sys.argv[1])
