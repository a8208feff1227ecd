"""Datasets: the Hub and releases by pinned revision, the mirror, and the sample of a limit."""

from pytest_gptoss.data.hub import HubRows, hub
from pytest_gptoss.data.mirror import mirror, use_mirror
from pytest_gptoss.data.release import ReleasedRows, fetch, release
from pytest_gptoss.data.sample import sample
from pytest_gptoss.data.table import ArrowTable

__all__ = [
    "ArrowTable",
    "HubRows",
    "ReleasedRows",
    "fetch",
    "hub",
    "mirror",
    "release",
    "sample",
    "use_mirror",
]
