"""What every typed form of this package is made of."""

from pydantic import BaseModel, ConfigDict


class Form(BaseModel):
    """Closed and frozen: an unknown key is an error, a built experiment cannot change."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
