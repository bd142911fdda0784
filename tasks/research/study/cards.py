"""Model cards: what a model is, how it was trained, and what the study measured of it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.research.study.results import Result
from tasks.research.study.tables import milestones, shown, table
from tasks.research.training.jobs import PLAIN_SHARE, Kind, Lesson
from tasks.research.training.shipped import shipped_name

CARD = """# {name}
{shipped}
A Qwen3-architecture language model of {num_parameters:,} parameters ({shape}; tied embeddings, a token a character) that {does}.
{problems}

## Training

{training}
## Measured

On {num_problems:,} held-out problems, temperature 1, 95 % intervals clustered by problem; an answer that ran into its limit is
cut off and counts as wrong. MFLOP: 2 × parameters × tokens, prompts included, all samples and models of the row.

{measured}
## Limits

It knows these problems and nothing else, and at most {count} references. {seeds}
"""

DOES: dict[Kind, str] = {
    "explorer": "answers at once",
    "synthesizer": "reads a problem with explorers' answers to it, checks each, and answers",
    "selector": "reads a problem with explorers' answers to it, checks each, and answers; where none holds, at once",
    "reinforced": "reads a problem with explorers' answers to it, checks each, and answers; reinforced on its own samples",
    "longer": "answers at once, with as many tokens of training as a synthesizer of its size has",
    "solo": "tries, checks and tries again by itself",
}

PROBLEMS = {
    "sum3": "The problems: six distinct integers from 10 to 60 and a target that exactly one triple of them hits, "
    "`41,20,19,32,23,10=61?`.",
    "bill": "The problems: prices times quantities, added up, `5487*27+6293*34=?`.",
}


def write_cards(
    lessons: Iterable[Lesson],
    records: Mapping[str, Mapping[str, Any]],
    results: Sequence[Result],
    root: str,
) -> None:
    """Write README.md into the folder of every one of the trained models of which something was measured."""
    for lesson in lessons:
        rows = [_row(result) for result in results if lesson.name == _answering(result)]
        if rows:
            path = lesson.folder(root) / "README.md"
            path.write_text(card(lesson, records[lesson.name], results, rows), encoding="utf-8")


def card(
    lesson: Lesson, record: Mapping[str, Any], results: Sequence[Result], rows: Sequence[Sequence[str]]
) -> str:
    """One model's card."""
    form = lesson.training
    shape = form.shapes[lesson.size]
    return CARD.format(
        name=lesson.name,
        shipped=f"\nShipped as `{alias}`.\n" if (alias := shipped_name(lesson)) != lesson.name else "",
        num_parameters=record["num_parameters"],
        shape=f"hidden {shape.hidden_size}, {shape.num_hidden_layers} layers, {shape.num_attention_heads} heads, "
        f"{shape.num_key_value_heads} key-value, head dimension {shape.head_dim}, MLP {shape.intermediate_size}",
        does=DOES[lesson.kind],
        problems=f"{PROBLEMS[form.family]} By a hash of what it asks every problem belongs to one split for ever; no "
        "measured one was trained on.",
        training=table(("", ""), _training(lesson, record)),
        num_problems=results[0].metrics["mean@1"]["n"],
        measured=table(("cell", "accuracy", "cons@N", "pass@N", "MFLOP a problem", "cut off"), rows),
        count=form.references.count,
        seeds=f"Seed {lesson.seed} of {form.num_seeds}." if form.num_seeds > 1 else "One seed.",
    )


def _training(lesson: Lesson, record: Mapping[str, Any]) -> list[tuple[str, str]]:
    form = lesson.training
    if lesson.kind == "reinforced" and form.reinforcement:
        settings = form.reinforcement
        recipe = (
            f"GRPO, {settings.num_steps} steps of {settings.num_prompts} prompts × {settings.group_size} samples at temperature "
            f"{settings.temperature:g}, AdamW {settings.rate:g}"
        )
    else:
        settings = lesson.supervised
        recipe = (
            f"supervised, {settings.num_examples:,} examples in batches of {settings.batch_size}, "
            f"Muon {settings.matrix_rate:g} on matrices, AdamW {settings.other_rate:g} on the rest, cosine, bf16 where it is fast"
        )
    read = ", ".join(explorer.name for explorer in lesson.explorers)
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return [
        ("command", f"`a2r train {form.name}`"),
        ("digest of the recipe", record["digest"]),
        ("starts from", lesson.start.name if lesson.start else "random weights"),
        *([("reads samples of", read)] if read else []),
        ("recipe", recipe),
        ("problems", _problems(lesson)),
        ("tokens", f"{record['num_tokens']:,}"),
        ("seed", str(lesson.seed)),
        ("wall time", f"{record['seconds']:,.0f} s, beside another lesson"),
        ("hardware", record["machine"]),
        ("versions", versions),
        ("development accuracy at half, three quarters, end", milestones(record["curve"])),
    ]


def _problems(lesson: Lesson) -> str:
    """How many distinct problems it learns from, and how often it meets each."""
    form = lesson.training
    num_asked, num_own = form.references.num_problems, form.explorer_problems
    num_examples = lesson.supervised.num_examples
    asked = f"the {num_asked:,} that its explorers were asked"
    match lesson.kind:
        case "explorer" if num_own:
            return f"{num_own:,}, each {num_examples / num_own:.3g} times"
        case "longer" if num_own:
            num = num_own + num_asked
            return f"{num:,}, {asked} among them, each {num_examples / num:.3g} times"
        case "explorer" | "longer":
            return "fresh ones at every step"
        case "synthesizer" | "selector":
            plain = (
                f"one of these or of the {num_own:,} that explorers learn from" if num_own else "a fresh one"
            )
            return f"{asked}; one example in {1 / PLAIN_SHARE:.0f} is {plain}, without references"
        case _:
            return asked


def _answering(result: Result) -> str:
    """The model that a row tells of."""
    experiment = result.cell.experiment
    reader = experiment.synthesizer
    return reader.model.id if reader else experiment.explorer.model.id


def _row(result: Result) -> tuple[str, ...]:
    experiment = result.cell.experiment
    n = experiment.explorer.sampling.n
    label = f"{n} samples alone, prompt {experiment.explorer.prompt}"
    if experiment.synthesizer:
        label = f"{result.cell.label}, {n} references of {experiment.explorer.model.id}"
    return (
        label,
        shown(result.metrics.get(result.answer)),
        shown(result.metrics.get(f"cons@{n}")),
        shown(result.metrics.get(f"pass@{n}")),
        f"{result.megaflops:.1f}",
        f"{result.num_cut:,}",
    )
