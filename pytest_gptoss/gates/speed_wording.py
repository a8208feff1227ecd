"""What the gates on speed, memory and energy say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["cause", "quantity", "sentence", "speed_block"]

_GIB = 2**30
_WORTH_SAYING = 0.01
_CHANGES_SHOWN = 8
_REASONS_SHOWN = 3

_HEADS = {
    "improved": "Improved",
    "within-margin": "Within the margin",
    "regressed": "Regressed",
    "inconclusive": "Inconclusive, which is no pass",
}


def quantity(figure: str, value: float | None) -> str:
    """A figure with its unit, as people read it."""
    if value is None:
        return "unknown"
    if figure == "throughput":
        return f"{value:,.0f} tokens/s" if value >= 100 else f"{value:.3g} tokens/s"
    if figure == "latency":
        return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"
    if figure == "memory":
        return f"{value / _GIB:.2f} GiB"
    return f"{value:.3g} J per output token"


def cause(before: float | None, after: float | None) -> str | None:
    """What a shift of the answers' length does to the figures, where there is one."""
    if not before or not after or abs(after / before - 1) <= _WORTH_SAYING:
        return None
    how = "longer" if after > before else "shorter"
    return (
        f"answers are {how}: {before:,.4g} → {after:,.4g} tokens on average "
        f"({100 * (after / before - 1):+.0f} %), which by itself moves latency, memory and energy"
    )


def sentence(gate: Mapping[str, Any]) -> str:
    """The verdict in words."""
    verdict = gate["verdict"]
    if verdict == "not comparable":
        reasons = gate["why"].split("; ")
        left = len(reasons) - _REASONS_SHOWN
        more = f" (and {left} more)" if left > 0 else ""
        return f"Not comparable: {'; '.join(reasons[:_REASONS_SHOWN])}{more}."
    what = {"latency": "p99 latency", "memory": "peak memory"}.get(gate["figure"], gate["figure"])
    before, after = (quantity(gate["figure"], mean) for mean in gate["means"])
    seen = f"{what} {before} → {after} ({100 * (gate['ratio'] - 1):+.1f} %"
    rounds = f"{gate['rounds'][0]} and {gate['rounds'][1]} rounds"
    if gate["interval"] is None:
        needed = gate["rounds_needed"]
        return (
            f"{_HEADS[verdict]}: {seen}; {rounds}): at least {needed} on each side are needed for "
            "a statement."
        )
    worse = -1 if gate["figure"] == "throughput" else 1
    low, high = sorted(100 * worse * bound for bound in gate["interval"])
    level = 100 * gate["confidence"]
    seen += f"; {level:.3g} % interval {low:+.1f} to {high:+.1f} %, {rounds})"
    margin = f"{100 * gate['margin']:.3g} %"
    if verdict == "regressed":
        shown = f"A loss of more than {margin} is shown."
    elif verdict == "improved":
        shown = f"A gain of more than {margin} is shown."
    elif verdict == "within-margin":
        shown = f"A loss of {margin} or more is ruled out."
    elif gate["disturbed"] is not None:
        shown = f"It cannot be told what it is due to: {gate['disturbed']}."
    else:
        shown = f"A loss of {margin} is neither shown nor ruled out{_settled_by(gate)}."
    return f"{_HEADS[verdict]}: {seen}. {shown}"


def _settled_by(gate: Mapping[str, Any]) -> str:
    noise = max(gate["noise"])
    noisy = f": rounds vary by {100 * noise:.1f} %" if noise else ""
    if gate["rounds_needed"] is None:
        return f"{noisy}{'; ' if noisy else ': '}more rounds would not settle it on this machine"
    return f"{noisy}; about {gate['rounds_needed']:,} rounds would settle it"


def speed_block(gate: Mapping[str, Any]) -> list[str]:
    """A gate as a readable block: the verdict, what it rests on, what changed, what may be why."""
    model, date = gate["baseline_model"], (gate["baseline_date"] or "")[:10]
    of = ", ".join(part for part in (model, date) if part)
    lines = [gate["sentence"], f"baseline {gate['baseline']} ({of}), load {gate['load']}"]
    if gate["noise"] is not None:
        noise = " and ".join(f"{100 * each:.1f} %" for each in gate["noise"])
        apart = gate["sessions_differ"]
        between = (
            "; how far two sessions of the baseline lie apart is not known"
            if apart is None
            else f"; two sessions of the baseline lie {100 * apart:.1f} % apart (allowed for)"
        )
        lines.append(
            f"{gate['method']}; margin {100 * gate['margin']:.3g} %, alpha {gate['alpha']:g}; "
            f"noise between rounds {noise}{between}"
        )
    if gate["cause"] is not None:
        lines.append(gate["cause"])
    changed = [
        f"{c['setting']} {_value(c['before'])} → {_value(c['after'])}" for c in gate["changed"]
    ]
    if changed:
        left = len(changed) - _CHANGES_SHOWN
        more = f" (and {left} more)" if left > 0 else ""
        lines.append(f"changed: {'; '.join(changed[:_CHANGES_SHOWN])}{more}")
    return lines


def _value(value: Any) -> str:
    return "unknown" if value is None else str(value)
