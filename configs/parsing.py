"""YAML of people: read by libyaml where PyYAML was built with it, in a tenth of the time.

Only true and false are truth values, as in YAML 1.2: `on`, `off`, `yes` and `no` are words, also as the name of a setting
(`on: ray`) or an answer; a setting that is true or false understands them.
"""

import re
from typing import Any

import yaml
from yaml import MappingNode, ScalarNode, YAMLError
from yaml.constructor import ConstructorError

_BOOL = "tag:yaml.org,2002:bool"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # pyright: ignore[reportGeneralTypeIssues]
    """Plain values alone, and no key twice in a mapping: the first of them would be lost without a word."""

    def flatten_mapping(self, node: MappingNode) -> None:
        """Called for each mapping before its values are made; a second time with what `<<` has brought in, which may repeat."""
        checked = self.__dict__.setdefault("checked", set())
        if id(node) not in checked:
            checked.add(id(node))
            _check_keys(node)
        super().flatten_mapping(node)


def _check_keys(node: MappingNode) -> None:
    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if isinstance(key, ScalarNode):
            if (key.tag, key.value) in seen:
                raise ConstructorError(
                    None, None, f"the key {key.value} is there twice; remove one", key.start_mark
                )
            seen.add((key.tag, key.value))


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def read_yaml(text: str) -> Any:  # noqa: ANN401 - whatever a person wrote
    """What a text says. Raises YAMLError."""
    return yaml.load(text, _Loader)  # noqa: S506 - a safe one


__all__ = ["YAMLError", "read_yaml"]
