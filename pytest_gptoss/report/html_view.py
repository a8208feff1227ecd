"""What a report says of a run's figures, as plain values for its template."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.gates.speed_wording import speed_block
from pytest_gptoss.gates.wording import block
from pytest_gptoss.report.figures import (
    UNKNOWN,
    count,
    interval,
    joules,
    percent,
    rate,
    seconds,
    size,
)
from pytest_gptoss.report.gates import HEADS, comparison_row, pooled_lines
from pytest_gptoss.report.html_figures import drop_bar, interval_bar, outcome_bar, reach
from pytest_gptoss.report.speed import COLUMNS, under
from pytest_gptoss.report.telemetry import model_line
from pytest_gptoss.report.terminal import conditions, incomplete

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["VERDICTS", "about", "chips", "labels", "models", "overview", "state", "throughput"]

VERDICTS = {
    "improved": ("▲", "good"),
    "within-margin": ("✓", "good"),
    "inconclusive": ("?", "unsure"),
    "not comparable": ("?", "unsure"),
    "regressed": ("✗", "bad"),
    None: ("✗", "bad"),
}
"""For each verdict a sign and a kind."""

_COST: tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...] = (
    ("tokens in", lambda group: count(group.get("prompt_tokens"))),
    ("tokens out", lambda group: count(group["completion_tokens"])),
    ("tok/s", lambda group: rate(group["tokens_per_s"])),
    ("wall", lambda group: seconds(group["wall_s"])),
    ("latency p50", lambda group: seconds(group["latency_s"]["p50"])),
    ("p90", lambda group: seconds(group["latency_s"]["p90"])),
    ("p99", lambda group: seconds(group["latency_s"]["p99"])),
    ("in flight", lambda group: _in_flight(group)),
    ("peak memory", lambda group: size(group["peak_memory_bytes"])),
    ("energy", lambda group: joules(group["energy_j"])),
    ("a response", lambda group: joules(group["energy_per_response_j"])),
)

# Of what telemetry says is unknown, what the table above has a column for.
_EXPLAINED = {"peak_memory_bytes": "peak memory", "energy_j": "energy"}


def state(summary: Mapping[str, Any]) -> list[str]:
    """What must be known before any figure is read: that answers are missing, and every note."""
    lines = []
    if summary.get("interrupted"):
        lines.append("the session was interrupted")
    if not summary["complete"]:
        lines.append(incomplete(summary))
    return [*lines, *summary.get("notes", ())]


def labels(summary: Mapping[str, Any]) -> list[str]:
    """The models, those too that were only put under loads."""
    loaded = (model["model"] for model in summary.get("throughput", ()))
    return list(dict.fromkeys((*summary["settings"]["models"], *loaded)))


def about(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was run: names and values."""
    settings, groups = summary["settings"], summary["groups"]
    answers = sum(group["n"] for group in groups)
    asked = sum(group["selected"] for group in groups)
    rows = [
        ("models", ", ".join(labels(summary))),
        ("benchmarks", ", ".join(dict.fromkeys(group["benchmark"] for group in groups))),
        ("answers", f"{answers:,} of {asked:,} ({'complete' if summary['complete'] else 'part'})"),
        ("started", settings["started"]),
        ("ended", settings["ended"]),
        ("engine", settings["engine"]),
        ("profile", settings.get("profile")),
        ("limit", f"{settings['limit']:,} per benchmark" if settings.get("limit") else "none"),
        ("repeats", settings.get("repeats")),
        ("seed", "none" if settings.get("seed") is None else settings["seed"]),
        ("machine", _machine(summary)),
        ("pytest-gptoss", settings["pytest_gptoss"]),
    ]
    rows += [(name, settings[name]) for name in ("resumed", "endpoint") if settings.get(name)]
    if settings.get("rescored"):
        rows.append(("answers from", f"{settings['rescored']['run']}, scored again"))
    return [(name, UNKNOWN if value is None else str(value)) for name, value in rows]


def _machine(summary: Mapping[str, Any]) -> str:
    host = summary["settings"]["host"]
    parts = [
        f"{host['system']} {host['kernel']}, {host['machine']}",
        f"{host['cpus']} CPUs",
        f"Python {host['python']}",
    ]
    session = (summary.get("telemetry") or {}).get("session") or {}
    parts += [str(gpu.get("model")) for gpu in session.get("gpus", ())]
    return ", ".join(parts)


def chips(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The verdict of every gate, the worst first."""
    found = [
        _chip(gate["verdict"], f"{group['model']} on {group['benchmark']}", f"group-{place}")
        | {"sentence": block(gate)[0]}
        for place, group in enumerate(summary["groups"], start=1)
        if (gate := group.get("gate"))
    ]
    for model in summary.get("throughput", ()):
        for load in model["loads"]:
            found += [
                _chip(gate["verdict"], f"{figure} of {load['name']} on {model['model']}", "speed")
                | {"sentence": gate["sentence"]}
                for figure, gate in load["gates"].items()
            ]
    order = ("bad", "unsure", "good")
    return sorted(found, key=lambda chip: order.index(chip["kind"]))


def _chip(verdict: str | None, what: str, anchor: str) -> dict[str, Any]:
    sign, kind = VERDICTS[verdict]
    word = verdict or "not compared"
    return {"word": word, "sign": sign, "kind": kind, "what": what, "anchor": anchor}


def models(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each model what its numbers were obtained under, its groups and what they took."""
    numbered = list(enumerate(summary["groups"], start=1))
    scale = reach(
        [
            span
            for group in summary["groups"]
            if (gate := group.get("gate")) and gate["interval"] is not None
            for span in (*gate["interval"], gate["margin"], gate["difference"])
        ]
    )
    found = []
    for label in summary["settings"]["models"]:
        groups = [(place, group) for place, group in numbered if group["model"] == label]
        if groups:
            of_model = [group for _, group in groups]
            found.append(
                {
                    "label": label,
                    "under": " · ".join(conditions(label, summary)),
                    "groups": [_group(place, group, scale) for place, group in groups],
                    "cost_heads": [heading for heading, _ in _COST],
                    "together": (model_line(summary, label, of_model) or "").replace("  ", " · "),
                    "unknown": list(dict.fromkeys(_unknown(of_model))),
                    "methods": _methods(of_model),
                }
            )
    return found


def _group(place: int, group: Mapping[str, Any], scale: float) -> dict[str, Any]:
    bounds = interval(group["interval"])
    outcomes = {name: number for name, number in group["outcomes"].items() if number}
    counted = ", ".join(f"{number:,} {name}" for name, number in outcomes.items())
    level = f"{100 * group.get('confidence', 0.95):g} % interval"
    accuracy = percent(group["accuracy"])
    missing = group["selected"] - group["n"]
    by_stratum = _by_stratum(group)
    return {
        "anchor": f"group-{place}",
        "benchmark": group["benchmark"],
        "n": f"{group['n']:,}" + (f" of {group['selected']:,}" if missing else ""),
        "repeats": group.get("repeats", 1),
        "accuracy": accuracy,
        "interval": bounds,
        "interval_bar": interval_bar(
            group["accuracy"], group["interval"], f"accuracy {accuracy}, {level} {bounds}"
        ),
        "completed": percent(group["accuracy_completed"]),
        "outcomes": counted,
        "outcome_bar": outcome_bar(outcomes, counted),
        "cost": [cell(group) for _, cell in _COST],
        "gate": _gate(group, scale),
        "warnings": [warning["text"] for warning in group.get("warnings", ())],
        "strata": _strata(group, by_stratum),
        "strata_figures": list(by_stratum),
        "aggregates": [
            (
                name,
                count(figures.get("n")),
                percent(figures["accuracy"]),
                interval(figures.get("interval")),
                f"{figures['strata']:,} strata" if figures.get("strata") else "",
            )
            for name, figures in (group.get("aggregates") or {}).items()
        ],
    }


class _OfStratum(msgspec.Struct):
    accuracy: float | None = None
    interval: tuple[float, float] | None = None


def _strata(
    group: Mapping[str, Any], further: Mapping[str, Mapping[str, _OfStratum]]
) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Of each stratum its name, n, and its accuracy and further figures with their intervals."""
    rows = []
    for name, figures in (group.get("strata") or {}).items():
        own = msgspec.convert(figures, _OfStratum)
        shown = [own, *(each.get(name, _OfStratum()) for each in further.values())]
        cells = [(percent(one.accuracy), interval(one.interval)) for one in shown]
        rows.append((name, f"{figures['n']:,}", cells))
    return rows


def _by_stratum(group: Mapping[str, Any]) -> dict[str, dict[str, _OfStratum]]:
    """The declared figures that are a mean over strata and tell each stratum's own."""
    found = {}
    for name, figures in (group.get("aggregates") or {}).items():
        # A suite's own figures may have anything under that name.
        with contextlib.suppress(msgspec.ValidationError):
            each = msgspec.convert(figures.get("each"), dict[str, _OfStratum])
            found[name.removeprefix("mean ")] = each
    return found


def _gate(group: Mapping[str, Any], scale: float) -> dict[str, Any] | None:
    gate = group.get("gate")
    if gate is None:
        return None
    drawn = None
    if gate["difference"] is not None and gate["interval"] is not None:
        low, high = (100 * bound for bound in gate["interval"])
        words = (
            f"drop {100 * gate['difference']:+.2f} points, {100 * gate['confidence']:.3g} % "
            f"interval {low:+.2f} to {high:+.2f}, margin {100 * gate['margin']:g}"
        )
        bar = drop_bar(
            gate["difference"], gate["interval"], margin=gate["margin"], scale=scale, words=words
        )
        drawn = {"bar": bar, "words": words}
    return {
        **_chip(gate["verdict"], "", ""),
        "lines": block(gate),
        "drawn": drawn,
        "numbers": [(name, value) for name, value in _numbers(gate) if value is not None],
    }


def _numbers(gate: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """The numbers of a gate that its block does not name one by one."""
    for name, title in (("b", "lost (b)"), ("c", "won (c)"), ("n", "items (n)")):
        yield title, None if gate[name] is None else f"{gate[name]:,}"
    needed = gate.get("items_needed") if gate["verdict"] == "inconclusive" else None
    yield "items that would settle it, about", None if needed is None else f"{needed:,}"
    unknown = gate.get("unknown") or ()
    yield "settings not known of both", ", ".join(unknown) or None


def _in_flight(group: Mapping[str, Any]) -> str:
    flight = (group.get("telemetry") or {}).get("in_flight")
    return rate(flight["mean"] if flight else None)


def _unknown(groups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Why a figure of the table of costs is not known."""
    for group in groups:
        reasons = (group.get("telemetry") or {}).get("unknown") or {}
        for key, name in _EXPLAINED.items():
            if key in reasons:
                yield f"{name} is not known: {reasons[key]}"
        if group.get("resumed"):
            kept = group["resumed"]["kept"]
            yield (
                f"time and speed of {group['benchmark']} are not known: {kept:,} of its answers "
                "were given in an earlier session"
            )


def _methods(groups: Sequence[Mapping[str, Any]]) -> str:
    names = dict.fromkeys(
        group["interval_method"] for group in groups if group.get("interval_method")
    )
    return ", ".join(names)


def overview(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of several groups together: pooled tests and models side by side."""
    return {
        "pooled": [line.plain for line in pooled_lines(summary)],
        "heads": HEADS,
        "comparisons": [
            {"cells": comparison_row(fields), "method": fields.get("method")}
            for fields in summary.get("comparisons", ())
        ],
    }


def throughput(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the loads of each model measured, and their gates."""
    return [
        {
            "label": model["model"],
            "under": " · ".join(under(model)),
            "heads": [heading for heading, _ in COLUMNS],
            "loads": [
                {
                    "name": load["name"],
                    "cells": [cell(load) for _, cell in COLUMNS],
                    "notes": [*load["notes"], *filter(None, (load["disturbed"],))],
                    "gates": [
                        {**_chip(gate["verdict"], figure, ""), "lines": speed_block(gate)}
                        for figure, gate in load["gates"].items()
                    ],
                }
                for load in model["loads"]
            ],
            "unknown": [
                f"{figure} is not known: {why}"
                for figure, why in {
                    k: v for load in model["loads"] for k, v in load["unknown"].items()
                }.items()
            ],
        }
        for model in summary.get("throughput", ())
    ]
