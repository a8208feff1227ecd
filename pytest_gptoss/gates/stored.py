"""`Stored`: the results that a project keeps, in ``baselines`` and in ``runs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_gptoss.errors import GptossError
from pytest_gptoss.gates import baseline
from pytest_gptoss.gates.locate import FOLDER, SPEED_FILE
from pytest_gptoss.gates.measured import is_run, read_run, read_summary

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_gptoss.gates.measured import Measured

__all__ = ["MissingResultError", "Stored"]


class MissingResultError(GptossError):
    """A result that a claim needs is not stored."""


class Stored:
    """Finds stored results by model, benchmark and effort; baselines go before runs.

    Args:
        root: The project's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: list[Measured] | None = None

    def find(self, model: str, benchmark: str, effort: str | None = None) -> Measured | None:
        """A model's result on a benchmark: at an effort, or at any where none is named."""
        for measured in self._all():
            name = measured.conditions.tested.get("model.name", measured.model)
            if (name, measured.benchmark) != (model, benchmark):
                continue
            if effort is None or measured.conditions.measured.get("effort") == effort:
                return measured
        return None

    def need(self, model: str, benchmark: str) -> Measured:
        """A model's result on a benchmark.

        Raises:
            MissingResultError: There is none.
        """
        found = self.find(model, benchmark)
        if found is None:
            raise MissingResultError(
                f"no result of {model} on {benchmark} is stored in {FOLDER}/ or runs/; run it, "
                "or save a baseline"
            )
        return found

    def benchmarks(self, model: str) -> set[str]:
        """The benchmarks of which a model's results are stored."""
        return {
            measured.benchmark
            for measured in self._all()
            if measured.conditions.tested.get("model.name", measured.model) == model
        }

    def _all(self) -> list[Measured]:
        if self._known is None:
            files = sorted((self._root / FOLDER).glob("*/*.json"))
            self._known = [
                baseline.read(file)
                for file in files
                if file.parent.name != "published" and file.name != SPEED_FILE
            ]
            runs = self._root / "runs"
            for run in sorted(runs.iterdir(), reverse=True) if runs.is_dir() else ():
                if is_run(run) and read_summary(run).get("complete"):
                    self._known += read_run(run).values()
        return self._known
