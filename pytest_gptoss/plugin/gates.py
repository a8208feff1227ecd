"""`Gates`: a session's gates, from the baselines that are found to what the summary says."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from pytest_gptoss.errors import UsageError
from pytest_gptoss.gates import baseline
from pytest_gptoss.gates.compare import difference, holm, judge, pooled
from pytest_gptoss.gates.flips import Flips, flip_records, write_flips
from pytest_gptoss.gates.locate import Finder
from pytest_gptoss.gates.measured import Measured, from_group
from pytest_gptoss.gates.plan import reach
from pytest_gptoss.gates.published import judge_published
from pytest_gptoss.gates.settings import changes, conditions
from pytest_gptoss.gates.wording import block
from pytest_gptoss.plugin.gate_items import GateItem
from pytest_gptoss.run.results import summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import pytest

    from pytest_gptoss.plugin.evaluation import Evaluation
    from pytest_gptoss.plugin.gate_settings import GateSettings
    from pytest_gptoss.run.group import Group

__all__ = ["Gates", "Result"]

Key = tuple[str, str]

# The others are in the run directory's flips.json.
_FLIPS_SHOWN = 5


@dataclass
class Result:
    """What became of one gate.

    Args:
        verdict: The verdict, where there is one.
        failure: Why the gate fails, as a block of lines; ``None`` where it does not.
        skip: Why there is nothing to compare, where that is no failure.
        properties: Name and value pairs for JUnit.
    """

    verdict: str | None = None
    failure: str | None = None
    skip: str | None = None
    properties: list[tuple[str, object]] = field(default_factory=list)


class Gates:
    """The gates of a session.

    Args:
        evaluation: The session.
        settings: What was asked of the gates.

    Raises:
        UsageError: The baseline that was named does not exist or cannot be read.
    """

    def __init__(self, evaluation: Evaluation, settings: GateSettings) -> None:
        self._evaluation = evaluation
        self.settings = settings
        self.finder = Finder(settings.root, settings.baseline, settings.baseline_from)
        self._baselines: dict[Key, Measured | None] = {}
        self._rows: dict[Key, int] = {}
        self._names: dict[Key, str] = {}
        self._gated: set[Key] = set()
        self._fields: dict[Key, dict[str, Any]] = {}
        self._flips: list[Flips] = []

    # --- collection ------------------------------------------------------------------------------

    def collect(
        self,
        collector: pytest.Collector,
        name: str,
        function: Callable[..., Any],
        group: Group,
        rows: int,
    ) -> GateItem | None:
        """The gate of a group of which so many items were collected, where it has one.

        Raises:
            UsageError: Its baseline cannot be read.
        """
        key = group.key
        self._rows[key] = rows
        self._names[key] = f"{collector.nodeid}::{name}"
        if self.settings.mode == "off":
            return None
        held = self._find(group)
        wanted = held is not None or self.settings.mode == "strict"
        if self.finder.named and not wanted:
            # A file is about one benchmark; a folder, a run or a publication about what is in it.
            wanted = not self.finder.is_file
        if not wanted:
            return None
        self._gated.add(key)
        return GateItem.of(collector, name, function, self, group)

    def check(self) -> str | None:
        """What is wrong with the collection as a whole, in a sentence."""
        if self._rows and self.finder.is_file and self.settings.mode != "off":
            held = self.finder.read_named()
            if not any(self._baselines.values()):
                return (
                    f"--gptoss-baseline names a baseline of {held.benchmark}, and this session "
                    f"evaluates {', '.join(sorted({name for _, name in self._rows}))}; name "
                    "another one"
                )
        return None

    def _find(self, group: Group) -> Measured | None:
        key = group.key
        if key not in self._baselines:
            try:
                self._baselines[key] = self.finder.find(key[0], group.spec.slug, key[1])
            except UsageError:
                # Saving again is how a broken file is mended.
                if not self.settings.save or self.finder.named:
                    raise
                self._baselines[key] = None
        return self._baselines[key]

    def node_id(self, key: Key, item_id: str) -> str:
        """The node id of an item."""
        return f"{self._names[key]}[{key[0]}-{item_id}]"

    # --- before generation -----------------------------------------------------------------------

    def announce(self, selected: Mapping[Key, Sequence[str]]) -> list[str]:
        """What each gate will be able to see, before anything is generated.

        Args:
            selected: The ids of the selected items, by (model, benchmark).
        """
        lines = []
        several = len({model for model, _ in selected}) > 1
        clustered = {group.key for group in self._evaluation.collection.groups if group.clustered}
        record: dict[str, Any] | None = None
        for key, ids in selected.items():
            held = self._baselines.get(key)
            if key not in self._gated or held is None:
                continue
            name = f"{key[0]} {key[1]}" if several else key[1]
            shared = sum(item_id in held.items for item_id in ids)
            alpha = self.settings.alpha_of(key[1])
            lines.append(reach(held, name, shared, alpha=alpha, clustered=key in clustered))
            if record is None:
                record = self._evaluation.record(self._evaluation.collection.groups)
            forbidding, _, _ = changes(held.conditions, conditions(record, *key))
            if forbidding:
                differ = "; ".join(map(str, forbidding))
                lines.append(f"{name}: will not be compared, what is measured differs: {differ}")
        return [f"gptoss: {line}" for line in lines]

    def refuse_save(self, selected: Mapping[Key, Sequence[str]]) -> None:
        """Refuse early what can be seen before anything is generated.

        Raises:
            UsageError: Items are filtered out, so that no baseline may be saved.
        """
        if not self.settings.save:
            return
        for key, ids in selected.items():
            expected = self._rows[key]
            if len(ids) < expected:
                raise UsageError(
                    f"--gptoss-save-baseline: only {len(ids):,} of the {expected:,} items of "
                    f"{key[1]} are selected; leave out -k, -m, --deselect, --lf and node ids of "
                    "single items (a smaller baseline is sampled by --gptoss-limit)"
                )

    # --- one gate --------------------------------------------------------------------------------

    def run(self, group: Group) -> Result:
        """Compare a group with its baseline."""
        key = group.key
        if not group.tickets:
            return Result(
                failure=f"none of the items of {key[1]} on {key[0]} is selected, so its gate has "
                "nothing to compare: select its items too, or deselect the gate"
            )
        self._evaluation.settle(group)
        record = self._evaluation.record(self._evaluation.groups)
        measured = from_group(group, record, summarise(group))
        margin, alpha = (self.settings.margin_of(key[1]), self.settings.alpha_of(key[1]))
        if self.finder.published is not None:
            fields = judge_published(self.finder.published, measured, margin=margin, alpha=alpha)
        else:
            held = self._find(group)
            fields = None
            if held is not None:
                fields, pairs = judge(held, measured, margin=margin, alpha=alpha)
                if fields["refused"] is None:
                    fields["flips"] = self._note_flips(key, held, pairs.flips())
        if fields is None:
            return self._missing(group)
        self._fields[key] = fields
        return self._result(fields)

    def _note_flips(
        self, key: Key, held: Measured, flips: tuple[list[str], list[str]]
    ) -> dict[str, dict[str, Any]]:
        run = self.finder.run
        other = None if run is None else (run, (held.model, held.benchmark))
        lost, won = flips
        self._flips.append(Flips(key=key, against=held.origin, lost=lost, won=won, other=other))
        return {
            name: {
                "n": len(ids),
                "first": [self.node_id(key, item_id) for item_id in ids[:_FLIPS_SHOWN]],
            }
            for name, ids in (("lost", lost), ("won", won))
        }

    def _result(self, fields: dict[str, Any]) -> Result:
        verdict = fields["verdict"]
        fails = verdict is None or verdict == "regressed"
        if self.settings.mode == "strict":
            fails = fails or verdict == "inconclusive"
        named = ("verdict", "difference", "p_value", "n", "b", "c", "baseline", "method")
        return Result(
            verdict=verdict,
            failure="\n".join(block(fields)) if fails else None,
            properties=[
                (f"gptoss_{name}", fields[name]) for name in named if fields[name] is not None
            ],
        )

    def _missing(self, group: Group) -> Result:
        model, benchmark = group.key
        if self.finder.published is not None:
            text = f"{self.settings.baseline} states no score of {model} on {benchmark}"
            return Result(failure=text) if self.settings.mode == "strict" else Result(skip=text)
        if self.finder.named:
            return Result(
                failure=f"{self.settings.baseline} holds no baseline of {model} on {benchmark}; "
                "name another one with --gptoss-baseline, or save one with --gptoss-save-baseline"
            )
        place = self.finder.short(self.finder.own_file(group.spec.slug, benchmark))
        if self.settings.save:
            return Result(skip=f"there is no {place} yet; this run saves it")
        return Result(
            failure=f"there is no baseline {place}, and --gptoss-gate strict demands one; save it "
            "with --gptoss-save-baseline"
        )

    # --- finish ----------------------------------------------------------------------------------

    def complete(self, summary: dict[str, Any]) -> None:
        """Add the gates, the corrections over all of them and the comparisons to a summary."""
        figures = {(group["model"], group["benchmark"]): group for group in summary["groups"]}
        for key, group in figures.items():
            group["test"] = self._names[key]
        gates = [self._fields[key] for key in figures if key in self._fields]
        holm(gates)
        for key, fields in self._fields.items():
            figures[key]["gate"] = fields
        by_model: dict[str, list[dict[str, Any]]] = {}
        for (model, _), fields in self._fields.items():
            by_model.setdefault(model, []).append(fields)
        summary["pooled"] = {
            model: test
            for model, of_model in by_model.items()
            if (test := pooled(of_model, alpha=self.settings.alpha)) is not None
        }
        summary["comparisons"] = self._comparisons(summary)

    def _comparisons(self, summary: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Every two models on every benchmark that both were asked."""
        groups = self._evaluation.groups
        if len({group.key[0] for group in groups}) < 2:
            return []
        figures = {(group["model"], group["benchmark"]): group for group in summary["groups"]}
        measured: dict[str, list[Measured]] = {}
        for group in groups:
            found = from_group(group, summary["settings"], figures[group.key])
            measured.setdefault(group.key[1], []).append(found)
        compared = []
        for of_benchmark in measured.values():
            for first, second in combinations(of_benchmark, 2):
                fields, pairs = difference(first, second)
                compared.append(fields)
                lost, won = pairs.flips()
                assert self._evaluation.directory is not None
                self._flips.append(
                    Flips(
                        key=(second.model, second.benchmark),
                        against=first.model,
                        lost=lost,
                        won=won,
                        other=(self._evaluation.directory.path, (first.model, first.benchmark)),
                    )
                )
        holm(compared)
        return compared

    def write_flips(self, run: Path) -> None:
        """Write ``flips.json`` where something was compared.

        Raises:
            OSError: It cannot be written.
        """
        if self._flips:
            write_flips(run, flip_records(self._flips, run, self.node_id))

    def save(self, summary: Mapping[str, Any], stopped: str | None) -> tuple[list[str], list[str]]:
        """Save the baselines that were asked for.

        Args:
            summary: The session's summary.
            stopped: Why the session ended early, if it did.

        Returns:
            What was saved and what was refused, in sentences.
        """
        saved: list[str] = []
        refused: list[str] = []
        if not self.settings.save:
            return saved, refused
        figures = {(group["model"], group["benchmark"]): group for group in summary["groups"]}
        for group in self._evaluation.groups:
            model, benchmark = group.key
            file = self.finder.own_file(group.spec.slug, benchmark)
            place = self.finder.short(file)
            held = self._held(file)
            measured = from_group(group, summary["settings"], figures[group.key])
            why = stopped or baseline.refusal(measured, held=held, expected=self._rows[group.key])
            if why is None:
                measured = baseline.with_noise(measured, held)
                try:
                    baseline.save(file, measured)
                except UsageError as error:
                    why = str(error)
            if why is not None:
                refused.append(f"no baseline of {model} on {benchmark} was saved: {why}")
                continue
            noise = measured.noise
            saved.append(
                f"{place}: {len(measured.items):,} items"
                + (
                    ""
                    if noise is None
                    else f"; {noise['differ']:,} of {noise['n']:,} items differ from the run saved "
                    "before under the same settings (the noise floor)"
                )
            )
        return saved, refused

    @staticmethod
    def _held(file: Path) -> Measured | None:
        try:
            return baseline.read(file) if file.is_file() else None
        except UsageError:  # broken: saving again mends it
            return None


def by_group(items: Iterable[Any]) -> dict[Key, list[str]]:
    """The ids of the benchmark items among some tests, by (model, benchmark)."""
    selected: dict[Key, list[str]] = {}
    for item in items:
        ticket = getattr(item, "ticket", None)
        if ticket is not None:
            selected.setdefault(ticket.group.key, []).append(ticket.item_id)
    return selected
