"""The prompts that traces were made with, rendered again from what is stored, in pieces that share their texts.

A template is believed only if its digest is the one in the recipe. Question and references stand in a prompt as pointers
to the texts that the page has anyway; where a template does something with them that a pointer cannot say, the prompt is
there in full.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from pydantic import JsonValue, ValidationError

from configs.graders import JudgeGrader
from configs.roles import References
from configs.schema import UserError
from tasks.prompts.references import Reference
from tasks.prompts.render import Prompt, prompt_of_digest
from warehouse.identity import Recipe
from warehouse.manifest import settings_at
from warehouse.store import Store

Piece = str | dict[str, int | bool]
"""Text, `{"question": true}`, or `{"reference": 0}`: which of the texts that the sample was shown."""
_MARK = re.compile("\ue0f0(q|\\d+)\ue0f1")


class SentMessage(TypedDict):
    """One message of a prompt."""

    role: str
    pieces: list[Piece]


class SentPrompt(TypedDict):
    """A prompt as sent; without messages, `note` says why it is not known."""

    messages: list[SentMessage]
    note: str | None


@dataclass(frozen=True, slots=True)
class StageSource:
    """What the prompts of a stage are made of."""

    recipe: Recipe | None
    template: Prompt | None
    policy: References | None
    """How references are cut; None where the stage has none, or it is no longer known."""
    note: str | None
    """Why there is no template."""

    def sent(
        self, question: str | None, references: Sequence[Reference] = (), **values: str | int
    ) -> SentPrompt:
        """The prompt for a question, as pieces."""
        if self.template is None or question is None:
            return SentPrompt(messages=[], note=self.note or "The question is not stored.")
        try:
            return SentPrompt(messages=_pieces(self.template, question, references, values), note=None)
        except UserError as error:
            return SentPrompt(messages=[], note=str(error))


@dataclass(frozen=True, slots=True)
class JudgeSource:
    """What a judge's question is made of."""

    stage: StageSource
    key: str
    """Of its recipe."""
    scale: tuple[str | int, ...]
    """Rubric and points, where it has a rubric."""

    @property
    def values(self) -> dict[str, str | int]:
        """What its template is given besides question, gold and answer."""
        return dict(zip(("rubric", "points"), self.scale, strict=True)) if self.scale else {}


def stage_source(store: Store, stage: str, key: str, *names: str) -> StageSource:
    """What the prompts of a recipe are made of; `names` say where its template may be, besides those that are shipped."""
    try:
        recipe = store.read_recipe(stage, key)
    except UserError as error:
        return StageSource(None, None, None, str(error))
    template = prompt_of_digest(recipe.prompt_digest, *names)
    named = " or ".join(names) or "that is shipped"
    note = (
        None
        if template
        else f"The prompt template {named} is not the one that was sent: it has changed since."
    )
    return StageSource(recipe, template, _policy(recipe), note)


def template_names(config: Mapping[str, JsonValue], settings: str) -> list[str]:
    """Where an experiment says that the template of a stage is, by its settings' place in it."""
    role = settings_at(config, settings)
    named = role.get("prompt") if isinstance(role, dict) else None
    return [named] if isinstance(named, str) else []


def judge_source(store: Store, config: Mapping[str, JsonValue], key: str) -> JudgeSource | None:
    """What a run's judge was asked with; None where its settings cannot be read."""
    form = _judge(config.get("grader"))
    if form is None:
        return None
    names = [form.prompt, "judge-rubric"] if form.rubric is not None else [form.prompt]
    scale = () if form.rubric is None else (form.rubric, form.points)
    return JudgeSource(stage_source(store, "judge", key, *names), key, scale)


def _judge(grader: JsonValue) -> JudgeGrader | None:
    if not isinstance(grader, dict):
        return None
    several = grader.get("of")
    for settings in several if isinstance(several, list) else [grader]:
        if isinstance(settings, dict) and settings.get("kind") == "judge":
            try:
                return JudgeGrader.model_validate(settings)
            except ValidationError:  # settings of another version
                return None
    return None


def _policy(recipe: Recipe) -> References | None:
    try:
        policy = recipe.references
    except ValidationError:
        return None
    is_lost = policy is not None and policy.tokenizer is not None and not Path(policy.tokenizer).exists()
    return None if is_lost else policy


def _pieces(
    template: Prompt, question: str, references: Sequence[Reference], values: Mapping[str, str | int]
) -> list[SentMessage]:
    marked = [Reference(r.index, f"\ue0f0{place}\ue0f1", r.count) for place, r in enumerate(references)]
    whole = template.filled({"question": question, "references": tuple(references), **values})
    cut = template.filled({"question": "\ue0f0q\ue0f1", "references": tuple(marked), **values})
    texts = {"q": question, **{str(place): r.text for place, r in enumerate(references)}}
    messages = []
    for sent, shown in zip(whole, cut, strict=False):
        names = _MARK.split(shown.content)
        again = "".join(texts.get(name, "") if place % 2 else name for place, name in enumerate(names))
        pieces = [_pointer(name) if place % 2 else name for place, name in enumerate(names)]
        is_same = again == sent.content and len(whole) == len(cut)
        messages.append(
            SentMessage(
                role=sent.role, pieces=[piece for piece in pieces if piece] if is_same else [sent.content]
            )
        )
    return messages


def _pointer(name: str) -> Piece:
    return {"question": True} if name == "q" else {"reference": int(name)}
