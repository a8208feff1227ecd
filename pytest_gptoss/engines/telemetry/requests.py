"""What became of the requests of a window: a few numbers of each, and figures over them."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pytest_gptoss.records import Completion

__all__ = ["Requests", "lengths", "spread"]

_TIMES = ("queue_s", "ttft_s", "latency_s")
_COUNTS = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens")
_UNKNOWN = -1


class Requests:
    """Counts requests, at 40 bytes each.

    Args:
        parent: A wider window whose requests these are too; it keeps no copy of their numbers.
    """

    def __init__(self, parent: Requests | None = None) -> None:
        self._parent = parent
        self._parts: list[Requests] = []
        if parent is not None:
            parent._parts.append(self)
        self._columns: dict[str, array[Any]] = {name: array("d") for name in _TIMES}
        self._columns |= {name: array("i") for name in _COUNTS}
        self._own_unanswered = 0
        self._in_flight_s = 0.0
        self.in_flight = 0
        self.max_in_flight = 0
        self.began: float | None = None
        """When the first request was made, in seconds of `time.perf_counter`."""
        self.ended: float | None = None
        """When the last one that has ended did."""

    def begin(self, now: float) -> None:
        """Count a request that is being made."""
        if self.began is None:
            self.began = now
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        if self._parent is not None:
            self._parent.begin(now)

    def end(self, began: float, now: float, completion: Completion | None) -> None:
        """Count what came of a request.

        Args:
            began: When it was made.
            now: When it ended.
            completion: Its answer, or ``None`` where it got none.
        """
        self._leave(began, now)
        if completion is None or completion.error is not None:
            self._own_unanswered += 1
            return
        columns = self._columns
        for name in _TIMES:
            value = getattr(completion, name)
            columns[name].append(_UNKNOWN if value is None else value)
        for name in _COUNTS:
            value = getattr(completion, name)
            columns[name].append(_UNKNOWN if value is None else value)

    def _leave(self, began: float, now: float) -> None:
        self.in_flight -= 1
        self._in_flight_s += now - began
        self.ended = now
        if self._parent is not None:
            self._parent._leave(began, now)

    @property
    def unanswered(self) -> int:
        """Number of requests that ended without an answer: failed, cancelled, out of time."""
        return sum(part._own_unanswered for part in self._all())

    @property
    def answered(self) -> int:
        """Number of requests that were answered."""
        return sum(len(part._columns["latency_s"]) for part in self._all())

    @property
    def wall_s(self) -> float | None:
        """Seconds from the first request to the end of the last; ``None`` where that is no time."""
        if self.began is None or self.ended is None or self.ended <= self.began:
            return None
        return self.ended - self.began

    def _all(self) -> Iterator[Requests]:
        yield self
        for part in self._parts:
            yield from part._all()

    def column(self, name: str) -> NDArray[Any]:
        """One number of every answered request; -1 where the engine does not say it."""
        import numpy as np

        return np.concatenate(
            [np.array(part._columns[name], dtype=np.float64) for part in self._all()]
        )

    def figures(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Figures over the requests, and for each that is ``None`` the reason."""
        figures: dict[str, Any] = {"requests": self.answered, "unanswered": self.unanswered}
        unknown: dict[str, str] = {}
        self._rates(figures, unknown)
        self._times(figures, unknown)
        self._lengths(figures, unknown)
        return figures, unknown

    def _rates(self, figures: dict[str, Any], unknown: dict[str, str]) -> None:
        wall_s, answered = self.wall_s, self.answered
        prompt, output = self._total("prompt_tokens"), self._total("completion_tokens")
        total = None if prompt is None or output is None else prompt + output
        in_flight = None
        if wall_s is not None:
            in_flight = {"mean": self._in_flight_s / wall_s, "max": self.max_in_flight}
        counts = {
            "requests_per_s": answered,
            "output_tokens_per_s": output,
            "total_tokens_per_s": total,
        }
        for name, number in counts.items():
            figures[name] = number / wall_s if wall_s and number is not None else None
            if figures[name] is None:
                unknown[name] = (
                    "no request was answered"
                    if not answered or not wall_s
                    else "not every answer states its number of tokens"
                )
        figures["in_flight"] = in_flight
        if in_flight is None:
            unknown["in_flight"] = "no request was made"

    def _times(self, figures: dict[str, Any], unknown: dict[str, str]) -> None:
        queue, first, last = (self.column(name) for name in _TIMES)
        output = self.column("completion_tokens")
        running = (queue >= 0) & (last >= queue)
        wall_s = self.wall_s
        figures["running_mean"] = None
        if wall_s and self.answered and running.all():
            figures["running_mean"] = float((last - queue).sum() / wall_s)
        several = (first >= 0) & (last >= first) & (output > 1)
        between = (last[several] - first[several]) / (output[several] - 1)
        spans = {"queue_s": queue, "ttft_s": first, "inter_token_s": between, "latency_s": last}
        for name, values in spans.items():
            figures[name] = spread(values)
        words = {
            "running_mean": "when each request left the queue",
            "queue_s": "when a request left the queue",
            "ttft_s": "when the first token was there",
            "inter_token_s": "when the first token was there, or no answer has a second token",
            "latency_s": "when an answer was complete",
        }
        for name, what in words.items():
            if figures[name] is None:
                unknown[name] = (
                    f"the engine does not say {what}"
                    if self.answered
                    else "no request was answered"
                )

    def _lengths(self, figures: dict[str, Any], unknown: dict[str, str]) -> None:
        output, reasoning = self.column("completion_tokens"), self.column("reasoning_tokens")
        apart = (output >= 0) & (reasoning >= 0)
        figures["completion_length"] = lengths(output)
        figures["reasoning_length"] = lengths(reasoning[apart])
        figures["final_length"] = lengths(output[apart] - reasoning[apart])
        prompt, cached = self.column("prompt_tokens"), self.column("cached_tokens")
        told = (prompt > 0) & (cached >= 0)
        known = bool(self.answered) and bool(told.all())
        figures["prefix_cache_hit_rate"] = float(cached.sum() / prompt.sum()) if known else None
        words = {
            "completion_length": "how long its answers are",
            "reasoning_length": "how many tokens are reasoning",
            "final_length": "how many tokens are reasoning",
            "prefix_cache_hit_rate": "how many tokens of a prompt it found in a prefix cache",
        }
        for name, what in words.items():
            if figures[name] is None:
                unknown[name] = (
                    f"the engine does not say {what}"
                    if self.answered
                    else "no request was answered"
                )

    def _total(self, name: str) -> float | None:
        values = self.column(name)
        return float(values.sum()) if len(values) and (values >= 0).all() else None

    @property
    def output_tokens(self) -> float | None:
        """Number of generated tokens; ``None`` where not every answer states its own."""
        return self._total("completion_tokens")


def spread(values: NDArray[Any]) -> dict[str, float] | None:
    """Mean and 50th, 90th and 99th percentile (linear interpolation) of the known values."""
    import numpy as np

    known = values[values >= 0]
    if not len(known):
        return None
    p50, p90, p99 = np.quantile(known, (0.5, 0.9, 0.99)).tolist()
    return {"mean": float(known.mean()), "p50": p50, "p90": p90, "p99": p99}


def lengths(values: NDArray[Any]) -> dict[str, float] | None:
    """Mean, median, 90th percentile and maximum of the known values, in tokens."""
    import numpy as np

    known = values[values >= 0]
    if not len(known):
        return None
    median, p90 = np.quantile(known, (0.5, 0.9)).tolist()
    return {"mean": float(known.mean()), "median": median, "p90": p90, "max": int(known.max())}
