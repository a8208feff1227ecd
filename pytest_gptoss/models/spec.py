"""`ModelSpec`: one model that was asked for, and `resolve`, which reads what a user typed."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from pytest_gptoss.errors import UsageError
from pytest_gptoss.models.folder import cached_snapshot, facts_of
from pytest_gptoss.models.registry import Entry, Reasoning, fixture_name, registry
from pytest_gptoss.records import Effort, Sampling

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ModelSpec", "resolve"]

GIB = 2**30
_EFFORTS: tuple[Effort, ...] = get_args(Effort)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+\Z", re.ASCII)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def least_gpu_memory(weights_bytes: int) -> int:
    """The least GPU memory that is worth trying: the weights, and 5 % or 2 GiB of working space."""
    return weights_bytes + max(2 * GIB, weights_bytes // 20)


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One model under test: where it comes from and how it wants to be used.

    Args:
        name: The registry name, the folder's base name or the hub id, with ``@variant`` if asked.
        source: The hub id, or the absolute path of a folder.
        revision: The commit to load; ``None`` where none is pinned.
        reasoning: How its answers separate reasoning from the final text.
        think_in_prompt: Whether its chat template ends with the opening ``<think>``.
        efforts: The reasoning efforts it was trained for.
        effort: The effort that was asked for; ``None`` leaves it to the engine's default.
        effort_by_suffix: Whether the effort was part of the name, and so belongs in the label.
        sampling: The authors' recommendation, without a token cap.
        sampling_source: Where they give it.
        instructions: The role that instructions take where the format has no developer message.
        dtype: What the weights are stored in.
        variant: The variant that was asked for.
        context_length: Longest prompt plus completion, in tokens.
        weights_bytes: Size of the weights in memory.
        min_gpu_memory_bytes: The least GPU memory that is worth trying.
        tensor_parallel: GPUs per replica, by card size in GB (``"80"``, ``"141"``).
        fixture: The name of its pytest fixture.
        parameters: Total number of parameters.
        active_parameters: Parameters used per token.
        licence: SPDX name or words.
        entry: The registry's entry as plain values; empty for folders and unregistered hub ids.
    """

    name: str
    source: str
    revision: str | None = None
    reasoning: Reasoning = "auto"
    think_in_prompt: bool = False
    efforts: tuple[Effort, ...] = ()
    effort: Effort | None = None
    effort_by_suffix: bool = False
    sampling: Sampling = field(default_factory=Sampling)
    sampling_source: str = ""
    instructions: str = "system"
    dtype: str | None = None
    variant: str | None = None
    context_length: int | None = None
    weights_bytes: int | None = None
    min_gpu_memory_bytes: int | None = None
    tensor_parallel: Mapping[str, int] = field(default_factory=dict)
    fixture: str | None = None
    parameters: int | None = None
    active_parameters: int | None = None
    licence: str | None = None
    entry: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What stands in node ids and records: the name, and the effort if it was part of it."""
        return f"{self.name}:{self.effort}" if self.effort_by_suffix else self.name

    @property
    def slug(self) -> str:
        """The label as a folder or file name."""
        return _UNSAFE.sub("-", self.label.replace("/", "--")).lstrip(".") or "model"

    @property
    def folder(self) -> Path | None:
        """The checkpoint's folder, where it is on this machine (given, or in the Hub's cache)."""
        path = Path(self.source)
        if path.is_absolute():
            return path
        return cached_snapshot(self.source, self.revision)


def resolve(
    text: str,
    *,
    effort: Effort | None = None,
    registry_file: str | Path | None = None,
    any_name: bool = False,
) -> ModelSpec:
    """Read a model as a user names it.

    ``NAME``, ``NAME@VARIANT``, a checkpoint folder or a hub id (``OWNER/NAME``, and
    ``OWNER/NAME@REVISION`` for one outside the registry), each with ``:low``, ``:medium`` or
    ``:high`` for a reasoning effort.

    Args:
        text: What the user typed.
        effort: The effort asked for beside the name, for a model that has it; one in the name
            wins.
        registry_file: The user's own registry.
        any_name: Accept any other name too, as an endpoint's or a recording's own.

    Raises:
        UsageError: There is no such model, variant or effort.
    """
    wanted = text.strip()
    entries = registry(registry_file)
    if not wanted:
        raise UsageError(
            "the model name is empty; pass a registry name, a checkpoint folder or a hub id"
        )
    base, suffix = _split_effort(wanted, entries)
    spec = _registered(base, entries) or _of_folder(base) or _of_hub(base)
    if spec is None and any_name:
        spec = ModelSpec(
            name=base,
            source=base,
            efforts=_EFFORTS,
            sampling_source="greedy, as the model is known by its served name alone",
        )
    if spec is None:
        raise UsageError(_unknown(base, entries))
    return _with_effort(spec, suffix, effort, wanted)


def _split_effort(text: str, entries: Mapping[str, Entry]) -> tuple[str, Effort | None]:
    base, colon, suffix = text.rpartition(":")
    if not colon or not base or _is_folder(text):
        return text, None
    for effort in _EFFORTS:
        if suffix == effort:
            return base, effort
    if _registered(base, entries) is not None:
        raise UsageError(
            f"{text!r}: {suffix!r} is no reasoning effort; write {base}:low, {base}:medium or "
            f"{base}:high"
        )
    return text, None


def _is_folder(text: str) -> bool:
    try:
        return Path(text).expanduser().is_dir()
    except (OSError, ValueError, RuntimeError):
        return False


def _registered(text: str, entries: Mapping[str, Entry]) -> ModelSpec | None:
    base, _, variant = text.partition("@")
    if "/" in base and _is_folder(base):
        return None  # a folder of that name is nearer than the Hub, as transformers has it too
    wanted = base.lower()
    for name, entry in entries.items():
        if wanted == name.lower() or wanted in entry.names:
            return _of_entry(name, entry, variant or None)
    return None


def _of_entry(name: str, entry: Entry, variant: str | None) -> ModelSpec:
    chosen = entry.variants.get(variant) if variant else None
    if variant and chosen is None:
        known = ", ".join(f"{name}@{v}" for v in entry.variants) or f"only {name} itself"
        raise UsageError(f"the model {name} has no variant {variant!r}; there is {known}")
    if entry.path is not None and not (Path(entry.path) / "config.json").is_file():
        raise UsageError(
            f"the checkpoint of {name} is missing: there is no config.json in {entry.path}; "
            "install the package again or correct the entry's path"
        )
    weights = entry.weights
    if chosen is not None and chosen.weights_bytes is not None:
        weights = chosen.weights_bytes
    recommended = entry.sampling
    return ModelSpec(
        name=f"{name}@{variant}" if variant else name,
        source=entry.path or (chosen and chosen.hub) or entry.hub or "",
        revision=chosen.revision if chosen and chosen.hub else entry.revision,
        reasoning=entry.reasoning,
        think_in_prompt=entry.think_in_prompt,
        efforts=entry.efforts,
        sampling=Sampling(**msgspec.structs.asdict(recommended)) if recommended else Sampling(),
        sampling_source=entry.sampling_source
        or ("the registry" if recommended else "greedy, as the registry recommends no sampling"),
        instructions=entry.instructions,
        dtype=(chosen and chosen.dtype) or entry.dtype,
        variant=variant,
        context_length=entry.context_length,
        weights_bytes=weights,
        min_gpu_memory_bytes=None if weights is None else least_gpu_memory(weights),
        tensor_parallel=MappingProxyType(
            dict((chosen and chosen.tensor_parallel) or entry.tensor_parallel)
        ),
        fixture=fixture_name(name, entry),
        parameters=entry.parameters,
        active_parameters=entry.active_parameters,
        licence=entry.licence,
        entry=MappingProxyType(msgspec.to_builtins(entry)),
    )


def _of_folder(text: str) -> ModelSpec | None:
    if not _is_folder(text):
        return None
    folder = Path(text).expanduser().resolve()
    if not (folder / "config.json").is_file():
        raise UsageError(
            f"the folder {text!r} is no checkpoint: it has no config.json; pass the folder that "
            "holds config.json and the weights"
        )
    return _from_facts(folder, name=folder.name, source=str(folder), revision=None)


def _of_hub(text: str) -> ModelSpec | None:
    hub_id, _, revision = text.partition("@")
    if not _HUB_ID.match(hub_id) or hub_id.startswith("."):
        return None
    snapshot = cached_snapshot(hub_id, revision or None)
    if snapshot is not None:
        return _from_facts(snapshot, name=text, source=hub_id, revision=snapshot.name)
    return ModelSpec(
        name=text,
        source=hub_id,
        revision=revision or None,
        sampling_source="greedy, as the model is in neither the registry nor the Hub's cache",
    )


def _from_facts(folder: Path, *, name: str, source: str, revision: str | None) -> ModelSpec:
    facts = facts_of(folder)
    return ModelSpec(
        name=name,
        source=source,
        revision=revision,
        reasoning=facts.reasoning,
        think_in_prompt=facts.think_in_prompt,
        efforts=facts.efforts,
        sampling=facts.sampling,
        sampling_source=facts.sampling_source,
        dtype=facts.dtype,
        context_length=facts.context_length,
    )


def _with_effort(
    spec: ModelSpec, suffix: Effort | None, beside: Effort | None, text: str
) -> ModelSpec:
    if suffix is not None:
        if suffix not in spec.efforts:
            has = f"it has {', '.join(spec.efforts)}" if spec.efforts else "it has none"
            raise UsageError(
                f"the model {spec.name} has no reasoning effort {suffix!r} ({has}); write "
                f"{text.rpartition(':')[0]} without it, or state its efforts in a model registry "
                "of your own"
            )
        return replace(spec, effort=suffix, effort_by_suffix=True)
    # An effort beside the name is for the models that have it; the others stay as they are.
    return replace(spec, effort=beside) if beside in spec.efforts else spec


def _unknown(text: str, entries: Mapping[str, Entry]) -> str:
    if text.startswith(("/", "./", "../", "~")) or text.endswith("/") or text.count("/") > 1:
        return f"there is no folder {text!r}; pass the folder that holds the model's config.json"
    names = sorted({name for key, entry in entries.items() for name in (key.lower(), *entry.names)})
    near = difflib.get_close_matches(text.lower().partition("@")[0], names, n=3, cutoff=0.5)
    guess = f"did you mean {' or '.join(near)}" if near else f"known are {', '.join(entries)}"
    return (
        f"there is no model {text!r}: {guess}? Pass a registry name, a checkpoint folder or a hub "
        "id such as owner/name, or add the model to a registry of your own"
    )
