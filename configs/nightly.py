"""What a night runs: which experiments, when, and on the same samples or on fresh ones."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, ConfigDict, Field, JsonValue

from configs.experiment import Experiment
from configs.layers import anchor, text_at
from configs.loading import EXPERIMENTS, FileKind, content_of, is_path, load, load_experiment
from configs.messages import nearest
from configs.schema import ConfigModel


def _name_presets(schema: dict[str, JsonValue]) -> None:
    """A run form says which presets there are."""
    schema["description"] = (
        f"A preset ({', '.join(EXPERIMENTS.names())}) or the absolute path of an experiment file."
    )


def _known_zone(name: str) -> str:
    """A name of the time zone database."""
    zones = available_timezones()
    if name not in zones:
        meant = nearest(name, zones).removeprefix("did you mean ").removesuffix("?")
        raise ValueError(
            f"is {name!r}, which is not a time zone; give one such as {meant or 'Europe/Berlin'}."
        )
    return name


def _known_schedule(cron: str) -> str:
    """Five fields that come true some day."""
    num_fields = len(cron.split())
    fault = "" if num_fields == len(_CRON_FIELDS) else f"fields: {num_fields}"
    try:
        next(CronSim(cron, datetime.now(UTC)))
    except (CronSimError, StopIteration) as error:
        fault = fault or str(error).lower() or "no day is ever like that"
    if fault:
        raise ValueError(
            f"is {cron!r}, which is not a schedule ({fault}); give {', '.join(_CRON_FIELDS[:-1])} and "
            f"{_CRON_FIELDS[-1]}, such as '0 2 * * *' for two o'clock every night."
        )
    return cron


_CRON_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
PresetName = Annotated[str, Field(json_schema_extra=_name_presets)]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
CronSchedule = Annotated[str, AfterValidator(_known_schedule)]


class NamedExperiment(ConfigModel):
    """An experiment by the name of its preset or the path of its file, with settings changed if need be."""

    model_config = ConfigDict(title="by name")

    experiment: PresetName
    """A preset (`a2r presets` describes them) or the absolute path of an experiment file."""
    overrides: tuple[str, ...] = ()
    """Settings to change, one per line, such as explorer.sampling.n=8."""

    @property
    def label(self) -> str:
        """What to call it before it is loaded."""
        return Path(self.experiment).stem

    def load(self) -> Experiment:
        """The experiment itself. Raises UserError."""
        return load_experiment(self.experiment, self.overrides)


class NightlyExperiment(ConfigModel):
    """One experiment of the night."""

    model_config = ConfigDict(title="by name")

    experiment: PresetName
    """A preset (`a2r presets` describes them) or the absolute path of an experiment file."""
    overrides: tuple[str, ...] = ()
    """Settings to change, one per line, such as explorer.sampling.n=8."""
    samples: Literal["same", "fresh"] = "same"
    """`same`: what is stored is reused, so a night with nothing new costs nothing. `fresh`: the scheduled
    date goes into the base seeds, so every night samples anew, and a rerun of a night stays that night."""
    limit: int | None = Field(default=None, ge=1)
    """Only the first `limit` problems."""
    baseline_nights: int = Field(default=7, ge=1)
    """With how many of its earlier nights each metric is compared."""

    @property
    def named(self) -> NamedExperiment:
        """The experiment as it is named."""
        return NamedExperiment(experiment=self.experiment, overrides=self.overrides)


class Night(ConfigModel):
    """What one night runs."""

    experiments: tuple[NightlyExperiment, ...] = Field(min_length=1)
    """They run one after the other; one that fails does not stop the others."""
    timezone: TimeZone = "UTC"
    """Time zone of the night's date, such as Europe/Berlin; with `a2r up`, also of its schedule."""


class Nightly(ConfigModel):
    """A night and when it starts: what a nightly file says."""

    experiments: tuple[NightlyExperiment, ...] = Field(min_length=1)
    """They run one after the other; one that fails does not stop the others."""
    timezone: TimeZone = "UTC"
    """Time zone of the night's date, such as Europe/Berlin; with `a2r up`, also of its schedule."""
    cron: CronSchedule = "0 2 * * *"
    """Minute, hour, day of the month, month, day of the week."""

    @property
    def night(self) -> Night:
        """What each night runs."""
        return Night(experiments=self.experiments, timezone=self.timezone)

    def next_after(self, moment: datetime) -> datetime:
        """When the next night begins, in its own time zone."""
        return next(CronSim(self.cron, moment.astimezone(ZoneInfo(self.timezone))))


def _anchor(tree: dict[Any, Any]) -> None:
    """An experiment may also be a preset's name; its path is made absolute, because a worker runs somewhere else."""
    entries = tree.get("experiments")
    for entry in entries if isinstance(entries, list) else ():
        if is_path(text_at(entry, "experiment")):
            anchor(entry, "experiment")


SHIPPED = "nightly"
"""The night without a file."""

_NIGHTS = FileKind(Nightly, "a nightly file", "a shipped night", "nights", anchor=_anchor)


def is_night(config: str) -> bool:
    """Whether a name or a path means a nightly file, which has settings that no experiment has. Raises UserError."""
    if not is_path(config):
        return config in _NIGHTS.names() and config not in EXPERIMENTS.names()
    file = Path(config).expanduser()
    return file.is_file() and not Nightly.model_fields.keys().isdisjoint(content_of(EXPERIMENTS, file))


def shown_as(config: str | None) -> str:
    """What errors call a nightly file. Raises UserError."""
    return _NIGHTS.origin(_NIGHTS.find(config or SHIPPED, Path())).shown


def load_nightly(config: str | None = None, **changed: str | None) -> Nightly:
    """The night of a file or of a shipped name, else the shipped `nightly`, with what is `changed`. Raises UserError."""
    overrides = [f"{name}={json.dumps(value)}" for name, value in changed.items() if value is not None]
    return load(_NIGHTS, config or SHIPPED, overrides)
