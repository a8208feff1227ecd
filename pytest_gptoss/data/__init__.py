"""Datasets: the Hub by pinned revision, the local mirror, and the sample that a limit draws."""

from pytest_gptoss.data.hub import HubRows, hub
from pytest_gptoss.data.mirror import mirror, use_mirror
from pytest_gptoss.data.sample import sample
from pytest_gptoss.data.table import ArrowTable

__all__ = ["ArrowTable", "HubRows", "hub", "mirror", "sample", "use_mirror"]
