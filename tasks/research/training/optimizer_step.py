"""One optimizer step of supervised training: forward, backward, clip, Muon on matrices and AdamW on the rest.

On a GPU a step of a model this small is a thousand kernels of two microseconds each. Launched one by one they leave
the GPU idle, so there a whole step is captured as a CUDA graph, one for each padded length, and replayed.
"""

import shutil
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from configs.training import Supervised
from tasks.research.training.model import Qwen3, autocast, causal
from tasks.research.training.muon import Muon

IGNORED = -100
"""torch's mark of a target without loss."""

STEPS_WORTH_COMPILING = 1000
"""Compiling a model for a CPU takes about a minute; a step is then a third to a half faster."""

LENGTH_MULTIPLE = 32
"""On a GPU lengths are rounded up to multiples of this, so that a few graphs serve all batches."""
STEPS_BEFORE_CAPTURE = 3
"""What libraries set up on their first calls must not become part of a graph."""


class OptimizerStep:
    """Takes a model's steps one by one, on the device of its weights."""

    def __init__(self, model: Qwen3, settings: Supervised) -> None:
        named = list(model.named_parameters())
        matrices = [p for name, p in named if p.dim() == 2 and "embed" not in name]  # noqa: PLR2004
        rest = [p for name, p in named if p.dim() != 2 or "embed" in name]  # noqa: PLR2004
        self._device = rest[0].device
        self.optimizers: list[torch.optim.Optimizer] = [
            Muon(matrices, settings.matrix_rate),
            torch.optim.AdamW(
                rest, lr=settings.other_rate, betas=(0.9, 0.95), weight_decay=0.0, capturable=rest[0].is_cuda
            ),
        ]
        self._peaks = [settings.matrix_rate, settings.other_rate]
        self._model = model
        self._forward: Any = model

    def compile_for(self, num_steps: int) -> None:
        """Compile the model if that many steps make up for it and there is a C++ compiler."""
        if num_steps >= STEPS_WORTH_COMPILING and (shutil.which("g++") or shutil.which("clang++")):
            self._forward = torch.compile(self._model, dynamic=True)

    def take(self, ids: Tensor, targets: Tensor, rate: float) -> tuple[float, int]:
        """One step at `rate` times the peak rates; returns its loss and how many tokens went through the model."""
        for optimizer, peak in zip(self.optimizers, self._peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * peak
        loss = self.update(ids.to(self._device), targets.to(self._device))
        return loss.item(), ids.numel()

    def update(self, ids: Tensor, targets: Tensor) -> Tensor:
        """One step at the rates that the optimizers have now; returns its loss."""
        with autocast():
            logits, _ = self._forward(ids, *causal(ids))
        loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return loss


class CudaGraphStep:
    """The same on a GPU, by CUDA graphs.

    A graph keeps the rates that it was captured with. So it takes the step at the peak rates and then keeps the share
    of it that the schedule wants, which is equivalent because there is no weight decay.
    """

    def __init__(self, model: Qwen3, settings: Supervised, pad: int) -> None:
        self._step = OptimizerStep(model, settings)
        self.optimizers = self._step.optimizers
        self._pad = pad
        self._rate = torch.zeros(())
        self._graphs: dict[tuple[int, int], tuple[torch.cuda.CUDAGraph, Tensor, Tensor, Tensor]] = {}
        self._stream: torch.cuda.Stream | None = None
        self._num_steps = 0
        parameters = list(model.parameters())
        self._weights = torch.cat([p.detach().flatten() for p in parameters])
        """All weights in one tensor; the parameters are views of it."""
        views = self._weights.split([p.numel() for p in parameters])
        for parameter, view in zip(parameters, views, strict=True):
            parameter.data = view.view_as(parameter)

    def compile_for(self, num_steps: int) -> None:
        """Nothing to do: a graph has no launches to save."""

    def take(self, ids: Tensor, targets: Tensor, rate: float) -> tuple[Tensor, int]:
        """One step; the loss stays on the GPU, so that nothing waits for it."""
        length = -(-ids.shape[1] // LENGTH_MULTIPLE) * LENGTH_MULTIPLE
        padding = (0, length - ids.shape[1])
        ids, targets = F.pad(ids, padding, value=self._pad), F.pad(targets, padding, value=IGNORED)
        self._rate.fill_(rate)
        key = (len(ids), length)
        if key not in self._graphs and self._num_steps >= STEPS_BEFORE_CAPTURE:
            self._graphs[key] = self._captured(*key)
        self._num_steps += 1
        if key not in self._graphs:
            self._stream = self._stream or torch.cuda.Stream()
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                loss = self._scaled(ids.cuda(), targets.cuda())
            torch.cuda.current_stream().wait_stream(self._stream)
            return loss.detach().clone(), ids.numel()
        graph, graph_ids, graph_targets, graph_loss = self._graphs[key]
        graph_ids.copy_(ids.pin_memory(), non_blocking=True)
        graph_targets.copy_(targets.pin_memory(), non_blocking=True)
        graph.replay()
        return graph_loss.clone(), ids.numel()

    def _captured(self, rows: int, length: int) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor, Tensor]:
        ids = torch.zeros((rows, length), dtype=torch.long)
        targets = torch.zeros_like(ids)
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        shared_pool = next((graph.pool() for graph, *_ in self._graphs.values()), None)
        with torch.cuda.graph(graph, pool=shared_pool, stream=self._stream):
            loss = self._scaled(ids, targets)
        return graph, ids, targets, loss

    def _scaled(self, ids: Tensor, targets: Tensor) -> Tensor:
        before = self._weights.clone()
        loss = self._step.update(ids, targets)
        self._weights.copy_(torch.lerp(before, self._weights, self._rate))
        return loss.detach()
