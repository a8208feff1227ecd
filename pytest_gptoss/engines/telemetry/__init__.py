"""Throughput, latency, memory and energy of what an engine does, measured while it does it.

A `Meter` reads counters in a thread of its own; a `Window` of it says what happened between two
moments. Nothing here is estimated: what could not be measured is ``None``, with its reason.
"""

from __future__ import annotations

from pytest_gptoss.engines.telemetry.meter import Meter
from pytest_gptoss.engines.telemetry.readings import Counter, Placement, Reading, Source
from pytest_gptoss.engines.telemetry.window import Window

__all__ = ["Counter", "Meter", "Placement", "Reading", "Source", "Window"]
