"""What gates say: sentences and blocks of plain lines, for terminals, JUnit and reports."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

from pytest_gptoss.stats.wording import neither, points, rate

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["block", "graded_sentence", "no_flips", "power_line", "settings_line", "unadjusted"]

_CHANGES_SHOWN = 8


def graded_sentence(
    verdict: str,
    *,
    mean: float,
    low: float,
    high: float,
    n: int,
    counted: str,
    p_value: float,
    margin: float,
    alpha: float,
    smallest: float | None,
    needed: int | None,
) -> str:
    """The verdict about scores that are degrees, means over repeats, or come in clusters."""
    level = f"{100.0 * (1.0 - 2.0 * alpha):.3g} % interval"
    if mean > 0:
        seen = f"the mean score is {points(mean)} lower"
    elif mean < 0:
        seen = f"the mean score is {points(-mean)} higher"
    else:
        seen = "the mean score is the same"
    seen += f" ({level} of the drop {100 * low:.2f} to {100 * high:.2f}; {counted})"
    if verdict == "regressed":
        return f"Regressed: {seen}, more than chance explains (p = {p_value:.2g})."
    if verdict in ("improved", "within-margin"):
        name = "Improved" if verdict == "improved" else "Within the margin"
        return (
            f"{name}: {seen}. A drop of {points(margin)} or more is ruled out: a candidate that "
            f"much worse passes in about {rate(alpha)} runs at most."
        )
    outlook = ""
    if smallest is not None:
        outlook = f" A drop of {points(smallest)} is shown in 4 of 5 runs of this size."
    if needed is not None and needed > n:
        outlook += f" A margin of {points(margin)} needs about {needed:,} items."
    return f"Inconclusive, which is no pass: {seen}. {neither(margin)}{outlook}"


def block(gate: Mapping[str, Any]) -> list[str]:
    """A gate as a readable block: the verdict, what it rests on, what changed, what flipped."""
    if gate["verdict"] is None:
        return [f"not compared with {gate['baseline']}: {gate['refused']}", *settings_line(gate)]
    lines = [gate["sentence"], _score_line(gate)]
    lines.append(f"{gate['method']}: {_p_value(gate)}{_adjusted(gate)}{_effect(gate)}")
    lines += [_reach(gate), *settings_line(gate)]
    for name, title in (("lost", "right → wrong"), ("won", "wrong → right")):
        flipped = gate["flips"][name]
        if flipped["n"]:
            left = flipped["n"] - len(flipped["first"])
            more = f" (and {left:,} more in flips.json)" if left else ""
            lines.append(f"{title}: {' '.join(map(quote, flipped['first']))}{more}")
    return lines


def unadjusted(pooled: Mapping[str, Any]) -> str:
    """A caution behind a pooled test that takes clustered items for independent."""
    _, _, caution = pooled["method"].partition("; ")
    return f"; {caution}" if caution else ""


def settings_line(gate: Mapping[str, Any]) -> list[str]:
    """What was compared: the overlap, what changed and what is not known."""
    lines = []
    overlap = gate["overlap"]
    if gate["paired"] and gate["n"] < max(overlap["baseline_items"], overlap["items"]):
        parts = f"compared on {gate['n']:,} of the baseline's {overlap['baseline_items']:,} items"
        if overlap["items"] != gate["n"]:
            parts += f" and of this run's {overlap['items']:,}"
        if overlap["changed_items"]:
            parts += f"; {overlap['changed_items']:,} items changed their content and are left out"
        lines.append(parts)
    changed = [
        f"{c['setting']} {_value(c['before'])} → {_value(c['after'])}" for c in gate["changed"]
    ]
    if changed:
        more = (
            f" (and {len(changed) - _CHANGES_SHOWN} more)" if len(changed) > _CHANGES_SHOWN else ""
        )
        lines.append(f"changed: {'; '.join(changed[:_CHANGES_SHOWN])}{more}")
    elif gate["paired"]:
        lines.append("changed: no recorded setting")
    if gate["unknown"]:
        lines.append(f"not known of both: {', '.join(gate['unknown'])}")
    return lines


def power_line(
    benchmark: str, *, items: int, drop: float | None, discordance: float, known: bool
) -> str:
    """What a gate of this size can see, before anything is generated."""
    basis = (
        f"{100 * discordance:.3g} % of items differ between two runs of the baseline"
        if known
        else f"if {100 * discordance:.3g} % of items differ, an assumption"
    )
    if drop is None:
        return f"{benchmark}: {items:,} items: no drop is found with 80 % power ({basis})"
    return (
        f"{benchmark}: {items:,} items: a drop of {100 * drop:.1f} points or more is found with "
        f"80 % power ({basis})"
    )


def _score_line(gate: Mapping[str, Any]) -> str:
    date = (gate["baseline_date"] or "")[:10]
    parts = ", ".join(part for part in (gate["baseline_model"], date) if part)
    return (
        f"baseline {100 * gate['baseline_score']:.2f} % ({gate['baseline']}"
        f"{': ' + parts if parts else ''}), this run {100 * gate['score']:.2f} %, "
        f"{gate['n']:,} items{_in_clusters(gate)}"
    )


def _in_clusters(gate: Mapping[str, Any]) -> str:
    number = gate["clusters"]
    if number is None:
        return ""
    return f" in {number:,} {'clusters' if number != 1 else 'cluster'}"


def _p_value(gate: Mapping[str, Any]) -> str:
    value = gate["p_value"]
    # Too small for a float is not impossible.
    return f"p = {value:.3g}" if value > 0 else "p < 1e-300"


def _reach(gate: Mapping[str, Any]) -> str:
    text = f"margin {points(gate['margin'])}, alpha {gate['alpha']:g}"
    if not gate["paired"]:
        return text
    reach = gate["minimum_detectable_drop"]
    if reach is None and gate["clusters"] is not None:
        return f"{text}; no drop is named for so few clusters or differing items{_noise(gate)}"
    if reach is None:
        return f"{text}; no drop is found where so few items differ{_noise(gate)}"
    return f"{text}; a drop of {points(reach)} or more is found with 80 % power{_noise(gate)}"


def _adjusted(gate: Mapping[str, Any]) -> str:
    value = gate["adjusted_p_value"]
    return "" if value is None or value == gate["p_value"] else f" ({value:.3g} by Holm)"


def _effect(gate: Mapping[str, Any]) -> str:
    if gate["cohens_g"] is None:
        return ""
    odds = "infinite" if gate["odds_ratio"] is None else f"{gate['odds_ratio']:.2f}"
    return f"; odds ratio {odds}, Cohen's g {gate['cohens_g']:+.2f}"


def _noise(gate: Mapping[str, Any]) -> str:
    noise = gate["noise"]
    if noise is None:
        return ""
    return f"; two runs of the baseline differ on {noise['differ']:,} of {noise['n']:,} items"


def _value(value: Any) -> str:
    return "unknown" if value is None else str(value)


def no_flips() -> dict[str, dict[str, Any]]:
    """What a gate says of flips where there are none."""
    return {"lost": {"n": 0, "first": []}, "won": {"n": 0, "first": []}}
