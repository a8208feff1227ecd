"""Choosing a model's prompt format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_gptoss.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.prompts.base import Renderer

__all__ = ["renderer_for"]

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json")
# gpt-oss's tokenizer has 200,019 entries, its embedding 201,088 rows: whatever harmony model has
# that many tokens is taken to speak gpt-oss's own vocabulary.
_O200K = 200_000


def renderer_for(spec: ModelSpec) -> Renderer:
    """Load the renderer of a model; may take seconds.

    Harmony models with gpt-oss's vocabulary are rendered by `openai-harmony`; one with a vocabulary
    of its own by its chat template, as every other model is.

    Raises:
        UsageError: Something that it needs is missing; the sentence says what and where.
    """
    folder = spec.folder
    if spec.reasoning == "harmony" and (folder is None or _speaks_o200k(folder)):
        from pytest_gptoss.prompts.harmony import HarmonyRenderer

        return HarmonyRenderer()
    if folder is not None and not _has_tokenizer(folder):
        raise UsageError(
            f"the folder {folder} has no tokenizer (none of {', '.join(_TOKENIZER_FILES)}); "
            "copy the tokenizer's files beside config.json"
        )
    source = str(folder or spec.source)
    try:
        tokenizer_class = _tokenizer_class(folder)
    except ImportError as error:
        raise UsageError(
            f"prompts for {spec.name} need the package transformers, which is not installed; "
            "run: pip install 'pytest-gptoss[embedded]'"
        ) from error
    try:
        tokenizer = tokenizer_class.from_pretrained(source, revision=spec.revision)
    except Exception as error:  # network, access, torn files: transformers has many classes for it
        reason = " ".join(str(error).split())[:300]
        raise UsageError(
            f"the tokenizer of {spec.name} cannot be loaded from {source} "
            f"({type(error).__name__}: {reason}); download it or pass the checkpoint's folder"
        ) from error
    from pytest_gptoss.prompts.template import TemplateRenderer

    return TemplateRenderer(tokenizer, spec)


def _tokenizer_class(folder: Path | None) -> Any:
    """The class to load a tokenizer with: the lightest that is right.

    `AutoTokenizer` imports torch and every model's configuration, which takes some four times as
    long as what a tokenizer of the generic class needs.
    """
    if folder is not None and _read(folder / "tokenizer_config.json").get("tokenizer_class") in (
        "PreTrainedTokenizerFast",
        "TokenizersBackend",  # the same since transformers 5
    ):
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast
    from transformers import AutoTokenizer

    return AutoTokenizer


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _TOKENIZER_FILES)


def _speaks_o200k(folder: Path) -> bool:
    """Whether a harmony model's folder uses gpt-oss's vocabulary, judged by its size."""
    size = _read(folder / "config.json").get("vocab_size", _O200K)
    return isinstance(size, int) and size >= _O200K


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
