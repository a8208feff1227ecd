"""Harmony with gpt-oss's own vocabulary, rendered as the `openai-harmony` package renders it.

The package is the reference: the system message, which never changes within a run, is rendered by
it, and the tests hold whole prompts to its rendering token for token. The messages themselves are
assembled here, as building the package's pydantic objects costs three times what their tokens do.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_gptoss.errors import UsageError
from pytest_gptoss.prompts.channels import MARKERS, parse_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_gptoss.prompts.base import Parsed
    from pytest_gptoss.records import Effort, Message

__all__ = ["CONVERSATION_DATE", "VOCABULARY_SIZE", "HarmonyRenderer", "load_encoding"]

CONVERSATION_DATE = "2025-06-28"
"""The "Current date" of every prompt.

The default of servers is today, which changes each prompt of a benchmark overnight: completions
would differ, prefix caches miss, and a baseline be compared with other questions. This date is the
one in the example that the format's authors publish with it (https://github.com/openai/harmony).
"""

VOCABULARY_SIZE = 201_088
"""Rows of gpt-oss's embedding: o200k_base's 199,998 tokens, the special ones, and padding."""

_VOCABULARY_FILE = "o200k_base.tiktoken"
_HOST = "openaipublic.blob.core.windows.net"
_URL = f"https://{_HOST}/encodings/{_VOCABULARY_FILE}"
_HOW = (
    f"download {_URL} on a machine with network, put it into a folder and set "
    "TIKTOKEN_ENCODINGS_BASE to that folder"
)
_REACH_S = 3.0


def load_encoding() -> Any:
    """Load gpt-oss's encoding, from disk where it can be.

    `openai-harmony` looks into the folder that ``TIKTOKEN_ENCODINGS_BASE`` names, else into its
    cache (``TIKTOKEN_RS_CACHE_DIR``), else downloads. Its fork `oss-harmony`, which vLLM depends
    on, imports under the same name and carries the vocabulary with it. A download is attempted
    only where its host answers within seconds: behind a firewall that swallows packets the package
    itself would wait for half a minute.

    Raises:
        UsageError: The package or the vocabulary is missing; the sentence says how to get it.
    """
    base = os.environ.get("TIKTOKEN_ENCODINGS_BASE")
    if base is not None and not (Path(base) / _VOCABULARY_FILE).is_file():
        raise UsageError(
            f"TIKTOKEN_ENCODINGS_BASE is {base!r}, which holds no {_VOCABULARY_FILE}; {_HOW}"
        )
    if base is None and not _is_cached() and not _is_bundled() and not _is_reachable():
        raise UsageError(
            f"harmony prompts need gpt-oss's vocabulary, which is not on this machine, and {_HOST} "
            f"cannot be reached; {_HOW}"
        )
    return _load()


@functools.cache
def _load() -> Any:
    try:
        import openai_harmony
    except ImportError as error:
        raise UsageError(
            "harmony prompts need the package openai-harmony, which is not installed; "
            "run: pip install openai-harmony"
        ) from error
    try:
        return openai_harmony.load_harmony_encoding(
            openai_harmony.HarmonyEncodingName.HARMONY_GPT_OSS
        )
    except openai_harmony.HarmonyError as error:
        raise UsageError(f"gpt-oss's vocabulary could not be loaded ({error}); {_HOW}") from error


def _is_cached() -> bool:
    folder = os.environ.get("TIKTOKEN_RS_CACHE_DIR")
    cache = Path(folder) if folder else Path(tempfile.gettempdir()) / "tiktoken-rs-cache"
    name = hashlib.sha1(_URL.encode(), usedforsecurity=False).hexdigest()
    return (cache / name).is_file()


def _is_bundled() -> bool:
    try:
        importlib.metadata.version("oss-harmony")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _is_reachable() -> bool:
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")):
        return True  # the proxy, not this machine, resolves and connects
    found = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((_HOST, 443), timeout=_REACH_S).close()
        except OSError:
            return
        found.set()

    # In a thread of its own, as nothing else bounds the time that resolving a name may take.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(_REACH_S)
    return found.is_set()


class HarmonyRenderer:
    """Renders and parses harmony in gpt-oss's own tokens."""

    format = "harmony"
    vocab_size: int | None = VOCABULARY_SIZE

    def __init__(self) -> None:
        encoding = load_encoding()
        self._encoding = encoding
        self._ids = {marker: self._special(marker) for marker in MARKERS}
        self._markers = {token: marker for marker, token in self._ids.items()}
        for padding in ("<|startoftext|>", "<|endoftext|>"):
            self._markers[self._special(padding)] = padding
        self.stop_token_ids: tuple[int, ...] = (self._ids["<|return|>"], self._ids["<|call|>"])
        self._heads: dict[str, list[int]] = {}
        self._systems: dict[Effort, list[int]] = {}

    def _special(self, text: str) -> int:
        return int(self._encoding.encode(text, allowed_special={text})[0])

    def _text(self, text: str) -> list[int]:
        # `disallowed_special=()`: what looks like a special token in a question is its text.
        tokens: list[int] = self._encoding.encode(text, disallowed_special=())
        return tokens

    def _system(self, effort: Effort) -> list[int]:
        tokens = self._systems.get(effort)
        if tokens is None:
            import openai_harmony as harmony

            content = (
                harmony.SystemContent.new()
                .with_reasoning_effort(harmony.ReasoningEffort(effort.capitalize()))
                .with_conversation_start_date(CONVERSATION_DATE)
            )
            message = harmony.Message.from_role_and_content(harmony.Role.SYSTEM, content)
            tokens = self._systems[effort] = list(self._encoding.render(message))
        return tokens

    def _message(self, head: str, text: str) -> list[int]:
        tokens = self._heads.get(head)
        if tokens is None:
            role, _, channel = head.partition("/")
            tokens = [self._ids["<|start|>"], *self._text(role)]
            if channel:
                tokens += [self._ids["<|channel|>"], *self._text(channel)]
            tokens.append(self._ids["<|message|>"])
            self._heads[head] = tokens
        return [*tokens, *self._text(text), self._ids["<|end|>"]]

    def render(
        self,
        messages: Sequence[Message],
        *,
        instructions: str | None = None,
        effort: Effort | None = None,
    ) -> list[int]:
        """The prompt's tokens: system, developer, the conversation, and the assistant's turn.

        The system message is the format's own, so a ``system`` message of the conversation becomes
        a developer message, as in gpt-oss's chat template.
        """
        tokens = list(self._system(effort or "medium"))
        if instructions:
            tokens += self._message("developer", f"# Instructions\n\n{instructions}")
        for message in messages:
            if message.role in ("system", "developer"):
                tokens += self._message("developer", f"# Instructions\n\n{message.content}")
            elif message.role == "assistant":
                tokens += self._message("assistant/final", message.content)
            else:
                tokens += self._message(message.role, message.content)
        tokens += [self._ids["<|start|>"], *self._text("assistant")]
        return tokens

    def parse(self, token_ids: Sequence[int], *, finish_reason: str | None) -> Parsed:
        """Tell the answer's channels apart."""
        return parse_tokens(
            token_ids, markers=self._markers, decode=self._decode, finish_reason=finish_reason
        )

    def _decode(self, token_ids: Sequence[int]) -> str:
        try:
            text: str = self._encoding.decode(list(token_ids))
        except Exception:  # the package's own error, or an id that is no 32-bit number
            known = [t for t in token_ids if 0 <= t < VOCABULARY_SIZE]
            text = self._encoding.decode(known) + "\ufffd" * (len(token_ids) - len(known))
        return text

    def describe(self) -> dict[str, Any]:
        """JSON values that identify the format."""
        system = self._encoding.decode(self._system("medium"))
        return {
            "format": self.format,
            "tokenizer": "o200k_harmony",
            "conversation_date": CONVERSATION_DATE,
            "template_sha256": hashlib.sha256(system.encode()).hexdigest()[:16],
            "package": _package(),
        }


def _package() -> str:
    for name in ("oss-harmony", "openai-harmony"):
        try:
            return f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return "openai-harmony"
