"""Derive a slightly worse model: the layers' matrices rounded to few bits, stored in bf16 again.

It stands for what a quantised deployment does to a model's scores, without needing any kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

if TYPE_CHECKING:
    from pathlib import Path

GROUP = 32
"""Consecutive weights that share a scale."""


def rounded(weights: torch.Tensor, bits: int) -> torch.Tensor:
    """Round to the nearest of 2**bits - 1 levels, symmetric about 0, a scale for every group."""
    groups = weights.float().reshape(-1, GROUP)
    highest = 2 ** (bits - 1) - 1
    scale = groups.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / highest
    return ((groups / scale).round() * scale).reshape(weights.shape)


@torch.no_grad()
def quantise(source: Path, target: Path, bits: int) -> None:
    """Write the checkpoint `source` to `target` with its experts and projections rounded."""
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.bfloat16)
    for name, param in model.named_parameters():
        if name.endswith(("_proj", "_proj.weight")):
            param.copy_(rounded(param, bits).to(param.dtype))
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(source).save_pretrained(target)
