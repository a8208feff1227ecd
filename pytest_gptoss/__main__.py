"""``python -m pytest_gptoss``: compare, plan and report runs, save baselines, without a session."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_gptoss.errors import UsageError
from pytest_gptoss.report.commands import add_commands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_gptoss.gates.measured import Measured

__all__ = ["main"]

REGRESSED, BAD_USAGE = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 for a regression, or 2 for bad usage."""
    asked = _parser().parse_args(arguments)
    try:
        status: int = asked.command(asked)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_USAGE
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_gptoss",
        description="Compare, plan and report runs and save baselines without a test session.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    compare = commands.add_parser("compare", help="judge run B against run A, item by item")
    compare.add_argument("baseline", metavar="RUN_A", type=Path, help="a run or a baseline file")
    compare.add_argument("candidate", metavar="RUN_B", type=Path, help="a run or a baseline file")
    compare.add_argument("--margin", type=_margin, default=0.02, help="tolerated drop (0.02)")
    compare.add_argument("--alpha", type=_level, default=0.05, help="error rate (0.05)")
    compare.add_argument(
        "--across",
        action="append",
        default=[],
        metavar="SETTING",
        help="a setting that the comparison is about, such as effort (repeatable)",
    )
    compare.set_defaults(command=_compare)

    plan = commands.add_parser("plan", help="power, items needed and the drop that can be found")
    plan.add_argument("--benchmark", help="a benchmark of the suites, for its number of items")
    plan.add_argument("--items", type=_count, help="the number of items, instead of a benchmark")
    plan.add_argument(
        "--discordance", type=_share, default=0.1, help="share of items that differ (0.1)"
    )
    plan.add_argument("--drop", type=_share, default=0.02, help="the drop to be found (0.02)")
    plan.add_argument("--alpha", type=_level, default=0.05, help="error rate (0.05)")
    plan.add_argument("--power", type=_level, default=0.8, help="wanted power (0.8)")
    plan.set_defaults(command=_plan)

    save = commands.add_parser("baseline", help="save a run's scores as baselines")
    save.add_argument("run", metavar="RUN", type=Path, help="a run directory")
    save.add_argument(
        "--into", type=Path, default=Path("baselines"), help="their folder (baselines)"
    )
    save.set_defaults(command=_save)
    add_commands(commands)
    for command in (compare, plan, save):
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _compare(asked: argparse.Namespace) -> int:
    from pytest_gptoss.gates.compare import holm, judge, pooled
    from pytest_gptoss.gates.wording import block, unadjusted

    before, after = _load(asked.baseline), _load(asked.candidate)
    results: list[dict[str, Any]] = []
    for (model, benchmark), candidate in after.items():
        baseline = _partner(before, model, benchmark)
        if baseline is None:
            continue
        fields, pairs = judge(
            baseline, candidate, margin=asked.margin, alpha=asked.alpha, across=asked.across
        )
        if fields["refused"] is None:
            lost, won = pairs.flips()
            fields["flips"] = {
                name: {"n": len(ids), "first": ids} for name, ids in (("lost", lost), ("won", won))
            }
        results.append({"model": model, "benchmark": benchmark, **fields})
    if not results:
        raise UsageError(
            f"{asked.baseline} and {asked.candidate} share no benchmark; compare runs of the same"
        )
    holm(results)
    together = pooled(results, alpha=asked.alpha)
    if asked.json:
        _print_json({"schema": 1, "gates": results, "pooled": together})
    else:
        for fields in results:
            print(f"{fields['model']} {fields['benchmark']}")
            for name in ("lost", "won"):
                fields["flips"][name]["first"] = fields["flips"][name]["first"][:20]
            for line in block(fields):
                print(f"  {line.replace('flips.json', '--json')}")
        if together is not None:
            print(
                f"{together['benchmarks']} benchmarks pooled: drop "
                f"{100 * together['difference']:+.2f} points, p = {together['p_value']:.2g}, "
                f"{together['b']:,} lost and {together['c']:,} won of {together['n']:,} items"
                f"{unadjusted(together)}"
            )
    verdicts = {fields["verdict"] for fields in results}
    if "regressed" in verdicts:
        return REGRESSED
    return BAD_USAGE if None in verdicts else 0


def _partner(found: dict[tuple[str, str], Measured], model: str, benchmark: str) -> Measured | None:
    """The other side of a pair: of the same model, or of the only model there is."""
    if (model, benchmark) in found:
        return found[model, benchmark]
    others = [measured for (_, name), measured in found.items() if name == benchmark]
    return others[0] if len(others) == 1 else None


def _load(path: Path) -> dict[tuple[str, str], Measured]:
    from pytest_gptoss.gates import baseline
    from pytest_gptoss.gates.measured import read_run

    if path.is_dir():
        return read_run(path)
    held = baseline.read(path)
    return {(held.model, held.benchmark): held}


def _plan(asked: argparse.Namespace) -> int:
    from pytest_gptoss.gates.plan import items_of, plan

    if asked.benchmark is None and asked.items is None:
        raise UsageError("a plan needs a number of items; name --benchmark or give --items")
    items = asked.items if asked.items is not None else items_of(asked.benchmark)
    made = plan(
        items,
        discordance=asked.discordance,
        drop=asked.drop,
        alpha=asked.alpha,
        power=asked.power,
    )
    if asked.json:
        _print_json({"benchmark": asked.benchmark, **made})
        return 0
    name = f"{asked.benchmark}: " if asked.benchmark else ""
    print(
        f"{name}{items:,} items, {100 * asked.discordance:g} % of them differing, one-sided alpha "
        f"{asked.alpha:g} (McNemar mid-p, exact)"
    )
    print(
        f"  a drop of {100 * asked.drop:g} points is found with {100 * made['power']:.1f} % power"
    )
    print(
        f"  {made['items_needed']:,} items find it with {100 * asked.power:g} % power"
        if made["items_needed"] is not None
        else "  no number of items finds a drop of nothing"
    )
    print(
        f"  these items find a drop of {100 * made['minimum_detectable_drop']:.2f} points or more "
        f"with {100 * asked.power:g} % power"
        if made["minimum_detectable_drop"] is not None
        else f"  these items find no drop with {100 * asked.power:g} % power"
    )
    return 0


def _save(asked: argparse.Namespace) -> int:
    from pytest_gptoss.gates import baseline
    from pytest_gptoss.gates.locate import slug_of
    from pytest_gptoss.gates.measured import read_run, read_summary

    summary = read_summary(asked.run)
    if summary.get("interrupted") or not summary.get("complete"):
        raise UsageError(
            f"{asked.run} was interrupted or is incomplete, so it is no fair sample; save a run "
            "that went to its end"
        )
    saved = []
    found = read_run(asked.run)
    for (model, benchmark), measured in found.items():
        file = asked.into / slug_of(model) / f"{benchmark}.json"
        held = baseline.read(file) if file.is_file() else None
        rows = summary["settings"]["benchmarks"][benchmark]["rows"]
        limit = summary["settings"].get("limit")
        why = baseline.refusal(
            measured, held=held, expected=rows if limit is None else min(rows, limit)
        )
        if why is not None:
            raise UsageError(f"no baseline of {model} on {benchmark} was saved: {why}")
        saved.append((file, baseline.with_noise(measured, held)))
    for file, measured in saved:
        baseline.save(file, measured)
        if not asked.json:
            print(f"{file}: {len(measured.items):,} items")
    if asked.json:
        _print_json(
            {
                "saved": [
                    {"file": str(file), "items": len(m.items), "noise": m.noise}
                    for file, m in saved
                ]
            }
        )
    return 0


def _print_json(value: Any) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value), indent=1).decode())


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"takes a number, not {text!r}") from None


def _share(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"takes a share from 0 to 1, not {text!r}")
    return value


def _margin(text: str) -> float:
    value = _number(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"takes a share from 0 to below 1, not {text!r}")
    return value


def _level(text: str) -> float:
    value = _number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"takes a probability between 0 and 1, not {text!r}")
    return value


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"takes a whole number, 1 or more, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
