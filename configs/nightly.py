"""The typed form of a night: which experiments, on the same samples or on fresh ones."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from configs.errors import UserError
from configs.form import Form
from configs.loading import shipped_file


class NightlyExperiment(Form):
    """One experiment of the night."""

    experiment: str
    """A preset's name or the path of an experiment file (absolute: a worker runs somewhere else)."""
    overrides: tuple[str, ...] = ()
    """Settings to change, such as explorer.sampling.n=8."""
    samples: Literal["same", "fresh"] = "same"
    """`same`: what is stored is reused, a night with nothing new costs nothing. `fresh`: the scheduled
    date goes into the base seeds, so every night samples anew and a rerun of a night stays that night."""
    limit: int | None = Field(default=None, ge=1)
    """Only the first so many problems."""


class Nightly(Form):
    """One night."""

    experiments: tuple[NightlyExperiment, ...] = Field(min_length=1)
    """Run one after the other; one that fails does not hold up the others."""


def load_nightly(path: str | None = None) -> Nightly:
    """The night of a file, else the shipped one. Raises UserError naming file and field."""
    file = Path(path) if path else shipped_file("nightly")
    try:
        return Nightly.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(
            f"{file} cannot be read: {error.strerror}; give the path of a nightly file."
        ) from error
    except yaml.YAMLError as error:
        raise UserError(f"{file} is not valid YAML: {error}") from error
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UserError(f"{file}: {places}. See configs/nightly.yaml for an example.") from error
