"""The tiny model's configuration, and what makes it train fast on a CPU."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional
from transformers import GptOssConfig, GptOssForCausalLM
from transformers.models.gpt_oss import modeling_gpt_oss

from .text import CALL, END_OF_TEXT, RETURN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from transformers import PreTrainedTokenizerFast

CONTEXT = 1024


@dataclass(frozen=True)
class Shape:
    """The sizes of a model."""

    hidden: int = 128
    intermediate: int = 128
    layers: int = 4
    experts: int = 4
    vocabulary: int = 640


def make_model(shape: Shape, tokenizer: PreTrainedTokenizerFast) -> GptOssForCausalLM:
    """Return a randomly initialised model; seed torch first."""
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in (RETURN, CALL, END_OF_TEXT)}
    config = GptOssConfig(
        num_hidden_layers=shape.layers,
        num_local_experts=shape.experts,
        num_experts_per_tok=2,
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        head_dim=32,
        num_attention_heads=shape.hidden // 32,
        num_key_value_heads=max(1, shape.hidden // 64),
        sliding_window=128,
        max_position_embeddings=CONTEXT,
        layer_types=[
            "full_attention" if i % 2 else "sliding_attention" for i in range(shape.layers)
        ],
        # vLLM's gpt_oss reads the YaRN keys whatever the type; a factor of 1 is plain RoPE.
        rope_parameters={
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": 1.0,
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "truncate": False,
            "original_max_position_embeddings": CONTEXT,
        },
        initializer_range=0.06,
        eos_token_id=ids[RETURN],
        pad_token_id=ids[END_OF_TEXT],
        bos_token_id=None,
    )
    model = GptOssForCausalLM(config)
    generation = model.generation_config
    generation.eos_token_id = [ids[RETURN], ids[CALL], ids[END_OF_TEXT]]
    generation.pad_token_id = ids[END_OF_TEXT]
    generation.do_sample = False
    return model


class _Gate(torch.autograd.Function):
    """gpt-oss's clamped SwiGLU with few passes over memory, which is what limits a CPU here."""

    @staticmethod
    def forward(
        ctx: Any, gate: torch.Tensor, up: torch.Tensor, alpha: float, limit: float
    ) -> torch.Tensor:
        """Return (up + 1) * gate * sigmoid(alpha * gate), both clamped."""
        gate, up = gate.clamp(max=limit), up.clamp(-limit, limit)
        sigmoid = torch.sigmoid(gate * alpha)
        ctx.save_for_backward(gate, up, sigmoid)
        ctx.alpha, ctx.limit = alpha, limit
        return torch.addcmul(gate, gate, up).mul_(sigmoid)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None]:
        """Differentiate; a clamped value passes no gradient."""
        gate, up, sigmoid = ctx.saved_tensors
        to_up = grad * gate
        to_up.mul_(sigmoid).mul_(up.abs() < ctx.limit)
        # d(g*s)/dg = s * (1 + alpha * g * (1 - s))
        slope = (1 - sigmoid).mul_(gate).mul_(ctx.alpha).add_(1).mul_(sigmoid)
        to_gate = torch.addcmul(grad, grad, up).mul_(slope).mul_(gate < ctx.limit)
        return to_gate, to_up, None, None


def _experts(
    self: Any, x: torch.Tensor, router_indices: torch.Tensor, routing_weights: torch.Tensor
) -> torch.Tensor:
    """Run the experts like the stock forward, but with gate and up split in the weights.

    Splitting the weights is cheap; splitting the activations costs strided copies of all of them.
    """
    out = torch.zeros_like(x)
    for expert in range(self.num_experts):
        token, place = torch.where(router_indices == expert)
        chosen = x.index_select(0, token)
        weight, bias = self.gate_up_proj[expert], self.gate_up_proj_bias[expert]
        gate = torch.addmm(bias[::2], chosen, weight[:, ::2].contiguous())
        up = torch.addmm(bias[1::2], chosen, weight[:, 1::2].contiguous())
        inner = _Gate.apply(gate, up, self.alpha, self.limit)
        result = torch.addmm(self.down_proj_bias[expert], inner, self.down_proj[expert])
        out.index_add_(0, token, result * routing_weights[token, place, None])
    return out


@contextmanager
def fast_experts() -> Iterator[None]:
    """Run experts by `_experts` meanwhile; the weights are the same and the stock forward fits."""
    stock = modeling_gpt_oss.GptOssExperts.forward
    modeling_gpt_oss.GptOssExperts.forward = _experts
    try:
        yield
    finally:
        modeling_gpt_oss.GptOssExperts.forward = stock


def loss_of(model: GptOssForCausalLM, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean loss over the answers' tokens.

    Logits are computed where there is a label only: prompts are two thirds of the tokens.
    """
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    targets = labels[:, 1:]
    wanted = targets >= 0
    return functional.cross_entropy(model.lm_head(hidden[wanted]), targets[wanted])


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised by Newton-Schulz steps, for weight matrices (and stacks of them)."""

    def __init__(
        self, params: Iterable[torch.nn.Parameter], lr: float, momentum: float = 0.95
    ) -> None:
        super().__init__(list(params), {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Take one step."""
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is None:
                    continue
                state = self.state[param]
                mean = state.setdefault("mean", torch.zeros_like(param))
                mean.lerp_(param.grad, 1 - group["momentum"])
                update = param.grad.lerp(mean, group["momentum"])
                update = orthogonal(update if update.dim() == 3 else update[None])
                scale = max(1, update.shape[1] / update.shape[2]) ** 0.5
                param.mul_(1 - 0.1 * group["lr"])
                param.add_(update.reshape(param.shape), alpha=-group["lr"] * scale)


def orthogonal(x: torch.Tensor) -> torch.Tensor:
    """Return the nearest matrices with singular values about 1 (five Newton-Schulz steps)."""
    tall = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if tall else x
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(5):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.transpose(1, 2) if tall else x


def optimizers(
    model: GptOssForCausalLM, matrix_rate: float, rate: float
) -> list[torch.optim.Optimizer]:
    """Return Muon for the layers' matrices and AdamW for the rest."""
    matrices, rest = [], []
    for name, param in model.named_parameters():
        is_matrix = param.dim() >= 2 and "layers." in name and not name.endswith("_bias")
        (matrices if is_matrix and "router" not in name else rest).append(param)
    return [
        Muon(matrices, lr=matrix_rate),
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
