"""Model cards: what a model is, how it was trained, and what the study measured."""

from collections.abc import Iterable, Mapping, Sequence

from tasks.research.study.markdown import estimate_text, milestones, table
from tasks.research.study.results import Result
from tasks.research.training.jobs import PLAIN_SHARE, JobKind, TrainingJob
from tasks.research.training.record import TrainingRecord
from tasks.research.training.shipped import CARD_FILE, shipped_name

CARD = """# {name}
{shipped}
A Qwen3-architecture language model of {num_parameters:,} parameters ({shape}; tied embeddings, one token per character)
that {does}.
{problems}

## Training

{training}
## Measured

On {num_problems:,} held-out problems, temperature 1, 95 % intervals clustered by problem; an answer that reaches the
token limit is truncated and counts as wrong. MFLOP: 2 × parameters × tokens, prompts included, over all samples and models
of the row.

{measured}
## Limits

It knows only these problems, and at most {count} references. {seeds}
"""

DOES: dict[JobKind, str] = {
    "explorer": "answers at once",
    "synthesizer": "reads a problem with explorers' answers to it, checks each, and answers",
    "selector": "reads a problem with explorers' answers to it, checks each, and answers; where none is right, at once",
    "reinforced": "reads a problem with explorers' answers to it, checks each, and answers; reinforced on its own samples",
    "longer": "answers at once, trained on as many tokens as a synthesizer of its size",
    "solo": "tries, checks and tries again without references",
}

PROBLEMS = {
    "sum3": "The problems: six distinct integers from 10 to 60 and a target that exactly one triple of them adds up to, "
    "`41,20,19,32,23,10=61?`.",
    "bill": "The problems: prices times quantities, added up, `5487*27+6293*34=?`.",
}


def write_cards(
    jobs: Iterable[TrainingJob],
    records: Mapping[str, TrainingRecord],
    results: Sequence[Result],
    root: str,
) -> None:
    """Write README.md into the folder of every trained model that was measured."""
    for job in jobs:
        rows = [_row(result) for result in results if job.name == _answering_model(result)]
        if rows:
            path = job.folder(root) / CARD_FILE
            path.write_text(_card(job, records[job.name], results, rows), encoding="utf-8")


def _card(
    job: TrainingJob, record: TrainingRecord, results: Sequence[Result], rows: Sequence[Sequence[str]]
) -> str:
    """One model's card."""
    training = job.training
    shape = training.shapes[job.size]
    return CARD.format(
        name=job.name,
        shipped=f"\nShipped as `{alias}`.\n" if (alias := shipped_name(job)) != job.name else "",
        num_parameters=record.num_parameters,
        shape=f"hidden {shape.hidden_size}, {shape.num_hidden_layers} layers, {shape.num_attention_heads} heads, "
        f"{shape.num_key_value_heads} key-value, head dimension {shape.head_dim}, MLP {shape.intermediate_size}",
        does=DOES[job.kind],
        problems=f"{PROBLEMS[training.family]} A hash of its question assigns every problem to one split permanently; no "
        "measured problem was trained on.",
        training=table(("", ""), _training_rows(job, record)),
        num_problems=results[0].metrics["mean@1"]["n"],
        measured=table(("cell", "accuracy", "cons@N", "pass@N", "MFLOP per problem", "truncated"), rows),
        count=training.references.count,
        seeds=f"Seed {job.seed} of {training.num_seeds}." if training.num_seeds > 1 else "One seed.",
    )


def _training_rows(job: TrainingJob, record: TrainingRecord) -> list[tuple[str, str]]:
    training = job.training
    if job.kind == "reinforced" and training.reinforcement:
        settings = training.reinforcement
        recipe = (
            f"GRPO, {settings.num_steps} steps of {settings.num_prompts} prompts × {settings.group_size} samples at temperature "
            f"{settings.temperature:g}, AdamW {settings.rate:g}"
        )
    else:
        settings = job.supervised
        recipe = (
            f"supervised, {settings.num_examples:,} examples in batches of {settings.batch_size}, "
            f"Muon {settings.matrix_rate:g} on matrices, AdamW {settings.other_rate:g} on the rest, cosine, bf16 where it is fast"
        )
    explorers = ", ".join(explorer.name for explorer in job.explorers)
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return [
        ("command", f"`a2r train {training.name}`"),
        ("digest of the recipe", record.digest),
        ("starts from", job.start.name if job.start else "random weights"),
        *([("reads samples of", explorers)] if explorers else []),
        ("recipe", recipe),
        ("problems", _problems(job)),
        ("tokens", f"{record.num_tokens:,}"),
        ("seed", str(job.seed)),
        ("wall time", f"{record.seconds:,.0f} s, beside another job"),
        ("hardware", record.machine),
        ("versions", versions),
        ("development accuracy at half, three quarters, end", milestones(record.curve)),
    ]


def _problems(job: TrainingJob) -> str:
    """How many distinct problems it is trained on, and how often it sees each."""
    training = job.training
    num_sampled, num_own = training.references.num_problems, training.explorer_problems
    num_examples = job.supervised.num_examples
    sampled = f"the {num_sampled:,} that its explorers were sampled on"
    match job.kind:
        case "explorer" if num_own:
            return f"{num_own:,}, each {num_examples / num_own:.3g} times"
        case "longer" if num_own:
            num = num_own + num_sampled
            return f"{num:,}, {sampled} among them, each {num_examples / num:.3g} times"
        case "explorer" | "longer":
            return "fresh ones at every step"
        case "synthesizer" | "selector":
            plain = (
                f"one of these or of the {num_own:,} that explorers are trained on"
                if num_own
                else "a fresh one"
            )
            return f"{sampled}; one example in {1 / PLAIN_SHARE:.0f} is {plain}, without references"
        case _:
            return sampled


def _answering_model(result: Result) -> str:
    """The model whose answers a row measures."""
    experiment = result.cell.experiment
    reader = experiment.synthesizer
    return reader.model.id if reader else experiment.first_explorer.model.id


def _row(result: Result) -> tuple[str, ...]:
    experiment = result.cell.experiment
    n = experiment.first_explorer.sampling.n
    label = f"{n} samples alone, prompt {experiment.first_explorer.prompt}"
    if experiment.synthesizer:
        label = f"{result.cell.label}, {n} references of {experiment.first_explorer.model.id}"
    return (
        label,
        estimate_text(result.metrics.get(result.answer)),
        estimate_text(result.metrics.get(f"cons@{n}")),
        estimate_text(result.metrics.get(f"pass@{n}")),
        f"{result.megaflops:.1f}",
        f"{result.num_truncated:,}",
    )
