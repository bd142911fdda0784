"""Muon (https://kellerjordan.github.io/posts/muon/): momentum whose update is made orthogonal, for matrices.

torch's own updates matrices one by one and always in bf16. Here matrices of one shape are updated together, which on a
GPU saves six of seven kernels, and in fp32 on a CPU that only emulates bf16, twenty times slower.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from tasks.research.training.model import half_precision

A, B, C = 3.4445, -4.7750, 2.0315
"""Coefficients of the quintic iteration, from its author."""
NUM_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, no weight decay; the step of a matrix that is taller than wide is √(height ÷ width) times larger."""

    def __init__(self, matrices: Iterable[Tensor], rate: float, momentum: float = 0.95) -> None:
        super().__init__(matrices, {"lr": rate, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ANN401, ARG002 - torch's signature
        """Update every matrix."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for matrix in group["params"]:
                by_shape.setdefault(matrix.shape, []).append(matrix)
            for (height, width), matrices in by_shape.items():
                gradients = torch.stack([matrix.grad for matrix in matrices if matrix.grad is not None])
                state = self.state[matrices[0]]
                if not state:
                    state["momentum"] = torch.zeros_like(gradients)
                state["momentum"].lerp_(gradients, 1 - group["momentum"])
                update = orthogonal(gradients.lerp(state["momentum"], group["momentum"]))
                rate = group["lr"] * math.sqrt(max(1.0, height / width))
                for matrix, change in zip(matrices, update, strict=True):
                    matrix.add_(change, alpha=-rate)


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices, (count, height, width), with their singular values brought near 1 by the Newton–Schulz iteration."""
    x = matrices.to(half_precision() or torch.float)
    is_tall = x.shape[1] > x.shape[2]
    x = x.mT if is_tall else x
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(NUM_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=B, alpha=C), x, beta=A)
    return x.mT if is_tall else x
