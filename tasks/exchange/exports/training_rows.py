"""Training rows in the layouts of TRL and verl.

TRL (conversational): prompt and completion for SFT; prompt with further columns, which reward functions
are handed, for GRPO (`solution` is what its accuracy_reward reads); prompt, chosen and rejected for
preferences. verl: data_source, prompt, ability, reward_model and extra_info.
Sources: TRL's "Dataset formats and types", verl's "Prepare Data for Post-Training".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from tasks.exchange.exports.prompts import TrainingCase
from tasks.exchange.exports.solutions import trl_solution, verl_ground_truth
from warehouse.catalog import Row

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_REFERENCES = pa.list_(
    pa.struct(
        [
            ("trace_id", pa.string()),
            ("answer", pa.string()),
            ("extracted", pa.string()),
            ("verdict", pa.string()),
        ]
    )
)
_ABOUT = [
    ("benchmark", pa.string()),
    ("problem_id", pa.string()),
    ("question", pa.string()),
    ("references", _REFERENCES),
    ("num_correct_references", pa.int32()),
    ("explorer_accuracy", pa.float64()),
]


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout: its columns and the rows of a problem, numbered from `index`."""

    schema: pa.Schema
    rows: Callable[[TrainingCase, "TrainingChoice", int], Iterator[Row]]
    reader: str
    """How to read it, for the card."""
    unit: str
    """What one row is."""


@dataclass(frozen=True, slots=True)
class TrainingChoice:
    """What a person chose of a training set."""

    only_correct: bool = True
    """Of SFT: only completions that were graded correct."""
    data_source: str | None = None
    """Of verl: the name by which it finds its reward function; absent: the benchmark."""


def _sft(case: TrainingCase, choice: TrainingChoice, _index: int) -> Iterator[Row]:
    for sample in case.samples:
        if sample["answer"] is None or (choice.only_correct and not sample["is_correct"]):
            continue
        yield {
            "prompt": _prompt(case),
            "completion": _completion(sample),
            "solution": trl_solution(case.gold),
            "trace_id": sample["trace_id"],
            "verdict": sample["verdict"],
            **_about(case),
        }


def _grpo(case: TrainingCase, _choice: TrainingChoice, _index: int) -> Iterator[Row]:
    yield {"prompt": _prompt(case), "solution": trl_solution(case.gold), **_about(case)}


def _preferences(case: TrainingCase, _choice: TrainingChoice, _index: int) -> Iterator[Row]:
    """The first right answer beside the first wrong one, the second beside the second, as far as both go."""
    right = [sample for sample in case.samples if sample["verdict"] == "correct"]
    wrong = [sample for sample in case.samples if sample["verdict"] == "wrong"]
    for chosen, rejected in zip(right, wrong, strict=False):
        yield {
            "prompt": _prompt(case),
            "chosen": _completion(chosen),
            "rejected": _completion(rejected),
            "solution": trl_solution(case.gold),
            **_about(case),
        }


def _verl(case: TrainingCase, choice: TrainingChoice, index: int) -> Iterator[Row]:
    yield {
        "data_source": choice.data_source or case.benchmark,
        "prompt": _prompt(case),
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": verl_ground_truth(case.gold)},
        "extra_info": {"split": "train", "index": index, **_about(case)},
    }


LAYOUTS = {
    "trl-sft": Layout(
        pa.schema(
            [
                ("prompt", _MESSAGES),
                ("completion", _MESSAGES),
                ("solution", pa.string()),
                ("trace_id", pa.string()),
                ("verdict", pa.string()),
                *_ABOUT,
            ]
        ),
        _sft,
        "SFTTrainer of TRL; the loss is on `completion`.",
        "a completion",
    ),
    "trl-grpo": Layout(
        pa.schema([("prompt", _MESSAGES), ("solution", pa.string()), *_ABOUT]),
        _grpo,
        "GRPOTrainer of TRL (and its other online trainers); reward functions are handed the further columns, "
        "`accuracy_reward` reads `solution`.",
        "a problem",
    ),
    "trl-dpo": Layout(
        pa.schema(
            [
                ("prompt", _MESSAGES),
                ("chosen", _MESSAGES),
                ("rejected", _MESSAGES),
                ("solution", pa.string()),
                *_ABOUT,
            ]
        ),
        _preferences,
        "DPOTrainer of TRL and other preference trainers.",
        "a right and a wrong completion of one prompt",
    ),
    "verl": Layout(
        pa.schema(
            [
                ("data_source", pa.string()),
                ("prompt", _MESSAGES),
                ("ability", pa.string()),
                ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
                ("extra_info", pa.struct([("split", pa.string()), ("index", pa.int64()), *_ABOUT])),
            ]
        ),
        _verl,
        "verl (`data.train_files`). Its reward function is found by `data_source`: export with --data-source, or "
        "give `custom_reward_function`.",
        "a problem",
    ),
}


def _prompt(case: TrainingCase) -> list[Row]:
    return [{"role": message.role, "content": message.content} for message in case.messages]


def _completion(sample: Row) -> list[Row]:
    """What the model wrote, its reasoning inside the tags that chat templates of reasoning models use."""
    reasoning = sample["reasoning"]
    text = f"<think>\n{reasoning}\n</think>\n\n{sample['answer']}" if reasoning else sample["answer"]
    return [{"role": "assistant", "content": text}]


def _about(case: TrainingCase) -> Row:
    graded = [row["is_correct"] for row in case.explored if row["is_correct"] is not None]
    return {
        "benchmark": case.benchmark,
        "problem_id": case.problem_id,
        "question": case.question,
        "references": [
            {name: row[name] for name in ("trace_id", "answer", "extracted", "verdict")}
            for row in case.references
        ],
        "num_correct_references": sum(bool(row["is_correct"]) for row in case.references),
        "explorer_accuracy": sum(graded) / len(graded) if graded else None,
    }
