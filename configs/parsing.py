"""YAML of people: read by libyaml where PyYAML was built with it, in a tenth of the time.

Only true and false are truth values, as in YAML 1.2: `on`, `off`, `yes` and `no` are words, also as the name of a setting
(`on: ray`) or an answer; a setting that is true or false understands them.
"""

import re
from typing import Any

import yaml
from yaml import YAMLError

_BOOL = "tag:yaml.org,2002:bool"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # pyright: ignore[reportGeneralTypeIssues]
    """Plain values alone."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def read_yaml(text: str) -> Any:  # noqa: ANN401 - whatever a person wrote
    """What a text says. Raises YAMLError."""
    return yaml.load(text, _Loader)  # noqa: S506 - a safe one


__all__ = ["YAMLError", "read_yaml"]
