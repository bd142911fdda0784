"""A training's curve and checkpoints: what it has done so far, kept so that a kill costs a minute."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from tasks.research.training.model import Qwen3

SECONDS_BETWEEN_CHECKPOINTS = 60.0


@dataclass
class Progress:
    """Steps, tokens, seconds, and a point of the curve for each evaluation."""

    checkpoint: Path
    planned: int
    """Steps of the whole training."""
    num_evaluations: int
    num_steps: int = 0
    num_tokens: int = 0
    """Tokens that went through the model, padding included."""
    curve: list[dict[str, Any]] = field(default_factory=list)
    _seconds: float = 0.0
    _began: float = field(default_factory=time.monotonic)
    _kept: float = field(default_factory=time.monotonic)
    _running: list[Mapping[str, float | Tensor]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Wall time spent, that of broken-off runs up to their last checkpoint included."""
        return self._seconds + time.monotonic() - self._began

    def step(
        self, num_tokens: int, seen: Mapping[str, float | Tensor], evaluate: Callable[[], dict[str, float]]
    ) -> None:
        """One step done; every so often a point of the curve: means over the steps that saw a thing, and a measurement."""
        self.num_steps += 1
        self.num_tokens += num_tokens
        self._running.append(seen)
        due = self.num_steps * self.num_evaluations // self.planned
        if due > len(self.curve):
            names = dict.fromkeys(name for row in self._running for name in row)
            means = {name: fmean(float(row[name]) for row in self._running if name in row) for name in names}
            self.curve.append(
                {
                    "num_steps": self.num_steps,
                    "num_tokens": self.num_tokens,
                    "seconds": round(self.seconds, 1),
                    **{name: round(value, 5) for name, value in (means | evaluate()).items()},
                }
            )
            self._running.clear()
            shown = ", ".join(f"{name} {value:.4g}" for name, value in self.curve[-1].items())
            print(f"{self.num_steps / self.planned:.0%} {shown}", flush=True)  # noqa: T201 - its process's log

    def keep(self, model: Qwen3, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        """Write a checkpoint if the last one is a minute old."""
        if time.monotonic() - self._kept < SECONDS_BETWEEN_CHECKPOINTS:
            return
        state = {
            "model": model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "progress": [self.num_steps, self.num_tokens, self.seconds, self.curve, self._running],
            "random": torch.get_rng_state(),
        }
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        beside = self.checkpoint.with_suffix(".tmp")
        torch.save(state, beside)
        beside.replace(self.checkpoint)
        self._kept = time.monotonic()

    def resume(self, model: Qwen3, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        """Go on from the checkpoint, if there is one."""
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, weights_only=True, map_location="cpu")
        model.load_state_dict(state["model"])
        for optimizer, held in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(held)
        self.num_steps, self.num_tokens, self._seconds, self.curve, self._running = state["progress"]
        torch.set_rng_state(state["random"])
