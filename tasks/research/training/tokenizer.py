"""The small models' tokenizer: one token per character, and a few whole words."""

from pathlib import Path

import orjson
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
WORDS = (
    "<think>",
    "</think>",
    "user",
    "assistant",
    "Problem",
    "Reference",
    "Check",
    "Try",
    "Item",
    " ok",
    " bad",
    "\\boxed{",
)
CHARACTERS = "0123456789,=+*?:;}\n "

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Qwen's chat format."""


def build_tokenizer() -> Tokenizer:
    """The tokenizer; text outside its alphabet becomes `<unk>`."""
    words = [PAD, START, END, "<unk>", *WORDS, *CHARACTERS]
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))  # noqa: S106
    pattern = "|".join(word.replace("\\", "\\\\").replace("{", "\\{") for word in WORDS) + r"|\n|."
    tokenizer.pre_tokenizer = Split(Regex(pattern), behavior="isolated")
    tokenizer.decoder = Fuse()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in (PAD, START, END)])
    return tokenizer


def save_tokenizer(folder: Path, max_length: int) -> None:
    """Write tokenizer.json and tokenizer_config.json so that transformers and our engines load them."""
    build_tokenizer().save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "eos_token": END,
        "pad_token": PAD,
        "unk_token": "<unk>",
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))


def chat(content: str) -> str:
    """A user message as the model reads it, up to where its completion begins."""
    return f"{START}user\n{content}{END}\n{START}assistant\n"
