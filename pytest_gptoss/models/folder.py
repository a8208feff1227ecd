"""What a checkpoint folder says about itself, read from its JSON files alone."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_gptoss.errors import UsageError
from pytest_gptoss.records import Effort, Sampling

if TYPE_CHECKING:
    from pytest_gptoss.models.registry import Reasoning

__all__ = ["FolderFacts", "cached_snapshot", "facts_of"]

_EFFORTS: tuple[Effort, ...] = ("low", "medium", "high")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """The facts that a model's specification takes from its folder."""

    reasoning: Reasoning
    think_in_prompt: bool
    efforts: tuple[Effort, ...]
    sampling: Sampling
    sampling_source: str
    dtype: str | None
    context_length: int | None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read as JSON ({error}); restore the file or download it again"
        ) from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} does not hold a JSON object; download the checkpoint again")
    return content


def chat_template_of(folder: Path) -> str:
    """The chat template of a folder's tokenizer, or ``""``.

    transformers keeps it in ``chat_template.jinja``, formerly ``chat_template.json`` or as a key of
    ``tokenizer_config.json``, there as text or as a list of named templates.
    """
    jinja = folder / "chat_template.jinja"
    if jinja.is_file():
        return jinja.read_text(encoding="utf-8", errors="replace")
    for name in ("chat_template.json", "tokenizer_config.json"):
        template = _read_json(folder / name).get("chat_template")
        if isinstance(template, list):
            named = {t.get("name"): t.get("template") for t in template if isinstance(t, dict)}
            template = named.get("default")
        if isinstance(template, str):
            return template
    return ""


def _opens_thinking(template: str) -> bool:
    """Whether a template's generation prompt ends with an opening ``<think>``.

    A closed ``<think></think>`` there (Qwen3 with thinking switched off) does not count.
    """
    prompt = template.rpartition("add_generation_prompt")[2]
    return "<think>" in prompt and "</think>" not in prompt


def facts_of(folder: Path) -> FolderFacts:
    """Read the facts.

    Raises:
        UsageError: A file is torn.
    """
    config = _read_json(folder / "config.json")
    text_config = config.get("text_config")
    inner = text_config if isinstance(text_config, dict) else {}
    template = chat_template_of(folder)
    kinds = {str(config.get("model_type", "")), *map(str, config.get("architectures") or ())}
    reasoning: Reasoning
    if kinds & {"gpt_oss", "GptOssForCausalLM"}:
        reasoning = "harmony"
    elif "<think>" in template:
        reasoning = "think"
    else:
        # A fine-tuned model may think without its template's saying so; "auto" reads the answer.
        reasoning = "auto"
    graded = reasoning == "harmony" or "reasoning_effort" in template
    sampling, source = _sampling(folder)
    quantised = config.get("quantization_config")
    dtype = quantised.get("quant_method") if isinstance(quantised, dict) else None
    dtype = dtype or config.get("dtype") or config.get("torch_dtype") or inner.get("dtype")
    length = config.get("max_position_embeddings", inner.get("max_position_embeddings"))
    return FolderFacts(
        reasoning=reasoning,
        think_in_prompt=reasoning == "think" and _opens_thinking(template),
        efforts=_EFFORTS if graded else (),
        sampling=sampling,
        sampling_source=source,
        dtype=dtype if isinstance(dtype, str) else None,
        context_length=length if isinstance(length, int) else None,
    )


def _sampling(folder: Path) -> tuple[Sampling, str]:
    path = folder / "generation_config.json"
    config = _read_json(path)
    if config.get("do_sample") is not True:
        return Sampling(), "greedy, as the checkpoint's generation_config.json asks for no sampling"

    def number(key: str) -> float | None:
        value = config.get(key)
        return float(value) if isinstance(value, int | float) else None

    top_k = number("top_k")
    temperature = number("temperature")
    return (
        Sampling(
            temperature=1.0 if temperature is None else temperature,
            top_p=number("top_p"),
            top_k=int(top_k) if top_k else None,
            min_p=number("min_p"),
        ),
        "generation_config.json of the checkpoint",
    )


def cached_snapshot(hub_id: str, revision: str | None = None) -> Path | None:
    """The folder of a Hub repository in the local cache, or ``None``.

    The layout is huggingface_hub's: ``models--OWNER--NAME/snapshots/COMMIT``, and ``refs/BRANCH``
    holding a commit (https://huggingface.co/docs/huggingface_hub/guides/manage-cache). Read here so
    that nothing need be imported while tests are collected.
    """
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    cache = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    repository = cache / f"models--{hub_id.replace('/', '--')}"
    commit = revision or "main"
    if not _COMMIT.match(commit):
        try:
            commit = (repository / "refs" / commit).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
    snapshot = repository / "snapshots" / commit
    return snapshot if (snapshot / "config.json").is_file() else None
