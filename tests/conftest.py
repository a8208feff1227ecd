"""What all tests share: stories told to pytest through a small suite of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from stories import Story


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sessions that tests start are no workers, though these tests may run in one."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)


@pytest.fixture
def story(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Story:
    """A folder with the suite ``test_sums.py`` of ten sums, and recorded answers to them."""
    monkeypatch.delenv("GPTOSS_DATA", raising=False)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return Story(pytester)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The benchmarks' real rows, where the machine has them."""
    value = os.environ.get("GPTOSS_DATA")
    if not value or not Path(value).is_dir():
        pytest.skip("GPTOSS_DATA names no folder with the benchmarks' rows")
    return Path(value).resolve()


@pytest.fixture(scope="session")
def outputs_folder(data_folder: Path) -> Path:
    """Recorded answers of real models, beside the rows."""
    folder = Path(os.environ.get("GPTOSS_OUTPUTS") or data_folder.parent / "outputs")
    if not folder.is_dir():
        pytest.skip(f"there are no recorded answers in {folder}")
    return folder
