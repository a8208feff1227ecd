"""Figures over requests, against the same figures computed another way."""

from __future__ import annotations

import asyncio
import threading
import time
import tracemalloc

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_gptoss.engines.telemetry import Meter, Placement, Reading
from pytest_gptoss.engines.telemetry.figures import Figures
from pytest_gptoss.engines.telemetry.requests import Requests
from pytest_gptoss.records import Completion

np = pytest.importorskip("numpy")

SPANS = st.lists(st.tuples(st.floats(0, 100), st.floats(0.01, 50)), min_size=1, max_size=40)


def told(requests: Requests) -> Figures:
    figures = Figures()
    requests.tell(figures)
    return figures


def run(spans: list[tuple[float, float]], *children: Requests) -> None:
    """Make requests that begin and last so long, in the order of their events."""
    events = []
    for number, (begin, length) in enumerate(spans):
        events += [(begin, 0, number), (begin + length, 1, number)]
    for moment, ending, number in sorted(events):
        requests = children[number % len(children)]
        if ending:
            begin, length = spans[number]
            answer = Completion(final="", completion_tokens=number, latency_s=length)
            requests.end(begin, moment, answer)
        else:
            requests.begin(moment)


@settings(deadline=None)
@given(SPANS)
def test_rates_and_requests_in_flight(spans: list[tuple[float, float]]) -> None:
    requests = Requests()
    run(spans, requests)
    begins = np.array([begin for begin, _ in spans])
    ends = np.array([begin + length for begin, length in spans])
    wall_s = float(ends.max() - begins.min())
    values = told(requests).values
    assert requests.wall_s == pytest.approx(wall_s)
    assert values["requests_per_s"] == pytest.approx(len(spans) / wall_s)
    assert values["in_flight"]["mean"] == pytest.approx(sum(ends - begins) / wall_s)
    # Where one begins at the very moment that another ends, both are in flight.
    at_once = [int(((begins <= begin) & (ends >= begin)).sum()) for begin in begins]
    assert values["in_flight"]["max"] == max(at_once)
    lengths = values["completion_length"]
    assert lengths["mean"] == pytest.approx((len(spans) - 1) / 2)
    assert lengths["max"] == len(spans) - 1


@settings(deadline=None)
@given(SPANS)
def test_a_wider_window_is_the_sum_of_its_parts(spans: list[tuple[float, float]]) -> None:
    alone, whole = Requests(), Requests()
    run(spans, alone)
    run(spans, Requests(whole), Requests(whole), Requests(Requests(whole)))
    one, other = told(alone), told(whole)
    assert one.unknown == other.unknown
    for name, value in one.values.items():
        assert other.values[name] == pytest.approx(value), name


def test_times_of_one_request() -> None:
    requests = Requests()
    requests.begin(10.0)
    requests.end(
        10.0,
        14.5,
        Completion(
            final="4",
            prompt_tokens=40,
            cached_tokens=30,
            completion_tokens=11,
            reasoning_tokens=8,
            queue_s=1.0,
            ttft_s=2.0,
            latency_s=4.0,
        ),
    )
    figures = told(requests)
    values = figures.values
    assert figures.unknown == {}
    assert values["output_tokens_per_s"] == pytest.approx(11 / 4.5)
    assert values["total_tokens_per_s"] == pytest.approx(51 / 4.5)
    assert values["running_mean"] == pytest.approx(3.0 / 4.5)
    assert values["queue_s"] == {"mean": 1.0, "p50": 1.0, "p90": 1.0, "p99": 1.0}
    assert values["ttft_s"]["p99"] == 2.0
    assert values["inter_token_s"]["mean"] == pytest.approx(0.2)
    assert values["latency_s"]["p50"] == 4.0
    assert values["prefix_cache_hit_rate"] == 0.75
    assert values["final_length"] == {"mean": 3.0, "median": 3.0, "p90": 3.0, "max": 3}


def test_what_an_engine_does_not_say_is_unknown_with_the_reason() -> None:
    requests = Requests()
    for number in range(3):
        requests.begin(0.0)
        tokens = 7 if number else None
        requests.end(0.0, 1.0, Completion(final="4", completion_tokens=tokens, latency_s=1.0))
    values, unknown = told(requests).values, told(requests).unknown
    for name in ("queue_s", "ttft_s", "inter_token_s", "running_mean", "prefix_cache_hit_rate"):
        assert values[name] is None
        assert unknown[name].startswith("the engine does not say")
    # A sum over some of the answers is a sum of nothing; a typical length is not.
    assert values["output_tokens_per_s"] is None
    assert unknown["output_tokens_per_s"] == "not every answer states its number of tokens"
    assert values["completion_length"]["mean"] == 7.0
    assert values["latency_s"]["p50"] == 1.0


def test_requests_without_an_answer_are_counted_apart() -> None:
    requests = Requests()
    for answer in (None, Completion(error="refused"), Completion(final="4", latency_s=1.0)):
        requests.begin(0.0)
        requests.end(0.0, 1.0, answer)
    assert (requests.answered, requests.unanswered, requests.in_flight) == (1, 2, 0)
    nothing = told(Requests())
    assert nothing.unknown["requests_per_s"] == "no request was answered"
    assert nothing.values["latency_s"] is None


def test_a_hundred_thousand_requests_are_a_few_megabytes() -> None:
    requests = Requests(Requests(Requests()))
    answer = Completion(final="4", completion_tokens=7, latency_s=1.0)
    tracemalloc.start()
    try:
        for number in range(100_000):
            requests.begin(float(number))
            requests.end(float(number), number + 1.0, answer)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 6e6


# --- the meter itself, on this machine -----------------------------------------------------------


def test_memory_held_for_a_moment_is_seen() -> None:
    """A look is awaited, so that this does not depend on how busy the machine is."""
    with Meter([], interval_s=0.01) as meter:
        before, during = (meter.window(name, placement=Placement()) for name in ("a", "b"))
        before.start()
        before.stop()
        during.start()
        held = np.ones(256 * 2**20 // 8)
        looks = meter.samples
        limit = time.monotonic() + 30
        while meter.samples < looks + 2 and time.monotonic() < limit:
            time.sleep(0.01)
        del held
        during.stop()
    rise = during.figures()["peak_memory_bytes"] - before.figures()["peak_memory_bytes"]
    assert rise > 200 * 2**20
    assert not any(thread.name == "gptoss-meter" for thread in threading.enumerate())


def test_looking_is_spaced_so_that_it_costs_little() -> None:
    """A device that takes long to ask is asked less often, whatever the interval."""

    class Slow:
        kind = "cpu"

        def open(self) -> None:
            return None

        def read(self, now: float) -> list[None]:
            end = time.thread_time() + 0.02
            while time.thread_time() < end:
                pass
            return []

        def close(self) -> None:
            return None

    with Meter([Slow()], interval_s=0.01) as meter:  # type: ignore[list-item]
        meter.watch_devices()
        limit = time.monotonic() + 30
        while meter.samples < 2 and time.monotonic() < limit:
            time.sleep(0.01)
        looks = meter.samples
        time.sleep(1.0)
        assert meter.samples <= looks + 1  # at least 4 s apart, where it would have been 100 times


class Broken:
    """Counters whose library fails in a way that is none of its own errors."""

    kind = "cpu"

    def __init__(self, at_once: bool) -> None:
        self.at_once = at_once

    def open(self) -> None:
        if self.at_once:
            raise AttributeError("no such function")

    def read(self, now: float) -> list[Reading]:
        raise OSError("the device is gone")

    def close(self) -> None:
        return None


@pytest.mark.parametrize(
    ("at_once", "words"),
    [
        (True, "the counters cannot be read (AttributeError: no such function)"),
        (False, "the counters could no longer be read (OSError: the device is gone)"),
    ],
)
def test_counters_that_fail_end_no_session(at_once: bool, words: str) -> None:
    with Meter([Broken(at_once)]) as meter:  # type: ignore[list-item]
        meter.watch_devices()
        window = meter.window("sums")
        window.start()
        window.stop()
    figures = window.figures()
    assert figures["unknown"]["energy_j"] == words
    assert figures["peak_memory_bytes"] > 0


def test_a_system_that_hides_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(psutil.Process, "children", hidden)
    window = Meter([]).window("sums")
    window.start()
    window.stop()
    figures = window.figures()
    assert figures["peak_memory_bytes"] is None
    assert "does not show the processes" in figures["unknown"]["peak_memory_bytes"]


def test_a_window_that_was_never_opened_knows_nothing() -> None:
    figures = Meter([]).window("sums").figures()
    assert figures["peak_memory_bytes"] is None
    assert figures["energy_j"] is None
    assert figures["unknown"]["peak_memory_bytes"] == "nothing was measured"


def test_requests_of_a_window_are_timed_by_it() -> None:
    async def ask() -> None:
        began = window.begin()
        await asyncio.sleep(0.05)
        window.end(began, Completion(final="4", latency_s=0.05))

    async def both() -> None:
        await asyncio.gather(ask(), ask())

    window = Meter([]).window("sums")
    asyncio.run(both())
    figures = window.figures()
    assert figures["in_flight"]["max"] == 2
    assert 1.0 < figures["in_flight"]["mean"] <= 2.0
