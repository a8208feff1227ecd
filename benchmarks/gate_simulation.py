"""Measure how often the gates are wrong, and what they find, by simulating whole runs.

For every discordance and every true drop it draws runs of n right-or-wrong items, judges each with
the gate's own decision, and prints the share of each verdict as a Markdown table:

    python benchmarks/gate_simulation.py --items 164 1319 14042 --runs 10000
    python benchmarks/gate_simulation.py --sequential --items 1319 --runs 1000
    python benchmarks/gate_simulation.py --picture docs/img/gate-verdicts.svg

At a drop of 0, "regressed" is the false-alarm rate; at a drop of the margin, "passed" is the rate
of false passes. Shares carry a standard error of at most sqrt(0.25 / runs): 0.2 points on a rate
of 5 % at 10,000 runs.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_gptoss import stats
from pytest_gptoss.stats.gate import decide

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSED = ("within-margin", "improved")


def main() -> None:
    arguments = parse()
    if arguments.picture:
        arguments.picture.parent.mkdir(parents=True, exist_ok=True)
        arguments.picture.write_text(picture(arguments), encoding="utf-8")
        return
    started = time.perf_counter()
    if arguments.sequential:
        print("| items | margin | discordance | drop | regressed | passed | inconclusive | used |")
        print("|---|---|---|---|---|---|---|---|")
    else:
        print("| items | margin | discordance | drop | regressed | passed | inconclusive |")
        print("|---|---|---|---|---|---|---|")
    for n, discordance, drop in scenarios(arguments):
        rng = np.random.default_rng([arguments.seed, n, round(1e6 * discordance)])
        p = [(discordance + drop) / 2, (discordance - drop) / 2, 1 - discordance]
        if arguments.sequential:
            verdicts, used = sequential(rng, n, p, arguments)
        else:
            verdicts, used = full(rng, n, p, arguments), ""
        passed = sum(verdicts[name] for name in PASSED)
        shares = [verdicts["regressed"], passed, verdicts["inconclusive"]]
        cells = [f"{n:,}", percent(arguments.margin), percent(discordance), percent(drop)]
        cells += [f"{100 * share / arguments.runs:.1f} %" for share in shares]
        print("| " + " | ".join([*cells, used] if used else cells) + " |", flush=True)
    seconds = time.perf_counter() - started
    print(f"\n{arguments.runs:,} runs a row, alpha {arguments.alpha}, {seconds:.0f} s")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, nargs="+", default=[164, 1319, 14042])
    parser.add_argument("--runs", type=int, default=10_000, help="runs for each row")
    parser.add_argument("--margin", type=float, default=0.02)
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument(
        "--discordance", type=float, nargs="+", default=[0.02, 0.05, 0.10, 0.15], metavar="SHARE"
    )
    parser.add_argument(
        "--drop", type=float, nargs="+", default=[0.0, 0.01, 0.02, 0.03, 0.05], metavar="SHARE"
    )
    parser.add_argument("--sequential", action="store_true", help="the gate that stops early")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument(
        "--picture", type=Path, help="draw the verdicts on 1,319 items at 10 % discordance instead"
    )
    return parser.parse_args()


def scenarios(arguments: argparse.Namespace) -> Iterator[tuple[int, float, float]]:
    for n in arguments.items:
        for discordance in arguments.discordance:
            for drop in arguments.drop:
                if drop <= discordance:
                    yield n, discordance, drop


def full(
    rng: np.random.Generator, n: int, p: list[float], arguments: argparse.Namespace
) -> Counter[str]:
    # Runs with the same counts get the same verdict, so each table is judged once.
    drawn = rng.multinomial(n, p, size=arguments.runs)[:, :2]
    tables, repeated = np.unique(drawn, axis=0, return_counts=True)
    verdicts: Counter[str] = Counter()
    for (b, c), times in zip(tables.tolist(), repeated.tolist(), strict=True):
        verdicts[decide(b, c, n, margin=arguments.margin, alpha=arguments.alpha)] += times
    return verdicts


def sequential(
    rng: np.random.Generator, n: int, p: list[float], arguments: argparse.Namespace
) -> tuple[Counter[str], str]:
    verdicts: Counter[str] = Counter()
    used = []
    for _ in range(arguments.runs):
        gate = stats.SequentialGate(n, margin=arguments.margin, alpha=arguments.alpha)
        for kind in rng.choice(3, p=p, size=n).tolist():
            if gate.update(kind != 1, kind != 0) is not None:
                break
        assert gate.verdict is not None
        verdicts[gate.verdict] += 1
        used.append(gate.items_used)
    median, late = np.percentile(used, [50, 90])
    return verdicts, f"{median:,.0f} / {late:,.0f}"


def picture(arguments: argparse.Namespace) -> str:
    """Draw the share of each verdict over the true drop, as stacked areas."""
    n, discordance = 1319, 0.10
    drops = [step / 400 for step in range(-8, 21)]
    rng = np.random.default_rng(arguments.seed)
    lower, upper = [], []
    for drop in drops:
        p = [(discordance + drop) / 2, (discordance - drop) / 2, 1 - discordance]
        verdicts = full(rng, n, p, arguments)
        passed = sum(verdicts[name] for name in PASSED) / arguments.runs
        lower.append(passed)
        upper.append(passed + verdicts["inconclusive"] / arguments.runs)

    def x(drop: float) -> float:
        return 60 + 560 * (drop - drops[0]) / (drops[-1] - drops[0])

    def y(share: float) -> float:
        return 340 - 280 * share

    def area(bottom: list[float], top: list[float], colour: str) -> str:
        there = [f"{x(d):.1f},{y(s):.1f}" for d, s in zip(drops, top, strict=True)]
        back = [f"{x(d):.1f},{y(s):.1f}" for d, s in zip(drops, bottom, strict=True)]
        return f'<polygon points="{" ".join(there + back[::-1])}" fill="{colour}"/>'

    def text(at_x: float, at_y: float, words: str, extra: str = "") -> str:
        return f'<text x="{at_x:.1f}" y="{at_y:.1f}" {extra}>{words}</text>'

    middle = 'text-anchor="middle"'
    title = f"Verdicts on {n:,} items, {percent(discordance)} of them answered differently"
    opening = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 400" role="img" '
        'font-family="sans-serif" font-size="13">'
    )
    parts = [
        opening,
        f"<title>{title}</title>",
        '<rect width="660" height="400" fill="#ffffff"/>',
        text(340, 28, title, f'{middle} font-size="15"'),
        area([0.0] * len(drops), lower, "#8fc49a"),
        area(lower, upper, "#e9d48a"),
        area(upper, [1.0] * len(drops), "#df8a80"),
    ]
    shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    parts += [text(52, y(share) + 4, percent(share), 'text-anchor="end"') for share in shares]
    parts += [text(x(points / 100), 360, str(points), middle) for points in range(-2, 6)]
    for drop in (0.0, arguments.margin):
        where = f'x1="{x(drop):.1f}" x2="{x(drop):.1f}" y1="52" y2="340"'
        parts.append(f'<line {where} stroke="#333333" stroke-dasharray="4 4"/>')
    parts += [
        text(x(0.0), 48, "no change", middle),
        text(x(arguments.margin), 48, "margin", middle),
        text(x(-0.01), 230, "passed", middle),
        text(x(0.0103), 204, "inconclusive", middle),
        text(x(0.036), 150, "regressed", middle),
        text(340, 385, "true drop, in percentage points", middle),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def percent(share: float) -> str:
    return f"{100 * share:g} %"


if __name__ == "__main__":
    main()
