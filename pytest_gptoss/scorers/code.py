"""`code()`: a program that a model wrote, run against a hidden test in a sandbox.

The verdict is that of `pytest_gptoss.sandbox.grader`: the program and its test run in processes of
their own, so nothing that the program does decides on itself. How programs are confined is the
session's choice (``--gptoss-sandbox`` and its companions); where nothing can confine them, nothing
runs, and the items end as errors that name the remedy.
"""

from __future__ import annotations

import atexit
import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_gptoss.errors import SandboxError
from pytest_gptoss.records import Completion, Outcome, Score
from pytest_gptoss.sandbox.extract import extract_program
from pytest_gptoss.scorers.refusal import is_refusal

if TYPE_CHECKING:
    from pytest_gptoss.benchmark import Item
    from pytest_gptoss.sandbox.base import Rung
    from pytest_gptoss.sandbox.grader import Grader

__all__ = ["CodeScorer", "Sandbox", "code", "use_sandbox"]


class Sandbox:
    """What confines the programs of a session; chosen and started when it is first needed.

    Args:
        name: ``auto``, or the name of a rung; see ``docs/sandbox.md``.
        minimum: The weakest rung that will do, or ``None``.
        allow_unsandboxed: Whether programs may run with the user's own rights where nothing
            confines them.
    """

    def __init__(
        self, name: str = "auto", minimum: str | None = None, *, allow_unsandboxed: bool = False
    ) -> None:
        self.name = name
        self.minimum = minimum
        self.allow_unsandboxed = allow_unsandboxed
        self._lock = threading.Lock()
        self._rung: Rung | None = None
        self._refusal: str | None = None
        self._grader: Grader | None = None

    @property
    def rung(self) -> Rung:
        """What works here and is strong enough.

        Raises:
            SandboxError: Nothing does; the reason and the remedy.
        """
        with self._lock:
            if self._rung is None and self._refusal is None:
                from pytest_gptoss.sandbox.choose import choose

                try:
                    self._rung = choose(
                        self.name, self.minimum, allow_unsandboxed=self.allow_unsandboxed
                    )
                except SandboxError as error:
                    self._refusal = str(error)
            if self._rung is None:
                raise SandboxError(self._refusal)
            return self._rung

    @property
    def grader(self) -> Grader:
        """What grades programs within it.

        Raises:
            SandboxError: Nothing can confine them here.
        """
        rung = self.rung
        with self._lock:
            if self._grader is None:
                from pytest_gptoss.sandbox.grader import Grader

                self._grader = Grader(rung)
                atexit.register(self.close)
            return self._grader

    @property
    def unsandboxed(self) -> bool:
        """Whether programs run with the user's own rights."""
        return self._rung is not None and self._rung.name == "none"

    def record(self) -> dict[str, Any]:
        """What the settings record says: what was asked for, and the layers in force."""
        layers = refusal = None
        try:
            layers = self.rung.describe()
        except SandboxError as error:
            refusal = str(error)
        return {
            "asked": self.name,
            "minimum": self.minimum,
            "rung": None if self._rung is None else self._rung.name,
            "layers": layers,
            "unsandboxed": self.unsandboxed,
            "error": refusal,
        }

    def close(self) -> None:
        """End every process that it started."""
        with self._lock:
            grader, self._grader = self._grader, None
        if grader is not None:
            atexit.unregister(self.close)
            grader.close()


# Set once per session by the command line, before the suites are imported.
_chosen: ContextVar[Sandbox | None] = ContextVar("gptoss_sandbox", default=None)


def use_sandbox(chosen: Sandbox | None) -> None:
    """Let declarations made from now on be scored within this sandbox, or within their own."""
    _chosen.set(chosen)


@dataclass(frozen=True)
class CodeScorer:
    """Scores a program by whether it passes its test.

    Args:
        sandbox: What confines it.
    """

    sandbox: Sandbox = field(default_factory=Sandbox, repr=False, compare=False)
    name: str = "code"
    version: str = "1"
    blocking: bool = True
    """It waits for processes, so the scheduler calls it from a thread."""

    def __call__(self, item: Item, completion: Completion) -> Score:
        """Run one answer; ``item.target`` is the test.

        ``item.metadata`` names the ``entry_point`` and holds the ``prompt`` that the answer
        completes; an ``id`` in it is what messages call the program.

        Raises:
            SandboxError: There is no verdict, for a reason that is not the program's.
        """
        from pytest_gptoss.sandbox.grader import Program

        entry_point, prompt = item.metadata["entry_point"], item.metadata["prompt"]
        source = extract_program(prompt, completion.final, entry_point)
        if not source:
            refused = is_refusal(completion.final)
            return Score(value=0.0, outcome=Outcome.REFUSED if refused else Outcome.NO_ANSWER)
        program = Program(
            id=str(item.metadata.get("id", entry_point)),
            entry_point=entry_point,
            prompt=prompt,
            completion=completion.final,
            test=item.target,
        )
        verdict = self.sandbox.grader.grade(program)
        detail: dict[str, Any] = {"status": verdict.status, "reason": verdict.detail}
        if self.sandbox.unsandboxed:
            detail["unsandboxed"] = True
        return Score(
            value=float(verdict.passed),
            outcome=Outcome.CORRECT if verdict.passed else Outcome.INCORRECT,
            extracted=source,
            detail=detail,
        )


def code() -> CodeScorer:
    """A scorer of programs: right where the program passes the item's test.

    The item's target is the test, in HumanEval's form: statements that define
    ``check(candidate)``. Its metadata name the ``entry_point`` and the ``prompt``.
    """
    chosen = _chosen.get()
    return CodeScorer() if chosen is None else CodeScorer(sandbox=chosen)
