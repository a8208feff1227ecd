"""The vocabulary of gpt-oss, where this machine has it."""

import os
from pathlib import Path

import pytest

from pytest_gptoss.prompts import harmony

FILE = "o200k_base.tiktoken"


@pytest.fixture(scope="session")
def o200k():
    """A renderer of gpt-oss's own harmony; skips where that would need the network."""
    data = os.environ.get("GPTOSS_DATA")
    places = [os.environ.get("TIKTOKEN_ENCODINGS_BASE"), os.environ.get("GPTOSS_VOCAB")]
    places += [str(Path(data).resolve().parent / "vocab")] if data else []
    found = next((place for place in places if place and (Path(place) / FILE).is_file()), None)
    if found is None and not harmony._is_cached() and not harmony._is_bundled():
        pytest.skip(f"{FILE} is not on this machine: set TIKTOKEN_ENCODINGS_BASE to its folder")
    with pytest.MonkeyPatch.context() as patch:
        if found is not None:
            patch.setenv("TIKTOKEN_ENCODINGS_BASE", found)
        yield harmony.HarmonyRenderer()
