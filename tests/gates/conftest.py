"""What the tests of gates share."""

from __future__ import annotations

import pytest
from gate_story import GateStory
from stories import Story


@pytest.fixture
def sums(story: Story) -> GateStory:
    """A thousand sums with their baseline saved."""
    told = GateStory(story)
    told.have()
    return told


@pytest.fixture
def few(story: Story) -> GateStory:
    """Twenty sums, nothing saved."""
    return GateStory(story, rows=20)
