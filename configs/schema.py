"""What every typed configuration is made of, and the one exception whose message is written for people."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict


class ConfigModel(BaseModel):
    """Closed and frozen: an unknown key is an error, a built experiment cannot change."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class UserError(Exception):
    """Something a person can fix: the message names the thing, its value and the next step.

    The command line prints the message alone and exits with 2; anything else that escapes is a
    defect and keeps its traceback.
    """


def looks_secret(name: str) -> bool:
    """Whether a variable or a setting of that name holds something that is stored and shown nowhere."""
    return bool({"KEY", "TOKEN", "SECRET", "PASSWORD"} & set(name.upper().split("_")))


JsonObject = Mapping[str, Any]
"""An object in JSON that another program wrote: whatever a field holds is checked where it is read."""
