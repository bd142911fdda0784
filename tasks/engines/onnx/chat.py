"""A model folder's chat format: messages to token ids and back."""

from collections.abc import Sequence
from pathlib import Path

import orjson
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from tasks.engines.protocol import EngineError, Message


class ChatFormat:
    """tokenizer.json, the chat template of tokenizer_config.json, the ends of generation_config.json."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        config = orjson.loads((folder / "tokenizer_config.json").read_bytes())
        if "chat_template" not in config:
            raise EngineError(f"{folder}/tokenizer_config.json has no chat_template; add one.")
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        self._template = environment.from_string(config["chat_template"])
        ends = orjson.loads((folder / "generation_config.json").read_bytes())["eos_token_id"]
        self.ends = frozenset(ends if isinstance(ends, list) else [ends])
        """Token ids that end a completion."""

    def encode(self, messages: Sequence[Message], *, enable_thinking: bool | None = None) -> list[int]:
        """The prompt's token ids, up to where the assistant begins."""
        thinking = {} if enable_thinking is None else {"enable_thinking": enable_thinking}
        text = self._template.render(
            messages=[{"role": m.role, "content": m.content} for m in messages],
            add_generation_prompt=True,
            **thinking,
        )
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of generated tokens, special ones left out."""
        return self._tokenizer.decode(tokens, skip_special_tokens=True)
