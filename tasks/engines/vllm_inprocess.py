"""vLLM without a server: one engine loaded once for all shards, fed as one continuous stream.

Its core runs in a process of its own (vLLM's default), so that scheduling does not share this
process's interpreter with Prefect and the store, and so that closing the engine certainly frees the
accelerator for the next stage's model. A sample is one request with its own seed; the samples of a
problem are handed over together and share their prompt's prefill by prefix caching.
"""

import asyncio
import gc
import itertools
import multiprocessing
import subprocess
import time
from datetime import UTC, datetime

from configs.engines import VllmEngine
from configs.models import Model
from tasks.engines.protocol import Completion, Deliver, EngineError, Failure, Request
from tasks.engines.reasoning import split_reasoning
from tasks.engines.vllm_arguments import (
    NUM_SEQUENCES,
    check_arguments,
    engine_arguments,
    sampling_arguments,
    template_arguments,
)
from tasks.engines.vllm_loading import Loaded, load, prepare

LOADING_POLL_SECONDS = 0.1
SHUTDOWN_SECONDS = 30.0
"""How long vLLM's processes may take to end by themselves before they are killed."""
CORES = ("EngineCore", "VLLM")
"""How vLLM names the processes it starts; others of ours, such as graders, are none of its."""
_GUARD = """
tree() { for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do tree "$child"; done; echo "$1"; }
read -r _ || kill -KILL $(tree "$1")
"""
"""Ends a process and all it has started: vLLM's workers hold the accelerator, and one that still loads does
not notice that its core is gone."""


class InProcessEngine:
    """`Engine` over vLLM's `AsyncLLM`."""

    def __init__(self, model: Model, settings: VllmEngine) -> None:
        check_arguments(settings)
        sequences = int(settings.args.get("max_num_seqs") or NUM_SEQUENCES)  # pyright: ignore[reportArgumentType] - vLLM says so itself
        self.concurrency = settings.concurrency or sequences + max(1, sequences // 8)
        self.group = self.concurrency
        self._kept = {"logprobs": 0} if settings.logprobs else {}
        self._arguments = engine_arguments(model, settings)
        self._loaded: Loaded | None = None
        self._guards: dict[int, subprocess.Popen[bytes]] = {}
        self._before: set[int | None] = set()
        self._numbers = itertools.count()
        self._is_loading = False
        self._is_closed = False

    async def start(self) -> None:
        """Import vLLM and load the model, which takes seconds to minutes."""
        self._before = {child.pid for child in multiprocessing.active_children()}
        await asyncio.to_thread(prepare)
        self._is_loading = True
        loading = asyncio.ensure_future(asyncio.to_thread(self._load))
        while not loading.done():
            self._guard()
            await asyncio.wait({loading}, timeout=LOADING_POLL_SECONDS)
        self._guard()
        self._is_loading = False
        self._loaded = loading.result()

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
                deliver(place, Failure("context_overflow", message, False, datetime.now(UTC), 1))
            return
        await asyncio.gather(
            *(self._sample(loaded, request, prompt, place, deliver) for place in range(len(request.seeds)))
        )

    async def close(self) -> None:
        """End the engine's processes; the accelerator's memory is free when this returns."""
        self._is_closed = True
        loaded, self._loaded = self._loaded, None
        if loaded:
            await asyncio.to_thread(loaded.engine.shutdown, SHUTDOWN_SECONDS)
        elif self._is_loading:
            self._guard()
        alive = {child.pid for child in multiprocessing.active_children()}
        guards, self._guards = self._guards, {}
        for pid, guard in guards.items():  # one that is told nothing ends its process: loading is broken off
            await asyncio.to_thread(
                guard.communicate, b"\n" if loaded or not self._is_loading or pid not in alive else None
            )
        del loaded
        gc.collect()  # vLLM's engine is in cycles; at the interpreter's end its finaliser would fail aloud

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
            deliver(place, Failure("bad_request", str(error)[:500], False, started, 1))
            return
        except loaded.broken as error:
            deliver(place, Failure("server_error", repr(error.__cause__ or error)[:500], True, started, 1))
            return
        [output] = final.outputs if final else [None]
        if output is None or output.finish_reason not in {"stop", "length"}:
            reason = output.finish_reason if output else "nothing"
            deliver(place, Failure("server_error", f"vLLM ended with {reason}", True, started, 1))
            return
        reasoning, answer = split_reasoning(output.text)
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
            ),
        )

    # --- loading ---

    def _load(self) -> Loaded:
        return load(self._arguments, lambda: not self._is_closed)

    def _running(self) -> Loaded:
        if self._loaded is None:
            raise EngineError("the vLLM engine is closed.")
        return self._loaded

    def _guard(self) -> None:
        """Give each process that vLLM starts a guard that ends it should this process die without a word.

        The guard waits on a pipe that the kernel closes with this process. vLLM's core does not notice
        by itself: it would stay, and keep the accelerator's memory.
        """
        for child in multiprocessing.active_children():
            if (
                child.name.startswith(CORES)
                and child.pid
                and child.pid not in self._before
                and child.pid not in self._guards
            ):
                self._guards[child.pid] = subprocess.Popen(  # noqa: S603 - a process id, and no text of anyone
                    ["/bin/sh", "-c", _GUARD, "sh", str(child.pid)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
