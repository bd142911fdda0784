"""Prompts: jinja2 files with a `user` block and an optional `system` block.

The file's digest is part of the recipe, so a template is self-contained: it cannot include or extend
another. Values are inserted as text and never evaluated; the environment is jinja2's sandbox.
"""

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Literal

from jinja2 import DictLoader, StrictUndefined, Template, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from configs.schema import UserError
from tasks.engines.protocol import Message
from tasks.prompts.references import Reference

_ENVIRONMENT = SandboxedEnvironment(
    undefined=StrictUndefined,
    autoescape=False,
    loader=DictLoader({}),
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template's name, source and digest."""

    name: str
    source: str

    @property
    def digest(self) -> str:
        """SHA-256 of the source, 16 hexadecimal digits."""
        return hashlib.sha256(self.source.encode()).hexdigest()[:16]

    def render(self, question: str, references: tuple[Reference, ...] = ()) -> tuple[Message, ...]:
        """The chat messages for one problem. Raises UserError naming the template."""
        return self.filled({"question": question, "references": references})

    def filled(self, values: Mapping[str, object]) -> tuple[Message, ...]:
        """The chat messages with these values filled in. Raises UserError naming the template."""
        template = _compiled(self.source)
        try:
            context = template.new_context(dict(values))
            texts = {role: "".join(block(context)).strip() for role, block in template.blocks.items()}
        except TemplateError as error:
            names = " and ".join(f"`{name}`" for name in values)
            raise UserError(f"prompt {self.name}: {error}; it may use {names}.") from error
        roles: tuple[Literal["system", "user"], ...] = ("system", "user")
        return tuple(Message(role, texts[role]) for role in roles if texts.get(role))


def load_prompt(name: str) -> Prompt:
    """The shipped prompt with this name, or the file at this path. Raises UserError."""
    shipped = Path(str(resources.files("tasks.prompts")))
    path = Path(name) if name.endswith(".jinja") else shipped / f"{name}.jinja"
    try:
        prompt = Prompt(path.stem, path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        names = sorted(file.stem for file in shipped.glob("*.jinja"))
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]}? There are" if close else "there are"
        raise UserError(
            f"prompt {name} does not exist; {hint}: {', '.join(names)}. A path must end in .jinja."
        ) from None
    try:
        blocks = _compiled(prompt.source).blocks
    except TemplateError as error:
        raise UserError(f"prompt {name} is not a valid jinja2 template: {error}.") from error
    if "user" not in blocks or not blocks.keys() <= {"system", "user"}:
        raise UserError(
            f"prompt {name} has the blocks {sorted(blocks)}; define {{% block user %}} and optionally "
            "{% block system %}."
        )
    return prompt


def prompt_of_digest(digest: str, *names: str) -> Prompt | None:
    """The template of this digest among those named and the shipped ones; None where it has changed or is gone."""
    shipped = sorted(Path(str(resources.files("tasks.prompts"))).glob("*.jinja"))
    for name in (*names, *(path.stem for path in shipped)):
        try:
            prompt = load_prompt(name)
        except UserError:
            continue
        if prompt.digest == digest:
            return prompt
    return None


@lru_cache(maxsize=64)
def _compiled(source: str) -> Template:
    return _ENVIRONMENT.from_string(source)
