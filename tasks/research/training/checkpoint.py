"""A training's progress and its checkpoints: steps, tokens and the curve so far, saved so that a kill costs a minute."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from tasks.research.training.model import Qwen3
from tasks.research.training.record import CurvePoint
from warehouse.files import atomic_file

SECONDS_BETWEEN_CHECKPOINTS = 60.0


@dataclass
class TrainingProgress:
    """Steps, tokens, seconds, and a point of the curve for each evaluation."""

    checkpoint: Path
    num_planned_steps: int
    num_evaluations: int
    num_steps: int = 0
    num_tokens: int = 0
    """Tokens that went through the model, padding included."""
    curve: list[CurvePoint] = field(default_factory=list)
    _earlier_seconds: float = 0.0
    _started: float = field(default_factory=time.monotonic)
    _saved: float = field(default_factory=time.monotonic)
    _pending: list[Mapping[str, float | Tensor]] = field(default_factory=list)
    """What was measured at the steps since the last point of the curve."""

    @property
    def seconds(self) -> float:
        """Wall time, that of interrupted runs up to their last checkpoint included."""
        return self._earlier_seconds + time.monotonic() - self._started

    def record_step(
        self,
        num_tokens: int,
        measured: Mapping[str, float | Tensor],
        evaluate: Callable[[], dict[str, float]],
    ) -> None:
        """Count a step; when an evaluation is due, add a point to the curve.

        A point has the mean of each quantity over the steps that measured it, and what `evaluate` returns.
        """
        self.num_steps += 1
        self.num_tokens += num_tokens
        self._pending.append(measured)
        num_due = self.num_steps * self.num_evaluations // self.num_planned_steps
        if num_due > len(self.curve):
            names = dict.fromkeys(name for row in self._pending for name in row)
            means = {name: fmean(float(row[name]) for row in self._pending if name in row) for name in names}
            point = {
                "num_steps": self.num_steps,
                "num_tokens": self.num_tokens,
                "seconds": round(self.seconds, 1),
                **{name: round(value, 5) for name, value in (means | evaluate()).items()},
            }
            self.curve.append(point)
            self._pending.clear()
            text = ", ".join(f"{name} {value:.4g}" for name, value in point.items())
            print(f"{self.num_steps / self.num_planned_steps:.0%} {text}", flush=True)  # noqa: T201 - its process's log

    def save_if_due(self, model: Qwen3, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        """Write a checkpoint if the last one is a minute old."""
        if time.monotonic() - self._saved < SECONDS_BETWEEN_CHECKPOINTS:
            return
        state = {
            "model": model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "progress": [self.num_steps, self.num_tokens, self.seconds, self.curve, self._pending],
            "random": torch.get_rng_state(),
        }
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(self.checkpoint) as beside:
            torch.save(state, beside)
        self._saved = time.monotonic()

    def resume(self, model: Qwen3, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        """Continue from the checkpoint, if there is one."""
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, weights_only=True, map_location="cpu")
        model.load_state_dict(state["model"])
        for optimizer, optimizer_state in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(optimizer_state)
        self.num_steps, self.num_tokens, self._earlier_seconds, self.curve, self._pending = state["progress"]
        torch.set_rng_state(state["random"])
