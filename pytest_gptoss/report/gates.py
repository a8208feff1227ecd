"""Gates and comparisons of models, as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_gptoss.gates.wording import block, unadjusted
from pytest_gptoss.report.figures import percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.text import Text

__all__ = ["HEADS", "comparison_lines", "comparison_row", "gate_lines", "pooled_lines"]

_COLOURS = {
    "improved": "green",
    "within-margin": "green",
    "inconclusive": "yellow",
    "regressed": "red",
    None: "red",
}

HEADS = (
    *("", "A", "B", "n", "A", "B", "A − B"),
    *("95 % interval", "p", "only A", "only B", "OR", "g"),
)


def gate_lines(group: Mapping[str, Any]) -> Iterator[Text]:
    """A group's gate: its verdict in colour, and below it what that rests on."""
    from rich.text import Text

    gate = group.get("gate")
    if gate is None:
        return
    first, *others = block(gate)
    colour = _COLOURS[gate["verdict"]]
    yield Text("    gate  ", style="dim").append(first, style=f"bold {colour}" if colour else "")
    # A gate that failed stands whole among pytest's failures; here it takes two lines.
    for line in others[:1] if gate["verdict"] in (None, "regressed") else others:
        yield Text(f"          {line}", style="dim")


def pooled_lines(summary: Mapping[str, Any]) -> Iterator[Text]:
    """The test over all benchmarks of a model, and the correction for asking several times."""
    from rich.text import Text

    for model, test in summary.get("pooled", {}).items():
        shown = "more losses than chance explains" if test["regressed"] else "no regression shown"
        yield Text(
            f"{model}, {test['benchmarks']} benchmarks pooled: {shown} (drop "
            f"{100 * test['difference']:+.2f} points, p = {test['p_value']:.2g}, {test['b']:,} "
            f"lost and {test['c']:,} won of {test['n']:,} items){unadjusted(test)}",
            style="bold red" if test["regressed"] else "bold",
        )
    gates = [group["gate"] for group in summary["groups"] if group.get("gate")]
    regressed = [gate for gate in gates if gate["verdict"] == "regressed"]
    tested = sum(gate["p_value"] is not None for gate in gates)
    if regressed and tested > 1:
        still = sum(gate["adjusted_p_value"] <= gate["alpha"] for gate in regressed)
        yield Text(
            f"{len(regressed)} of {tested} gates regressed; {still} of them also after Holm's "
            f"correction for {tested} tests",
            style="dim",
        )


def comparison_lines(comparisons: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    """Every two models on every benchmark that both answered."""
    from rich.text import Text

    if not comparisons:
        return
    apart = all(fields["clusters"] is None for fields in comparisons)
    tests = "McNemar mid-p or sign-flip" + ("" if apart else ", by clusters where items share them")
    yield Text("models compared item by item", style="bold").append(
        f"  {tests}, two-sided; p by Holm over this table; A − B in points",
        style="not bold dim",
    )
    rows = [comparison_row(fields) for fields in comparisons]
    widths = [max(len(row[place]) for row in (HEADS, *rows)) for place in range(len(HEADS))]
    yield Text(_aligned(HEADS, widths), style="dim")
    for fields, row in zip(comparisons, rows, strict=True):
        adjusted = fields["adjusted_p_value"]
        differs = adjusted is not None and adjusted <= 1 - fields["confidence"]
        yield Text(_aligned(row, widths), style="bold" if differs else "")


def comparison_row(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """What stands below `HEADS` for two models on a benchmark."""
    first, second = fields["models"]
    drop, bounds = fields["difference"], fields["interval"]
    return (
        fields["benchmark"],
        first,
        second,
        f"{fields['n']:,}",
        percent(fields["scores"][0]),
        percent(fields["scores"][1]),
        "–" if drop is None else f"{100 * drop:+.1f}",
        "" if bounds is None else f"[{100 * bounds[0]:+.1f}, {100 * bounds[1]:+.1f}]",
        _short(fields["adjusted_p_value"]),
        "–" if fields["b"] is None else f"{fields['b']:,}",
        "–" if fields["c"] is None else f"{fields['c']:,}",
        _ratio(fields),
        "–" if fields["cohens_g"] is None else f"{fields['cohens_g']:+.2f}",
    )


def _ratio(fields: Mapping[str, Any]) -> str:
    if fields["odds_ratio"] is not None:
        return f"{fields['odds_ratio']:.2f}"
    return "∞" if fields["b"] else "–"


def _short(p_value: float | None) -> str:
    if p_value is None:
        return "–"
    return f"{p_value:.3f}" if p_value >= 0.001 else f"{p_value:.0e}"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        text.ljust(width) if place < 3 else text.rjust(width)
        for place, (text, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  " + "  ".join(cells)
