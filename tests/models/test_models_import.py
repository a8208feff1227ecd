"""Importing the models and the prompts costs next to nothing."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["pytest_gptoss.models", "pytest_gptoss.prompts"])
def test_nothing_heavy_is_imported(module):
    program = (
        f"import sys, {module}\n"
        "heavy = 'torch transformers openai_harmony numpy tomllib vllm pydantic'.split()\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
