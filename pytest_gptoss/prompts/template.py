"""Prompts by a tokenizer's own chat template, and by none where it has none."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.errors import EngineError
from pytest_gptoss.prompts.channels import MARKERS, parse_tokens
from pytest_gptoss.prompts.text import parse_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.prompts.base import Parsed
    from pytest_gptoss.records import Effort, Message

__all__ = ["TemplateRenderer"]

_PROBE = "PROBE-OF-THE-TEMPLATE"
_HOLE = "\ue000"  # a private-use character: stands for text that no special token may come from


class TemplateRenderer:
    """Renders by a `transformers` tokenizer.

    Args:
        tokenizer: The tokenizer.
        spec: The model it belongs to.
    """

    def __init__(self, tokenizer: Any, spec: ModelSpec) -> None:
        self._tokenizer = tokenizer
        self._spec = spec
        self._template: str = _template_text(tokenizer)
        self.format = "chat-template" if self._template else "plain"
        self.vocab_size: int | None = len(tokenizer)
        special = [str(t) for t in tokenizer.added_tokens_decoder.values()]
        self._special = re.compile(
            "|".join(map(re.escape, sorted(special, key=len)[::-1])) or r"(?!)"
        )
        self._markers = self._harmony_markers()
        self._channel = next((t for t, name in self._markers.items() if name == "<|channel|>"), -1)
        self.stop_token_ids = self._stops()
        vocabulary = tokenizer.get_added_vocab()
        tags = (vocabulary.get("<think>"), vocabulary.get("</think>"))
        self._thinking = None if None in tags else tags
        self._options: dict[str, Any] = {}
        if "enable_thinking" in self._template:
            self._options["enable_thinking"] = spec.reasoning != "none"
        self._role = self._role_of_instructions() if self._template else "user"
        self._think_in_prompt = self._opens_thinking()

    def _harmony_markers(self) -> dict[int, str]:
        """The ids of harmony's special tokens, if the tokenizer has them all."""
        if self._spec.reasoning not in ("harmony", "auto"):
            return {}
        known = self._tokenizer.get_added_vocab()
        if not all(marker in known for marker in ("<|channel|>", "<|message|>", "<|end|>")):
            return {}
        names = (*MARKERS, "<|startoftext|>", "<|endoftext|>")
        return {known[name]: name for name in names if name in known}

    def _stops(self) -> tuple[int, ...]:
        ids = [token for token, name in self._markers.items() if name in ("<|return|>", "<|call|>")]
        end = self._tokenizer.eos_token_id
        if end is not None and end not in ids:
            ids.append(int(end))
        return tuple(ids)

    def _rendered(self, messages: list[dict[str, str]], effort: Effort | None) -> str:
        options = dict(self._options)
        if effort is not None and "reasoning_effort" in self._template:
            options["reasoning_effort"] = effort
        text: str = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **options
        )
        return text

    def _role_of_instructions(self) -> str:
        """The role in which instructions reach the model.

        Some templates raise on a system message (Gemma's first), some drop it silently; then they
        go before the user's first message, which is also where DeepSeek wants them.
        """
        if self._spec.instructions != "user":
            # Many templates render any role by its name; but for the system's, which every chat
            # model knows, only a role that the template speaks of is known to the model.
            roles = ["system"]
            if "developer" in self._template:
                roles.append("developer")
            for role in roles:
                try:
                    text = self._rendered(
                        [{"role": role, "content": _PROBE}, {"role": "user", "content": "?"}], None
                    )
                except Exception:  # jinja2's error, raised by the template on purpose
                    continue
                if _PROBE in text:
                    return role
        return "user"

    def _opens_thinking(self) -> bool:
        if not self._template:
            return False
        try:
            text = self._rendered([{"role": "user", "content": "?"}], None)
        except Exception:  # a template of which nothing can be learnt so
            return self._spec.think_in_prompt
        return text.rstrip().endswith("<think>")

    def render(
        self,
        messages: Sequence[Message],
        *,
        instructions: str | None = None,
        effort: Effort | None = None,
    ) -> list[int]:
        """The prompt's tokens by the chat template, or as plain text where there is none."""
        turns = [{"role": m.role, "content": self._hide(m.content)} for m in messages]
        if instructions:
            hidden = self._hide(instructions)
            if self._role == "user":
                _prepend(turns, hidden)
            else:
                turns.insert(0, {"role": self._role, "content": hidden})
        if self._template:
            if self._role == "user":
                turns = _without_system(turns)
            else:
                for turn in turns:
                    if turn["role"] in ("system", "developer"):
                        turn["role"] = self._role
            try:
                text = self._rendered(turns, effort)
            except Exception as error:  # jinja2's errors, which templates raise on purpose too
                roles = ", ".join(turn["role"] for turn in turns)
                raise EngineError(
                    f"the chat template of {self._spec.name} rejects a conversation of the roles "
                    f"{roles} ({error}); send it turns that the template takes"
                ) from error
        else:
            text = "\n\n".join(turn["content"] for turn in turns) + "\n"
        return self._encode(text)

    def _hide(self, text: str) -> str:
        """Mark what looks like a special token in a message, so that it stays text."""
        if _HOLE in text:
            text = text.replace(_HOLE, "\ufffd")
        return self._special.sub(lambda found: f"{_HOLE}{found[0]}{_HOLE}", text)

    def _encode(self, text: str) -> list[int]:
        tokens: list[int] = []
        for index, part in enumerate(text.split(_HOLE)):
            if part:
                tokens += self._tokenizer.encode(
                    part,
                    add_special_tokens=not self._template and index == 0,
                    split_special_tokens=bool(index % 2),
                )
        return tokens

    def parse(self, token_ids: Sequence[int], *, finish_reason: str | None) -> Parsed:
        """Tell the answer's reasoning from its final text."""
        if self._markers and (self._spec.reasoning == "harmony" or self._channel in token_ids):
            return parse_tokens(
                token_ids,
                markers=self._markers,
                decode=self._decode,
                finish_reason=finish_reason,
            )
        stops = set(self.stop_token_ids)
        kept = list(token_ids)
        while kept and kept[-1] in stops:
            kept.pop()
        reasoning = self._spec.reasoning
        parsed = parse_text(
            self._decode(kept, keep_special=reasoning != "none"),
            reasoning=reasoning,
            finish_reason=finish_reason,
            think_in_prompt=self._think_in_prompt,
        )
        if parsed.reasoning is None or self._thinking is None:
            return parsed
        return msgspec.structs.replace(
            parsed, reasoning_tokens=_length_of_thinking(kept, self._thinking)
        )

    def _decode(self, token_ids: Sequence[int], *, keep_special: bool = True) -> str:
        size = self.vocab_size or 0
        known = [t for t in token_ids if 0 <= t < size]
        text: str = self._tokenizer.decode(
            known, skip_special_tokens=not keep_special, clean_up_tokenization_spaces=False
        )
        return text

    def describe(self) -> dict[str, Any]:
        """JSON values that identify the format."""
        return {
            "format": self.format,
            "tokenizer": type(self._tokenizer).__name__,
            "vocabulary": self.vocab_size,
            "template_sha256": hashlib.sha256(self._template.encode()).hexdigest()[:16]
            if self._template
            else None,
            "instructions": self._role,
            **({"options": self._options} if self._options else {}),
        }


def _length_of_thinking(token_ids: list[int], tags: tuple[int, int]) -> int:
    """The number of tokens before the last closing tag, or of all where it is never closed."""
    opening, closing = tags
    end = len(token_ids)
    if closing in token_ids:
        end -= token_ids[::-1].index(closing) + 1
    return sum(token not in (opening, closing) for token in token_ids[:end])


def _template_text(tokenizer: Any) -> str:
    template = getattr(tokenizer, "chat_template", None)
    if isinstance(template, dict):
        template = template.get("default")
    return template if isinstance(template, str) else ""


def _prepend(turns: list[dict[str, str]], text: str) -> None:
    for turn in turns:
        if turn["role"] == "user":
            turn["content"] = f"{text}\n\n{turn['content']}"
            return
    turns.insert(0, {"role": "user", "content": text})


def _without_system(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """Move system messages into the user's next message, for templates that take none."""
    merged: list[dict[str, str]] = []
    waiting: list[str] = []
    for turn in turns:
        if turn["role"] in ("system", "developer"):
            waiting.append(turn["content"])
        elif waiting and turn["role"] == "user":
            merged.append({"role": "user", "content": "\n\n".join((*waiting, turn["content"]))})
            waiting = []
        else:
            merged.append(turn)
    if waiting:
        merged.append({"role": "user", "content": "\n\n".join(waiting)})
    return merged
