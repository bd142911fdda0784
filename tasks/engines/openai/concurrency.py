"""How many sequences one address is kept busy with: a pure state machine that is told of answers and refusals.

The window grows by one for every answer, which doubles it while a window's worth of answers comes in, for as long as
tokens per second grow with it; past that it stays and now and then tries a little more. Where the address turns
requests away, the window falls to what it had taken on. Where its own metrics show a queue, to what it works on.
"""

import math
from dataclasses import dataclass

FIRST = 64
MOST = 2048
_WORTH = 1.1
"""A window that is half as large again has to bring so many times the tokens per second to be kept."""
_LARGER = 1.5
_FEWEST_ANSWERS = 16
_FULL = 0.9
"""A window of which less is in use at its fullest is not what limits the work."""
_HOLD_EPOCHS = 4
_LONGEST_HOLD_EPOCHS = 16
_PROBE_AFTER_WINDOWS = 8
_LONGEST_PROBE = 8
"""So many times longer is waited at most where trying more was refused: one refusal in 64 windows' worth of answers."""
_RATE_DECREASE = 0.7
_QUEUE_SHARE = 0.125
"""Waiting requests for each one at work that keep a server's slots filled; more are a queue."""
_QUIET_SECONDS = 30.0


@dataclass(slots=True)
class _Epoch:
    """Answers since a moment, until there are as many as the window held then."""

    began: float
    window: float
    answers: int = 0
    tokens: int = 0


class Concurrency:
    """One address's window. Fixed where `most` is `first`: then it only falls below it and comes back."""

    def __init__(self, first: int = FIRST, most: int = MOST) -> None:
        self.most = most
        self._window = float(min(first, most))
        self.window = max(1, int(self._window))
        """Sequences that may be in flight now."""
        self._ceiling = math.inf if first < most else float(most)
        """Up to here the window doubles; beyond, it goes by steps."""
        self.is_fixed = first >= most
        self._has_metrics = False
        self._epoch: _Epoch | None = None
        self._best_rate = 0.0
        self._best_window = 0.0
        self._hold_epochs, self._held = _HOLD_EPOCHS, 0
        self._step, self._answers_to_probe, self._probe_factor = 1, math.inf, 1
        self._is_probing = False
        self._grown_at = 0.0
        self._peak = self._peak_before = 0
        """Most in flight in this epoch and in the one before."""
        self._before = self._window
        """The window before the latest refusals."""

    def answered(self, now: float, units: int, tokens: int, in_flight: int) -> None:
        """A request for so many sequences was answered; `in_flight` counts it still."""
        self._peak = max(self._peak, in_flight)
        peak = max(self._peak, self._peak_before)
        is_full = peak >= _FULL * self._window
        if self.is_fixed or self._ceiling < math.inf:
            self._approach(now, units, is_full=is_full)
        elif self._window < 2 * peak:  # many answers come at once: what they free is not in flight again yet
            self._set(self._window + units, now)
        self._measure(now, units, tokens, is_full=peak >= _FULL / 2 * self._window)

    def turned_away(self, now: float, accepted: int, *, is_rate: bool, is_first: bool) -> None:
        """A request was refused as one too many while `accepted` others were in flight.

        `is_rate` where the address says when to come back: then it counts requests per time and not those in flight.
        `is_first` for the first of several that were sent together.
        """
        was = self._window
        if is_first:
            self._before = was
        fallen = _RATE_DECREASE * (accepted + 1) if is_rate else accepted
        self._ceiling = max(1.0, min(self._ceiling, fallen))
        self._set(self._ceiling, now)
        if self._is_probing or was > self._ceiling:
            self._probe_factor = min(2 * self._probe_factor, _LONGEST_PROBE) if self._is_probing else 1
            self._is_probing, self._step = False, 1
        self._answers_to_probe = _PROBE_AFTER_WINDOWS * self._probe_factor * self._ceiling
        self._epoch = None

    def none_accepted(self, now: float) -> None:
        """All that was in flight was refused, which says nothing of how many would be taken on: half as many are tried."""
        self._ceiling = max(self._ceiling, self._before / 2)
        self._set(self._ceiling, now)
        self._answers_to_probe = _PROBE_AFTER_WINDOWS * self._ceiling

    def observed(self, now: float, running: float, waiting: float) -> None:
        """The server's own metrics: requests that it works on, and those in its queue."""
        if self.is_fixed:
            return
        self._has_metrics = True
        if waiting > max(1.0, 2 * _QUEUE_SHARE * running):
            self._ceiling = max(1.0, running + math.ceil(_QUEUE_SHARE * running))
            self._answers_to_probe = _PROBE_AFTER_WINDOWS * self._ceiling
            if self._window > self._ceiling:
                self._set(self._ceiling, now)
        elif waiting == 0 and running >= 0.8 * self._window:
            self._ceiling = math.inf
            self._set(self._window * _LARGER, now)

    def quiet(self, now: float, in_flight: int) -> None:
        """Time has passed. Where answers take minutes, waiting for them to grow would take hours."""
        is_open = self._ceiling == math.inf and in_flight >= _FULL * self._window
        if is_open and self._epoch is None and now - self._grown_at >= _QUIET_SECONDS:
            self._set(self._window * _LARGER, now)

    def _approach(self, now: float, units: int, *, is_full: bool) -> None:
        """Double up to the ceiling; beyond it go by steps, each once enough was answered without a refusal."""
        if self._window < self._ceiling:
            self._set(min(self._window + units, self._ceiling), now)
            return
        self._answers_to_probe -= units
        if self._answers_to_probe > 0 or not is_full or self._ceiling >= self.most:
            return
        if self._is_probing:
            self._step, self._probe_factor = 2 * self._step, 1
        self._is_probing = True
        self._ceiling = min(self._ceiling + self._step, self.most)
        self._set(self._ceiling, now)
        self._answers_to_probe = self._ceiling

    def _measure(self, now: float, units: int, tokens: int, *, is_full: bool) -> None:
        """Tokens per second of one window's worth of answers after the other, and what follows from them."""
        epoch = self._epoch
        if epoch is None:
            self._epoch = _Epoch(now, self._window)
            return
        epoch.answers += units
        epoch.tokens += tokens
        if epoch.answers < max(epoch.window, _FEWEST_ANSWERS) or now <= epoch.began:
            return
        rate = epoch.tokens / (now - epoch.began)
        self._epoch = _Epoch(now, self._window)
        self._peak, self._peak_before = 0, self._peak
        if self.is_fixed or self._has_metrics or not is_full:
            return
        if self._ceiling == math.inf:
            self._judge(now, rate, epoch.window)
        elif self._answers_to_probe == math.inf:
            self._hold(rate)

    def _judge(self, now: float, rate: float, window: float) -> None:
        """Whether the larger window was worth it; if not, back to the one before."""
        if rate >= _WORTH * self._best_rate:
            self._best_rate, self._best_window = rate, window
        elif window >= _LARGER * self._best_window:
            self._ceiling = self._best_window
            self._set(self._ceiling, now)
            self._held = 0

    def _hold(self, rate: float) -> None:
        """The window stays for a while; then a larger one is tried again, each time later."""
        self._best_rate = (self._best_rate + rate) / 2
        self._held += 1
        if self._held >= self._hold_epochs:
            self._hold_epochs = min(2 * self._hold_epochs, _LONGEST_HOLD_EPOCHS)
            self._ceiling, self._best_window = math.inf, self._window

    def _set(self, window: float, now: float) -> None:
        held = min(max(1.0, window), float(self.most))
        if held > self._window:
            self._grown_at = now
        self._window, self.window = held, int(held)
