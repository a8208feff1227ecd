"""Runs that go on: what a journal says of itself, ``--gptoss-resume`` and ``--gptoss-rescore``."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pytest_gptoss.errors import UsageError
from pytest_gptoss.gates.settings import Change, conditions
from pytest_gptoss.models import ModelSpec
from pytest_gptoss.plugin.items import BenchmarkItem
from pytest_gptoss.records import Sampling
from pytest_gptoss.run.earlier import Earlier
from pytest_gptoss.run.journal import Header, Selected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_gptoss.plugin.settings import Settings
    from pytest_gptoss.run.group import Group

__all__ = [
    "check_opened",
    "check_same",
    "header_of",
    "keep_recorded",
    "rescored_record",
    "settings_of",
]

# A scorer may have been mended: everything is scored again. Which rows are asked is compared apart.
_NOT_ASKED = ("scorer", "scorer_version", "sandbox", "limit", "timeout_s", "pytest_gptoss")

# Engine arguments that say how much fits and how fast it goes; a run that died for want of memory
# is continued with others.
_PACE = frozenset(
    {
        "concurrency",
        "cpu_offload_gb",
        "enforce_eager",
        "gpu_memory_utilization",
        "kv_cache_memory_bytes",
        "max_num_batched_tokens",
        "max_num_seqs",
        "swap_space",
    }
)

# Options that say how answers come about, which an earlier run has done already.
_DECIDED = (
    *("engine", "engine-arg", "endpoint", "completions", "effort", "profile", "limit", "shots"),
    *("repeats", "max-tokens", "temperature", "seed", "timeout", "session-timeout", "resume"),
)

_NAMED = 5


def header_of(groups: Sequence[Group], record: Mapping[str, Any]) -> Header:
    """What the journal of a session says first.

    Args:
        groups: What is asked.
        record: The settings record.
    """
    specs = {group.spec.label: group.spec for group in groups}
    return Header(
        settings=dict(record),
        models={label: _plain(spec) for label, spec in specs.items()},
        selected=[
            Selected(
                model=group.spec.label,
                benchmark=group.benchmark.name,
                rows=len(group.table),
                items=None
                if len(group.tickets) == len(group.table)
                else [ticket.item_id for ticket in group.tickets],
            )
            for group in groups
        ],
    )


def _plain(spec: ModelSpec) -> dict[str, Any]:
    """A specification as JSON values, without what only says on which GPUs it fits."""
    left_out = ("entry", "tensor_parallel")
    return {
        field.name: msgspec.to_builtins(getattr(spec, field.name))
        for field in fields(spec)
        if field.name not in left_out
    }


def _spec(values: Mapping[str, Any]) -> ModelSpec:
    sampling = msgspec.convert(values["sampling"], Sampling)
    return ModelSpec(**{**values, "sampling": sampling, "efforts": tuple(values["efforts"])})


# --- resume ------------------------------------------------------------------------------------


def check_same(earlier: Earlier, groups: Sequence[Group], record: Mapping[str, Any]) -> None:
    """Compare what is asked now with what was asked then.

    Args:
        earlier: The run that is continued.
        groups: What is asked now.
        record: The settings record of now.

    Raises:
        UsageError: Settings, models or items differ; the sentence names what.
    """
    then = earlier.header.settings
    keys = {(one.model, one.benchmark) for one in earlier.header.selected}
    now = {group.key for group in groups}
    found = [
        f"{what} {' on '.join(reversed(key))}"
        for what, some in (("not asked now:", keys - now), ("not asked then:", now - keys))
        for key in sorted(some)
    ]
    if then.get("completions") != record.get("completions"):
        found.append(str(Change("completions", then.get("completions"), record["completions"])))
    for group in groups:
        if group.key in keys:
            found += map(str, _differences(then, record, group.key))
            found += _other_items(earlier.selected(group.key), group)
    if found:
        raise UsageError(
            f"--gptoss-resume: {earlier.path} was asked under other settings: "
            f"{'; '.join(dict.fromkeys(found))}; repeat the command that started it, or name a "
            "fresh folder with --gptoss-run"
        )
    earlier.check_items(groups)


def _differences(
    then: Mapping[str, Any], now: Mapping[str, Any], key: tuple[str, str]
) -> Iterator[Change]:
    before, after = ({**c.measured, **c.tested} for c in (conditions(r, *key) for r in (then, now)))
    for name in dict.fromkeys((*before, *after)):
        change = Change(name, before.get(name), after.get(name))
        if (
            change.before != change.after
            and name not in _NOT_ASKED
            and not name.startswith("host.")
            and name.removeprefix("engine_arguments.") not in _PACE
        ):
            yield change


def _other_items(then: Selected | None, group: Group) -> list[str]:
    now = {ticket.item_id for ticket in group.tickets}
    before = set(group.ids) if then is None or then.items is None else set(then.items)
    return [
        f"{len(ids):,} {'item' if len(ids) == 1 else 'items'} of {group.benchmark.name} "
        f"{what} ({', '.join(sorted(ids)[:_NAMED])}{', ...' if len(ids) > _NAMED else ''})"
        for what, ids in (
            ("were selected then and are not now", before - now),
            ("are selected now and were not then", now - before),
        )
        if ids
    ]


def check_opened(earlier: Earlier, label: str, facts: Mapping[str, Any]) -> list[str]:
    """Compare what an engine says of itself with what the earlier one said.

    Args:
        earlier: The run that is continued.
        label: The model.
        facts: What the engine says.

    Returns:
        What differs without making another model of it, in sentences.

    Raises:
        UsageError: It serves something else than before.
    """
    then = earlier.facts.get(label)
    if then is None:
        return []
    notes = []
    for name in ("dtype", "quantization", "prompt_format", "version"):
        before, after = then.get(name), facts.get(name)
        if before == after:
            continue
        what = "" if isinstance(before, dict) else f" {before} → {after}"
        if name != "version":
            raise UsageError(
                f"--gptoss-resume: the engine of {label} differs from the one that began "
                f"{earlier.path} ({name}{what}); start that one, or name a fresh folder with "
                "--gptoss-run"
            )
        notes.append(f"{label} was answered by two versions of its engine{what}")
    return notes


# --- rescore -----------------------------------------------------------------------------------


def settings_of(config: pytest.Config, settings: Settings) -> tuple[Settings, Earlier]:
    """The settings of a session that scores an earlier run again, and that run.

    Raises:
        UsageError: The run cannot be read, or an option contradicts it.
    """
    assert settings.rescore is not None
    given = [name for name in _DECIDED if config.getoption(f"gptoss_{name.replace('-', '_')}")]
    if given:
        raise UsageError(
            f"--gptoss-rescore takes the answers as the earlier run has them; leave out "
            f"--gptoss-{given[0]}"
        )
    earlier = Earlier(settings.rescore)
    header = earlier.header
    named = [name for value in config.getoption("model") or () for name in value.split(",")]
    unknown = [name for name in named if name and name not in header.models]
    if unknown:
        raise UsageError(
            f"--gptoss-rescore: {earlier.path} holds completions of {', '.join(header.models)}, "
            f"and none of {unknown[0]}; leave out --model, or name one of them"
        )
    specs = tuple(
        _spec(values) for label, values in header.models.items() if not named or label in named
    )
    asked = header.settings
    return replace(
        settings,
        specs=specs,
        engine=asked["engine"],
        repeats=asked["repeats"],
        shots=asked["shots"],
        seed=asked["seed"],
        limit=None,
    ), earlier


def keep_recorded(config: pytest.Config, earlier: Earlier, items: list[pytest.Item]) -> None:
    """Deselect every item and gate that the earlier run did not ask.

    Raises:
        pytest.UsageError: Nothing that was collected is in it.
    """
    asked = {
        (one.model, one.benchmark): None if one.items is None else set(one.items)
        for one in earlier.header.selected
    }

    def recorded(item: pytest.Item) -> bool:
        group = getattr(item, "group", None)
        if group is None:
            return True
        if group.key not in asked:
            return False
        ids = asked[group.key]
        return ids is None or not isinstance(item, BenchmarkItem) or item.ticket.item_id in ids

    kept = [item for item in items if recorded(item)]
    if items and not any(isinstance(item, BenchmarkItem) for item in kept):
        held = ", ".join(sorted({benchmark for _, benchmark in asked}))
        raise pytest.UsageError(
            f"--gptoss-rescore: {earlier.path} holds completions of {held}, and no item of that is "
            "collected; name the suites that the run was made with"
        )
    chosen = set(map(id, kept))
    dropped = [item for item in items if id(item) not in chosen]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


def rescored_record(
    earlier: Earlier, record: Mapping[str, Any], groups: Iterable[Group]
) -> dict[str, Any]:
    """The settings record of completions of an earlier run that are scored now.

    Args:
        earlier: The earlier run.
        record: The settings record as this session would state it.
        groups: What is scored.
    """
    then = earlier.header.settings
    labels = {group.spec.label for group in groups}
    return {
        **then,
        "pytest_gptoss": record["pytest_gptoss"],
        "benchmarks": record["benchmarks"],
        "judge": record["judge"],
        "sandbox": record["sandbox"],
        "models": {
            label: {**facts, "engine": earlier.facts.get(label) or facts["engine"]}
            for label, facts in then["models"].items()
            if label in labels
        },
        "rescored": {
            "run": str(earlier.path),
            "at": record["ended"],
            "pytest_gptoss": then.get("pytest_gptoss"),
        },
    }
