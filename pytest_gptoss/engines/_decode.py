"""Decoding of many requests at once with a transformers model: rows join and leave as they go.

`transformers` has two ways of its own. `generate` takes a fixed batch, in which a row that has
ended costs as much as one that has not; its continuous batching is made for GPUs and its paged
attention. Here one cache holds every running row, padded on the left; a row that ends leaves it,
and waiting ones join it, so that a step costs what its living rows cost.

Only `EmbeddedEngine.open` imports this module, as it imports torch and transformers.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_gptoss.records import Sampling

__all__ = ["Batch", "Row"]

_ROOM = 64
"""Columns by which the cache grows: copying it at every step would cost as much as attention."""
_STOP_EVERY = 8
"""Tokens between two looks for stop strings, which take a parse of the whole answer."""
_ATTENTION_BYTES = 256 * 2**20
"""What the attention weights of one prefill may take in one layer."""


@dataclass(eq=False, slots=True)
class Row:
    """One request on its way through the model.

    Args:
        prompt: The prompt's tokens.
        limit: The most tokens to generate.
        sampling: How tokens are drawn.
        seed: Seed of this row's draws alone, so that they depend on no other row.
        stopped: Says of the tokens so far whether a stop string has ended the answer.
        context: Whatever the caller wants back with the row.
        to_the_cap: Whether to generate up to the limit wherever the model would end.
    """

    prompt: list[int]
    limit: int
    sampling: Sampling
    seed: int
    stopped: Callable[[list[int]], bool] | None = None
    context: Any = None
    to_the_cap: bool = False
    tokens: list[int] = field(default_factory=list)
    finish_reason: str | None = None
    cancelled: bool = False
    submitted: float = 0.0
    started: float = 0.0
    first_token: float = 0.0
    last_token: float = 0.0
    draws: random.Random | None = None
    delivered: bool = False

    @property
    def over(self) -> bool:
        """Whether there is nothing more to generate for it."""
        return self.cancelled or self.finish_reason is not None


class _GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """A layer's keys and values in buffers with room to grow.

    Sliding layers keep all columns too (the mask restricts them), as rows that join and leave
    would otherwise have to agree on where each one's window is.
    """

    keys: Any
    values: Any
    is_initialized: bool

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._length = 0

    def update(self, keys: Any, values: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Append columns; return all of them."""
        before, self._length = self._length, self._length + keys.shape[-2]
        if not self.is_initialized:
            self.dtype, self.device = keys.dtype, keys.device
            self.is_initialized = True
            self._adopt(keys, values)
            return keys, values
        if self._length > self.keys.shape[-2]:
            self.keys, self.values = (
                torch.nn.functional.pad(old, (0, 0, 0, self._length - old.shape[-2] + _ROOM))
                for old in (self.keys, self.values)
            )
        self.keys[:, :, before : self._length] = keys
        self.values[:, :, before : self._length] = values
        return self.keys[:, :, : self._length], self.values[:, :, : self._length]

    def _adopt(self, keys: Any, values: Any) -> None:
        self.keys, self.values = (
            torch.nn.functional.pad(t, (0, 0, 0, _ROOM)) for t in (keys, values)
        )
        self._length = keys.shape[-2]

    def get_seq_length(self) -> int:
        """The number of columns that hold something."""
        return self._length

    def keep(self, rows: Any, first: int) -> None:
        """Keep some rows, and the columns from the first one on that any of them needs."""
        columns = slice(first, self._length)
        self._adopt(self.keys[rows, :, columns], self.values[rows, :, columns])

    def join(self, other: _GrowingLayer) -> None:
        """Append another layer's rows, padding whichever is the shorter on the left."""
        length = max(self._length, other._length)
        joined = []
        for name in ("keys", "values"):
            parts = [
                torch.nn.functional.pad(
                    getattr(layer, name)[:, :, : layer._length], (0, 0, length - layer._length, 0)
                )
                for layer in (self, other)
            ]
            joined.append(torch.cat(parts))
        self._adopt(*joined)


class Batch:
    """The rows that run, their cache, and the steps that take them on.

    Args:
        model: A causal language model of transformers.
        stop: The tokens that end an answer.
        size: The most rows that run at once.
        tokens: The most tokens (prompts and what they may generate) that the cache may hold.
    """

    def __init__(self, model: Any, *, stop: Sequence[int], size: int, tokens: int) -> None:
        self._model = model
        self._stop = frozenset(stop)
        self._size = size
        self._budget = tokens
        self._heads = int(getattr(model.config, "num_attention_heads", 32))
        self.rows: list[Row] = []
        self.entering: list[Row] = []
        self._cache: Any = None
        self._mask: Any = None
        self._next: Any = None
        self._positions: Any = None

    def admit(self, waiting: list[Row]) -> None:
        """Take rows off the front of a list, sorted by length, as far as there is room.

        Not single ones while many wait: to join, the cache is copied once.
        """
        free = self._size - len(self.rows)
        if not waiting or (free < self._size // 4 and free < len(waiting)):
            return
        group: list[Row] = []
        width = max((len(r.prompt) + r.limit for r in self.rows), default=0)
        while waiting and len(group) < free:
            row = waiting[0]
            width = max(width, len(row.prompt) + row.limit)
            alone = not self.rows and not group
            if not alone and width * (len(self.rows) + len(group) + 1) > self._budget:
                break
            square = len(row.prompt) ** 2 * self._heads * 4
            if group and square * (len(group) + 1) > _ATTENTION_BYTES:
                self._prefill(group)
                group = []
                free = self._size - len(self.rows)
                continue
            group.append(waiting.pop(0))
        if group:
            self._prefill(group)

    def _prefill(self, group: list[Row]) -> None:
        self.entering = group  # theirs is the failure, if there is one
        now = time.monotonic()
        length = max(len(row.prompt) for row in group)
        tokens = torch.zeros((len(group), length), dtype=torch.long)
        mask = torch.zeros_like(tokens)
        for index, row in enumerate(group):
            row.started = now
            row.draws = random.Random(row.seed) if row.sampling.temperature > 0 else None
            tokens[index, length - len(row.prompt) :] = torch.tensor(row.prompt)
            mask[index, length - len(row.prompt) :] = 1
        tokens, mask = tokens.to(self._model.device), mask.to(self._model.device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        cache = Cache(layer_class_to_replicate=_GrowingLayer)
        logits = self._forward(tokens, mask, positions, cache)
        chosen = self._choose(logits, group)
        following = positions[:, -1] + 1
        if not self.rows:
            self.rows = list(group)
            self._cache, self._mask = cache, mask
            self._next, self._positions = chosen, following
        else:
            for mine, theirs in zip(self._cache.layers, cache.layers, strict=True):
                mine.join(theirs)
            width = max(self._mask.shape[1], length)
            self._mask = torch.cat(
                [torch.nn.functional.pad(m, (width - m.shape[1], 0)) for m in (self._mask, mask)]
            )
            self._next = torch.cat([self._next, chosen])
            self._positions = torch.cat([self._positions, following])
            self.rows += group
        self.entering = []

    def _forward(self, tokens: Any, mask: Any, positions: Any, cache: Any) -> Any:
        with torch.inference_mode():
            output = self._model(
                input_ids=tokens,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        return output.logits[:, -1]

    def step(self) -> list[Row]:
        """Return the rows that have ended, and generate one token for each of the others."""
        ended = [row for row in self.rows if row.over and not row.delivered]
        for row in ended:
            row.delivered = True
        self._compact()
        if self.rows:
            self._mask = torch.nn.functional.pad(self._mask, (0, 1), value=1)
            logits = self._forward(
                self._next[:, None], self._mask, self._positions[:, None], self._cache
            )
            self._next = self._choose(logits, self.rows)
            self._positions = self._positions + 1
        return ended

    def _compact(self) -> None:
        """Take ended rows out of the cache, and the columns that only they needed.

        Not one by one: it copies the cache, which costs about what an eighth of the rows does.
        """
        kept = [index for index, row in enumerate(self.rows) if not row.over]
        if 8 * (len(self.rows) - len(kept)) <= len(kept):
            return
        self.rows = [self.rows[index] for index in kept]
        if not kept:
            self._cache = self._mask = self._next = self._positions = None
            return
        index = torch.tensor(kept, device=self._mask.device)
        mask = self._mask[index]
        first = int(mask.any(0).int().argmax())
        self._mask = mask[:, first:]
        self._next, self._positions = self._next[index], self._positions[index]
        for layer in self._cache.layers:
            layer.keep(index, first)

    def clear(self) -> list[Row]:
        """Drop everything; return the rows that were running."""
        rows = [row for row in (*self.rows, *self.entering) if not row.delivered]
        self.rows, self.entering = [], []
        self._cache = self._mask = self._next = self._positions = None
        return rows

    def _choose(self, logits: Any, rows: list[Row]) -> Any:
        chosen = logits.argmax(-1)
        groups: dict[tuple[Any, ...], list[int]] = {}
        for index, row in enumerate(rows):
            s = row.sampling
            if s.temperature > 0 and not row.over:
                groups.setdefault((s.temperature, s.top_k, s.top_p, s.min_p), []).append(index)
        for settings, indices in groups.items():
            draws = [_draw(rows[i]) for i in indices]
            chosen[indices] = sample(logits[indices], draws, *settings).to(chosen.device)
        now = time.monotonic()
        for row, token in zip(rows, chosen.tolist(), strict=True):
            if row.over:
                continue
            row.tokens.append(token)
            row.last_token = now
            if len(row.tokens) == 1:
                row.first_token = now
            if token in self._stop and not row.to_the_cap:
                row.finish_reason = "stop"
            elif len(row.tokens) >= row.limit:
                row.finish_reason = "length"
            elif row.stopped and len(row.tokens) % _STOP_EVERY == 0 and row.stopped(row.tokens):
                row.finish_reason = "stop"
        return chosen


def _draw(row: Row) -> float:
    assert row.draws is not None
    return row.draws.random()


def sample(
    logits: Any,
    draws: Sequence[float],
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    min_p: float | None,
) -> Any:
    """Draw one token per row by inverting the cumulative distribution at a number in 0..1.

    A row's token depends on its own logits and its own number alone, unlike with a generator that
    the rows of a batch share. On the CPU, as Apple's GPUs have no double precision.
    """
    values, order = torch.sort(
        logits.float().cpu() / temperature, dim=-1, descending=True, stable=True
    )
    probabilities = values.softmax(-1)
    keep = torch.ones_like(probabilities, dtype=torch.bool)
    if min_p:
        keep &= probabilities >= min_p * probabilities[:, :1]
    if top_k and top_k > 0:
        keep[:, top_k:] = False
    if top_p is not None and top_p < 1:
        kept = probabilities * keep
        kept = kept / kept.sum(-1, keepdim=True)
        keep &= kept.cumsum(-1) - kept < top_p
    keep[:, 0] = True
    cumulative = (probabilities * keep).double().cumsum(-1)
    wanted = torch.tensor(draws, dtype=torch.double)[:, None]
    place = torch.searchsorted(cumulative, wanted * cumulative[:, -1:], right=True)
    last = keep.sum(-1, keepdim=True) - 1  # what is kept is a prefix of the order
    return order.gather(-1, torch.minimum(place, last)).squeeze(-1)
