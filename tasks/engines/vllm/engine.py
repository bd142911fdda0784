"""vLLM without a server: one engine loaded once for all shards, fed as one continuous stream.

Its core runs in a process of its own (vLLM's default), so that scheduling does not share this
process's interpreter with Prefect and the store, and so that closing the engine certainly frees the
accelerator for the next stage's model. A sample is one request with its own seed; the samples of a
problem are handed over together and share their prompt's prefill by prefix caching.
"""

import asyncio
import gc
import itertools
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from configs.engines import VllmSettings
from configs.models import Model
from tasks.engines.confidence import group_confidence
from tasks.engines.processes import Leash
from tasks.engines.protocol import Completion, Deliver, EngineError, Failure, Request
from tasks.engines.reasoning import marks_of, split_reasoning
from tasks.engines.vllm.arguments import (
    NUM_SEQUENCES,
    check_arguments,
    engine_arguments,
    sampling_arguments,
    template_arguments,
)
from tasks.engines.vllm.runtime import Loaded, load, prepare
from warehouse.failures import FailureCode
from warehouse.servers import ServerStats

SHUTDOWN_SECONDS = 30.0
"""How long vLLM's processes may take to end by themselves before they are killed."""


class VllmEngine:
    """`Engine` over vLLM's `AsyncLLM`."""

    def __init__(self, model: Model, settings: VllmSettings) -> None:
        check_arguments(settings)
        sequences = int(settings.args.get("max_num_seqs") or NUM_SEQUENCES)  # pyright: ignore[reportArgumentType] - vLLM says so itself
        self.concurrency = settings.concurrency or sequences + max(1, sequences // 8)
        self.group = self.concurrency
        self._top = settings.top_logprobs or 0
        self._kept = {"logprobs": self._top} if settings.logprobs or self._top else {}
        self._arguments = engine_arguments(model, settings)
        self._marks = marks_of(settings.think_marks)
        self._loaded: Loaded | None = None
        self._leash: Leash | None = None
        self._numbers = itertools.count()
        self._is_closed = False

    async def start(self) -> None:
        """Import vLLM and load the model, which takes seconds to minutes."""
        await asyncio.to_thread(prepare)
        # vLLM's processes hold the accelerator and do not notice that we are gone
        self._leash = Leash()
        os.environ.update(self._leash.variable)
        try:
            self._loaded = await asyncio.to_thread(self._load)
        finally:
            for name in self._leash.variable:
                os.environ.pop(name, None)

    async def complete(self, request: Request, deliver: Deliver) -> None:
        """Hand all samples over at once and deliver each as it ends."""
        loaded = self._running()
        prompt = loaded.tokenizer.apply_chat_template(
            [{"role": message.role, "content": message.content} for message in request.messages],
            add_generation_prompt=True,
            return_dict=False,
            **template_arguments(request.sampling),
        )
        wanted = len(prompt) + request.sampling.max_tokens
        if wanted > loaded.room:
            message = (
                f"the prompt has {len(prompt)} tokens and sampling.max_tokens is {request.sampling.max_tokens}, "
                f"together more than max_model_len ({loaded.room}); raise engine.args.max_model_len to {wanted}, lower "
                "sampling.max_tokens, or show less in references"
            )
            for place in range(len(request.seeds)):
                deliver(place, Failure(FailureCode.CONTEXT_OVERFLOW, message, datetime.now(UTC), 1))
            return
        await asyncio.gather(
            *(self._sample(loaded, request, prompt, place, deliver) for place in range(len(request.seeds)))
        )

    async def close(self) -> tuple[ServerStats, ...]:
        """End the engine's processes; the accelerator's memory is free when this returns."""
        self._is_closed = True
        loaded, self._loaded = self._loaded, None
        if loaded:
            await asyncio.to_thread(loaded.engine.shutdown, SHUTDOWN_SECONDS)
        if self._leash:  # also what is left of an engine that was still loading
            await asyncio.to_thread(self._leash.end)
        del loaded
        gc.collect()  # vLLM's engine is in cycles; at the interpreter's end its finaliser would fail aloud
        return ()

    # --- one sample ---

    async def _sample(
        self, loaded: Loaded, request: Request, prompt: list[int], place: int, deliver: Deliver
    ) -> None:
        seed, started, began = request.seeds[place], datetime.now(UTC), time.perf_counter()
        number = f"a2r-{next(self._numbers)}"
        try:
            settings = sampling_arguments(request.sampling, loaded.defaults, loaded.param_names)
            params = loaded.params(**settings, **self._kept, seed=seed)
            final = None
            async for final in loaded.engine.generate(loaded.as_prompt(prompt), params, number):  # noqa: B007
                pass
        except loaded.dead:
            raise EngineError(
                "vLLM stopped in the middle of the run; its own log, above, says why. What arrived is stored; run the "
                "same command again."
            ) from None
        except loaded.refused as error:
            deliver(place, Failure(FailureCode.BAD_REQUEST, str(error)[:500], started, 1))
            return
        except loaded.broken as error:
            deliver(
                place, Failure(FailureCode.SERVER_ERROR, repr(error.__cause__ or error)[:500], started, 1)
            )
            return
        [output] = final.outputs if final else [None]
        if output is None or output.finish_reason not in {"stop", "length"}:
            reason = output.finish_reason if output else "nothing"
            deliver(place, Failure(FailureCode.SERVER_ERROR, f"vLLM ended with {reason}", started, 1))
            return
        reasoning, answer = split_reasoning(output.text, self._marks)
        tokens, total = len(output.token_ids), output.cumulative_logprob
        deliver(
            place,
            Completion(
                reasoning=reasoning,
                answer=answer,
                finish_reason=output.finish_reason,
                seed=seed,
                choice_index=0,
                num_prompt_tokens=len(prompt),
                num_billed_prompt_tokens=len(prompt) if place == 0 else 0,
                num_completion_tokens=tokens,
                started_at=started,
                latency_seconds=time.perf_counter() - began,
                num_tries=1,
                mean_logprob=total / tokens if total is not None and tokens else None,
                group_confidence=self._confidence(output.logprobs),
            ),
        )

    def _confidence(self, tokens: Sequence[Mapping[int, Any]] | None) -> float | None:
        """Group confidence by the likeliest tokens at each place; vLLM gives the drawn token too, whatever its rank."""
        if not self._top or not tokens:
            return None
        likeliest = (
            [token.logprob for token in place.values() if token.rank <= self._top] for place in tokens
        )
        return group_confidence([-sum(values) / len(values) for values in likeliest])

    # --- loading ---

    def _load(self) -> Loaded:
        return load(self._arguments, lambda: not self._is_closed)

    def _running(self) -> Loaded:
        if self._loaded is None:
            raise EngineError("the vLLM engine is closed.")
        return self._loaded
