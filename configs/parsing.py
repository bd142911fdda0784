"""YAML of people: read by libyaml where PyYAML was built with it, in a tenth of the time."""

from typing import Any

import yaml
from yaml import YAMLError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str) -> Any:  # noqa: ANN401 - whatever a person wrote
    """What a text says; never more than plain values. Raises YAMLError."""
    return yaml.load(text, _LOADER)  # noqa: S506 - both are safe ones


__all__ = ["YAMLError", "read_yaml"]
