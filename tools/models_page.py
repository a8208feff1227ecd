"""Writes ``docs/models.md`` from the registry: ``python tools/models_page.py``."""

from __future__ import annotations

from pathlib import Path

from pytest_gptoss.models import profiles, registry
from pytest_gptoss.models.spec import GIB, least_gpu_memory

PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"

_HEAD = """\
# Models

Generated from `pytest_gptoss/models/registry.toml` by `tools/models_page.py`; edit the registry.

Each model is asked for by its name (`pytest --model gpt-oss-20b`), its hub id, or the last part of
that in any case. `NAME:low`, `NAME:medium` and `NAME:high` set the reasoning effort where there is
one, `NAME@VARIANT` another form of the weights. A checkpoint folder or any other hub id works too:
its answer format is read from `config.json` and the chat template, its sampling from
`generation_config.json` (greedy where that asks for none).
"""

_MEMORY = """\
**Weights** are the released size, or two bytes per parameter. **Least GPU memory** is computed:
the weights and 5 % of them, at least 2 GiB, to work in. It is what a model fixture asks of the
machine, all GPUs together, before it runs; context needs more. **GPUs** are tensor-parallel sizes
for cards of 80 and 141 GB.
"""

_OWN = """\
## Your own models

A TOML file of the same form, named by the ini key `gptoss_registry`, adds models or overrides
single keys of these:

```toml
["my-model"]
hub = "owner/name"          # or: path = "checkpoints/my-model", relative to this file
revision = "<commit>"
reasoning = "think"         # "harmony", "think" or "none"
sampling = { temperature = 0.7, top_p = 0.95 }
parameters = 8_000_000_000
context_length = 32_768

["gpt-oss-20b"]
sampling = { temperature = 0.0 }
```
"""


def _billions(count: int | None) -> str:
    return "" if count is None else f"{count / 1e9:.1f} B"


def _gib(size: int | None) -> str:
    return "" if size is None else f"{size / GIB:.1f} GiB"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def render() -> str:
    """The page."""
    entries = registry()
    models, use, sources = [], [], []
    for name, entry in entries.items():
        where = "this package"
        if entry.hub:
            where = f"[{entry.hub}](https://huggingface.co/{entry.hub})"
        models.append(
            [
                f"`{name}`",
                where,
                _billions(entry.parameters),
                _billions(entry.active_parameters),
                entry.dtype or "",
                _gib(entry.weights),
                "" if entry.weights is None else _gib(least_gpu_memory(entry.weights)),
                " / ".join(str(entry.tensor_parallel.get(card, "")) for card in ("80", "141"))
                if entry.tensor_parallel
                else "",
            ]
        )
        models += [
            [
                f"`{name}@{variant}`",
                where,
                _billions(entry.parameters),
                _billions(entry.active_parameters),
                form.dtype or "",
                _gib(form.weights_bytes),
                "" if form.weights_bytes is None else _gib(least_gpu_memory(form.weights_bytes)),
                " / ".join(str(form.tensor_parallel.get(card, "")) for card in ("80", "141")),
            ]
            for variant, form in entry.variants.items()
        ]
        sampling = entry.sampling
        settings = [] if sampling is None else [f"temperature {sampling.temperature:g}"]
        for key in ("top_p", "top_k", "min_p"):
            value = getattr(sampling, key, None)
            settings += [] if value is None else [f"{key} {value:g}"]
        use.append(
            [
                f"`{name}`",
                ", ".join(settings),
                entry.reasoning,
                ", ".join(entry.efforts) or "none",
                "" if entry.context_length is None else f"{entry.context_length:,}",
                entry.licence or "",
            ]
        )
        sources.append(f"- `{name}`: {_sentences(entry)}")
    told = [
        f"- `{p.name}`: {p.notes} Source: {p.source}."
        + (f" Inferred: {', '.join(p.inferred)}." if p.inferred else "")
        for p in profiles().values()
    ]
    return "\n".join(
        [
            _HEAD,
            "## Size\n",
            _table(
                [
                    "name",
                    "source",
                    "parameters",
                    "active",
                    "dtype",
                    "weights",
                    "least GPU memory",
                    "GPUs (80 / 141 GB)",
                ],
                models,
            ),
            "",
            _MEMORY,
            "## Use\n",
            _table(["name", "sampling", "reasoning", "efforts", "context", "licence"], use),
            "",
            "## Sources\n",
            *sources,
            "",
            "## Profiles\n",
            *told,
            "",
            _OWN,
        ]
    )


def _sentences(entry: object) -> str:
    told = [
        ("unquantised", "{}"),
        ("sampling_source", "Sampling: {}."),
        ("parameters_source", "Parameters: {}."),
        ("revision", "Commit `{}`."),
    ]
    found = [(getattr(entry, key), text) for key, text in told]
    return " ".join(text.format(value) for value, text in found if value)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
