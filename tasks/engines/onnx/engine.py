"""The embedded engine: a small model on any CPU, with continuous batching in one thread.

Sequences take a free slot as soon as there is one and leave it the moment they end; the samples of
one request share their prompt's prefill. A seeded completion depends on its prompt, settings and
seed alone, not on what else is in the batch.
"""

import asyncio
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from configs.engines import OnnxSettings
from configs.models import Model
from configs.sampling import Sampling
from tasks.engines.confidence import confidences_of, group_confidence
from tasks.engines.onnx.chat import ChatFormat
from tasks.engines.onnx.decoder import Decoder
from tasks.engines.onnx.model_folder import model_folder
from tasks.engines.onnx.sampler import Sampler, logprobs_of, refuse_unsupported
from tasks.engines.protocol import Completion, Deliver, EngineError, Failure, Request
from tasks.engines.reasoning import Marks, marks_of, split_reasoning
from warehouse.failures import FailureCode
from warehouse.servers import ServerStats


@dataclass(slots=True)
class _Call:
    """One `complete` under way."""

    deliver: Deliver
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]
    num_open: int
    is_cancelled: bool = False


@dataclass(slots=True)
class _Sequence:
    """One sample: waiting, or in a slot."""

    call: _Call
    place: int
    prompt: list[int]
    sampling: Sampling
    seed: int
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    """Of all tokens; counted only where it is kept, like the next."""
    confidences: list[float] = field(default_factory=list)
    """Of each token."""
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    began: float = 0.0


class OnnxEngine:
    """`Engine` over a `Decoder`; its thread starts with `start` and ends with `close`."""

    def __init__(self, model: Model, settings: OnnxSettings) -> None:
        self.concurrency = 2 * settings.batch_size  # whoever leaves a slot finds the next one waiting
        self.group = settings.batch_size
        self._folder = model_folder(model, settings)
        self._settings = settings
        self._keeps_logprobs = settings.logprobs or settings.top_logprobs is not None
        self._marks = marks_of(settings.think_marks)
        self._waiting: deque[list[_Sequence]] = deque()
        self._wake = threading.Condition()
        self._is_closing = False
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Load tokenizer and graph."""
        self._chat = ChatFormat(self._folder)
        self._decoder = await asyncio.to_thread(
            Decoder, self._folder, self._settings.batch_size, self._settings.threads
        )
        self._thread = threading.Thread(target=self._serve, name=f"onnx {self._folder.name}", daemon=True)
        self._thread.start()

    async def complete(self, request: Request, deliver: Deliver) -> None:
        """Queue the request's samples and wait until all are delivered."""
        refuse_unsupported(request.sampling)
        prompt = self._chat.encode(request.messages, enable_thinking=request.sampling.enable_thinking)
        room = self._decoder.geometry.max_positions
        if len(prompt) >= room:
            message = f"the prompt has {len(prompt)} tokens, the model reads fewer than {room}"
            for place in range(len(request.seeds)):
                deliver(place, Failure(FailureCode.CONTEXT_OVERFLOW, message, datetime.now(UTC), 1))
            return
        loop = asyncio.get_running_loop()
        call = _Call(deliver, loop, loop.create_future(), len(request.seeds))
        group = [_Sequence(call, i, prompt, request.sampling, seed) for i, seed in enumerate(request.seeds)]
        with self._wake:
            if self._is_closing:
                raise EngineError("the onnx engine is closed.")
            self._waiting.append(group)
            self._wake.notify()
        try:
            await call.done
        finally:
            call.is_cancelled = True

    async def close(self) -> tuple[ServerStats, ...]:
        """End the thread."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        if self._thread:
            await asyncio.to_thread(self._thread.join)
            self._thread = None
        return ()

    # --- the batch loop, in its own thread ---

    def _serve(self) -> None:
        slots: list[_Sequence | None] = [None] * self._settings.batch_size
        sampler = Sampler(len(slots))
        try:
            while True:
                with self._wake:
                    while not self._waiting and not any(slots) and not self._is_closing:
                        self._wake.wait()
                    if self._is_closing:
                        return
                    admitted = self._admit(slots)
                if admitted:
                    self._prefill(admitted, slots, sampler)
                if any(slots):
                    self._decode(slots, sampler)
        except Exception as error:  # noqa: BLE001 - the thread's boundary: whatever broke it is every caller's error
            self._is_closing = True
            self._fail(slots, error)

    def _admit(self, slots: list[_Sequence | None]) -> list[tuple[int, _Sequence]]:
        """Seat waiting sequences in free slots, first come first served."""
        for slot, sequence in enumerate(slots):
            if sequence and sequence.call.is_cancelled:
                slots[slot] = None
        free = deque(slot for slot, sequence in enumerate(slots) if sequence is None)
        admitted = []
        while free and self._waiting:
            group = self._waiting[0]
            sequence = group.pop(0)
            if not group:
                self._waiting.popleft()
            if not sequence.call.is_cancelled:
                slot = free.popleft()
                slots[slot] = sequence
                admitted.append((slot, sequence))
        return admitted

    def _prefill(
        self, admitted: list[tuple[int, _Sequence]], slots: list[_Sequence | None], sampler: Sampler
    ) -> None:
        """Read each distinct prompt once and draw everyone's first token."""
        now, began = datetime.now(UTC), time.perf_counter()
        prompts: dict[int, tuple[list[int], list[int]]] = {}
        for slot, sequence in admitted:
            sequence.started_at, sequence.began = now, began
            sampler.seat(slot, sequence.sampling, sequence.seed)
            prompts.setdefault(id(sequence.prompt), (sequence.prompt, []))[1].append(slot)
        logits = self._decoder.prefill([p for p, _ in prompts.values()], [s for _, s in prompts.values()])
        rows = {slot: row for row, (_, places) in enumerate(prompts.values()) for slot in places}
        places = np.array(list(rows))
        chosen = logits[list(rows.values())]
        drawn = sampler.draw(chosen, places, np.zeros(len(places), np.int64))
        self._take(places, drawn, chosen, slots)

    def _decode(self, slots: list[_Sequence | None], sampler: Sampler) -> None:
        """One more token for every busy slot."""
        tokens = np.zeros(len(slots), np.int64)
        lengths = np.zeros(len(slots), np.int32)
        busy = []
        for slot, sequence in enumerate(slots):
            if sequence:
                tokens[slot] = sequence.tokens[-1]
                lengths[slot] = len(sequence.prompt) + len(sequence.tokens) - 1
                busy.append((slot, len(sequence.tokens)))
        logits = self._decoder.decode(tokens, lengths)
        places, steps = np.array(busy).T
        chosen = logits[places]
        drawn = sampler.draw(chosen, places, steps)
        self._take(places, drawn, chosen, slots)

    def _take(
        self, places: np.ndarray, drawn: np.ndarray, logits: np.ndarray, slots: list[_Sequence | None]
    ) -> None:
        """Append the tokens drawn by `logits`; deliver the sequences that end with them and free their slots."""
        k = self._settings.top_logprobs
        logprobs = (logprobs_of(logits, drawn) if self._keeps_logprobs else np.zeros(len(drawn))).tolist()
        confidences = confidences_of(logits, k).tolist() if k else None
        finished: dict[asyncio.AbstractEventLoop, list[tuple[_Sequence, Completion]]] = {}
        for row, (slot, token) in enumerate(zip(places.tolist(), drawn.tolist(), strict=True)):
            sequence = slots[slot]
            if sequence is None:
                continue
            sequence.tokens.append(token)
            sequence.logprob += logprobs[row]
            if confidences:
                sequence.confidences.append(confidences[row])
            text, reason = self._ending(sequence)
            if reason:
                slots[slot] = None
                ended = (
                    sequence,
                    _completion(sequence, text, reason, self._marks, has_logprobs=self._keeps_logprobs),
                )
                finished.setdefault(sequence.call.loop, []).append(ended)
        for loop, ended in finished.items():
            loop.call_soon_threadsafe(_deliver, ended)

    def _ending(self, sequence: _Sequence) -> tuple[str, str | None]:
        """The text and the reason, if the sequence ends with its newest token; else ('', None)."""
        tokens, sampling = sequence.tokens, sequence.sampling
        if tokens[-1] in self._chat.ends:
            return self._chat.decode(tokens[:-1]), "stop"
        if sampling.stop:
            text = self._chat.decode(tokens)
            found = [place for stop in sampling.stop if (place := text.find(stop)) >= 0]
            if found:
                return text[: min(found)], "stop"
        room = self._decoder.geometry.max_positions - len(sequence.prompt)
        if len(tokens) >= min(sampling.max_tokens, room):
            return self._chat.decode(tokens), "length"
        return "", None

    def _fail(self, slots: list[_Sequence | None], error: Exception) -> None:
        """Hand the error to everyone who waits."""
        with self._wake:
            everyone = [s for s in slots if s] + [s for group in self._waiting for s in group]
            self._waiting.clear()
        complaint = EngineError(f"the onnx engine broke: {type(error).__name__}: {error}")
        for call in {id(s.call): s.call for s in everyone}.values():
            call.loop.call_soon_threadsafe(_break, call.done, complaint)


def _completion(
    sequence: _Sequence, text: str, reason: str, marks: tuple[Marks, ...], *, has_logprobs: bool
) -> Completion:
    reasoning, answer = split_reasoning(text, marks)
    is_first = sequence.place == 0
    return Completion(
        reasoning=reasoning,
        answer=answer,
        finish_reason=reason,
        seed=sequence.seed,
        choice_index=0,
        num_prompt_tokens=len(sequence.prompt),
        num_billed_prompt_tokens=len(sequence.prompt) if is_first else 0,
        num_completion_tokens=len(sequence.tokens),
        started_at=sequence.started_at,
        latency_seconds=time.perf_counter() - sequence.began,
        num_tries=1,
        mean_logprob=sequence.logprob / len(sequence.tokens) if has_logprobs else None,
        group_confidence=group_confidence(sequence.confidences),
    )


def _deliver(ended: list[tuple[_Sequence, Completion]]) -> None:
    """On the caller's loop: deliver, and end the calls that have everything."""
    for sequence, completion in ended:
        call = sequence.call
        if call.done.done() or call.is_cancelled:
            continue
        call.deliver(sequence.place, completion)
        call.num_open -= 1
        if call.num_open == 0:
            call.done.set_result(None)


def _break(done: "asyncio.Future[None]", error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
