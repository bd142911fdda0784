"""The API key of an endpoint, from the environment variable that the experiment names."""

import os

from configs.engines import OpenAISettings
from tasks.engines.protocol import EngineError


def api_key(settings: OpenAISettings) -> str:
    """The key, empty where none is named. Raises EngineError for a variable that is not set or holds no key."""
    name = settings.api_key_env
    if not name:
        return ""
    key = os.environ.get(name, "").strip()  # a key read from a file ends in a newline
    if not key:
        raise EngineError(f"The environment variable {name} is not set; `export {name}=…` with the API key.")
    if not (key.isascii() and key.isprintable()):
        raise EngineError(
            f"The environment variable {name} holds what cannot be a key (line breaks, or characters beyond "
            f"ASCII); `export {name}=…` with the API key alone."
        )
    return key
