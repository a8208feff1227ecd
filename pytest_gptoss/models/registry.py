"""The registry of models: one data file, and a user's own file over it.

Nothing is read before it is asked for, and nothing but the standard library and msgspec is
imported, as pytest loads this at every start.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any, Literal

import msgspec

from pytest_gptoss.errors import UsageError
from pytest_gptoss.records import Effort

__all__ = ["Entry", "Reasoning", "fixtures", "load_tables", "registry"]

Reasoning = Literal["harmony", "think", "none", "auto"]

_BUILT_IN = Path(__file__).with_name("registry.toml")
_NOT_IDENTIFIER = re.compile(r"\W+", re.ASCII)


class Recommended(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sampling that a model's authors recommend."""

    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None


class Variant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another form of the same weights, asked for as ``NAME@VARIANT``."""

    dtype: str | None = None
    hub: str | None = None
    revision: str | None = None
    weights_bytes: int | None = None
    tensor_parallel: dict[str, int] = msgspec.field(default_factory=dict)


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model of the registry; the head of ``registry.toml`` says what each key means."""

    hub: str | None = None
    path: str | None = None
    revision: str | None = None
    aliases: tuple[str, ...] = ()
    fixture: str | None = None
    parameters: int | None = None
    active_parameters: int | None = None
    parameters_source: str | None = None
    dtype: str | None = None
    unquantised: str | None = None
    weights_bytes: int | None = None
    tensor_parallel: dict[str, int] = msgspec.field(default_factory=dict)
    context_length: int | None = None
    sampling: Recommended | None = None
    sampling_source: str | None = None
    reasoning: Reasoning = "auto"
    think_in_prompt: bool = False
    instructions: Literal["system", "user"] = "system"
    efforts: tuple[Effort, ...] = ()
    licence: str | None = None
    variants: dict[str, Variant] = msgspec.field(default_factory=dict)

    @property
    def weights(self) -> int | None:
        """Bytes of the weights: as stated, else 2 bytes (bf16) for each parameter."""
        if self.weights_bytes is not None:
            return self.weights_bytes
        return None if self.parameters is None else 2 * self.parameters

    @property
    def names(self) -> tuple[str, ...]:
        """Every name beside the table's own: the hub id, its last part, and the aliases."""
        of_hub = (self.hub.lower(), self.hub.rpartition("/")[2].lower()) if self.hub else ()
        return (*of_hub, *(alias.lower() for alias in self.aliases))


def load_tables(path: Path, what: str) -> dict[str, dict[str, Any]]:
    """Read a TOML file that consists of tables.

    Args:
        path: The file.
        what: What the file is, for the message.

    Raises:
        UsageError: It cannot be read, is no TOML, or has a key outside a table.
    """
    import tomllib  # not before it is needed: it costs some milliseconds of every pytest start

    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except OSError as error:
        raise UsageError(
            f"the {what} {path} cannot be read ({error.strerror}); correct the path"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        last = f"at line {len(text.splitlines())}, the end of the file"
        fault = str(error).replace("at end of document", last)
        raise UsageError(
            f"the {what} {path} is not valid TOML: {fault}; correct that line"
        ) from error
    for key, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(
                f"the {what} {path}, line {line_of(path, key)}: {key!r} stands outside a table; "
                f'write it below a heading such as ["my-model"]'
            )
    return tables


def line_of(path: Path, key: str) -> int:
    """The 1-based line on which a table or key is introduced; 1 where it cannot be told."""
    heading = re.compile(rf"""\s*\[?\s*["']?{re.escape(key)}["']?\s*[\].=]""")
    with path.open(encoding="utf-8") as lines:
        return next((n for n, line in enumerate(lines, 1) if heading.match(line)), 1)


def registry(user_file: str | Path | None = None) -> dict[str, Entry]:
    """Every model known by name; a user's file adds entries or overrides them key by key.

    Raises:
        UsageError: The user's file cannot be read, or an entry has an unknown key or a wrong value.
    """
    return dict(_registry(None if user_file is None else Path(user_file)))


@functools.lru_cache(maxsize=8)
def _registry(user_file: Path | None) -> dict[str, Entry]:
    tables = load_tables(_BUILT_IN, "registry")
    for table in tables.values():
        if "path" in table:
            table["path"] = str(_BUILT_IN.parent / table["path"])
    if user_file is not None:
        for name, table in load_tables(user_file, "model registry").items():
            if "path" in table:
                table["path"] = str(user_file.resolve().parent / table["path"])
            tables[name] = _merged(tables.get(name, {}), table)
    return {name: _entry(name, table, user_file) for name, table in tables.items()}


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _entry(name: str, table: dict[str, Any], user_file: Path | None) -> Entry:
    where = f"the model registry {user_file}" if user_file else "the registry"
    if user_file:
        where += f", line {line_of(user_file, name)}"
    try:
        entry = msgspec.convert(table, Entry)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"{where}: the entry {name!r} is not valid: {error}; correct that key"
        ) from error
    if not entry.hub and not entry.path:
        raise UsageError(
            f"{where}: the entry {name!r} has neither 'hub' nor 'path'; add "
            "the one that holds its weights"
        )
    return entry


def fixture_name(name: str, entry: Entry) -> str:
    """The pytest fixture's name of an entry: its own, else the name as an identifier."""
    return entry.fixture or _NOT_IDENTIFIER.sub("_", name).lower()


def fixtures(user_file: str | Path | None = None) -> dict[str, str]:
    """The fixture of every registry model: fixture name -> registry name."""
    return {fixture_name(name, entry): name for name, entry in registry(user_file).items()}
