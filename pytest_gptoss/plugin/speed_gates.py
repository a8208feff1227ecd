"""`SpeedGates`: what a session's loads measured, its gates, and the baselines of speed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from pytest_gptoss.errors import UsageError
from pytest_gptoss.load import Load
from pytest_gptoss.plugin.gate_items import SpeedGateItem

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from pytest_gptoss.gates.speed import Speed
    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.plugin.evaluation import Evaluation
    from pytest_gptoss.plugin.gates import Result
    from pytest_gptoss.run.loads import Opened, Round, Vocabulary

__all__ = ["SpeedGates"]

_FIGURES = ("throughput", "latency", "memory", "energy")
_SHARED_MEMORY = (
    "benchmarks were evaluated in this process too, whose memory cannot be told from the load's"
)


class SpeedGates:
    """The loads of a session and their gates; also the plugin that collects them.

    Args:
        evaluation: The session.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._settings = evaluation.gates.settings
        self._held: dict[str, Speed | None] = {}
        self._measured: dict[str, Speed] = {}
        self._figures: dict[str, dict[str, dict[str, Any]]] = {}
        self._notes: dict[str, dict[str, list[str]]] = {}
        self._fields: dict[tuple[str, str], dict[str, Any]] = {}
        self.vocabularies: dict[str, Vocabulary] = {}
        """Of which words prompts are made, by model."""
        self.left_out: dict[str, str] = {}
        """Why the load of a test was not asked, by node id."""

    # --- collection ------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_pycollect_makeitem(self, collector: pytest.Collector) -> Generator[None, Any, Any]:
        """Put the gates of each load behind the test that asks it."""
        made = yield
        if not isinstance(made, list) or self._settings.mode == "off":
            return made
        return [test for item in made for test in (item, *self._gates_of(item))]

    def _gates_of(self, item: Any) -> Iterable[SpeedGateItem]:
        asked = _asked(item)
        if asked is None:
            return
        label, load = asked
        spec = next((s for s in self._evaluation.settings.specs if s.label == label), None)
        if spec is None:
            return
        try:
            held = self.held(spec)
        except UsageError as error:
            self._evaluation.collection.errors.append(str(error))
            return
        has = held.loads[load].rounds if held is not None and load in held.loads else ()
        for figure in _FIGURES:
            if figure in has or self._settings.mode == "strict":
                yield SpeedGateItem.of(item, self, label, load, figure)

    def held(self, spec: ModelSpec) -> Speed | None:
        """The baseline of a model's speed.

        Raises:
            UsageError: It cannot be read.
        """
        if spec.label not in self._held:
            try:
                found = self._evaluation.gates.finder.find_speed(spec.label, spec.slug)
            except UsageError:
                if not self._settings.save:  # saving again is how a broken file is mended
                    raise
                found = None
            self._held[spec.label] = found
        return self._held[spec.label]

    def arrange(self, items: list[pytest.Item]) -> None:
        """Put the gates behind the last load: what they compute with takes memory of its own."""
        selected = set(items)
        gates = [i for i in items if isinstance(i, SpeedGateItem) and i.owner in selected]
        if gates:
            moved, owners = set(gates), {gate.owner for gate in gates}
            others = [item for item in items if item not in moved]
            last = max(place for place, item in enumerate(others) if item in owners)
            items[:] = [*others[: last + 1], *gates, *others[last + 1 :]]

    # --- measuring -------------------------------------------------------------------------------

    @property
    def measured(self) -> bool:
        """Whether any load was measured."""
        return bool(self._measured)

    def record(self, spec: ModelSpec, load: Load, rounds: Sequence[Round], opened: Opened) -> None:
        """Take over what the rounds of a load measured, the warm-up not among them."""
        from pytest_gptoss.gates.speed import Speed, load_speed, split_facts
        from pytest_gptoss.run.loads import notes_of, over_rounds
        from pytest_gptoss.run.machine import hardware

        placement = opened.placement
        ran_on = hardware(rounds[0].figures)
        known = self._measured.get(spec.label)
        if known is None:
            engine, software = split_facts(opened.facts)
            known = Speed(
                model=spec.label,
                origin="this run",
                date=datetime.now(UTC).isoformat(timespec="seconds"),
                hardware=ran_on,
                engine=engine,
                software={"pytest_gptoss": _version(), **software},
                loads={},
            )
        on_cpus = not placement.gpus and placement.elsewhere is None
        found = load_speed(
            load, rounds, cpus=ran_on["cpus"] if on_cpus else None, after=tuple(known.loads)
        )
        if self._evaluation.groups and on_cpus and "memory" in found.rounds:
            others = {name: values for name, values in found.rounds.items() if name != "memory"}
            found = replace(
                found, rounds=others, unknown={**found.unknown, "memory": _SHARED_MEMORY}
            )
        self._measured[spec.label] = replace(known, loads={**known.loads, load.name: found})
        self._figures.setdefault(spec.label, {})[load.name] = over_rounds(rounds)
        self._notes.setdefault(spec.label, {})[load.name] = notes_of(load, rounds)

    # --- one gate --------------------------------------------------------------------------------

    def run(self, gate: SpeedGateItem) -> Result:
        """Compare a figure of a load with the baseline's."""
        from pytest_gptoss.gates.speed import judge_load
        from pytest_gptoss.gates.speed_wording import speed_block
        from pytest_gptoss.plugin.gates import Result

        measured = self._measured.get(gate.label)
        if measured is None or gate.load not in measured.loads:
            if gate.owner not in gate.session.items:
                return Result(
                    failure=f"the load {gate.load} of {gate.label} is not selected, so its gate "
                    "has nothing to compare: select its test too, or deselect the gate"
                )
            return Result(
                skip=self.left_out.get(gate.owner.nodeid, f"{gate.load} was not measured")
            )
        held = self._held[gate.label]
        missing = self._missing(gate, held, measured)
        if missing is not None:
            return missing
        assert held is not None
        fields = judge_load(
            held,
            measured,
            gate.load,
            gate.figure,
            margin=self._settings.speed_margin,
            alpha=self._settings.alpha,
        )
        self._fields.setdefault((gate.label, gate.load), {})[gate.figure] = fields
        verdict = fields["verdict"]
        fails = verdict == "regressed" or (
            self._settings.mode == "strict" and verdict in ("inconclusive", "not comparable")
        )
        named = ("verdict", "loss", "ratio", "baseline")
        return Result(
            verdict=verdict,
            failure="\n".join(speed_block(fields)) if fails else None,
            properties=[
                (f"gptoss_{name}", fields[name]) for name in named if fields[name] is not None
            ],
        )

    def _missing(self, gate: SpeedGateItem, held: Speed | None, measured: Speed) -> Result | None:
        """What a gate says whose baseline lacks its figure, where a gate is demanded."""
        from pytest_gptoss.plugin.gates import Result

        has = held.loads.get(gate.load) if held is not None else None
        if has is not None and gate.figure in has.rounds:
            return None
        now = measured.loads[gate.load]
        if gate.figure not in now.rounds:
            return Result(skip=f"{gate.figure} is not known: {now.unknown[gate.figure]}")
        if self._settings.save:
            return Result(skip="there is no such baseline yet; this run saves it")
        if has is not None:
            lacks = f"{gate.figure} of {gate.load}"
        elif held is not None:
            lacks = f"load {gate.load}"
        else:
            return Result(
                failure=f"there is no baseline of the speed of {gate.label}, and --gptoss-gate "
                "strict demands one; save it with --gptoss-save-baseline"
            )
        return Result(
            failure=f"the baseline {held.origin if held else ''} has no {lacks}, and "
            "--gptoss-gate strict demands it; save it again with --gptoss-save-baseline"
        )

    # --- finish ----------------------------------------------------------------------------------

    def complete(self, summary: dict[str, Any]) -> None:
        """Add what the loads measured, and their gates, to a summary."""
        from pytest_gptoss.gates.speed_run import as_values

        summary["throughput"] = [
            as_values(
                speed,
                figures=self._figures[label],
                notes=self._notes[label],
                gates={
                    name: self._fields[label, name]
                    for name in speed.loads
                    if (label, name) in self._fields
                },
            )
            for label, speed in self._measured.items()
        ]

    def save(self, stopped: str | None) -> tuple[list[str], list[str]]:
        """Save the baselines that were asked for; see `Gates.save`."""
        saved: list[str] = []
        refused: list[str] = []
        if not self._settings.save or not self._measured:
            return saved, refused
        from pytest_gptoss.gates import speed_file
        from pytest_gptoss.gates.locate import SPEED_FILE
        from pytest_gptoss.gates.speed import with_noise

        finder = self._evaluation.gates.finder
        specs = {spec.label: spec for spec in self._evaluation.settings.specs}
        for label, measured in self._measured.items():
            file = finder.own / specs[label].slug / SPEED_FILE
            try:
                held = speed_file.read(file) if file.is_file() else None
            except UsageError:  # broken: saving again mends it
                held = None
            why = stopped or speed_file.refusal(measured, held)
            if why is None:
                whole = speed_file.joined(with_noise(measured, held), held)
                try:
                    speed_file.save(file, whole)
                except UsageError as error:
                    why = str(error)
            if why is not None:
                refused.append(f"no baseline of the speed of {label} was saved: {why}")
                continue
            count = len(measured.loads)
            saved.append(f"{finder.short(file)}: {count:,} load{'s' if count != 1 else ''}")
        return saved, refused


def _asked(item: Any) -> tuple[str, str] | None:
    """The model and the load that a test asks, by their names, if it asks one."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    if "speed" not in getattr(item, "fixturenames", ()) or not {"model", "load"} <= params.keys():
        return None
    load = params["load"]
    return params["model"], load.name if isinstance(load, Load) else str(load)


def _version() -> str:
    from pytest_gptoss import __version__

    return __version__
