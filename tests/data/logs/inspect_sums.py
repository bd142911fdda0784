"""The task of the Inspect logs: what make.py hands to `inspect eval`."""

from inspect_ai import Task, task
from inspect_ai.dataset import FieldSpec, json_dataset
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import match
from inspect_ai.solver import generate


@task
def sums():
    return Task(
        dataset=json_dataset("sums.jsonl", FieldSpec(input="problem", target="answer", id="id")),
        solver=generate(),
        scorer=match(location="any"),
        config=GenerateConfig(temperature=0.6, max_tokens=256),
    )
