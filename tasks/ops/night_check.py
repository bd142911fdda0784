"""A night looked through before it is scheduled: every mistake of every experiment at once, and what it would cost."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim

from configs.experiment import Experiment
from configs.nightly import Nightly
from configs.schema import UserError
from tasks.analysis.check import CheckReport, check_experiment
from tasks.analysis.mistakes import mistakes_of


@dataclass(frozen=True, slots=True)
class NightCheck:
    """What a night would find, need and cost, as if it began now."""

    file: str
    cron: str
    timezone: str
    next_at: datetime
    experiments: tuple[CheckReport, ...]

    def as_dict(self) -> dict[str, object]:
        """The object of `a2r check NIGHT --json`."""
        return {
            "night": self.file,
            "cron": self.cron,
            "timezone": self.timezone,
            "next_at": self.next_at.isoformat(),
            "experiments": [report.as_dict() for report in self.experiments],
        }


def loaded(nightly: Nightly, file: str, root: str) -> list[Experiment]:
    """The night's experiments. Raises UserError with a sentence for each mistake of any of them; nothing is started."""
    experiments, mistakes = list[Experiment](), list[str]()
    for number, entry in enumerate(nightly.experiments):
        place = f"{file}: experiments.{number}"
        try:
            experiment = entry.named.load()
        except UserError as error:
            mistakes += [f"{place}: {line}" for line in str(error).splitlines()]
            continue
        experiments.append(experiment)
        mistakes += [f"{place} ({experiment.name}): {mistake}" for mistake in mistakes_of(experiment, root)]
    if mistakes:
        raise UserError("\n".join(mistakes))
    return experiments


def check_night(nightly: Nightly, file: str, root: str) -> NightCheck:
    """Reach every experiment's engines, count what is stored and missing. Raises UserError with all mistakes."""
    experiments = loaded(nightly, file, root)
    reports, mistakes = list[CheckReport](), list[str]()
    for number, (entry, experiment) in enumerate(zip(nightly.experiments, experiments, strict=True)):
        try:
            reports.append(check_experiment(experiment, root, entry.limit))
        except UserError as error:
            mistakes.append(f"{file}: experiments.{number} ({experiment.name}): {error}")
    if mistakes:
        raise UserError("\n".join(mistakes))
    return NightCheck(file, nightly.cron, nightly.timezone, next_night(nightly), tuple(reports))


def next_night(nightly: Nightly, after: datetime | None = None) -> datetime:
    """When the next night begins, in its own time zone."""
    return next(CronSim(nightly.cron, (after or datetime.now(UTC)).astimezone(ZoneInfo(nightly.timezone))))
