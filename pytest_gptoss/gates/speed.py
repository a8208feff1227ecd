"""Speed, memory and energy of a model under loads, compared with a baseline load by load.

Only like is compared with like: the same hardware, the same engine settings, the same load. What a
comparison is about is the software, and the model where another one was named.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_gptoss import stats
from pytest_gptoss.gates.speed_wording import cause, sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_gptoss.load import Load
    from pytest_gptoss.run.loads import Round

__all__ = [
    "FIGURES",
    "LEAST_ROUNDS",
    "Figure",
    "LoadSpeed",
    "Speed",
    "differences",
    "judge_load",
    "load_speed",
    "split_facts",
    "with_noise",
]

LEAST_ROUNDS = 5

# The share of the CPUs that others may take before times are no longer the model's own.
_DISTURBING = 0.1

_DIGITS = 6

# Of what an engine says of itself, what may change between two runs that are compared.
_SOFTWARE = ("version", "torch")
# The same wherever it is, or no setting at all.
_LEFT_OUT = ("files", "notes", "aliases", "prompt_format", "card")


@dataclass(frozen=True)
class Figure:
    """A figure that a load is judged by.

    Args:
        unit: What it counts.
        path: Where it stands among the figures of a window.
        more_is_better: Which way is the better one.
    """

    unit: str
    path: tuple[str, ...]
    more_is_better: bool = False

    def of(self, figures: Mapping[str, Any]) -> float | None:
        """Its value in a round."""
        value: Any = figures
        for key in self.path:
            value = None if value is None else value[key]
        return value if value is None else float(f"{value:.{_DIGITS}g}")


FIGURES = {
    "throughput": Figure("output tokens/s", ("output_tokens_per_s",), more_is_better=True),
    "latency": Figure("s, p99 of a round", ("latency_s", "p99")),
    "memory": Figure("bytes, peak of a round", ("peak_memory_bytes",)),
    "energy": Figure("J per output token", ("energy_per_output_token_j",)),
}
"""By the names of their gates."""

_LENGTH = Figure("tokens, mean of a round", ("completion_length", "mean"))


@dataclass(frozen=True)
class LoadSpeed:
    """What the rounds of one load measured.

    Args:
        load: The load, as `Load.describe` gives it.
        rounds: One number for each round, by figure; nothing where a round has none.
        unknown: Why a figure has none, by figure.
        lengths: Mean length of the answers of each round, in tokens.
        noise: By how much two sessions under the same settings differed, as a share, by figure.
        after: The loads that were asked before it in its session, whose memory is in its own.
        disturbed: What else kept the machine busy meanwhile, in words.
    """

    load: Mapping[str, Any]
    rounds: Mapping[str, Sequence[float]]
    unknown: Mapping[str, str] = field(default_factory=dict)
    lengths: Sequence[float] = ()
    noise: Mapping[str, float] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    disturbed: str | None = None


@dataclass(frozen=True)
class Speed:
    """What one session, or a baseline, knows of a model's speed.

    Args:
        model: The model's label.
        origin: What to call it in a sentence.
        date: When it was measured.
        hardware: What it ran on.
        engine: The engine's settings.
        software: Versions.
        loads: By name.
    """

    model: str
    origin: str
    date: str | None
    hardware: Mapping[str, Any]
    engine: Mapping[str, Any]
    software: Mapping[str, Any]
    loads: Mapping[str, LoadSpeed]


def split_facts(facts: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an engine says of itself, as its settings and its software."""
    kept = {key: value for key, value in facts.items() if key not in _LEFT_OUT}
    software = {key: kept.pop(key) for key in _SOFTWARE if kept.get(key) is not None}
    return {key: value for key, value in kept.items() if value is not None}, software


def load_speed(
    load: Load, rounds: Sequence[Round], *, cpus: int | None = None, after: Sequence[str] = ()
) -> LoadSpeed:
    """What the rounds of a load measured.

    Args:
        load: The load.
        rounds: Its rounds, the warm-up not among them.
        cpus: How many CPUs the model had, where it ran on this machine's CPUs.
        after: The loads that were asked before it.
    """
    found: dict[str, list[float]] = {}
    unknown: dict[str, str] = {}
    for name, figure in FIGURES.items():
        values = [figure.of(each.figures) for each in rounds]
        if None in values:
            reasons = (each.figures["unknown"].get(figure.path[0]) for each in rounds)
            unknown[name] = next((why for why in reasons if why), "the engine does not say it")
        else:
            found[name] = [value for value in values if value is not None]
    lengths = [length for each in rounds if (length := _LENGTH.of(each.figures)) is not None]
    return LoadSpeed(
        load.describe(),
        found,
        unknown,
        lengths,
        after=tuple(after),
        disturbed=_disturbed(rounds, cpus),
    )


def _disturbed(rounds: Sequence[Round], cpus: int | None) -> str | None:
    """What else kept the devices of a model busy, so that its times are not its own."""
    taken = statistics.fmean(each.others_cpus for each in rounds)
    if cpus is not None and taken > _DISTURBING * cpus:
        return f"other processes kept {taken:.1f} of {cpus} CPUs busy"
    others = {
        f"{other['name'] or 'a process'} ({other['pid']}) on {other['device']}"
        for each in rounds
        for other in each.figures["other_processes"] or ()
    }
    return f"other processes were there: {', '.join(sorted(others))}" if others else None


def differences(baseline: Speed, candidate: Speed) -> tuple[list[str], list[dict[str, Any]]]:
    """What forbids comparing two, in words, and what the comparison is about."""
    forbidding = [
        f"{what if key == what else f'{what} {key}'} {_shown(before)} → {_shown(after)}"
        for what in ("hardware", "engine")
        for key, before, after in _changes(getattr(baseline, what), getattr(candidate, what))
    ]
    about = [
        {"setting": key, "before": before, "after": after}
        for key, before, after in (
            *_changes({"model": baseline.model}, {"model": candidate.model}),
            *_changes(baseline.software, candidate.software),
        )
    ]
    return forbidding, about


def judge_load(
    baseline: Speed, candidate: Speed, name: str, figure: str, *, margin: float, alpha: float
) -> dict[str, Any]:
    """The gate of one figure of one load, as JSON values.

    Args:
        baseline: What it is compared with.
        candidate: What was measured now; it has the load.
        name: The load's.
        figure: One of `FIGURES`.
        margin: The tolerated loss, as a share of the baseline.
        alpha: The error rate of each statement.
    """
    before, after = baseline.loads.get(name), candidate.loads[name]
    sides = (before, after)
    forbidding, about = differences(baseline, candidate)
    fields: dict[str, Any] = {
        "figure": figure,
        "load": name,
        "unit": FIGURES[figure].unit,
        "verdict": None,
        "why": None,
        "baseline": baseline.origin,
        "baseline_model": baseline.model,
        "baseline_date": baseline.date,
        "means": [_mean(side.rounds.get(figure, ())) if side else None for side in sides],
        "ratio": None,
        "loss": None,
        "interval": None,
        "confidence": 1 - 2 * alpha,
        "noise": None,
        "rounds": [len(side.rounds.get(figure, ())) if side else 0 for side in sides],
        "rounds_needed": None,
        "sessions_differ": before.noise.get(figure) if before else None,
        "margin": margin,
        "alpha": alpha,
        "method": "ratio of means over rounds, expanded percentile bootstrap",
        "completion_tokens": [_mean(side.lengths) if side else None for side in sides],
        "cause": None,
        "disturbed": None,
        "changed": about,
    }
    why = _not_comparable(before, after, figure, forbidding)
    if why is not None:
        fields |= {"verdict": "not comparable", "why": why}
    else:
        assert before is not None
        fields["cause"] = cause(*fields["completion_tokens"])
        _decide(fields, before.rounds[figure], after.rounds[figure])
        _doubt(fields, before, after)
        if figure == "memory" and not candidate.hardware.get("gpus"):
            _doubt_memory(fields)
    fields["sentence"] = sentence(fields)
    return fields


def _not_comparable(
    before: LoadSpeed | None, after: LoadSpeed, figure: str, forbidding: Sequence[str]
) -> str | None:
    if before is None:
        return "the baseline does not have this load"
    others = [
        f"load {key} {_shown(old)} → {_shown(new)}"
        for key, old, new in _changes(before.load, after.load)
    ]
    if forbidding or others:
        return "; ".join((*forbidding, *others))
    for side, name in ((before, "the baseline"), (after, "this run")):
        if not side.rounds.get(figure):
            return f"{name} has no such figure: {side.unknown.get(figure, 'it was not measured')}"
        if min(side.rounds[figure]) <= 0:
            return f"{name} has rounds in which it is 0, so that there is no ratio"
    if figure == "memory" and before.after != after.after:
        return (
            "what a process has allocated depends on the loads before, which were "
            f"{_listed(before.after)} in the baseline and are {_listed(after.after)} now"
        )
    return None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _decide(fields: dict[str, Any], before: Sequence[float], after: Sequence[float]) -> None:
    if min(len(before), len(after)) < LEAST_ROUNDS:
        fields["verdict"] = "inconclusive"
        fields["ratio"] = statistics.fmean(after) / statistics.fmean(before)
        fields["rounds_needed"] = LEAST_ROUNDS
        return
    gate = stats.speed_gate(
        before,
        after,
        more_is_better=FIGURES[fields["figure"]].more_is_better,
        margin=fields["margin"],
        alpha=fields["alpha"],
        allowance=fields["sessions_differ"] or 0.0,
    )
    fields |= {
        "verdict": gate.verdict,
        "ratio": gate.estimate.ratio,
        "loss": gate.loss,
        "interval": [gate.low, gate.high],
        "noise": list(gate.estimate.noise),
        # Rounds of one session share their memory, so that more of them tell no more.
        "rounds_needed": None if fields["figure"] == "memory" else gate.rounds_needed,
    }


def _doubt(fields: dict[str, Any], before: LoadSpeed, after: LoadSpeed) -> None:
    """Take back a statement about times that others at work may have made."""
    disturbed = [
        f"{side.disturbed} {when}"
        for side, when in ((before, "during the baseline"), (after, "during this run"))
        if side.disturbed is not None
    ]
    if disturbed and fields["figure"] != "memory":
        fields["disturbed"] = "; ".join(disturbed)
        if fields["verdict"] in ("regressed", "improved"):
            fields |= {"verdict": "inconclusive", "rounds_needed": None}


def _doubt_memory(fields: dict[str, Any]) -> None:
    """Take back a statement about processes' memory that one session cannot make.

    What is resident of a program's files depends on what else the machine needs memory for: two
    sessions lay 8 to 10 % apart where rounds varied by 0.1 %.
    """
    if fields["sessions_differ"] is None and fields["verdict"] in ("regressed", "improved"):
        fields |= {
            "verdict": "inconclusive",
            "disturbed": "two sessions differ in memory by more than rounds show, and the baseline "
            "was saved once; saved twice it knows by how much",
        }


def with_noise(measured: Speed, held: Speed | None) -> Speed:
    """The same with the difference to another session under the same settings, where there is one.

    Two sessions differ by more than their rounds show: by where memory lay, by what the machine did
    beside. Saved twice, a baseline knows by how much.
    """
    if held is None or held.date == measured.date:
        return measured
    forbidding, about = differences(held, measured)
    if forbidding or about:
        return measured
    loads = {}
    for name, found in measured.loads.items():
        other = held.loads.get(name)
        noise = {}
        if other is not None and other.load == found.load:
            for figure, rounds in found.rounds.items():
                if min(rounds) > 0 and (before := other.rounds.get(figure)):
                    apart = abs(statistics.fmean(rounds) / statistics.fmean(before) - 1)
                    noise[figure] = float(f"{apart:.3g}")
        loads[name] = replace(found, noise=noise)
    return replace(measured, loads=loads)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    return [
        (key, before.get(key), after.get(key))
        for key in dict.fromkeys((*before, *after))
        if before.get(key) != after.get(key)
    ]


def _shown(value: Any) -> str:
    return "unknown" if value is None else str(value)


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None
