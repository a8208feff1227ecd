"""What became of the requests of a window: a few numbers of each, and figures over them."""

from __future__ import annotations

from array import array
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_gptoss.engines.telemetry.figures import UnknownError, known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from pytest_gptoss.engines.telemetry.figures import Figures
    from pytest_gptoss.records import Completion

__all__ = ["Requests", "lengths", "spread"]

_TIMES = ("queue_s", "ttft_s", "latency_s")
_COUNTS = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens")
_UNKNOWN = -1
_NOTHING = "no request was answered"


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
        """When the first request was made, in seconds of the meter's clock."""
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

    def tell(self, figures: Figures) -> None:
        """Add the figures over the requests."""
        figures.values |= {"requests": self.answered, "unanswered": self.unanswered}
        for name, measure in self._measures().items():
            figures.put(name, measure)

    def tell_nothing(self, figures: Figures, why: str) -> None:
        """Add them all as unknown, for one reason."""
        figures.values |= {"requests": self.answered, "unanswered": self.unanswered}
        for name in self._measures():
            figures.put(name, partial(known, None, why))

    def _measures(self) -> dict[str, Callable[[], Any]]:
        queue, reasoning = "when a request left the queue", "how many tokens are reasoning"
        return {
            "requests_per_s": lambda: self.answered / self._wall_s(),
            "output_tokens_per_s": lambda: self._sum("completion_tokens") / self._wall_s(),
            "total_tokens_per_s": lambda: (
                (self._sum("prompt_tokens") + self._sum("completion_tokens")) / self._wall_s()
            ),
            "in_flight": lambda: {
                "mean": self._in_flight_s / self._wall_s(),
                "max": self.max_in_flight,
            },
            "running_mean": self._running,
            "queue_s": lambda: spread(self._told("queue_s", queue)),
            "ttft_s": lambda: spread(self._told("ttft_s", "when the first token was there")),
            "inter_token_s": lambda: spread(self._between()),
            "latency_s": lambda: spread(self._told("latency_s", "when an answer was complete")),
            "completion_length": lambda: lengths(
                self._told("completion_tokens", "how long its answers are")
            ),
            "reasoning_length": lambda: lengths(self._told("reasoning_tokens", reasoning)),
            "final_length": lambda: lengths(self._final(reasoning)),
            "prefix_cache_hit_rate": self._hit_rate,
        }

    def _wall_s(self) -> float:
        return known(self.wall_s, _NOTHING)

    def _told(self, name: str, what: str) -> NDArray[Any]:
        """One number of the requests that have it."""
        values = self.column(name)
        if not len(values):
            raise UnknownError(_NOTHING)
        told: NDArray[Any] = values[values >= 0]
        if not len(told):
            raise UnknownError(f"the engine does not say {what}")
        return told

    def _sum(self, name: str) -> float:
        values = self.column(name)
        if not len(values):
            raise UnknownError(_NOTHING)
        if (values < 0).any():
            raise UnknownError("not every answer states its number of tokens")
        return float(values.sum())

    def _running(self) -> float:
        """Mean number of requests that had left the queue and were being answered."""
        queue, last = self.column("queue_s"), self.column("latency_s")
        if not len(queue):
            raise UnknownError(_NOTHING)
        if (queue < 0).any() or (last < queue).any():
            raise UnknownError("the engine does not say when each request left the queue")
        return float((last - queue).sum()) / self._wall_s()

    def _between(self) -> NDArray[Any]:
        """The mean time between two tokens of each answer that has several."""
        first, last = self.column("ttft_s"), self.column("latency_s")
        output = self.column("completion_tokens")
        self._told("ttft_s", "when the first token was there")
        several = (first >= 0) & (last >= first) & (output > 1)
        if not several.any():
            raise UnknownError("no answer has a second token")
        between: NDArray[Any] = (last[several] - first[several]) / (output[several] - 1)
        return between

    def _final(self, what: str) -> NDArray[Any]:
        output, reasoning = self.column("completion_tokens"), self.column("reasoning_tokens")
        self._told("reasoning_tokens", what)
        both = (output >= 0) & (reasoning >= 0)
        final: NDArray[Any] = output[both] - reasoning[both]
        return final

    def _hit_rate(self) -> float:
        """Share of all prompt tokens that were found in the engine's prefix cache."""
        prompt, cached = self.column("prompt_tokens"), self.column("cached_tokens")
        if not len(prompt):
            raise UnknownError(_NOTHING)
        if (cached < 0).any() or (prompt <= 0).any():
            raise UnknownError("the engine does not say what it found in a prefix cache")
        return float(cached.sum() / prompt.sum())

    @property
    def output_tokens(self) -> float | None:
        """Number of generated tokens; ``None`` where not every answer states its own."""
        try:
            return self._sum("completion_tokens")
        except UnknownError:
            return None


def spread(values: NDArray[Any]) -> dict[str, float]:
    """Mean and 50th, 90th and 99th percentile (linear interpolation)."""
    import numpy as np

    p50, p90, p99 = np.quantile(values, (0.5, 0.9, 0.99)).tolist()
    return {"mean": float(values.mean()), "p50": p50, "p90": p90, "p99": p99}


def lengths(values: NDArray[Any]) -> dict[str, float]:
    """Mean, median, 90th percentile and maximum, in tokens."""
    import numpy as np

    median, p90 = np.quantile(values, (0.5, 0.9)).tolist()
    return {"mean": float(values.mean()), "median": median, "p90": p90, "max": int(values.max())}
