"""A night looked through before it is scheduled: every mistake of every experiment at once, and what it would cost."""

from dataclasses import dataclass
from datetime import UTC, datetime

from configs.nightly import Nightly
from configs.schema import UserError
from tasks.analysis.check import CheckReport, check_experiment
from tasks.analysis.mistakes import loaded_night


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


def check_night(nightly: Nightly, file: str, root: str) -> NightCheck:
    """Reach every experiment's engines, count what is stored and missing. Raises UserError with all mistakes."""
    experiments = loaded_night(nightly, file, root)
    reports, mistakes = list[CheckReport](), list[str]()
    for number, (entry, experiment) in enumerate(zip(nightly.experiments, experiments, strict=True)):
        try:
            reports.append(check_experiment(experiment, root, entry.limit))
        except UserError as error:
            mistakes.append(f"{file}: experiments.{number} ({experiment.name}): {error}")
    if mistakes:
        raise UserError("\n".join(mistakes))
    return NightCheck(
        file, nightly.cron, nightly.timezone, nightly.next_after(datetime.now(UTC)), tuple(reports)
    )
